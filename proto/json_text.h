// Writes JSON strings. Documents are put together by whoever knows their members; JSON is parsed in hub.
#pragma once

#include <string>
#include <string_view>

namespace broadside {

// Appends `text` as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD, so that the result is always JSON;
// it holds no line break.
void append_json_string(std::string& out, std::string_view text);

}  // namespace broadside
