// See config_file.h. The only includer of toml++.
#include "tools/config_file.h"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "hub/read_file.h"

namespace broadside::tools {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;  // A configuration has some kilobytes: what is larger is another file.
constexpr const char* kSectionKey = "topic";

std::string place_of(const std::string& name, const toml::source_region& region) {
  return name + ':' + std::to_string(region.begin.line) + ':' + std::to_string(region.begin.column);
}

// As a flag would be given it. Nothing if no flag could.
std::optional<std::string> text_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* truth = node.as_boolean()) return truth->get() ? "true" : "false";
  if (const auto* decimal = node.as_floating_point()) {
    char text[32];
    return std::string(text, std::to_chars(text, text + sizeof text, decimal->get()).ptr);
  }
  return std::nullopt;
}

const char* kind_of(const toml::node& node) {
  if (node.is_table()) return "a table";
  if (node.is_array()) return "a list";
  return "a date or a time";
}

Setting setting_of(const std::string& key, const toml::node& node, std::string place) {
  Setting setting{.key = key, .values = {}, .is_list = node.is_array(), .misfit = {}, .place = std::move(place)};
  if (const auto* elements = node.as_array()) {
    for (const toml::node& element : *elements) {
      if (std::optional<std::string> text = text_of(element)) {
        setting.values.push_back(std::move(*text));
      } else {
        setting.misfit = std::string("a list that holds ") + kind_of(element);
      }
    }
  } else if (std::optional<std::string> text = text_of(node)) {
    setting.values = {std::move(*text)};
  } else {
    setting.misfit = kind_of(node);
  }
  return setting;
}

// What `table` holds, in the order of the file: toml++ sorts by name.
std::vector<std::pair<const toml::key*, const toml::node*>> entries_of(const toml::table& table) {
  std::vector<std::pair<const toml::key*, const toml::node*>> entries;
  for (const auto& [key, node] : table) entries.emplace_back(&key, &node);
  std::stable_sort(entries.begin(), entries.end(), [](const auto& one, const auto& other) {
    const toml::source_position& first = one.first->source().begin;
    const toml::source_position& second = other.first->source().begin;
    return first < second;
  });
  return entries;
}

std::vector<Setting> settings_of(const toml::table& table, const std::string& name) {
  std::vector<Setting> settings;
  for (const auto& [key, node] : entries_of(table)) {
    settings.push_back(setting_of(std::string(key->str()), *node, place_of(name, key->source())));
  }
  return settings;
}

}  // namespace

ConfigFile parse_config(std::string_view text, const std::string& name) {
  ConfigFile file;
  toml::table root;
  try {
    root = toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    file.problems.push_back(place_of(name, error.source()) + ": " + std::string(error.description()));
    return file;
  }
  file.settings = settings_of(root, name);
  const auto topic =
      std::find_if(file.settings.begin(), file.settings.end(), [](const Setting& setting) { return setting.key == kSectionKey; });
  if (topic == file.settings.end()) return file;
  const toml::array* sections = root[kSectionKey].as_array();
  if (sections == nullptr || !sections->is_homogeneous<toml::table>()) {
    file.problems.push_back(topic->place + ": `topic` is no section; write [[topic]] on a line of its own, and its keys below");
  } else {
    for (const toml::node& section : *sections) {
      file.sections.push_back({.settings = settings_of(*section.as_table(), name), .place = place_of(name, section.source())});
    }
  }
  file.settings.erase(topic);
  return file;
}

ConfigFile read_config(const std::string& path) {
  const Result<std::string> text = hub::read_file(path, kFileBytesMax);
  if (text) return parse_config(text.value(), path);
  ConfigFile file;
  file.problems.push_back(text.error().message);
  return file;
}

}  // namespace broadside::tools
