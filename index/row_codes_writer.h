// Learns and writes row codes (row_codes.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "index/row_pass.h"
#include "index/similarity.h"

namespace fluke {

// What double precision may have lost in a sum of squares, relative to it.
inline constexpr double kDoubleSlack = 1e-10;

// The next float32 above, with room for the few roundings on the way here.
float RoundedUp(double value);

// Lengths whose squares, and sums of them, stay far inside float32's range: bounds hold for no
// others.
inline bool IsOrdinaryLength(double length) {
  return length == 0 || (length >= 1e-12 && length <= 1e12);
}

struct RowCodesOptions {
  int64_t head = 0;   // directions, a multiple of 4; 0: as many as pay, found on a sample
  int64_t lists = 0;  // groups of rows (k-means); 0: none
  RowsDone done = KeepRows;
};

// The codes of all rows (m x dimension, sound and normalised). What is learned comes from a sample;
// beside it, memory holds some 8 bytes a row, and lists keep the codes in a temporary file beside
// `path` before they are put in order. Writes nothing and returns false
// where values' squares leave float32's range, and, unless options ask for a head or lists, where a
// plain scan is as quick: few rows, few dimensions, a spectrum too flat.
bool WriteRowCodes(const std::filesystem::path& path, Similarity similarity,
                   std::span<const float> rows, int64_t dimension,
                   const RowCodesOptions& options = {});

}  // namespace fluke
