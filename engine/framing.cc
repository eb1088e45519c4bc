// See framing.h.
#include "engine/framing.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "proto/http_response.h"

namespace broadside {
namespace {

constexpr std::string_view kChunkEnd = "\r\n";

}  // namespace

void FramingBuffer::clear() {
  used_ = 0;
  records_.clear();
}

void FramingBuffer::Reader::copy(char* out, std::size_t bytes) {
  while (bytes > 0) {
    const iovec& range = ranges.front();
    const std::size_t count = std::min(bytes, range.iov_len - offset);
    std::memcpy(out, static_cast<const char*>(range.iov_base) + offset, count);
    out += count;
    bytes -= count;
    offset += count;
    if (offset < range.iov_len) continue;
    ranges = ranges.subspan(1);
    offset = 0;
  }
}

void FramingBuffer::add_record(StreamSealer* sealer, Reader& reader, std::size_t plain_bytes, bool is_chunk) {
  char* const record = bytes_.get() + used_;
  char* const content = record + (sealer != nullptr ? sealer->header_bytes() : 0);
  char* end = content;
  if (is_chunk) end += write_chunk_line(end, plain_bytes);
  reader.copy(end, plain_bytes);
  end += plain_bytes;
  if (is_chunk) end = std::copy(kChunkEnd.begin(), kChunkEnd.end(), end);
  if (sealer != nullptr) {
    sealer->seal(record, static_cast<std::size_t>(end - content));
    end += sealer->trailer_bytes();
  }
  const auto bytes = static_cast<std::uint32_t>(end - record);
  BROADSIDE_ASSERT(bytes <= kRecordBytesMax);
  used_ += bytes;
  records_.push_back(Record{.bytes = bytes, .plain_bytes = static_cast<std::uint32_t>(plain_bytes)});
}

Framed FramingBuffer::frame(const Connection& connection, const Plain& plain) {
  BROADSIDE_ASSERT(has_room());
  BROADSIDE_ASSERT(connection.is_framed);
  // Not cleared: what is never used stays untouched.
  if (bytes_ == nullptr) bytes_.reset(new char[kBytes]);
  const std::size_t begin = used_;
  Framed framed{.record_begin = static_cast<std::uint32_t>(records_.size())};
  std::uint64_t plain_bytes = plain.bytes;
  if (const OwnBytes* rest = connection.extras->rest.get(); rest != nullptr) {
    const std::size_t count = std::min(rest->left(), kRecordBytesMax);
    std::memcpy(bytes_.get() + used_, rest->bytes.data() + rest->sent, count);
    used_ += count;
    framed.rest_bytes = static_cast<std::uint32_t>(count);
    if (count < rest->left()) plain_bytes = 0;  // More than a record only where answers went before the stream.
  }
  StreamSealer* sealer = connection.extras->sealer.get();
  const std::size_t content_bytes_max =
      sealer != nullptr ? std::min(kContentBytesMax, sealer->content_bytes_max()) : kContentBytesMax;
  Reader reader{.ranges = plain.ranges};
  while (framed.plain_bytes < plain_bytes && framed.record_count < kRecordsMax) {
    const std::uint64_t at = framed.plain_bytes;
    const bool is_own = at >= plain.own_begin && at < plain.own_end;
    const std::uint64_t end = is_own ? plain.own_end : at < plain.own_begin ? plain.own_begin : plain.bytes;
    const bool is_chunk = connection.is_chunked && !is_own;
    const std::size_t room = is_chunk ? content_bytes_max - kChunkLineBytesMax - kChunkEnd.size() : content_bytes_max;
    // What is not in chunks does not care where own bytes end.
    const std::uint64_t left = (connection.is_chunked ? end : plain.bytes) - at;
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, room));
    add_record(sealer, reader, count, is_chunk);
    framed.plain_bytes += count;
    ++framed.record_count;
  }
  framed.range = iovec{.iov_base = bytes_.get() + begin, .iov_len = used_ - begin};
  return framed;
}

std::uint64_t FramingBuffer::settle(const Framed& framed, Connection& connection, std::uint64_t sent) {
  BROADSIDE_ASSERT(sent <= framed.range.iov_len);
  Extras& extras = *connection.extras;
  const auto* at = static_cast<const char*>(framed.range.iov_base) + framed.rest_bytes;
  if (framed.rest_bytes > 0) {
    const std::uint64_t taken = std::min<std::uint64_t>(sent, framed.rest_bytes);
    extras.rest->sent += taken;
    if (extras.rest->left() == 0) extras.rest.reset();
    sent -= taken;
  }
  std::uint64_t plain_bytes = 0;
  for (std::uint32_t i = 0; i < framed.record_count; ++i) {
    if (sent == 0) {
      if (extras.sealer != nullptr) extras.sealer->take_back(framed.record_count - i);
      break;
    }
    const Record& record = records_[framed.record_begin + i];
    const std::uint64_t taken = std::min<std::uint64_t>(sent, record.bytes);
    if (taken < record.bytes) {
      extras.rest = std::make_unique<OwnBytes>();
      extras.rest->bytes.assign(at + taken, record.bytes - taken);
    }
    sent -= taken;
    at += record.bytes;
    plain_bytes += record.plain_bytes;
  }
  return plain_bytes;
}

}  // namespace broadside
