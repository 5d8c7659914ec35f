#include "common/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/strings/escaping.h"
#include "common/error.h"

namespace fluke {
namespace {

constexpr size_t kMaxBytes = 1 << 20;
constexpr size_t kMaxDepth = 32;
constexpr size_t kShownBytes = 60;

// Builds the tree from yaml-cpp's events; its own Node would forget repeated keys' lines and
// resolve aliases.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::string_view name) : name_(name) {}

  YamlNode TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    if (ExpectsKey()) Fail(mark, "expected a key, found nothing");
    Attach({.kind = YamlNode::Kind::kNull, .line = Line(mark), .entries = {}});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Fail(mark, "aliases (*name) are not supported; write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    CheckTag(mark, tag);
    if (ExpectsKey()) {
      open_.back().key = YamlEntry{.key = value, .line = Line(mark), .value = {}};
      return;
    }
    Attach({.kind = YamlNode::Kind::kScalar,
            .line = Line(mark),
            .quoted = tag == "!",
            .text = value,
            .entries = {}});
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, YamlNode::Kind::kList);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, YamlNode::Kind::kMap);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct OpenNode {
    YamlNode node;
    std::optional<YamlEntry> key;  // of a map, while its value is awaited
  };

  static int Line(const YAML::Mark& mark) { return mark.line + 1; }

  [[noreturn]] void Fail(const YAML::Mark& mark, std::string_view what) const {
    InvalidArgument(name_, ":", Line(mark), ": ", what);
  }

  // "?" and "!" are yaml-cpp's marks for plain and quoted.
  void CheckTag(const YAML::Mark& mark, const std::string& tag) const {
    if (!tag.empty() && tag != "?" && tag != "!") {
      Fail(mark, StrCat("tags (", absl::Utf8SafeCHexEscape(tag), ") are not supported"));
    }
  }

  bool ExpectsKey() const {
    return !open_.empty() && open_.back().node.kind == YamlNode::Kind::kMap && !open_.back().key;
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YamlNode::Kind kind) {
    CheckTag(mark, tag);
    if (ExpectsKey())
      Fail(mark,
           "expected plain text as a key, found a list or a mapping; is a bracket not closed?");
    if (open_.size() == kMaxDepth) Fail(mark, StrCat("nested more than ", kMaxDepth, " deep"));
    open_.push_back(
        {.node = {.kind = kind, .line = Line(mark), .entries = {}}, .key = std::nullopt});
  }

  void Close() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    Attach(std::move(node));
  }

  void Attach(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    OpenNode& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::kList) {
      parent.node.items.push_back(std::move(node));
      return;
    }
    parent.key->value = std::move(node);
    parent.node.entries.push_back(*std::exchange(parent.key, std::nullopt));
  }

  std::string_view name_;
  std::vector<OpenNode> open_;
  YamlNode root_;
};

// yaml-cpp takes some of these for its end-of-file mark and would silently drop what follows.
void CheckCharacters(std::string_view text, std::string_view name) {
  int line = 1;
  for (const char c : text) {
    if (c == '\n') ++line;
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 && c != '\n' && c != '\r' && c != '\t') {
      InvalidArgument(name, ":", line, ": a control character (byte ", static_cast<int>(byte),
                      "); expected YAML text in UTF-8");
    }
  }
}

}  // namespace

YamlNode ParseYaml(std::string_view text, std::string_view name) {
  if (text.size() > kMaxBytes) {
    InvalidArgument(name, ": ", text.size(), " bytes, expected at most ", kMaxBytes);
  }
  CheckCharacters(text, name);
  std::istringstream stream{std::string(text)};
  TreeBuilder builder(name);
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return {};
    YamlNode root = builder.TakeRoot();
    TreeBuilder second(name);
    if (parser.HandleNextDocument(second)) {
      InvalidArgument(name, ":", second.TakeRoot().line, ": a second document, expected one");
    }
    return root;
  } catch (const YAML::Exception& error) {
    const std::string at = error.mark.is_null() ? "" : StrCat(":", error.mark.line + 1);
    InvalidArgument(name, at, ": not valid YAML: ", error.msg);
  }
}

std::string Describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a mapping";
    case YamlNode::Kind::kScalar:
      break;
  }
  std::string shown = absl::Utf8SafeCHexEscape(node.text.substr(0, kShownBytes));
  if (node.text.size() > kShownBytes) shown += "...";
  return node.quoted ? StrCat("the text \"", shown, "\"") : StrCat("'", shown, "'");
}

}  // namespace fluke
