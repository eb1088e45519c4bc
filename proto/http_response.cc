#include "proto/http_response.h"

#include <charconv>

#include "base/assert.h"
#include "proto/json_text.h"

namespace broadside {
namespace {

void append_number(std::string& out, std::uint64_t number) {
  char digits[20];  // 2^64 has 20.
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

void append_two_digits(std::string& out, std::int64_t number) {
  out += static_cast<char>('0' + number / 10 % 10);
  out += static_cast<char>('0' + number % 10);
}

struct Date {
  std::int64_t year;
  std::int64_t month;  // 1 to 12.
  std::int64_t day;    // 1 to 31.
};

// The Gregorian date of a day counted from 1970-01-01. Years are taken to begin in March, so that the leap day is the last
// of its year; 719468 days lie between 0000-03-01 and 1970-01-01, 146097 in 400 years.
Date date_of(std::int64_t days_since_1970) {
  const std::int64_t days = days_since_1970 + 719468;
  const std::int64_t era = days / 146097;
  const std::int64_t day_of_era = days % 146097;
  const std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month_from_march = (5 * day_of_year + 2) / 153;  // Five months have 153 days, from March on.
  const std::int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  const std::int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  return Date{.year = era * 400 + year_of_era + (month <= 2 ? 1 : 0), .month = month, .day = day};
}

struct Reason {
  int status;
  std::string_view phrase;
};

constexpr Reason kReasons[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

}  // namespace

std::string_view reason_phrase(int status) {
  for (const Reason& reason : kReasons) {
    if (reason.status == status) return reason.phrase;
  }
  return "Unknown";
}

void append_response(std::string& out, int status, std::string_view extra_headers, std::string_view content_type,
                     std::string_view body, bool keep_alive, bool is_head, std::string_view date) {
  BROADSIDE_ASSERT(status >= 100 && status <= 599);
  BROADSIDE_ASSERT(extra_headers.empty() || extra_headers.ends_with("\r\n"));
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::uint64_t>(status));
  out += ' ';
  out += reason_phrase(status);
  out += "\r\n";
  if (status < 200) {
    out += extra_headers;
    out += "\r\n";
    return;
  }
  out += "Date: ";
  out += date;
  out += "\r\nCache-Control: no-store\r\n";
  out += extra_headers;
  if (!keep_alive) out += "Connection: close\r\n";
  // RFC 9110 8.6: no Content-Length with 204.
  if (status == 204) {
    out += "\r\n";
    return;
  }
  if (!content_type.empty()) {
    out += "Content-Type: ";
    out += content_type;
    out += "\r\n";
  }
  out += "Content-Length: ";
  append_number(out, body.size());
  out += "\r\n\r\n";
  if (!is_head) out += body;
}

std::size_t write_chunk_line(char* out, std::size_t chunk_bytes) {
  char* const digits_end = std::to_chars(out, out + kChunkLineBytesMax - 2, chunk_bytes, 16).ptr;
  digits_end[0] = '\r';
  digits_end[1] = '\n';
  return static_cast<std::size_t>(digits_end - out) + 2;
}

void append_chunk(std::string& out, std::string_view bytes) {
  if (bytes.empty()) return;
  char line[kChunkLineBytesMax];
  out.append(line, write_chunk_line(line, bytes.size()));
  out += bytes;
  out += "\r\n";
}

std::string problem_json(int status, std::string_view detail) {
  std::string json = R"({"type":"about:blank","title":)";
  append_json_string(json, reason_phrase(status));
  json += R"(,"status":)";
  append_number(json, static_cast<std::uint64_t>(status));
  json += R"(,"detail":)";
  append_json_string(json, detail);
  json += '}';
  return json;
}

std::string http_date(std::int64_t unix_seconds) {
  BROADSIDE_ASSERT(unix_seconds >= 0);
  constexpr std::int64_t kSecondsPerDay = 86400;
  constexpr std::string_view kDays("ThuFriSatSunMonTueWed");  // 1970-01-01 was a Thursday.
  constexpr std::string_view kMonths("JanFebMarAprMayJunJulAugSepOctNovDec");
  const std::int64_t days = unix_seconds / kSecondsPerDay;
  const std::int64_t second_of_day = unix_seconds % kSecondsPerDay;
  const Date date = date_of(days);
  BROADSIDE_ASSERT(date.year <= 9999);
  std::string text;
  text.reserve(29);  // Every IMF-fixdate has 29 bytes.
  text += kDays.substr(static_cast<std::size_t>(days % 7) * 3, 3);
  text += ", ";
  append_two_digits(text, date.day);
  text += ' ';
  text += kMonths.substr(static_cast<std::size_t>(date.month - 1) * 3, 3);
  text += ' ';
  append_two_digits(text, date.year / 100);
  append_two_digits(text, date.year % 100);
  text += ' ';
  append_two_digits(text, second_of_day / 3600);
  text += ':';
  append_two_digits(text, second_of_day / 60 % 60);
  text += ':';
  append_two_digits(text, second_of_day % 60);
  text += " GMT";
  return text;
}

}  // namespace broadside
