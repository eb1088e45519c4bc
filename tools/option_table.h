// The options of a command, each said once: its name, unit, help and default, how its text is read and how its value is shown.
// Flags with their environment variables, the keys of a configuration file, and what a reload has changed all come from here.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/units.h"

namespace broadside::tools {

using Values = std::vector<std::string>;

// What somebody wrote for an option, before anybody knows whether it is good.
struct Setting {
  std::string key;
  Values values;         // One, unless it is a list.
  bool is_list = false;  // Written as a list.
  std::string misfit;    // What it is if it is neither a value nor a list: "a table".
  std::string place;     // Where it stands, for messages: "broadside.toml:3:1", "--heartbeat".
};

struct Option {
  enum class Kind : std::uint8_t { value, list, flag };

  std::string key;  // "history_events", as files have it.
  std::string type;
  std::string help;
  // Gives the target these values. What is wrong with them, and then the target is as before; empty if nothing is.
  std::function<std::string(const Values&)> set;
  std::function<Values()> get;  // The target's, as set() takes them.
  Kind kind = Kind::value;
  std::string zero_text;       // What "0" stands for: "one per core".
  char delimiter = '\0';       // What separates the values of a list in the environment; NUL: nothing, there is one.
  char letter = '\0';          // 'q': the flag is -q as well.
  bool needs_restart = false;  // A reload leaves it as it is.
  const char* group = "";      // Filled by OptionTable::add(), as what follows.
  Values initial;              // What get() gave then.

  // Gives the target what is written. What is wrong with that; empty if nothing is.
  [[nodiscard]] std::string accept(const Setting& setting) const;
  // Requires: get() gave these values.
  void put_back(const Values& values) const;

  [[nodiscard]] std::string flag() const;   // "--history-events"
  [[nodiscard]] std::string shown() const;  // The target's value, for people.
};

class OptionTable {
 public:
  // What is added from here on stands under `name` in --help.
  void group(const char* name) { group_ = name; }

  // Each returns the new option, to be used before the next is added. `target` holds the default; it lives as long as the
  // table and the commands that the table is added to.
  template <typename Number>
  Option& duration(const char* key, Number& milliseconds, const std::string& help, const char* zero_text = "") {
    return integer(kDuration, key, milliseconds, help, zero_text);
  }
  Option& duration(const char* key, Nanos& target, const std::string& help, const char* zero_text = "");
  template <typename Number>
  Option& size(const char* key, Number& bytes, const std::string& help, const char* zero_text = "") {
    return integer(kSize, key, bytes, help, zero_text);
  }
  template <typename Number>
  Option& number(const char* key, Number& target, const std::string& help, const char* zero_text = "") {
    return integer(kNumber, key, target, help, zero_text);
  }
  Option& number(const char* key, double& target, const std::string& help, const char* zero_text = "");
  template <typename Value>
  Option& choice(const char* key, Value& target, const std::string& help,
                 const std::vector<std::pair<std::string, Value>>& values);
  Option& text(const char* key, std::string& target, const char* type, const std::string& help);
  Option& flag(const char* key, bool& target, const std::string& help);
  // `problem` says what is wrong with one value; empty if nothing is.
  Option& list(const char* key, Values& target, const char* type, const std::string& help,
               std::function<std::string(const std::string&)> problem);
  Option& add(Option option);

  [[nodiscard]] const std::vector<Option>& options() const { return options_; }
  // Null if there is none.
  [[nodiscard]] const Option* find(std::string_view key) const;
  // The key that was most likely meant; empty if none is near.
  [[nodiscard]] std::string nearest(std::string_view key) const;

  // Adds a flag for each option, and an environment variable whose name begins with `prefix`. What is given goes to the
  // targets and, if it is not null, to `given`, which lives as long as `command`.
  void add_to(CLI::App& command, const std::string& prefix, std::vector<Setting>* given = nullptr) const;

 private:
  // A way to write whole numbers.
  struct Notation {
    const char* type;
    const char* description;  // What a text that cannot be read is not.
    std::optional<std::uint64_t> (*parse)(std::string_view text);
    std::string (*text)(std::uint64_t value);
  };
  struct IntegerTarget {
    std::uint64_t max;
    std::function<void(std::uint64_t)> store;
    std::function<std::uint64_t()> load;
  };
  static const Notation kDuration;
  static const Notation kSize;
  static const Notation kNumber;

  template <typename Integer>
  Option& integer(const Notation& notation, const char* key, Integer& target, const std::string& help, const char* zero_text) {
    return integer(notation, key, help, zero_text,
                   {.max = static_cast<std::uint64_t>(std::numeric_limits<Integer>::max()),
                    .store = [&target](std::uint64_t value) { target = static_cast<Integer>(value); },
                    .load = [&target] { return static_cast<std::uint64_t>(target); }});
  }
  Option& integer(const Notation& notation, const char* key, const std::string& help, const char* zero_text,
                  IntegerTarget target);

  const char* group_ = "";
  std::vector<Option> options_;
};

template <typename Value>
Option& OptionTable::choice(const char* key, Value& target, const std::string& help,
                            const std::vector<std::pair<std::string, Value>>& values) {
  std::string names;
  for (const auto& [name, value] : values) names += (names.empty() ? "" : "|") + name;
  const auto set = [&target, values, names](const Values& given) -> std::string {
    for (const auto& [name, value] : values) {
      if (name != given.front()) continue;
      target = value;
      return {};
    }
    return "`" + given.front() + "` is none of " + names;
  };
  const auto get = [&target, values]() -> Values {
    for (const auto& [name, value] : values) {
      if (value == target) return {name};
    }
    return {};
  };
  return add({.key = key, .type = names, .help = help, .set = set, .get = get});
}

}  // namespace broadside::tools
