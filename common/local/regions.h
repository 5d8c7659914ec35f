// What two photographs have in common, apart from how it was found: pairs of regions, for pictures,
// answers and pages.
#pragma once

namespace fluke {

// A round region of a picture: a photograph, or the part of it that was looked at.
struct Region {
  float x = 0, y = 0;  // of its middle, shares of the picture's width and height
  float diameter = 0;  // share of the picture's longer side
};

struct MatchedRegions {
  Region query, gallery;
  float weight = 0;  // how much it says, compared with the others
};

}  // namespace fluke
