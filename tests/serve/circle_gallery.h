// A gallery of individuals on a circle, so that every score is the cosine of a known angle.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/serve/fakes.h"

namespace fluke::serve {

inline std::vector<float> AtDegrees(double angle) {
  const double radians = angle * 3.14159265358979323846 / 180;
  return {static_cast<float>(std::cos(radians)), static_cast<float>(std::sin(radians)), 0};
}

inline double CosineOfDegrees(double angle) {
  return std::cos(angle * 3.14159265358979323846 / 180);
}

// Individual i ("i7") has two photographs, "i7a" and "i7b", at 18 i - 1 and 18 i + 1 degrees: 2
// degrees from one another and, with twenty individuals, 16 from the nearest other individual.
inline std::shared_ptr<FakeIndex> CircleGallery(int individuals = 20) {
  std::vector<std::pair<Item, std::vector<float>>> photographs;
  const auto add = [&](const std::string& id, const std::string& identity, double angle) {
    photographs.push_back({{id, identity, id + ".jpg", {}}, AtDegrees(angle)});
  };
  for (int i = 0; i < individuals; ++i) {
    const std::string name = "i" + std::to_string(i);
    add(name + "a", name, 18.0 * i - 1);
    add(name + "b", name, 18.0 * i + 1);
  }
  return std::make_shared<FakeIndex>(photographs);
}

}  // namespace fluke::serve
