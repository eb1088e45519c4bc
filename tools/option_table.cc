// See option_table.h.
#include "tools/option_table.h"

#include <CLI/Error.hpp>
#include <CLI/Option.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "base/assert.h"
#include "tools/quantity.h"

namespace broadside::tools {
namespace {

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string number_text(std::uint64_t value) { return std::to_string(value); }

// The shortest that is read as the same number.
std::string decimal_text(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string upper(std::string text) {
  for (char& byte : text) {
    if (byte >= 'a' && byte <= 'z') byte = static_cast<char>(byte - 'a' + 'A');
  }
  return text;
}

// How many letters have to be put in, taken out or replaced to make one of the other (Levenshtein).
std::size_t edits_between(std::string_view one, std::string_view other) {
  std::vector<std::size_t> row(other.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < one.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < other.size(); ++j) {
      const std::size_t replacing = diagonal + (one[i] == other[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replacing, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

const OptionTable::Notation OptionTable::kDuration{
    "DURATION", "a duration: a whole number with ms, s, m, h or d, like 15s or 250ms", parse_duration_ms, duration_text};
const OptionTable::Notation OptionTable::kSize{"SIZE", "a size: a whole number, perhaps with KiB, MiB or GiB, like 64KiB",
                                               parse_size_bytes, size_text};
const OptionTable::Notation OptionTable::kNumber{"N", "a whole number", parse_number<std::uint64_t>, number_text};

std::string Option::flag() const {
  std::string name = "--" + key;
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::string Option::shown() const {
  const Values values = get();
  if (values.empty()) return "none";
  if (kind == Kind::value && values.front() == "0" && !zero_text.empty()) return zero_text;
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "" : ", ") + value;
  return text;
}

std::string Option::accept(const Setting& setting) const {
  const bool wants_list = kind == Kind::list;
  if (setting.misfit.empty() && setting.is_list == wants_list) return set(setting.values);
  std::string what = setting.misfit;
  if (what.empty()) what = setting.is_list ? "a list" : "a single value";
  const std::string meant = wants_list ? "[\"" + type + "\", ...]" : kind == Kind::flag ? "true or false" : type;
  return "this is " + what + "; write " + key + " = " + meant;
}

void Option::put_back(const Values& values) const {
  const std::string wrong = set(values);
  BROADSIDE_ASSERT(wrong.empty());
}

Option& OptionTable::integer(const Notation& notation, const char* key, const std::string& help, const char* zero_text,
                             IntegerTarget target) {
  const auto set = [notation, target](const Values& given) -> std::string {
    const std::string& text = given.front();
    const std::optional<std::uint64_t> value = notation.parse(text);
    if (!value) return "`" + text + "` is not " + notation.description;
    if (*value > target.max) return "`" + text + "` is too large";
    target.store(*value);
    return {};
  };
  const auto get = [notation, load = std::move(target.load)]() -> Values { return {notation.text(load())}; };
  return add({.key = key, .type = notation.type, .help = help, .set = set, .get = get, .zero_text = zero_text});
}

Option& OptionTable::duration(const char* key, Nanos& target, const std::string& help, const char* zero_text) {
  constexpr std::uint64_t kWeekMs = 7ULL * 86'400'000;  // Longer than any run, and no sum with a clock overflows.
  return integer(kDuration, key, help, zero_text,
                 {.max = kWeekMs,
                  .store = [&target](std::uint64_t value) { target = static_cast<Nanos>(value) * kMillisecond; },
                  .load = [&target] { return static_cast<std::uint64_t>(target / kMillisecond); }});
}

Option& OptionTable::number(const char* key, double& target, const std::string& help, const char* zero_text) {
  const auto set = [&target](const Values& given) -> std::string {
    const std::optional<double> value = parse_number<double>(given.front());
    if (!value || !std::isfinite(*value) || *value < 0) return "`" + given.front() + "` is not a number, like 5 or 0.5";
    target = *value;
    return {};
  };
  const auto get = [&target]() -> Values { return {decimal_text(target)}; };
  return add({.key = key, .type = "N", .help = help, .set = set, .get = get, .zero_text = zero_text});
}

Option& OptionTable::text(const char* key, std::string& target, const char* type, const std::string& help) {
  const auto set = [&target](const Values& given) -> std::string {
    target = given.front();
    return {};
  };
  const auto get = [&target]() -> Values { return {target}; };
  return add({.key = key, .type = type, .help = help, .set = set, .get = get});
}

Option& OptionTable::flag(const char* key, bool& target, const std::string& help) {
  const auto set = [&target](const Values& given) -> std::string {
    const bool is_true = given.front() == "true";
    if (!is_true && given.front() != "false") return "`" + given.front() + "` is neither true nor false";
    target = is_true;
    return {};
  };
  const auto get = [&target]() -> Values { return {target ? "true" : "false"}; };
  return add({.key = key, .type = "", .help = help, .set = set, .get = get, .kind = Option::Kind::flag});
}

Option& OptionTable::list(const char* key, Values& target, const char* type, const std::string& help,
                          std::function<std::string(const std::string&)> problem) {
  const auto set = [&target, problem = std::move(problem)](const Values& given) -> std::string {
    for (const std::string& value : given) {
      if (std::string wrong = problem(value); !wrong.empty()) return wrong;
    }
    target = given;
    return {};
  };
  const auto get = [&target]() -> Values { return target; };
  return add({.key = key, .type = type, .help = help, .set = set, .get = get, .kind = Option::Kind::list});
}

Option& OptionTable::add(Option option) {
  BROADSIDE_ASSERT(find(option.key) == nullptr);
  option.group = group_;
  option.initial = option.get();
  return options_.emplace_back(std::move(option));
}

const Option* OptionTable::find(std::string_view key) const {
  const auto found = std::find_if(options_.begin(), options_.end(), [key](const Option& option) { return option.key == key; });
  return found == options_.end() ? nullptr : &*found;
}

std::string OptionTable::nearest(std::string_view key) const {
  std::string best;
  std::size_t best_edits = key.size() / 3 + 1;  // Beyond a third of the letters it is another word.
  for (const Option& option : options_) {
    const std::size_t edits = edits_between(key, option.key);
    if (edits > best_edits || (edits == best_edits && !best.empty())) continue;
    best = option.key;
    best_edits = edits;
  }
  return best;
}

void OptionTable::add_to(CLI::App& command, const std::string& prefix, std::vector<Setting>* given) const {
  for (const Option& option : options_) {
    const std::string flag = option.flag();
    const auto take = [flag, given, key = option.key, set = option.set,
                       is_list = option.kind == Option::Kind::list](const Values& values) {
      if (const std::string wrong = set(values); !wrong.empty()) throw CLI::ValidationError(flag, wrong);
      if (given != nullptr) given->push_back({.key = key, .values = values, .is_list = is_list, .misfit = {}, .place = flag});
    };
    const std::string names = option.letter == '\0' ? flag : std::string("-") + option.letter + "," + flag;
    CLI::Option* added = nullptr;
    switch (option.kind) {
      case Option::Kind::value:
        added = command.add_option_function<std::string>(
            names, [take](const std::string& value) { take({value}); }, option.help);
        added->default_str(option.shown());
        break;
      case Option::Kind::list:
        added = command.add_option_function<Values>(names, take, option.help);
        added->allow_extra_args(false)->take_all();
        if (option.delimiter != '\0') added->delimiter(option.delimiter);
        break;
      case Option::Kind::flag:
        added = command.add_option_function<bool>(
            names, [take](bool value) { take({value ? "true" : "false"}); }, option.help);
        added->expected(0);
        break;
    }
    added->group(option.group)->type_name(option.type)->envname(prefix + upper(option.key));
  }
}

}  // namespace broadside::tools
