#pragma once

namespace fluke {

// A crop box in pixels of the upright full-size photograph.
struct Box {
  float x = 0, y = 0, w = 0, h = 0;

  bool operator==(const Box&) const = default;
};

}  // namespace fluke
