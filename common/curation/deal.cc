#include "common/curation/deal.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace fluke {
namespace {

// Differences below this are rounding, not a reason to prefer a later part.
constexpr double kTie = 1e-9;

// The part with the largest value among those with a share.
int LargestPart(std::span<const double> values, std::span<const double> shares) {
  int best = -1;
  for (int part = 0; part < static_cast<int>(values.size()); ++part) {
    if (shares[part] > 0 && (best < 0 || values[part] > values[best] + kTie)) best = part;
  }
  return best;
}

double StandardDeviation(std::span<const double> values) {
  const double n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / n);
}

// Group numbers by falling key, equal ones in the order given.
std::vector<size_t> ByFalling(std::span<const double> keys) {
  std::vector<size_t> order(keys.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return keys[a] > keys[b]; });
  return order;
}

}  // namespace

std::vector<int> CutByShare(std::span<const int64_t> sizes, std::span<const double> shares) {
  const auto total = static_cast<double>(std::accumulate(sizes.begin(), sizes.end(), int64_t{0}));
  std::vector<int> parts;
  double begin = 0, share_end = shares[0];
  int part = 0;
  for (int64_t size : sizes) {
    const double middle = begin + static_cast<double>(size) / 2;
    while (middle > total * share_end + kTie && part + 1 < static_cast<int>(shares.size())) {
      share_end += shares[++part];
    }
    parts.push_back(part);
    begin += static_cast<double>(size);
  }
  return parts;
}

std::vector<int> BalanceGroups(std::span<const int64_t> sizes, std::span<const double> shares) {
  const std::vector<double> keys(sizes.begin(), sizes.end());
  std::vector<double> emptiness(shares.size(), 0);  // minus how full a part is, its share being 1
  std::vector<int> parts(sizes.size());
  for (size_t group : ByFalling(keys)) {
    const int part = LargestPart(emptiness, shares);
    parts[group] = part;
    emptiness[part] -= static_cast<double>(sizes[group]) / shares[part];
  }
  return parts;
}

std::vector<int> Deal(int64_t examples, std::span<const double> shares) {
  std::vector<double> lacking(shares.size(), 0);
  std::vector<int> parts;
  for (int64_t i = 0; i < examples; ++i) {
    for (size_t part = 0; part < shares.size(); ++part) lacking[part] += shares[part];
    parts.push_back(LargestPart(lacking, shares));
    lacking[parts.back()] -= 1;
  }
  return parts;
}

std::vector<int> BalanceLabelledGroups(const std::vector<std::vector<LabelCount>>& groups,
                                       int label_count, std::span<const double> shares) {
  std::vector<double> totals(static_cast<size_t>(label_count), 0), spread;
  for (const std::vector<LabelCount>& group : groups) {
    double photos = 0, squares = 0;
    for (const auto& [label, count] : group) {
      totals[label] += static_cast<double>(count);
      photos += static_cast<double>(count);
      squares += static_cast<double>(count * count);
    }
    const double mean = photos / label_count;
    spread.push_back(std::sqrt(std::max(0.0, squares / label_count - mean * mean)));
  }
  // fill[label][part]: the label's proportion in the part, divided by the part's share.
  std::vector<std::vector<double>> fill(static_cast<size_t>(label_count),
                                        std::vector<double>(shares.size(), 0));
  std::vector<double> deviation(static_cast<size_t>(label_count), 0);
  std::vector<double> photos_of(shares.size(), 0);  // a part's, divided by its share
  const auto put = [&](const LabelCount& entry, int part, double sign) {
    const auto count = static_cast<double>(entry.photos);
    fill[entry.label][part] += sign * count / totals[entry.label] / shares[part];
  };
  std::vector<int> parts(groups.size());
  for (size_t group : ByFalling(spread)) {
    int best = -1;
    double least = 0;
    for (int part = 0; part < static_cast<int>(shares.size()); ++part) {
      if (shares[part] <= 0) continue;
      double change = 0;  // of the sum of all labels' deviations
      for (const LabelCount& entry : groups[group]) {
        put(entry, part, 1);
        change += StandardDeviation(fill[entry.label]) - deviation[entry.label];
        put(entry, part, -1);
      }
      const bool better = best < 0 || change < least - kTie ||
                          (change < least + kTie && photos_of[part] < photos_of[best] - kTie);
      if (!better) continue;
      best = part;
      least = change;
    }
    parts[group] = best;
    for (const LabelCount& entry : groups[group]) {
      put(entry, best, 1);
      deviation[entry.label] = StandardDeviation(fill[entry.label]);
      photos_of[best] += static_cast<double>(entry.photos) / shares[best];
    }
  }
  return parts;
}

std::vector<int> StratifyIteratively(const std::vector<std::vector<int>>& labels,
                                     std::span<const double> shares) {
  int label_count = 0;
  for (const std::vector<int>& of_example : labels) {
    for (int label : of_example) label_count = std::max(label_count, label + 1);
  }
  std::vector<std::vector<size_t>> examples_of(static_cast<size_t>(label_count));
  for (size_t i = 0; i < labels.size(); ++i) {
    for (int label : labels[i]) examples_of[label].push_back(i);
  }
  // What each part still wants: examples, and examples of each label.
  std::vector<double> wanted;
  for (double share : shares) wanted.push_back(share * static_cast<double>(labels.size()));
  std::vector<std::vector<double>> wanted_of;
  std::vector<int64_t> left;
  for (const std::vector<size_t>& examples : examples_of) {
    left.push_back(static_cast<int64_t>(examples.size()));
    wanted_of.emplace_back();
    for (double share : shares)
      wanted_of.back().push_back(share * static_cast<double>(examples.size()));
  }

  std::vector<int> parts(labels.size(), -1);
  const auto assign = [&](size_t example, int part) {
    parts[example] = part;
    wanted[part] -= 1;
    for (int label : labels[example]) {
      wanted_of[label][part] -= 1;
      --left[label];
    }
  };
  while (true) {
    int rarest = -1;
    for (int label = 0; label < label_count; ++label) {
      if (left[label] > 0 && (rarest < 0 || left[label] < left[rarest])) rarest = label;
    }
    if (rarest < 0) break;
    for (size_t example : examples_of[rarest]) {
      if (parts[example] >= 0) continue;
      const std::vector<double>& wants = wanted_of[rarest];
      const double most = wants[LargestPart(wants, shares)];
      int best = -1;
      for (int part = 0; part < static_cast<int>(shares.size()); ++part) {
        if (shares[part] <= 0 || wants[part] < most - kTie) continue;
        if (best < 0 || wanted[part] > wanted[best] + kTie) best = part;
      }
      assign(example, best);
    }
  }
  for (size_t i = 0; i < labels.size(); ++i) {
    if (parts[i] < 0) assign(i, LargestPart(wanted, shares));
  }
  return parts;
}

}  // namespace fluke
