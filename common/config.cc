#include "common/config.h"

#include <unordered_map>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "common/config_scalar.h"
#include "common/error.h"
#include "common/files.h"
#include "common/table.h"
#include "common/yaml_tree.h"
#include "fluke/v1/config.pb.h"

namespace fluke {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr uint64_t kMaxConfigBytes = 1 << 20;
constexpr std::string_view kOverride = "--set ";
constexpr char kNameField[] = "name";

std::string Join(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : StrCat(path, ".", key);
}

std::string Indexed(std::string_view path, size_t index) { return StrCat(path, "[", index, "]"); }

// "" for the outermost; loss[0].scale -> loss[0] -> loss.
std::string_view ParentPath(std::string_view path) {
  const size_t end = path.find_last_of(".[");
  return end == std::string_view::npos ? "" : path.substr(0, end);
}

const FieldDescriptor* RestField(const Descriptor* type) {
  for (int i = 0; i < type->field_count(); ++i) {
    if (type->field(i)->options().GetExtension(v1::rest)) return type->field(i);
  }
  return nullptr;
}

const FieldDescriptor* FieldCalled(const Descriptor* type, const std::string& key) {
  const FieldDescriptor* field = type->FindFieldByName(key);
  return field == RestField(type) ? nullptr : field;
}

// The field that a scalar of a `name: scalar` entry goes to; null when `field` cannot be written as
// a mapping.
const FieldDescriptor* ScalarField(const FieldDescriptor* field) {
  if (!field->options().HasExtension(v1::scalar_field)) return nullptr;
  return field->message_type()->FindFieldByName(field->options().GetExtension(v1::scalar_field));
}

// "epochs" -> "train.epochs", for a key written in the wrong section; "" when no section or several
// have it.
std::string SectionWithKey(const Descriptor* root, const std::string& key) {
  std::string found;
  for (int i = 0; i < root->field_count(); ++i) {
    const FieldDescriptor* section = root->field(i);
    if (section->is_repeated() || section->message_type() == nullptr) continue;
    if (section->message_type()->FindFieldByName(key) == nullptr) continue;
    if (!found.empty()) return "";
    found = StrCat(section->name(), ".", key);
  }
  return found;
}

std::string UnknownKey(const Descriptor* root, const Descriptor* type, const std::string& key) {
  std::vector<std::string_view> known;
  for (int i = 0; i < type->field_count(); ++i) known.push_back(type->field(i)->name());
  std::string meant = ClosestName(key, known);
  if (meant.empty()) meant = SectionWithKey(root, key);
  if (!meant.empty()) return StrCat("unknown key; did you mean '", meant, "'?");
  return StrCat("unknown key; known: ", StrJoin(known, ", "));
}

// Fills messages from the tree of one file, or of one override's value.
class Filler {
 public:
  // `file`: name of the YAML file; "" for an override, whose path the caller has told `source`.
  Filler(std::string_view file, const Descriptor* root, ConfigSource* source)
      : file_(file), root_(root), source_(source) {}

  void FillMessage(const YamlNode& node, const std::string& path, Message* message) {
    if (node.kind == YamlNode::Kind::kNull) return;
    if (node.kind != YamlNode::Kind::kMap) Fail(path, Expected("a mapping", node));
    std::unordered_map<std::string_view, int> line_of_key;
    for (const YamlEntry& entry : node.entries) {
      const std::string entry_path = Join(path, Shown(entry.key));
      Note(entry_path, entry.line);
      RefuseRepeated(entry, entry_path, &line_of_key);
      SetKey(entry.key, entry.value, entry_path, message);
    }
  }

  // Sets the field or parameter called `key` of `message`; null unsets it.
  void SetKey(const std::string& key, const YamlNode& node, const std::string& path,
              Message* message) {
    const Descriptor* type = message->GetDescriptor();
    if (const FieldDescriptor* field = FieldCalled(type, key)) {
      SetField(field, node, path, message);
    } else if (const FieldDescriptor* rest = RestField(type)) {
      SetParameter(rest, key, node, path, message);
    } else {
      Fail(path, UnknownKey(root_, type, key));
    }
  }

