// The live page served at `/`: the bytes of hub/page.html, put into the program at build time (cmake/embed.cmake).
// A further file in hub/assets becomes a constant of the same form; declare it here.
#pragma once

#include <cstddef>
#include <string_view>

namespace broadside::hub {

extern const char kPageHtml[];  // Closed by a zero that kPageHtmlBytes does not count.
extern const std::size_t kPageHtmlBytes;

inline std::string_view page_html() { return {kPageHtml, kPageHtmlBytes}; }

}  // namespace broadside::hub
