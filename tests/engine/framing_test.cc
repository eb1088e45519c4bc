// Records of what is not shared: what comes out of them for every split, and that those the kernel did not begin have never been.
#include "engine/framing.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/toy_transport.h"

namespace broadside {
namespace {

using test::ToyOpener;
using test::ToySealer;

class FramingTest : public ::testing::Test {
 protected:
  FramingTest() { connection_.make_extras(); }
  ~FramingTest() override = default;

  void make_chunked() { connection_.is_chunked = connection_.is_framed = true; }
  void make_sealed(std::size_t content_bytes_max = 8192) {
    connection_.extras->sealer = std::make_unique<ToySealer>(0, content_bytes_max);
    connection_.is_framed = true;
  }
  Framed frame(std::string_view bytes, std::uint64_t own_begin = 0, std::uint64_t own_end = 0) {
    range_ = iovec{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
    const std::span<const iovec> ranges(&range_, bytes.empty() ? 0 : 1);
    return buffer_.frame(connection_, {.ranges = ranges, .bytes = bytes.size(), .own_begin = own_begin, .own_end = own_end});
  }
  static std::string_view bytes_of(const Framed& framed) {
    return {static_cast<const char*>(framed.range.iov_base), framed.range.iov_len};
  }
  std::size_t rest_bytes() const { return connection_.extras->rest == nullptr ? 0 : connection_.extras->rest->left(); }

  iovec range_{};
  Connection connection_;
  FramingBuffer buffer_;
};

TEST_F(FramingTest, puts_frames_into_chunks_and_own_bytes_as_they_are) {
  make_chunked();
  EXPECT_EQ(bytes_of(frame("abcHEADdef", 3, 7)), "3\r\nabc\r\nHEAD3\r\ndef\r\n");
  buffer_.clear();
  EXPECT_EQ(bytes_of(frame("HEAD", 0, 4)), "HEAD");
  buffer_.clear();
  EXPECT_EQ(bytes_of(frame(std::string(300, 'x'))), "12c\r\n" + std::string(300, 'x') + "\r\n");
}

TEST_F(FramingTest, gathers_ranges_into_one_record) {
  make_sealed();
  std::string parts[] = {"one ", "", "two ", "three"};
  std::vector<iovec> ranges;
  for (std::string& part : parts) ranges.push_back({.iov_base = part.data(), .iov_len = part.size()});
  const Framed framed = buffer_.frame(connection_, {.ranges = ranges, .bytes = 13});
  EXPECT_EQ(framed.record_count, 1U);
  ToyOpener opener;
  std::string plain;
  opener.feed(bytes_of(framed), plain);
  EXPECT_EQ(plain, "one two three");
}

TEST_F(FramingTest, goes_on_after_every_possible_split_of_several_records) {
  std::string bytes;
  for (std::size_t i = 0; i < 2 * FramingBuffer::kContentBytesMax + 100; ++i) bytes += static_cast<char>('a' + i % 26);
  make_sealed();
  const std::size_t all = bytes_of(frame(bytes)).size();
  for (std::size_t sent = 0; sent <= all; sent += sent % 4032 < 60 || sent % 4032 > 3990 ? 1 : 37) {
    make_sealed();
    connection_.extras->rest.reset();
    buffer_.clear();
    ToyOpener opener;
    std::string plain;
    Framed framed = frame(bytes);
    opener.feed(bytes_of(framed).substr(0, sent), plain);
    std::uint64_t done = buffer_.settle(framed, connection_, sent);
    EXPECT_GE(done, plain.size());
    EXPECT_LE(rest_bytes(), FramingBuffer::kContentBytesMax + ToySealer::kHeaderBytes + ToySealer::kTrailerBytes);
    EXPECT_EQ(rest_bytes() > 0, opener.is_inside_record());
    // Nothing, then a byte, then all.
    for (const std::size_t taken : {std::size_t{0}, std::size_t{1}, all}) {
      buffer_.clear();
      framed = frame(std::string_view(bytes).substr(done));
      const std::size_t count = std::min(taken, framed.range.iov_len);
      opener.feed(bytes_of(framed).substr(0, count), plain);
      done += buffer_.settle(framed, connection_, count);
    }
    ASSERT_EQ(opener.violation(), "") << sent;
    ASSERT_EQ(plain, bytes) << sent;
    ASSERT_EQ(done, bytes.size());
    ASSERT_EQ(connection_.extras->rest, nullptr);
  }
}

TEST_F(FramingTest, fills_records_with_what_the_peer_takes) {
  make_sealed(100);
  const Framed framed = frame(std::string(250, 'x'));
  EXPECT_EQ(framed.record_count, 3U);
  EXPECT_EQ(framed.plain_bytes, 250U);
  buffer_.clear();
  make_chunked();
  const std::string bytes(250, 'x');
  ToyOpener opener;
  std::string plain;
  connection_.extras->sealer = std::make_unique<ToySealer>(0, 100);
  opener.feed(bytes_of(frame(bytes)), plain);
  EXPECT_EQ(plain, "50\r\n" + std::string(80, 'x') + "\r\n50\r\n" + std::string(80, 'x') + "\r\n50\r\n" + std::string(80, 'x') +
                       "\r\na\r\n" + std::string(10, 'x') + "\r\n");
}

TEST_F(FramingTest, takes_no_more_of_one_visit_than_its_bound) {
  make_sealed();
  const std::string bytes(1 << 20, 'x');
  const Framed framed = frame(bytes);
  EXPECT_EQ(framed.record_count, FramingBuffer::kRecordsMax);
  EXPECT_EQ(framed.plain_bytes, FramingBuffer::kPlainBytesMax);
  EXPECT_EQ(buffer_.settle(framed, connection_, framed.range.iov_len), FramingBuffer::kPlainBytesMax);
}

TEST_F(FramingTest, has_room_until_the_next_visit_might_not_fit) {
  make_sealed();
  const std::string bytes(1 << 20, 'x');
  std::size_t half = 0;
  std::size_t visits = 0;
  for (; buffer_.has_room(); ++visits) {
    if (buffer_.has_room(1, 2)) ++half;
    frame(bytes);
  }
  EXPECT_GE(visits, 6U);
  EXPECT_LE(half, visits / 2);
  EXPECT_GE(half, 1U);
  buffer_.clear();
  EXPECT_TRUE(buffer_.has_room());
}

TEST_F(FramingTest, sends_a_rest_of_many_records_before_it_makes_another) {
  make_sealed();
  const std::string rest(300'000, 'r');
  connection_.extras->rest = std::make_unique<OwnBytes>(OwnBytes{.bytes = rest});
  std::string sent;
  std::uint64_t done = 0;
  while (connection_.extras->rest != nullptr) {
    buffer_.clear();
    const Framed framed = frame("behind it");
    EXPECT_LE(framed.range.iov_len, 8192U);
    sent += bytes_of(framed);
    done += buffer_.settle(framed, connection_, framed.range.iov_len);
  }
  EXPECT_EQ(done, 9U);
  ToyOpener opener;
  std::string plain;
  opener.feed(std::string_view(sent).substr(rest.size()), plain);
  EXPECT_EQ(sent.substr(0, rest.size()), rest);
  EXPECT_EQ(plain, "behind it");
}

}  // namespace
}  // namespace broadside