  // One entry of a mapping that stands for a repeated field: `arcface: 1`, `arcface: {scale: 30}`
  // or `arcface:`.
  void FillNamed(const FieldDescriptor* field, const YamlNode& node, const std::string& path,
                 Message* element) {
    if (node.kind != YamlNode::Kind::kMap) {
      if (node.kind == YamlNode::Kind::kNull) return;
      const std::string scalar_path = Join(path, ScalarField(field)->name());
      Note(scalar_path, node.line);
      return SetField(ScalarField(field), node, scalar_path, element);
    }
    for (const YamlEntry& entry : node.entries) {
      if (entry.key == kNameField) {
        Note(Join(path, kNameField), entry.line);
        Fail(Join(path, kNameField), "the entry's key is its name already");
      }
    }
    FillMessage(node, path, element);
  }

  [[noreturn]] void Fail(std::string_view path, std::string_view what) const {
    InvalidArgument(source_->Where(path), ": ", what);
  }

 private:
  static std::string Expected(std::string_view what, const YamlNode& node) {
    return StrCat("expected ", what, ", found ", Describe(node));
  }

  static std::string Shown(const std::string& key) {
    return absl::Utf8SafeCHexEscape(key.size() <= 80 ? key : key.substr(0, 80) + "...");
  }

  void Note(const std::string& path, int line) {
    if (!file_.empty()) source_->Set(path, StrCat(file_, ":", line));
  }

  void RefuseRepeated(const YamlEntry& entry, const std::string& path,
                      std::unordered_map<std::string_view, int>* line_of_key) const {
    const auto [first, is_new] = line_of_key->emplace(entry.key, entry.line);
    if (!is_new) {
      Fail(path, StrCat("'", Shown(entry.key), "' written twice, first in line ", first->second));
    }
  }

  void SetField(const FieldDescriptor* field, const YamlNode& node, const std::string& path,
                Message* message) {
    const Reflection* reflection = message->GetReflection();
    reflection->ClearField(message, field);
    if (node.kind == YamlNode::Kind::kNull) return;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (field->is_repeated()) return FillRepeated(field, node, path, message);
      return FillMessage(node, path, reflection->MutableMessage(message, field));
    }
    if (!field->is_repeated()) return Store(node, field, kSingularSlot, path, message);
    if (node.kind != YamlNode::Kind::kList) return Store(node, field, kNextSlot, path, message);
    for (size_t i = 0; i < node.items.size(); ++i) {
      const std::string item_path = Indexed(path, i);
      Note(item_path, node.items[i].line);
      Store(node.items[i], field, kNextSlot, item_path, message);
    }
  }

  void Store(const YamlNode& node, const FieldDescriptor* field, int slot, const std::string& path,
             Message* message) {
    const std::string wrong = StoreScalar(node, field, slot, message);
    if (!wrong.empty()) Fail(path, wrong);
  }

  void FillRepeated(const FieldDescriptor* field, const YamlNode& node, const std::string& path,
                    Message* message) {
    const Reflection* reflection = message->GetReflection();
    const bool named = ScalarField(field) != nullptr;
    if (node.kind == YamlNode::Kind::kList) {
      for (size_t i = 0; i < node.items.size(); ++i) {
        const std::string item_path = Indexed(path, i);
        Note(item_path, node.items[i].line);
        if (node.items[i].kind != YamlNode::Kind::kMap) {
          Fail(item_path, Expected(named ? "a mapping with a name" : "a mapping", node.items[i]));
        }
        FillMessage(node.items[i], item_path, reflection->AddMessage(message, field));
      }
      return;
    }
    if (!named || node.kind != YamlNode::Kind::kMap) {
      Fail(path, Expected(named ? "a list, or a mapping by name" : "a list", node));
    }
    std::unordered_map<std::string_view, int> line_of_key;
    for (size_t i = 0; i < node.entries.size(); ++i) {
      const YamlEntry& entry = node.entries[i];
      const std::string item_path = Indexed(path, i);
      Note(item_path, entry.line);
      RefuseRepeated(entry, item_path, &line_of_key);
      Message* element = reflection->AddMessage(message, field);
      element->GetReflection()->SetString(
          element, element->GetDescriptor()->FindFieldByName(kNameField), entry.key);
      FillNamed(field, entry.value, item_path, element);
    }
  }

