// Fuzzes what says whom somebody else has connected for: the input is the begin of a connection (PROXY protocol), and its lines
// are the X-Forwarded-For fields of a request, addresses and networks.
#include <optional>
#include <string>
#include <vector>

#include "proto/forwarded_for.h"
#include "proto/limits.h"
#include "proto/proxy_header.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using namespace broadside;
using namespace broadside::fuzz;

bool is_same(const ProxyHeader& a, const ProxyHeader& b) {
  return a.outcome == b.outcome && a.consumed == b.consumed && a.source == b.source && a.source_port == b.source_port &&
         std::string_view(a.detail) == b.detail;
}

void check_proxy_header(std::string_view input) {
  const ProxyHeader whole = parse_proxy_header(ExactBytes(input).view());
  const std::string_view begin = input.substr(0, kProxyHeaderBytesMax + 1);
  const ParseOutcome signature = match_proxy_signature(begin);
  require(whole.consumed <= begin.size() && (whole.consumed > 0) == (whole.outcome == ParseOutcome::complete));
  require((*whole.detail != 0) == (whole.outcome == ParseOutcome::refused));
  if (signature != ParseOutcome::complete) require(whole.outcome == signature);
  if (whole.outcome == ParseOutcome::need_more) require(input.size() < kProxyHeaderBytesMax);
  // What comes piece by piece is understood in the same way.
  for (std::size_t length = 0; length < begin.size(); ++length) {
    const ProxyHeader begun = parse_proxy_header(ExactBytes(begin.substr(0, length)).view());
    if (begun.outcome == ParseOutcome::need_more) continue;
    require(is_same(begun, whole));
    break;
  }
}

void check_address(std::string_view text) {
  const ExactBytes exact(text);
  if (const auto address = parse_ip_address(exact.view())) {
    require(parse_ip_address(to_text(*address)) == address);
    require(parse_ip_address_and_port(exact.view()) == address);
  }
  const Result<IpNetwork> network = parse_ip_network(exact.view());
  if (!network) return require(!network.error().message.empty());
  require(network->contains(network->address));
  require(parse_ip_network(to_text(*network)).value() == *network);
}

// All fields as one text, its elements from the last to the first.
std::optional<IpAddress> source_by_model(std::string_view list, std::span<const IpNetwork> trusted) {
  std::vector<std::string_view> elements;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find_first_of(",\n", begin), list.size());
    elements.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  std::optional<IpAddress> source;
  for (auto element = elements.rbegin(); element != elements.rend(); ++element) {
    const std::size_t first = std::min(element->find_first_not_of(" \t"), element->size());
    const std::size_t last = element->find_last_not_of(" \t");
    const auto address = parse_ip_address_and_port(element->substr(first, last - first + 1));
    if (!address) break;
    source = address;
    if (!contains(trusted, *address)) break;
  }
  return source;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > kInputBytesMax) return 0;
  const std::string_view input = as_text(data, size);
  check_proxy_header(input);
  static const IpNetwork trusted[] = {parse_ip_network("10.0.0.0/8").value(), parse_ip_network("fd00::/8").value()};
  std::vector<Header> headers;
  for (std::string_view rest = input; !rest.empty();) {
    const std::string_view line = take_line(rest);
    check_address(line);
    headers.push_back({.name = "X-Forwarded-For", .value = line});
  }
  const std::string_view list = input.ends_with('\n') ? input.substr(0, input.size() - 1) : input;
  require(forwarded_source(headers, trusted) == (headers.empty() ? std::nullopt : source_by_model(list, trusted)));
  return 0;
}
