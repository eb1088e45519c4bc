// Answers that several routes give: problem documents, JSON, and what became of published events.
#pragma once

#include <string>
#include <string_view>

#include "broadside/engine.h"
#include "broadside/error.h"
#include "broadside/handler.h"
#include "hub/auth/verdict.h"

namespace broadside::hub {

// An RFC 9457 problem. `headers` are complete lines with CRLF.
[[nodiscard]] Response problem(int status, std::string_view detail, std::string headers = {});
// The problem of a call that the engine refused; `prefix` stands before its message.
[[nodiscard]] Response problem_of(const Error& error, std::string_view prefix = {});
// What is said of an event for one connection.
[[nodiscard]] Response answer_of(SendOutcome outcome);
// And of the renewal of its right.
[[nodiscard]] Response answer_of(RenewOutcome outcome);
[[nodiscard]] Response json_answer(std::string body);

// The id that subscribers see: the publisher's own, or the position.
[[nodiscard]] std::string id_of(const Published& published, std::string_view own_id);
// {"id","position","subscribers"} and, for one that was there already, "duplicate": true.
[[nodiscard]] std::string published_json(const Published& published, std::string_view own_id);
// What is answered instead of what the verdict does not allow; `prefix` stands before its detail.
[[nodiscard]] Response refusal_of(const Verdict& verdict, std::string_view prefix = {});

}  // namespace broadside::hub
