// YAML and what configs make of it: a config that is taken is written again as the same message.
#include "common/config.h"

#include "common/yaml_tree.h"
#include "fluke/v1/config.pb.h"
#include "tests/fuzz/fuzz.h"

namespace fluke::fuzz {

std::vector<std::string> Seeds() {
  return {
      "seed: 7\ndata: {manifest: a.csv, val_fraction: 0.25}\nmodel: {backbone: conv4, dim: 32}\n"
      "loss: {arcface: 1}\naugment:\n  horizontal_flip: 0.5\n  rotate: {p: 0.5, limit: 15}\n"
      "optimizer: {lr: 0.002}\ntrain: {epochs: 2, batch_size: 16}\n",
      "data:\n  manifest: 'it''s.csv'\n  # comment\nloss:\n  - {name: arcface, weight: 1}\n",
      "a: |\n  block\n  text\nb: >-\n  folded\n  text\nc: [1, \"two\", {d: ~}]\n",
      "listen: 0.0.0.0:50051\n"};
}

template <typename Message>
void ParseAndWriteAgain(std::string_view text) {
  Message message;
  if (!Takes([&] { ParseConfig(text, "input", {}, &message); })) return;
  const std::string yaml = ConfigToYaml(message);
  Message again;
  Require(Takes([&] { ParseConfig(yaml, "written", {}, &again); }), "what is written is taken");
  Require(ConfigToYaml(again) == yaml, "the same config when written again");
}

}  // namespace fluke::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fluke;  // NOLINT: a harness
  const std::string_view text = fuzz::Text(data, size);
  fuzz::Takes([&] { ParseYaml(text, "input"); });
  fuzz::ParseAndWriteAgain<v1::TrainConfig>(text);
  fuzz::ParseAndWriteAgain<v1::ServeConfig>(text);
  return 0;
}
