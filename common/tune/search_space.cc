#include "common/tune/search_space.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "common/error.h"
#include "common/yaml_tree.h"

namespace fluke {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view name) : name_(name) {}

  Parameter Read(const YamlEntry& entry) const {
    Parameter parameter{.name = entry.key};
    if (entry.value.kind == YamlNode::Kind::kList) {
      for (const YamlNode& choice : entry.value.items) {
        if (choice.kind != YamlNode::Kind::kScalar)
          Refuse(choice.line, entry.key, "a choice is ", Describe(choice), "; expected a value");
        parameter.choices.push_back(choice.text);
      }
      if (parameter.choices.size() < 2)
        Refuse(entry.line, entry.key, "one choice or none; expected two or more");
      return parameter;
    }
    if (entry.value.kind != YamlNode::Kind::kMap) {
      Refuse(entry.line, entry.key, Describe(entry.value),
             "; expected a list of choices or {min: .., max: ..}");
    }
    ReadRange(entry, &parameter);
    return parameter;
  }

 private:
  template <typename... Parts>
  [[noreturn]] void Refuse(int line, const std::string& key, const Parts&... parts) const {
    InvalidArgument(name_, ":", line, ": ", key, ": ", parts...);
  }

  void ReadRange(const YamlEntry& entry, Parameter* parameter) const {
    bool has_min = false, has_max = false;
    for (const YamlEntry& field : entry.value.entries) {
      if (field.key == "log") {
        if (field.value.text != "true" && field.value.text != "false")
          Refuse(field.line, entry.key, "log is ", Describe(field.value),
                 "; expected true or false");
        parameter->log = field.value.text == "true";
        continue;
      }
      double* target = field.key == "min"    ? &parameter->low
                       : field.key == "max"  ? &parameter->high
                       : field.key == "step" ? &parameter->step
                                             : nullptr;
      if (target == nullptr)
        Refuse(field.line, entry.key, "unknown key '", field.key, "'; known: min, max, log, step");
      if (!absl::SimpleAtod(field.value.text, target) || !std::isfinite(*target))
        Refuse(field.line, entry.key, field.key, " is ", Describe(field.value),
               "; expected a number");
      has_min |= field.key == "min";
      has_max |= field.key == "max";
    }
    if (!has_min || !has_max) Refuse(entry.line, entry.key, "min and max are needed");
    if (!(parameter->low < parameter->high))
      Refuse(entry.line, entry.key, "min ", parameter->low, " is not below max ", parameter->high);
    if (parameter->log && parameter->low <= 0)
      Refuse(entry.line, entry.key, "a logarithmic scale needs min above 0");
    if (parameter->step < 0)
      Refuse(entry.line, entry.key, "step ", parameter->step, " is negative");
  }

  std::string_view name_;
};

// The scale on which positions are even. A grid's cells reach half a step beyond its ends.
struct Scale {
  explicit Scale(const Parameter& parameter) : log(parameter.log) {
    const double margin = parameter.step / 2;
    begin = To(std::max(parameter.low - margin, log ? parameter.low / 2 : parameter.low - margin));
    const double steps = parameter.step > 0
                             ? std::floor((parameter.high - parameter.low) / parameter.step + 1e-9)
                             : 0;
    end = To(parameter.step > 0 ? parameter.low + steps * parameter.step + margin : parameter.high);
  }
  double To(double value) const { return log ? std::log(value) : value; }
  double From(double scaled) const { return log ? std::exp(scaled) : scaled; }
  double At(double position) const { return From(begin + position * (end - begin)); }
  double PositionOf(double value) const { return (To(value) - begin) / (end - begin); }

  bool log;
  double begin, end;
};

int Cell(const Parameter& parameter, double position) {
  const int last = CellCount(parameter) - 1;
  if (parameter.is_choice()) return std::clamp(static_cast<int>(position * (last + 1)), 0, last);
  const double value = Scale(parameter).At(position);
  return std::clamp(static_cast<int>(std::lround((value - parameter.low) / parameter.step)), 0,
                    last);
}

// Shortest text that reads back as the same number.
std::string NumberText(double value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof(text), value);
  return std::string(text, end);
}

}  // namespace

std::vector<Parameter> ParseSearchSpace(std::string_view yaml, std::string_view name) {
  const YamlNode root = ParseYaml(yaml, name);
  if (root.kind != YamlNode::Kind::kMap || root.entries.empty())
    InvalidArgument(name, ": ", Describe(root), "; expected config fields with what they may be");
  const Reader reader(name);
  std::vector<Parameter> parameters;
  std::set<std::string> names;
  for (const YamlEntry& entry : root.entries) {
    if (!names.insert(entry.key).second)
      InvalidArgument(name, ":", entry.line, ": ", entry.key, " stands here twice");
    parameters.push_back(reader.Read(entry));
  }
  return parameters;
}

int CellCount(const Parameter& parameter) {
  if (parameter.is_choice()) return static_cast<int>(parameter.choices.size());
  if (parameter.step == 0) return 0;
  return static_cast<int>((parameter.high - parameter.low) / parameter.step + 1e-9) + 1;
}

std::string ValueAt(const Parameter& parameter, double position) {
  if (parameter.is_choice()) return parameter.choices[Cell(parameter, position)];
  if (parameter.step == 0) {
    const double value = Scale(parameter).At(std::clamp(position, 0.0, 1.0));
    return absl::StrFormat("%.6g", std::clamp(value, parameter.low, parameter.high));
  }
  return NumberText(parameter.low + Cell(parameter, position) * parameter.step);
}

double CellCentre(const Parameter& parameter, double position) {
  const int cells = CellCount(parameter);
  if (cells == 0) return std::clamp(position, 0.0, 1.0);
  const int cell = Cell(parameter, position);
  if (parameter.is_choice()) return (cell + .5) / cells;
  return std::clamp(Scale(parameter).PositionOf(parameter.low + cell * parameter.step), 0.0, 1.0);
}

}  // namespace fluke
