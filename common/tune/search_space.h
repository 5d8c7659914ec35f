// What `fluke tune` may change in a config, and where a trial stands in it.
//
//   optimizer.lr: {min: 1e-4, max: 1e-2, log: true}      a real number
//   train.batch_size: {min: 16, max: 64, step: 16}       with a step: a number of that grid
//   model.dim: {min: 64, max: 512, log: true, step: 1}   on a logarithmic scale
//   model.backbone: [conv4, resnet18]                    one of several
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fluke {

struct Parameter {
  std::string name;                       // dotted path of a config field, as for --set
  std::vector<std::string> choices = {};  // of a choice; empty otherwise
  double low = 0, high = 0;               // both included
  bool log = false;
  double step = 0;  // 0: any number

  bool is_choice() const { return !choices.empty(); }
};

// Throws InvalidArgument "<name>:<line>: ..." for anything but the above, and for no parameter.
std::vector<Parameter> ParseSearchSpace(std::string_view yaml, std::string_view name);

// A trial's values as positions in the unit cube, one a parameter, so that samplers need not know
// scales. A position stands for the value that ValueAt gives; CellCentre is the position in the
// middle of all that stand for the same value (itself where the parameter has no grid).
std::string ValueAt(const Parameter& parameter, double position);
double CellCentre(const Parameter& parameter, double position);
// How many values there are; 0: any number.
int CellCount(const Parameter& parameter);

}  // namespace fluke
