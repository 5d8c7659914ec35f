// What kind of index a user asks for: the engines of this room and all of FAISS's, by one string.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace fluke {

// "Flat": the exact scan. "IVF1024,Codes" or "IVF,Codes" (as many lists as suit): lists of row
// codes (list_scan.h). Anything else is a FAISS factory string, whose refinement is taken off the
// end: "IVF64,PQ16x4fs,RFlat" = {"IVF64,PQ16x4fs", refined}, since refinement reads the snapshot's
// vectors, which are not kept a second time as FAISS's IndexRefine would.
struct FactoryParts {
  std::string base;
  bool refined = false;
  bool codes = false;  // lists of row codes
  int64_t lists = 0;   // of those, 0 = as many as suit

  bool exact() const { return base == "Flat"; }
};
FactoryParts ParseFactory(std::string_view factory);

// What to pick without knowing FAISS.
struct IndexPreset {
  std::string_view name;
  std::string (*factory)(int64_t dimension, int64_t items);
  std::string_view help;
};
std::span<const IndexPreset> IndexPresets();

// Throws InvalidArgument for an unknown name. items: how many there will be, about.
std::string FactoryOfPreset(std::string_view name, int64_t dimension, int64_t items);

}  // namespace fluke
