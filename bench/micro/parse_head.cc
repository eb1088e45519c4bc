// What reading a request head costs: a publisher's few fields, and a browser's many with a cookie.
#include <benchmark/benchmark.h>

#include <string>

#include "proto/http_request.h"

namespace broadside {
namespace {

constexpr std::size_t kHeadBytesMax = 16 << 10;

std::string publisher_head() {
  return "POST /events/prices HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: text/plain\r\nContent-Length: 256\r\n\r\n";
}

std::string browser_head() {
  return "GET /events/prices?last_event_id=1700000000000-17 HTTP/1.1\r\nHost: events.example.com\r\n"
         "Connection: keep-alive\r\nsec-ch-ua: \"Chromium\";v=\"128\", \"Not;A=Brand\";v=\"24\"\r\n"
         "sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\n"
         "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36\r\n"
         "Accept: text/event-stream\r\nCache-Control: no-cache\r\nOrigin: https://app.example.com\r\n"
         "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nReferer: https://app.example.com/\r\n"
         "Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\nCookie: session=" +
         std::string(400, 'c') + "\r\n\r\n";
}

// `piece` bytes at a time, as they may come from the network; 0 = at once.
void parse(benchmark::State& state, const std::string& bytes, std::size_t piece) {
  HeadParser parser;
  RequestHead head;
  for (auto _ : state) {
    HeadParser::Result result;
    for (std::size_t end = piece == 0 ? bytes.size() : piece;; end += piece) {
      result = parser.parse(std::string_view(bytes).substr(0, end), head, kHeadBytesMax);
      if (result.outcome != ParseOutcome::need_more) break;
    }
    if (result.outcome != ParseOutcome::complete) state.SkipWithError("the head was refused");
    benchmark::DoNotOptimize(head.path.data());
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}

BENCHMARK_CAPTURE(parse, publisher, publisher_head(), 0);
BENCHMARK_CAPTURE(parse, browser, browser_head(), 0);
BENCHMARK_CAPTURE(parse, browser_byte_by_byte, browser_head(), 1);

}  // namespace
}  // namespace broadside
