// Fuzzes configuration files: whatever the text, each section and setting or a problem comes of it, a problem names its place,
// and what is good is good for the engine, is shown, and changes nothing when it is read again.
#include <string>
#include <string_view>

#include "broadside/engine.h"
#include "tests/fuzz/fuzz_input.h"
#include "tools/config_file.h"
#include "tools/settle.h"

namespace {

using namespace broadside;
using namespace broadside::fuzz;
using namespace broadside::tools;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > kInputBytesMax) return 0;
  const std::string_view text = as_text(data, size);
  const ConfigFile file = parse_config(text, "f");
  for (const std::string& problem : file.problems) require(problem.starts_with("f:"));
  const Settled settled = settle({}, file);
  require(settled.problems.size() >= file.problems.size());
  for (const TopicSection& section : settled.options.config.topics) require(!section_text(section).empty());
  if (!settled.problems.empty()) return 0;
  require(Engine::check(settled.options.config).has_value());
  const Reload reload = plan_reload(settled.options, settle({}, parse_config(text, "f")).options);
  require(reload.changes.empty() && reload.waiting.empty());
  return 0;
}
