// See answer.h.
#include "hub/answer.h"

#include <utility>

#include "proto/http_response.h"
#include "proto/json_text.h"
#include "proto/position.h"

namespace broadside::hub {
namespace {

int status_of(Error::Code code) {
  switch (code) {
    case Error::Code::invalid_argument:
      return 400;
    case Error::Code::too_large:
      return 413;
    case Error::Code::address_in_use:
    case Error::Code::unavailable:
    case Error::Code::out_of_memory:
    case Error::Code::stopped:
      return 503;
  }
  return 500;
}

}  // namespace

Response problem(int status, std::string_view detail, std::string headers) {
  return {.status = status,
          .headers = std::move(headers),
          .content_type = std::string(kProblemContentType),
          .body = problem_json(status, detail)};
}

Response answer_of(SendOutcome outcome) {
  switch (outcome) {
    case SendOutcome::taken:
      return {.status = 202, .headers = {}, .body = "{}"};
    case SendOutcome::unknown:
      return problem(404, "there is no such connection");
    case SendOutcome::too_large:
      return problem(413, "an event to one connection is at most 64 KiB");
    case SendOutcome::full:
      return problem(429, "the connection's buffer is full");
  }
  return problem(404, "there is no such connection");
}

Response answer_of(RenewOutcome outcome) {
  switch (outcome) {
    case RenewOutcome::renewed:
      return json_answer("{}");
    case RenewOutcome::unknown:
      return problem(404, "there is no such connection");
    case RenewOutcome::refused:
      return problem(403, "the token is not of the subject, or not for all topics, of this connection");
  }
  return problem(404, "there is no such connection");
}

Response problem_of(const Error& error, std::string_view prefix) {
  const int status = status_of(error.code);
  return problem(status, std::string(prefix) + error.message, status == 503 ? "Retry-After: 1\r\n" : "");
}

Response refusal_of(const Verdict& verdict, std::string_view prefix) {
  return problem(verdict.status, std::string(prefix) + verdict.detail, verdict.headers);
}

Response json_answer(std::string body) { return {.status = 200, .headers = {}, .body = std::move(body)}; }

std::string id_of(const Published& published, std::string_view own_id) {
  return own_id.empty() ? to_string(published.position) : std::string(own_id);
}

std::string published_json(const Published& published, std::string_view own_id) {
  std::string json = "{\"id\":";
  append_json_string(json, id_of(published, own_id));
  json += ",\"position\":\"" + to_string(published.position) + "\",\"subscribers\":" + std::to_string(published.subscribers);
  if (published.is_duplicate) json += ",\"duplicate\":true";
  json += '}';
  return json;
}

}  // namespace broadside::hub