  // A number, a boolean or a list of them, into the map<string, Numbers> `rest`.
  void SetParameter(const FieldDescriptor* rest, const std::string& key, const YamlNode& node,
                    const std::string& path, Message* message) {
    v1::Numbers numbers;
    const auto add = [&](const YamlNode& scalar, const std::string& scalar_path) {
      double value = 0;
      const std::string wrong = ParseParameter(scalar, &value);
      if (!wrong.empty()) Fail(scalar_path, wrong);
      numbers.add_value(value);
    };
    if (node.kind == YamlNode::Kind::kList) {
      for (size_t i = 0; i < node.items.size(); ++i) {
        Note(Indexed(path, i), node.items[i].line);
        add(node.items[i], Indexed(path, i));
      }
    } else if (node.kind != YamlNode::Kind::kNull) {
      add(node, path);
    }
    if (file_.empty()) RemoveParameter(rest, key, message);  // a file's keys are unique already
    if (node.kind == YamlNode::Kind::kNull) return;
    Message* entry = message->GetReflection()->AddMessage(message, rest);
    const Descriptor* type = entry->GetDescriptor();
    entry->GetReflection()->SetString(entry, type->map_key(), key);
    entry->GetReflection()->MutableMessage(entry, type->map_value())->CopyFrom(numbers);
  }

  // Through reflection a map is a list of entries.
  static void RemoveParameter(const FieldDescriptor* rest, const std::string& key,
                              Message* message) {
    const Reflection* reflection = message->GetReflection();
    const int size = reflection->FieldSize(*message, rest);
    for (int i = 0; i < size; ++i) {
      const Message& entry = reflection->GetRepeatedMessage(*message, rest, i);
      if (entry.GetReflection()->GetString(entry, entry.GetDescriptor()->map_key()) != key)
        continue;
      reflection->SwapElements(message, rest, i, size - 1);
      reflection->RemoveLast(message, rest);
      return;
    }
  }

  std::string_view file_;
  const Descriptor* root_;
  ConfigSource* source_;
};

// "loss[0].scale" -> {loss, 0}, {scale, none}.
struct Step {
  std::string name;
  int index = -1;  // -1: none
};

std::vector<Step> ParseSteps(std::string_view key) {
  std::vector<Step> steps;
  while (true) {
    const size_t end = std::min(key.find('.'), key.size());
    std::string_view text = key.substr(0, end);
    Step step;
    if (text.ends_with(']')) {
      const size_t open = text.find('[');
      if (open == std::string_view::npos) return {};
      const std::string_view digits = text.substr(open + 1, text.size() - open - 2);
      if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos ||
          !absl::SimpleAtoi(AbslView(digits), &step.index)) {
        return {};
      }
      text = text.substr(0, open);
    }
    if (text.empty() || text.find_first_of("[] \t") != std::string_view::npos) return {};
    step.name = std::string(text);
    steps.push_back(std::move(step));
    if (end == key.size()) return steps;
    key.remove_prefix(end + 1);
  }
}

// One "--set key.path=value".
class Override {
 public:
  Override(std::string_view text, ConfigSource* source, Message* root)
      : source_(source), filler_("", root->GetDescriptor(), source), root_(root) {
    const size_t equals = text.find('=');
    key_ = std::string(text.substr(0, equals));
    origin_ = StrCat(kOverride, key_);
    if (equals == std::string_view::npos) {
      InvalidArgument(origin_, ": expected KEY=VALUE, as in train.epochs=3");
    }
    steps_ = ParseSteps(key_);
    if (steps_.empty()) {
      InvalidArgument(origin_, ": expected a path such as train.epochs or augment[0].p");
    }
    value_ = ParseYaml(text.substr(equals + 1), origin_);
  }

