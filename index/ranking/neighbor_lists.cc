#include "index/ranking/neighbor_lists.h"

#include <algorithm>
#include <limits>

#include "common/error.h"

namespace fluke::ranking {
namespace {

constexpr size_t kRowsAtOnce = 1024;

}  // namespace

NeighborLists::NeighborLists(const Gallery& gallery, int64_t k)
    : k_(k),
      lists_(static_cast<size_t>(RowLimit(gallery.index()) * k)),
      counts_(static_cast<size_t>(RowLimit(gallery.index()))) {
  const std::vector<int64_t> rows = RowsOf(gallery.index());
  if (!rows.empty() && rows.back() > std::numeric_limits<int32_t>::max()) {
    InvalidArgument("a gallery of ", rows.back(), " rows is too large for lists of neighbours");
  }
  const auto width = static_cast<size_t>(gallery.dimension());
  // Itself is found, too, unless so many are as near that it is not among the best.
  const SearchOptions options = {.k = static_cast<int>(k + 1)};
  for (size_t begin = 0; begin < rows.size(); begin += kRowsAtOnce) {
    const auto some = std::span(rows).subspan(begin, std::min(kRowsAtOnce, rows.size() - begin));
    std::vector<float> vectors(some.size() * width);
    for (size_t i = 0; i < some.size(); ++i) {
      gallery.CopyVector(some[i], -1, vectors.data() + i * width);
    }
    const Rankings found = gallery.Search(vectors, options, {});
    for (size_t i = 0; i < some.size(); ++i) {
      int32_t& count = counts_[static_cast<size_t>(some[i])];
      for (const Neighbor& neighbor : found[i]) {
        if (neighbor.row == some[i] || count == k_) continue;
        lists_[static_cast<size_t>(some[i] * k_ + count++)] = {static_cast<int32_t>(neighbor.row),
                                                               neighbor.score};
      }
    }
  }
}

}  // namespace fluke::ranking
