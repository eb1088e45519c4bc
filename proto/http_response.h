// Writes whole responses with a known body, and the problem documents of refusals. The heads of streams are the engine's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace broadside {

// RFC 9110's words for `status`; "Unknown" for one that Broadside never sends.
[[nodiscard]] std::string_view reason_phrase(int status);

// Appends a response: status line, Date, Cache-Control: no-store, `extra_headers`, Content-Type, Content-Length, `Connection:
// close` unless keep_alive, and the body unless is_head. 1xx and 204 have neither body nor Content-*; 1xx only the status line.
// Requires: `extra_headers` is empty or complete lines, each with its CRLF; `date` is http_date()'s. An empty `content_type`
// (with an empty body) leaves Content-Type out.
void append_response(std::string& out, int status, std::string_view extra_headers, std::string_view content_type,
                     std::string_view body, bool keep_alive, bool is_head, std::string_view date);

constexpr std::string_view kStreamContentType = "text/event-stream";
// A chunk of a chunked body (RFC 9112 7.1) is a line with its length, its bytes, and CRLF; the last one is kLastChunk.
constexpr std::size_t kChunkLineBytesMax = 18;
constexpr std::string_view kLastChunk = "0\r\n\r\n";
// Writes the line; returns its length.
std::size_t write_chunk_line(char* out, std::size_t chunk_bytes);
// Appends a whole chunk; nothing if there are no bytes.
void append_chunk(std::string& out, std::string_view bytes);

constexpr std::string_view kProblemContentType = "application/problem+json";

// An RFC 9457 problem document: {"type":"about:blank","title":...,"status":...,"detail":...}.
[[nodiscard]] std::string problem_json(int status, std::string_view detail);

// An IMF-fixdate (RFC 9110 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`. Requires: 0 <= unix_seconds, before the year 10000.
[[nodiscard]] std::string http_date(std::int64_t unix_seconds);

}  // namespace broadside