  void Apply() {
    Message* message = root_;
    std::string path;
    for (size_t i = 0; i < steps_.size(); ++i) {
      const Step& step = steps_[i];
      const bool last = i + 1 == steps_.size();
      path = Join(path, step.name);
      const FieldDescriptor* field = FieldCalled(message->GetDescriptor(), step.name);
      const bool is_section = field != nullptr && field->message_type() != nullptr;
      if (!is_section || (last && step.index < 0)) {
        if (!last && field == nullptr && RestField(message->GetDescriptor()) == nullptr) {
          filler_.SetKey(step.name, {}, Told(path), message);  // names the unknown key
        }
        if (!last) filler_.Fail(Told(path), "has no parts of its own");
        return SetValue(field, step, path, message);
      }
      if (!field->is_repeated()) {
        if (step.index >= 0) filler_.Fail(Told(path), "is no list");
        message = message->GetReflection()->MutableMessage(message, field);
        continue;
      }
      int element = step.index;
      if (element < 0) {  // loss.arcface
        const Step& entry = steps_[++i];
        if (entry.index >= 0) filler_.Fail(Told(path), StrCat("'", entry.name, "' is no list"));
        element = ElementCalled(field, entry.name, path, message);
      }
      message = Element(field, element, path, message);
      path = Indexed(path, static_cast<size_t>(element));
      if (i + 1 == steps_.size()) return SetElement(field, path, message);
    }
  }

 private:
  // Remembers that the value at `path` comes from here.
  const std::string& Told(const std::string& path) {
    source_->Set(path, origin_);
    return path;
  }

  void SetValue(const FieldDescriptor* field, const Step& step, const std::string& path,
                Message* message) {
    if (step.index < 0) return filler_.SetKey(step.name, value_, Told(path), message);
    if (field == nullptr || !field->is_repeated()) filler_.Fail(Told(path), "is no list");
    CheckIndex(field, step.index, path, *message);
    const std::string item_path = Told(Indexed(path, static_cast<size_t>(step.index)));
    const std::string wrong = StoreScalar(value_, field, step.index, message);
    if (!wrong.empty()) filler_.Fail(item_path, wrong);
  }

  // `loss[0]=2`, `loss.arcface={scale: 30}`: as in the file's `arcface: 2`, the name stays.
  void SetElement(const FieldDescriptor* field, const std::string& path, Message* element) {
    const FieldDescriptor* scalar = ScalarField(field);
    if (scalar != nullptr && value_.kind == YamlNode::Kind::kScalar) {
      Told(Join(path, scalar->name()));  // the entry's other parts stay what and whence they were
      return filler_.FillNamed(field, value_, path, element);
    }
    Told(path);
    if (scalar == nullptr) {
      element->Clear();
      return filler_.FillMessage(value_, path, element);
    }
    const FieldDescriptor* name = element->GetDescriptor()->FindFieldByName(kNameField);
    const std::string kept = element->GetReflection()->GetString(*element, name);
    element->Clear();
    element->GetReflection()->SetString(element, name, kept);
    filler_.FillNamed(field, value_, path, element);
  }

  void CheckIndex(const FieldDescriptor* field, int index, const std::string& path,
                  const Message& message) {
    const int size = message.GetReflection()->FieldSize(message, field);
    if (index >= size) filler_.Fail(Told(path), StrCat("has ", size, " entries, numbered from 0"));
  }

  Message* Element(const FieldDescriptor* field, int index, const std::string& path,
                   Message* message) {
    CheckIndex(field, index, path, *message);
    return message->GetReflection()->MutableRepeatedMessage(message, field, index);
  }

