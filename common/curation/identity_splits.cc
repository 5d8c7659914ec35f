#include "common/curation/identity_splits.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "common/curation/columns.h"
#include "common/curation/deal.h"
#include "common/curation/order.h"
#include "common/curation/timestamp.h"
#include "common/error.h"

namespace fluke {
namespace {

using Items = std::vector<ManifestItem>;

// Ordered by name; each identity's photographs in the drawn order.
std::map<std::string, std::vector<size_t>> PhotosOfIdentities(const Items& items,
                                                              std::optional<uint64_t> seed) {
  std::map<std::string, std::vector<size_t>> photos_of;
  for (size_t i : ItemsInOrder(items, seed)) {
    if (!items[i].identity.empty()) photos_of[items[i].identity].push_back(i);
  }
  return photos_of;
}

// How many of n photographs (or days) come first: train's.
int64_t TrainPhotos(int64_t n, double share) {
  const auto rounded = static_cast<int64_t>(std::nearbyint(share * static_cast<double>(n)));
  return std::clamp<int64_t>(rounded, 1, std::max<int64_t>(1, n - 1));
}

// The part of place `place` of n, train first; of what follows, test has at least one.
class Places {
 public:
  Places(int64_t n, double train_share, const std::vector<double>& shares)
      : train_(TrainPhotos(n, train_share)), last_(static_cast<int>(shares.size()) - 1) {
    const double test_share = shares.back(), val_share = last_ == 2 ? shares[1] : 0;
    const double rest = static_cast<double>(n - train_);
    const double sum = val_share + test_share;
    val_ = sum > 0 ? static_cast<int64_t>(std::floor(rest * val_share / sum)) : 0;
  }
  int PartOf(int64_t place) const {
    if (place < train_) return 0;
    return place < train_ + val_ ? 1 : last_;
  }

 private:
  int64_t train_ = 0, val_ = 0;
  int last_ = 1;
};

void DivideEach(const std::map<std::string, std::vector<size_t>>& photos_of, double train_share,
                const std::vector<double>& shares, std::vector<int>* parts) {
  for (const auto& [identity, photos] : photos_of) {
    const Places places(static_cast<int64_t>(photos.size()), train_share, shares);
    for (size_t place = 0; place < photos.size(); ++place)
      (*parts)[photos[place]] = places.PartOf(static_cast<int64_t>(place));
  }
}

std::vector<std::optional<int64_t>> Times(const Items& items) {
  const std::vector<std::string> texts = ColumnTexts(items, "timestamp");
  std::vector<std::optional<int64_t>> times;
  for (size_t i = 0; i < items.size(); ++i) {
    times.push_back(ParseTimestamp(texts[i]));
    if (!times.back() && !texts[i].empty()) {
      InvalidArgument("line ", items[i].line, ": ", items[i].path, ": timestamp '", texts[i],
                      "'; expected a form of 2019-05-17 08:30:15");
    }
  }
  return times;
}

}  // namespace

std::vector<int> DivideClosed(const Items& items, const SplitRequest& request) {
  ColumnTexts(items, "identity");
  std::vector<int> parts(items.size(), kNoPart);
  DivideEach(PhotosOfIdentities(items, request.seed), request.shares[0], request.shares, &parts);
  return parts;
}

std::vector<int> DivideOpen(const Items& items, const SplitRequest& request) {
  if (!(request.new_identity_share > 0 && request.new_identity_share < 1)) {
    InvalidArgument("share of new identities ", request.new_identity_share,
                    "; expected between 0 and 1");
  }
  std::map<std::string, std::vector<size_t>> photos_of = PhotosOfIdentities(items, request.seed);
  const std::vector<std::string> names = OrderNames(ColumnTexts(items, "identity"), request.seed);
  std::vector<std::string> known;
  std::vector<int64_t> sizes;
  int64_t photos = 0;
  for (const std::string& name : names) {
    if (name.empty()) continue;
    known.push_back(name);
    sizes.push_back(static_cast<int64_t>(photos_of.at(name).size()));
    photos += sizes.back();
  }
  const double new_share = request.new_identity_share;
  const std::vector<int> is_known =
      CutByShare(sizes, std::vector<double>{new_share, 1 - new_share});
  const int test = static_cast<int>(request.shares.size()) - 1;
  std::vector<int> parts(items.size(), kNoPart);
  int64_t new_photos = 0;
  for (size_t i = 0; i < known.size(); ++i) {
    if (is_known[i] != 0) continue;
    for (size_t item : photos_of.at(known[i])) parts[item] = test;
    new_photos += sizes[i];
    photos_of.erase(known[i]);
  }
  const double train_share = photos > new_photos
                                 ? std::min(1.0, static_cast<double>(photos) * request.shares[0] /
                                                     static_cast<double>(photos - new_photos))
                                 : 0;
  DivideEach(photos_of, train_share, request.shares, &parts);
  return parts;
}

std::vector<int> DivideAtTimes(const Items& items, const SplitRequest& request) {
  if (request.cuts.empty() || request.cuts.size() > 2 ||
      !std::is_sorted(request.cuts.begin(), request.cuts.end())) {
    InvalidArgument("a split at times needs --at, one point in time or two that rise");
  }
  const std::vector<std::optional<int64_t>> times = Times(items);
  std::vector<int> parts(items.size(), kNoPart);
  for (size_t i = 0; i < items.size(); ++i) {
    if (!times[i] || (request.end && *times[i] >= *request.end)) continue;
    const auto after = std::upper_bound(request.cuts.begin(), request.cuts.end(), *times[i]);
    parts[i] = static_cast<int>(after - request.cuts.begin());
  }
  return parts;
}

std::vector<int> DivideDatesOfIdentities(const Items& items, const SplitRequest& request) {
  const std::vector<std::optional<int64_t>> times = Times(items);
  std::vector<int> parts(items.size(), kNoPart);
  for (const auto& [identity, photos] : PhotosOfIdentities(items, request.seed)) {
    std::set<int64_t> days;
    for (size_t item : photos) {
      if (times[item]) days.insert(DayOf(*times[item]));
    }
    if (days.empty()) continue;
    const Places places(static_cast<int64_t>(days.size()), request.shares[0], request.shares);
    for (size_t item : photos) {
      if (!times[item]) continue;
      const auto place = std::distance(days.begin(), days.find(DayOf(*times[item])));
      parts[item] = places.PartOf(place);
    }
  }
  return parts;
}

}  // namespace fluke
