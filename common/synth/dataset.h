// A synthetic set of whale flukes: photographs, boxes and identities that are known, for
// demonstrations and tests.
#pragma once

#include <cstdint>
#include <filesystem>

#include <opencv2/core/mat.hpp>

namespace fluke {

struct SynthOptions {
  int identities = 80;
  int min_photos = 8;  // of each individual, drawn evenly from min to max
  int max_photos = 8;
  int size_px = 256;       // width; the height is 3/4 of it
  double difficulty = .5;  // 0 calm and frontal .. 1 stormy and oblique
  uint64_t seed = 1;
  double test_fraction =
      .2;  // the last identities are split 'test', individuals that training never sees
};

// Writes images/NNN/PP.jpg and, last, manifest.csv: path, identity, split, x, y, w, h and how each
// photograph was taken (yaw_deg, pitch_deg, roll_deg, visible = share of the lobes not hidden by
// water, blur_px). Every file is a pure function of the options, whatever the number of threads; an
// individual looks the same in sets of any length. Throws InvalidArgument for options out of range
// and when the folder holds a manifest already. Returns the number of photographs.
int64_t WriteSyntheticFlukes(const std::filesystem::path& folder, const SynthOptions& options,
                             int threads);

}  // namespace fluke