  // The number of the element called `name`; it is appended when there is none.
  int ElementCalled(const FieldDescriptor* field, const std::string& name, const std::string& path,
                    Message* message) {
    if (ScalarField(field) == nullptr) {
      filler_.Fail(Told(path),
                   StrCat("expected a number, as in ", path, "[0], found '", name, "'"));
    }
    const Reflection* reflection = message->GetReflection();
    const FieldDescriptor* name_field = field->message_type()->FindFieldByName(kNameField);
    const int size = reflection->FieldSize(*message, field);
    int found = -1;
    for (int i = 0; i < size; ++i) {
      const Message& element = reflection->GetRepeatedMessage(*message, field, i);
      if (element.GetReflection()->GetString(element, name_field) != name) continue;
      if (found >= 0) {
        filler_.Fail(Told(path), StrCat("several entries are called '", name, "'; write ", path,
                                        "[", found, "] or ", path, "[", i, "]"));
      }
      found = i;
    }
    if (found >= 0) return found;
    Message* added = reflection->AddMessage(message, field);
    added->GetReflection()->SetString(added, name_field, name);
    Told(Indexed(path, static_cast<size_t>(size)));
    return size;
  }

  ConfigSource* source_;
  Filler filler_;
  Message* root_;
  std::string key_, origin_;
  std::vector<Step> steps_;
  YamlNode value_;
};

void CheckRequired(const Message& message, const std::string& path, const ConfigSource& source) {
  const Reflection* reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    const std::string field_path = Join(path, field->name());
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (field->is_map()) continue;
    if (field->is_repeated()) {
      for (int k = 0; is_message && k < reflection->FieldSize(message, field); ++k) {
        CheckRequired(reflection->GetRepeatedMessage(message, field, k),
                      Indexed(field_path, static_cast<size_t>(k)), source);
      }
      continue;
    }
    const bool present = reflection->HasField(message, field);
    if (field->options().GetExtension(v1::required)) {
      const bool empty = field->cpp_type() == FieldDescriptor::CPPTYPE_STRING &&
                         reflection->GetString(message, field).empty();
      if (!present) InvalidArgument(source.Where(field_path), ": required, but not given");
      if (empty) InvalidArgument(source.Where(field_path), ": required, but empty");
    }
    if (present && is_message)
      CheckRequired(reflection->GetMessage(message, field), field_path, source);
  }
}

}  // namespace

std::string ConfigSource::Where(std::string_view field_path) const {
  for (std::string_view path = field_path;; path = ParentPath(path)) {
    const auto found = origins_.find(path);
    if (found != origins_.end()) {
      const std::string& origin = found->second;
      const bool is_override = std::string_view(origin).starts_with(kOverride);
      if (field_path.empty() || (is_override && path == field_path)) return origin;
      return StrCat(origin, ": ", field_path);
    }
    if (path.empty()) return std::string(field_path);
  }
}

void ConfigSource::Set(std::string field_path, std::string origin) {
  // What was known about the parts of a replaced value holds no longer.
  for (const char separator : {'.', '['}) {
    const std::string prefix = field_path + separator;
    auto it = origins_.lower_bound(prefix);
    while (!field_path.empty() && it != origins_.end() && it->first.starts_with(prefix)) {
      it = origins_.erase(it);
    }
  }
  origins_.insert_or_assign(std::move(field_path), std::move(origin));
}

ConfigSource ParseConfig(std::string_view yaml, std::string_view name,
                         const std::vector<std::string>& overrides, Message* message) {
  const YamlNode root = ParseYaml(yaml, name);
  message->Clear();
  ConfigSource source;
  source.Set("", std::string(name));
  Filler(name, message->GetDescriptor(), &source).FillMessage(root, "", message);
  for (const std::string& text : overrides) Override(text, &source, message).Apply();
  CheckRequired(*message, "", source);
  return source;
}

ConfigSource LoadConfig(const std::filesystem::path& path,
                        const std::vector<std::string>& overrides, Message* message) {
  return ParseConfig(ReadFile(path, kMaxConfigBytes), path.string(), overrides, message);
}

}  // namespace fluke
