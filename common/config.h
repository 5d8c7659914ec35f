// Strict YAML -> protobuf. An unknown key, a wrong type, a value out of range or a missing required
// field is an InvalidArgument error "train.yaml:12: train.epoch: unknown key; did you mean
// 'epochs'?" before any work starts.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/message.h>

namespace fluke {

// Where each value of a config came from, so that later checks can name it too.
class ConfigSource {
 public:
  // "train.yaml:12: train.epochs" for the dotted path of a field ("loss[0].scale"); the nearest
  // parent's line when the field itself was not written; "--set train.epochs" when it came from an
  // override.
  std::string Where(std::string_view field_path) const;
  void Set(std::string field_path, std::string origin);

 private:
  std::map<std::string, std::string, std::less<>> origins_;
};

// Fills `message` from YAML text; `name` stands in errors. `overrides`: "key.path=value", applied
// after the file, value parsed as YAML (list elements by index: augment[0].p=0, or by name:
// loss.arcface.scale=30).
ConfigSource ParseConfig(std::string_view yaml, std::string_view name,
                         const std::vector<std::string>& overrides,
                         google::protobuf::Message* message);

ConfigSource LoadConfig(const std::filesystem::path& path,
                        const std::vector<std::string>& overrides,
                        google::protobuf::Message* message);

// The fully resolved message as YAML, defaults included; ParseConfig of it gives the same message.
std::string ConfigToYaml(const google::protobuf::Message& message);

}  // namespace fluke
