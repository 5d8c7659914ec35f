#include "common/table.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"

namespace fluke {
namespace {

constexpr size_t kLongestName = 64;  // nothing longer is a slip of a known name

// 'Arc_Face' and 'arc-face' are the same slip-free name.
std::string Folded(std::string_view name) {
  std::string folded = absl::AsciiStrToLower(AbslView(name));
  std::replace(folded.begin(), folded.end(), '-', '_');
  return folded;
}

// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours cost 1
// each.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, substituted});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::string ClosestName(std::string_view name, const std::vector<std::string_view>& known) {
  if (name.empty() || name.size() > kLongestName) return "";
  const std::string folded = Folded(name);
  std::string closest;
  size_t least = SIZE_MAX;
  for (std::string_view candidate : known) {
    if (candidate.size() > kLongestName) continue;
    const size_t distance = EditDistance(folded, Folded(candidate));
    // A third of the letters wrong is another word; one wrong letter in a short name is a slip.
    const size_t allowed = std::max<size_t>(1, std::min(name.size(), candidate.size()) / 3);
    if (distance <= allowed && distance < std::max(name.size(), candidate.size()) &&
        distance < least) {
      least = distance;
      closest = std::string(candidate);
    }
  }
  return closest;
}

std::string UnknownName(std::string_view kind, std::string_view name,
                        const std::vector<std::string_view>& known) {
  std::string shown = absl::Utf8SafeCHexEscape(AbslView(name.substr(0, kLongestName)));
  if (name.size() > kLongestName) shown += "...";
  std::string message = StrCat("unknown ", kind, " '", shown, "'");
  if (const std::string closest = ClosestName(name, known); !closest.empty()) {
    message += StrCat("; did you mean '", closest, "'?");
  } else {
    message += ";";
  }
  return StrCat(message, " known: ", StrJoin(known, ", "));
}

}  // namespace fluke
