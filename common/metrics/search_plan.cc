#include "common/metrics/search_plan.h"

#include <algorithm>
#include <unordered_map>

#include "common/error.h"

namespace fluke {
namespace {

void Check(const SearchLabels& labels) {
  if (!labels.own_rows.empty() && labels.own_rows.size() != labels.queries.size()) {
    InvalidArgument(labels.own_rows.size(), " own rows for ", labels.queries.size(), " queries");
  }
  for (int64_t row : labels.own_rows) {
    if (row >= static_cast<int64_t>(labels.gallery.size())) {
      InvalidArgument("own row ", row, " of a gallery of ", labels.gallery.size());
    }
  }
  if (labels.query_cameras.empty() && labels.gallery_cameras.empty()) return;
  if (labels.query_cameras.size() != labels.queries.size() ||
      labels.gallery_cameras.size() != labels.gallery.size()) {
    InvalidArgument(labels.query_cameras.size(), " and ", labels.gallery_cameras.size(),
                    " cameras for ", labels.queries.size(), " queries and a gallery of ",
                    labels.gallery.size());
  }
}

}  // namespace

SearchPlan::SearchPlan(const SearchLabels& labels) : labels_(labels) {
  Check(labels);
  std::unordered_map<int64_t, int64_t> gallery_count;
  for (int64_t identity : labels.gallery) ++gallery_count[identity];
  for (size_t row = 0; row < labels.gallery_cameras.size(); ++row) {
    if (labels.gallery[row] < 0 || labels.gallery_cameras[row] < 0) continue;
    rows_of_camera_[{labels.gallery[row], labels.gallery_cameras[row]}].push_back(
        static_cast<int64_t>(row));
  }
  std::vector<int64_t> left_out;
  for (size_t q = 0; q < labels.queries.size(); ++q) {
    const int64_t identity = labels.queries[q];
    const auto found = gallery_count.find(identity);
    int64_t relevant = found == gallery_count.end() ? 0 : found->second;
    LeftOut(static_cast<int64_t>(q), &left_out);
    for (int64_t row : left_out) relevant -= labels.gallery[row] == identity ? 1 : 0;
    if (identity < 0 || relevant == 0) {
      ++dropped_;
    } else {
      queries_.push_back({static_cast<int64_t>(q), relevant});
    }
  }
}

void SearchPlan::LeftOut(int64_t query_row, std::vector<int64_t>* rows) const {
  rows->clear();
  if (!labels_.query_cameras.empty()) {
    const auto same =
        rows_of_camera_.find({labels_.queries[query_row], labels_.query_cameras[query_row]});
    if (same != rows_of_camera_.end()) *rows = same->second;
  }
  const int64_t own = labels_.own_rows.empty() ? -1 : labels_.own_rows[query_row];
  if (own < 0) return;
  const auto place = std::lower_bound(rows->begin(), rows->end(), own);
  if (place == rows->end() || *place != own) rows->insert(place, own);
}

}  // namespace fluke
