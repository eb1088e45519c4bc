// See settle.h.
#include "tools/settle.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "broadside/engine.h"
#include "proto/topic_name.h"
#include "tools/tls_options.h"

namespace broadside::tools {
namespace {

using Problems = std::vector<std::string>;

constexpr const char* kPatternKey = "pattern";

// The keys of a section: a pattern, and the rules of the topics that match it.
OptionTable section_table(TopicSection& section) {
  OptionTable table;
  table.text(kPatternKey, section.pattern, "PATTERN", "Names of topics; * stands for any run of bytes");
  add_topic_options(table, section.rules);
  return table;
}

OptionTable server_table(ServeOptions& options) {
  OptionTable table;
  add_serve_options(table, options);
  return table;
}

std::string problem_at(const std::string& place, const std::string& wrong) { return place + ": " + wrong; }
std::string problem_of(const Setting& setting, const std::string& wrong) {
  return problem_at(setting.place, '`' + setting.key + "`: " + wrong);
}

// Gives each setting to its option, and reports what is wrong with it. `hint` explains a key that is one of `elsewhere`, which
// may be null.
void apply(const OptionTable& table, const std::vector<Setting>& settings, Problems& problems, const OptionTable* elsewhere,
           const std::string& hint) {
  for (const Setting& setting : settings) {
    if (const Option* option = table.find(setting.key); option != nullptr) {
      const std::string wrong = option->accept(setting);
      if (!wrong.empty()) problems.push_back(problem_of(setting, wrong));
      continue;
    }
    std::string unknown = setting.place + ": unknown key `" + setting.key + '`';
    const std::string nearest = table.nearest(setting.key);
    if (elsewhere != nullptr && elsewhere->find(setting.key) != nullptr) {
      unknown += "; " + hint;
    } else if (!nearest.empty()) {
      unknown += "; did you mean `" + nearest + "`?";
    }
    problems.push_back(std::move(unknown));
  }
}

// Reports what the engine refuses, each at the last setting without which it would not say so. That setting is taken back, so
// that the next refusal comes to light. `place` is for what no setting is the reason of.
void blame(const OptionTable& table, const std::vector<Setting>& settings, const std::function<Result<Done>()>& check,
           const std::string& place, Problems& problems) {
  for (Result<Done> good = check(); !good; good = check()) {
    const std::string refusal = good.error().message;
    const auto guilty = std::find_if(settings.rbegin(), settings.rend(), [&](const Setting& setting) {
      const Option* option = table.find(setting.key);
      if (option == nullptr) return false;
      const Values kept = option->get();
      option->put_back(option->initial);
      const Result<Done> without = check();
      if (without || without.error().message != refusal) return true;
      option->put_back(kept);
      return false;
    });
    const bool is_found = guilty != settings.rend();
    problems.push_back(is_found ? problem_of(*guilty, refusal) : problem_at(place, refusal));
    if (!is_found) return;
  }
}

bool says(const ConfigSection& section, std::string_view key) {
  return std::any_of(section.settings.begin(), section.settings.end(),
                     [key](const Setting& setting) { return setting.key == key; });
}

// What the section does not say is as in `config`, which has no sections itself: those before this one are `earlier`.
TopicSection settle_section(const ConfigSection& written, const Config& config, const std::vector<TopicSection>& earlier,
                            const OptionTable& server, Problems& problems) {
  TopicSection section{.pattern = {}, .rules = config.defaults};
  const OptionTable table = section_table(section);
  apply(table, written.settings, problems, &server, "it is for the whole server and belongs above the first [[topic]]");
  // What only the policy of all other topics has a use for is not meant for a section that has another.
  TopicRules& rules = section.rules;
  if (!says(written, "keep") && rules.policy != LagPolicy::skip) rules.keep = 0;
  if (!says(written, "snapshot") && rules.policy != LagPolicy::conflate && rules.keys == 0) rules.snapshot = false;
  // The pattern stays what it is while settings are taken back: refusals name it.
  Config alone = config;
  alone.topics = {section};
  const auto check = [&alone, &rules] {
    alone.topics.front().rules = rules;
    return Engine::check(alone);
  };
  blame(table, written.settings, check, written.place, problems);
  // A `*` of a pattern is matched by a `*` alone: whatever may stand there, the earlier section takes it.
  const auto wider = std::find_if(earlier.begin(), earlier.end(), [&section](const TopicSection& other) {
    return !section.pattern.empty() && matches_pattern(other.pattern, section.pattern);
  });
  if (wider != earlier.end()) {
    problems.push_back(problem_at(written.place, '`' + section.pattern + "` never counts: the earlier section `" +
                                                     wider->pattern + "` matches all of its topics; put this one first"));
  }
  return section;
}

// What has become of the sections, by their patterns.
void compare_sections(const std::vector<TopicSection>& running, const std::vector<TopicSection>& wanted,
                      std::vector<std::string>& changes) {
  const auto find = [](const std::vector<TopicSection>& sections, const std::string& pattern) {
    return std::find_if(sections.begin(), sections.end(),
                        [&](const TopicSection& section) { return section.pattern == pattern; });
  };
  const std::size_t before = changes.size();
  for (const TopicSection& section : running) {
    if (find(wanted, section.pattern) == wanted.end()) changes.push_back("topic " + section.pattern + " removed");
  }
  for (const TopicSection& section : wanted) {
    const auto old = find(running, section.pattern);
    if (old == running.end()) {
      changes.push_back("topic " + section.pattern + " added");
    } else if (*old != section) {
      changes.push_back("topic " + section.pattern + " changed");
    }
  }
  if (changes.size() == before && running != wanted) changes.emplace_back("topics in another order");
}

}  // namespace

Settled settle(const std::vector<Setting>& given, const ConfigFile& file) {
  Settled settled{.options = {}, .problems = file.problems};
  Config& config = settled.options.config;
  const OptionTable table = server_table(settled.options);
  std::vector<Setting> settings = file.settings;
  settings.insert(settings.end(), given.begin(), given.end());
  apply(table, settings, settled.problems, nullptr, {});
  blame(
      table, settings, [&config] { return Engine::check(config); }, "configuration", settled.problems);
  std::vector<TopicSection> topics;
  for (const ConfigSection& section : file.sections) {
    topics.push_back(settle_section(section, config, topics, table, settled.problems));
  }
  config.topics = std::move(topics);
  if (std::string problem = tls_problem(settled.options); !problem.empty()) settled.problems.push_back(std::move(problem));
  choose_schemes(settled.options.tls, config.listen);
  if (std::string refusal = start_refusal(settled.options); !refusal.empty()) settled.problems.push_back(std::move(refusal));
  return settled;
}

std::string section_text(TopicSection section) {
  std::string text = section.pattern;
  char separator = ':';
  const OptionTable table = section_table(section);
  for (const Option& option : table.options()) {
    if (option.key == kPatternKey) continue;
    text += separator + (' ' + option.key + ' ' + option.shown());
    separator = ',';
  }
  return text;
}

Reload plan_reload(ServeOptions running, ServeOptions wanted) {
  Reload reload;
  const OptionTable before = server_table(running);
  const OptionTable after = server_table(wanted);
  for (const Option& option : after.options()) {
    const Option& old = *before.find(option.key);
    const Values kept = old.get();
    if (option.get() == kept) continue;
    const std::string change = option.key + ' ' + old.shown() + " -> " + option.shown();
    (option.needs_restart ? reload.waiting : reload.changes).push_back(change);
    if (option.needs_restart) option.put_back(kept);
  }
  compare_sections(running.config.topics, wanted.config.topics, reload.changes);
  wanted.config.log_sink = running.config.log_sink;
  reload.options = std::move(wanted);
  return reload;
}

}  // namespace broadside::tools
