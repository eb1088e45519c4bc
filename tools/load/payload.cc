#include "tools/load/payload.h"

#include <bit>
#include <cstring>
#include <limits>

#include "base/assert.h"

namespace broadside::tools::load {
namespace {

// "bsl." run(8) topic(8) sequence(8) due(16): a letter from a to p for each four bits, so that eight are read at once.
constexpr std::string_view kMark = "bsl.";
constexpr std::size_t kDigits = 8;
static_assert(kMark.size() + 5 * kDigits == kPayloadBytesMin);

void append_digits(std::string& out, std::uint32_t value) {
  for (std::size_t left = kDigits; left-- > 0;) out += static_cast<char>('a' + (value >> (4 * left) & 15));
}

// Eight letters as a number; `wrong` becomes other than 0 if one is none of a to p. A load client reads millions a second.
std::uint32_t read_digits(const char* at, std::uint64_t& wrong) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  word -= 0x6161616161616161;
  wrong |= word & 0xf0f0f0f0f0f0f0f0;
  // Neighbours are joined: bytes of four bits to bytes, these to pairs, these to the number. The first letter is the highest.
  word = (word & 0x000f000f000f000f) << 4 | (word >> 8 & 0x000f000f000f000f);
  word = (word & 0x000000ff000000ff) << 8 | (word >> 16 & 0x000000ff000000ff);
  return static_cast<std::uint32_t>((word & 0xffff) << 16 | word >> 32);
}

}  // namespace

void append_payload(std::string& out, const Payload& payload, std::size_t bytes) {
  BROADSIDE_ASSERT(bytes >= kPayloadBytesMin);
  const auto due = static_cast<std::uint64_t>(payload.due / kMicrosecond);
  out += kMark;
  for (const std::uint64_t value :
       {std::uint64_t{payload.run}, std::uint64_t{payload.topic}, payload.sequence, due >> 32, due & UINT32_MAX}) {
    append_digits(out, static_cast<std::uint32_t>(value));
  }
  out.append(bytes - kPayloadBytesMin, 'x');
}

std::optional<Payload> find_payload(std::string_view data) {
  if (data.size() < kMark.size() || std::memcmp(data.data(), kMark.data(), kMark.size()) != 0) {
    const std::size_t begin = data.find(kMark);
    if (begin == std::string_view::npos) return std::nullopt;
    data.remove_prefix(begin);
  }
  if (data.size() < kPayloadBytesMin) return std::nullopt;
  const char* const at = data.data() + kMark.size();
  std::uint64_t wrong = 0;
  Payload payload;
  payload.run = read_digits(at, wrong);
  payload.topic = read_digits(at + kDigits, wrong);
  payload.sequence = read_digits(at + 2 * kDigits, wrong);
  const std::uint64_t due_high = read_digits(at + 3 * kDigits, wrong);
  const std::uint64_t due = due_high << 32 | read_digits(at + 4 * kDigits, wrong);
  constexpr auto kDueMax = static_cast<std::uint64_t>(std::numeric_limits<Nanos>::max() / kMicrosecond);
  if (wrong != 0 || due > kDueMax) return std::nullopt;
  payload.due = static_cast<Nanos>(due) * kMicrosecond;
  return payload;
}

}  // namespace broadside::tools::load
