// See toy_transport.h.
#include "tests/support/toy_transport.h"

#include <algorithm>
#include <cstring>

namespace broadside::test {
namespace {

void scramble(char* bytes, std::size_t count, std::uint32_t number) {
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<char>(bytes[i] ^ static_cast<char>(number * 31 + i * 7 + 1));
}

std::uint32_t checksum(std::string_view bytes, std::uint32_t number) {
  std::uint32_t sum = number ^ 0x9e3779b9U;
  for (const char byte : bytes) sum = sum * 16'777'619U + static_cast<unsigned char>(byte);
  return sum;
}

template <typename Number>
Number number_at(const char* at) {
  Number number = 0;
  std::memcpy(&number, at, sizeof number);
  return number;
}

}  // namespace

void ToySealer::seal_as(ToyRecord type, char* record, std::size_t bytes) {
  record[0] = static_cast<char>(type);
  std::memcpy(record + 1, &number_, sizeof number_);
  const auto length = static_cast<std::uint16_t>(bytes);
  std::memcpy(record + 5, &length, sizeof length);
  scramble(record + kHeaderBytes, bytes, number_);
  const std::uint32_t sum = checksum({record, kHeaderBytes + bytes}, number_);
  std::memcpy(record + kHeaderBytes + bytes, &sum, sizeof sum);
  ++number_;
}

void ToySealer::append(ToyRecord type, std::string_view content, std::string& out) {
  std::string record(kHeaderBytes + content.size() + kTrailerBytes, '\0');
  content.copy(record.data() + kHeaderBytes, content.size());
  seal_as(type, record.data(), content.size());
  out += record;
}

std::size_t ToyOpener::missing_bytes() const {
  std::size_t whole = ToySealer::kHeaderBytes + ToySealer::kTrailerBytes;
  if (pending_.size() >= ToySealer::kHeaderBytes) whole += number_at<std::uint16_t>(pending_.data() + 5);
  return whole - pending_.size();
}

void ToyOpener::feed(std::string_view bytes, std::string& plain) {
  pending_ += bytes;
  while (violation_.empty() && pending_.size() >= ToySealer::kHeaderBytes + ToySealer::kTrailerBytes) {
    const auto length = number_at<std::uint16_t>(pending_.data() + 5);
    const std::size_t end = ToySealer::kHeaderBytes + length;
    if (number_at<std::uint32_t>(pending_.data() + 1) != number_) violation_ = "a record has another's number";
    if (is_ended_) violation_ = "a record comes behind the end";
    if (!violation_.empty() || pending_.size() < end + ToySealer::kTrailerBytes) return;
    const std::uint32_t sum = checksum(std::string_view(pending_).substr(0, end), number_);
    if (number_at<std::uint32_t>(pending_.data() + end) != sum) {
      violation_ = "a record's checksum is wrong";
      return;
    }
    if (pending_.front() == static_cast<char>(ToyRecord::hello)) has_hello_ = true;
    if (pending_.front() == static_cast<char>(ToyRecord::end)) is_ended_ = true;
    std::string content = pending_.substr(ToySealer::kHeaderBytes, length);
    scramble(content.data(), content.size(), number_);
    plain += content;
    pending_.erase(0, end + ToySealer::kTrailerBytes);
    ++number_;
  }
}

Transport::Outcome ToyTransport::on_received(std::string_view bytes, std::string& plain, std::string& out) noexcept {
  opener_.feed(bytes, plain);
  if (!opener_.violation().empty()) return Outcome::failed;
  if (opener_.has_hello() && !has_answered_) {
    has_answered_ = true;
    sealer_.append(ToyRecord::hello, {}, out);
  }
  return opener_.is_ended() ? Outcome::ended : Outcome::open;
}

bool ToyTransport::seal(std::string_view plain, std::string& out) noexcept {
  for (; !plain.empty(); plain.remove_prefix(std::min<std::size_t>(plain.size(), 1000))) {
    sealer_.append(ToyRecord::data, plain.substr(0, 1000), out);
  }
  return true;
}

}  // namespace broadside::test
