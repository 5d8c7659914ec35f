// The named choices of this room, for `fluke list`; free of Torch's headers.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace fluke::train {

struct Choice {
  std::string_view name;
  std::string_view help;
};

struct ChoiceTable {
  std::string_view name;  // "losses"
  std::string_view help;  // where a config names them
  std::vector<Choice> (*rows)();
};

std::span<const ChoiceTable> ChoiceTables();

}  // namespace fluke::train
