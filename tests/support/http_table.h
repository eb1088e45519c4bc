// Tables of raw requests and what must come back, over real connections: each row is tried whole and byte by byte, and every
// answer is held to what RFC 9110 and 9112 ask of all of them. The server needs --diagnostic-echo.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace broadside::test {

struct HttpRow {
  const char* rule;     // The section, and its sentence in short.
  std::string sent;     // `{host}` is replaced by the server's address.
  const char* answers;  // Statuses in order, and what becomes of the connection: "200 404 open", "100 200 open", "400 closed".
};

[[nodiscard]] std::string with_host(std::string text, const std::string& host);
// Requests with `lines` (each with CRLF) behind Host.
std::string get_with(const std::string& lines, const std::string& target = "/healthz");
std::string post_with(const std::string& lines, const std::string& body = "", const std::string& target = "/events/a");

enum class AfterSending : std::uint8_t {
  ask_more,    // One more request on the connection tells whether it is open, and still in step.
  half_close,  // The client ends: what is open then is closed as well.
};

// Expects every row's answers.
void expect_answers(std::uint16_t port, const std::vector<HttpRow>& rows, AfterSending after = AfterSending::ask_more);

}  // namespace broadside::test
