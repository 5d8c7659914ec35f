// YAML text as a tree that remembers its lines: the strict part of YAML that configs use. No
// aliases, merge keys or tags, one document, bounded depth and size, keys that are plain text. Keys
// stand in the order of the file, repeated ones included.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fluke {

struct YamlEntry;

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  int line = 0;           // 1-based
  bool quoted = false;    // a scalar in quotes (or a block): text, whatever it looks like
  std::string text = {};  // kScalar
  std::vector<YamlNode> items = {};  // kList
  // kMap. Clang makes no `= {}` of a type that is not complete yet.
  std::vector<YamlEntry> entries;
};

struct YamlEntry {
  std::string key;
  int line = 0;
  YamlNode value;
};

// Throws InvalidArgument "<name>:<line>: ..."; an empty document is kNull.
YamlNode ParseYaml(std::string_view text, std::string_view name);

// For messages: "'ten'", "the text \"3\"", "a list", "a mapping", "nothing".
std::string Describe(const YamlNode& node);

}  // namespace fluke
