#include "index/factory.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "common/error.h"
#include "common/table.h"

namespace fluke {
namespace {

// What stands between the two, or nothing.
bool TakeMiddle(std::string_view text, std::string_view before, std::string_view after,
                std::string_view& middle) {
  if (!text.starts_with(before) || !text.ends_with(after) ||
      text.size() < before.size() + after.size()) {
    return false;
  }
  middle = text.substr(before.size(), text.size() - before.size() - after.size());
  return true;
}

// Below so many items an exact search is as quick and costs nothing.
constexpr int64_t kExactBelow = 10'000;

std::string Exact(int64_t, int64_t) { return "Flat"; }

std::string Fast(int64_t, int64_t items) { return items < kExactBelow ? "Flat" : "IVF,Codes"; }

// Product quantisation in fast-scan lists, one 4-bit code for about `width` dimensions; what it
// finds is scored from the vectors on disk.
std::string Quantised(int64_t dimension, int64_t items, int64_t width) {
  if (items < kExactBelow) return "Flat";
  // The code must divide the dimension.
  int64_t codes = std::max<int64_t>(1, dimension / width);
  while (dimension % codes != 0) --codes;
  const auto lists = static_cast<int64_t>(2 * std::sqrt(static_cast<double>(items)));
  return StrCat("IVF", lists, ",PQ", codes, "x4fs,RFlat");
}

std::string Compact(int64_t dimension, int64_t items) { return Quantised(dimension, items, 4); }
std::string Tiny(int64_t dimension, int64_t items) { return Quantised(dimension, items, 16); }

constexpr IndexPreset kPresets[] = {
    {"exact", Exact,
     "every true neighbour, exactly; up to some millions of items and whenever quick enough"},
    {"fast", Fast,
     "most queries a second, nearly all true neighbours (--target-recall); 1 byte in memory for "
     "each leading dimension"},
    {"compact", Compact,
     "an eighth of a byte a dimension in memory; vectors are read from disk for the best "
     "candidates"},
    {"tiny", Tiny,
     "a 32nd of a byte a dimension in memory, for more items than memory holds; slower at high "
     "recall"},
};

}  // namespace

std::span<const IndexPreset> IndexPresets() { return kPresets; }

std::string FactoryOfPreset(std::string_view name, int64_t dimension, int64_t items) {
  return Find(kPresets, "index preset", name).factory(dimension, items);
}

FactoryParts ParseFactory(std::string_view factory) {
  std::string_view number;
  if (TakeMiddle(factory, "IVF", ",Codes", number)) {
    FactoryParts parts{.base = std::string(factory), .codes = true};
    const char* end = number.data() + number.size();
    const auto read = std::from_chars(number.data(), end, parts.lists);
    if (!number.empty() && (read.ec != std::errc() || read.ptr != end || parts.lists < 1)) {
      InvalidArgument("index factory '", factory, "': '", number, "' is no number of lists");
    }
    return parts;
  }
  const size_t comma = factory.rfind(",R");
  if (comma != std::string_view::npos) {
    const std::string_view last = factory.substr(comma + 1);
    if (last == "RFlat" || (last.starts_with("Refine(") && last.ends_with(")"))) {
      return {.base = std::string(factory.substr(0, comma)), .refined = true};
    }
  }
  return {.base = std::string(factory)};
}

}  // namespace fluke
