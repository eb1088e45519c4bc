#include "proto/topic_name.h"

#include <cstddef>

#include "proto/limits.h"
#include "proto/utf8.h"

namespace broadside {

bool is_valid_topic(std::string_view name) {
  return !name.empty() && name.size() <= kTopicBytesMax && is_valid_utf8(name) && !has_control_characters(name);
}

bool matches_pattern(std::string_view pattern, std::string_view name) {
  std::size_t p = 0;
  std::size_t n = 0;
  // Where to go on when the run of the newest star has to grow by a byte. Older stars never have to: whatever a longer
  // run of theirs would reach, a longer run of the newest reaches too.
  std::size_t star = std::string_view::npos;
  std::size_t run_end = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      run_end = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++run_end;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace broadside
