#include "common/curation/adversarial.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <opencv2/core.hpp>

#include "common/curation/columns.h"
#include "common/curation/deal.h"
#include "common/curation/logistic.h"
#include "common/curation/order.h"
#include "common/error.h"

namespace fluke {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
constexpr int kEmbeddingDirections = 32;

// The photographs of the two splits, as examples.
struct Examples {
  std::vector<size_t> items;
  std::vector<uint8_t> is_test;
};

Examples ExamplesOf(const std::vector<ManifestItem>& items, const FeatureTable& features,
                    const AdversarialOptions& options) {
  Examples examples;
  for (size_t i : ItemsInOrder(items, options.seed)) {
    const bool is_test = items[i].split == options.test_split;
    if (!is_test && items[i].split != options.train_split) continue;
    if (features.rows[i].empty()) continue;
    examples.items.push_back(i);
    examples.is_test.push_back(is_test);
  }
  return examples;
}

// A train item that was not left out.
bool IsComparedTrain(const ManifestItem& item, double p_test, const AdversarialOptions& options) {
  return item.split == options.train_split && !std::isnan(p_test);
}

// Whole identities, test photographs spread evenly.
std::vector<int> FoldOfExamples(const std::vector<ManifestItem>& items, const Examples& examples,
                                int folds) {
  std::map<std::string, int> number_of;
  std::vector<int> group_of;
  std::vector<std::vector<LabelCount>> groups;
  int64_t groups_of[2] = {0, 0};
  for (size_t i = 0; i < examples.items.size(); ++i) {
    const ManifestItem& item = items[examples.items[i]];
    const std::string name = item.identity.empty() ? "\n" + ItemKey(item) : "=" + item.identity;
    const auto [found, fresh] = number_of.emplace(name, static_cast<int>(groups.size()));
    if (fresh) groups.emplace_back();
    group_of.push_back(found->second);
    std::vector<LabelCount>& counts = groups[found->second];
    const int label = examples.is_test[i];
    const auto same = std::find_if(counts.begin(), counts.end(),
                                   [&](const LabelCount& count) { return count.label == label; });
    if (same == counts.end()) {
      counts.push_back({label, 1});
      ++groups_of[label];
    } else {
      ++same->photos;
    }
  }
  if (std::min(groups_of[0], groups_of[1]) < folds) {
    InvalidArgument(folds, " folds of whole identities, but train has ", groups_of[0],
                    " identities and test ", groups_of[1]);
  }
  const std::vector<double> shares(static_cast<size_t>(folds), 1.0 / folds);
  const std::vector<int> fold_of_group = BalanceLabelledGroups(groups, 2, shares);
  std::vector<int> fold_of;
  for (int group : group_of) fold_of.push_back(fold_of_group[group]);
  return fold_of;
}

// Columns scaled to mean 0 and deviation 1 over the rows of `fit`; what is unknown becomes 0.
class Standard {
 public:
  Standard(const cv::Mat& x, const std::vector<int>& fit) : mean_(x.cols), deviation_(x.cols) {
    for (int column = 0; column < x.cols; ++column) {
      double sum = 0, squares = 0, known = 0;
      for (int row : fit) {
        const double value = x.at<double>(row, column);
        if (std::isnan(value)) continue;
        sum += value, squares += value * value, known += 1;
      }
      mean_[column] = known > 0 ? sum / known : 0;
      const double variance = known > 0 ? squares / known - mean_[column] * mean_[column] : 0;
      deviation_[column] = variance > 1e-12 * squares ? std::sqrt(variance) : 0;
    }
  }
  double Of(double value, int column) const {
    if (std::isnan(value) || deviation_[column] == 0) return 0;
    return std::clamp((value - mean_[column]) / deviation_[column], -5.0, 5.0);
  }

 private:
  std::vector<double> mean_, deviation_;
};

// Examples x (features, embedding directions); NaN = unknown.
cv::Mat Matrix64(const Examples& examples, const FeatureTable& features,
                 const std::vector<std::vector<float>>& embeddings) {
  const int n = static_cast<int>(examples.items.size()),
            columns = static_cast<int>(features.names.size());
  cv::Mat directions;
  std::vector<int> known;
  if (!embeddings.empty()) {
    cv::Mat vectors;
    for (int i = 0; i < n; ++i) {
      const std::vector<float>& vector = embeddings[examples.items[i]];
      if (vector.empty()) continue;
      vectors.push_back(cv::Mat(vector, true).reshape(1, 1));
      known.push_back(i);
    }
    if (!known.empty()) {
      const int most = std::min({kEmbeddingDirections, vectors.cols, vectors.rows});
      directions = cv::PCA(vectors, cv::noArray(), cv::PCA::DATA_AS_ROW, most).project(vectors);
    }
  }
  cv::Mat x(n, columns + directions.cols, CV_64F, cv::Scalar(kUnknown));
  for (int i = 0; i < n; ++i) {
    for (int column = 0; column < columns; ++column)
      x.at<double>(i, column) = features.rows[examples.items[i]][column];
  }
  for (size_t k = 0; k < known.size(); ++k) {
    for (int column = 0; column < directions.cols; ++column)
      x.at<double>(known[k], columns + column) = directions.at<float>(static_cast<int>(k), column);
  }
  return x;
}

// The columns and their squares, standardised: a spread may differ where means do not.
cv::Mat Expanded(const cv::Mat& x, const std::vector<int>& rows, const Standard& standard) {
  cv::Mat expanded(static_cast<int>(rows.size()), 2 * x.cols, CV_64F);
  for (int i = 0; i < expanded.rows; ++i) {
    for (int column = 0; column < x.cols; ++column) {
      const double value = standard.Of(x.at<double>(rows[i], column), column);
      expanded.at<double>(i, column) = value;
      expanded.at<double>(i, x.cols + column) = value * value - 1;
    }
  }
  return expanded;
}

std::vector<FeatureAuc> EachFeature(const cv::Mat& x, const Examples& examples,
                                    const std::vector<std::string>& names) {
  std::vector<FeatureAuc> features;
  for (int column = 0; column < static_cast<int>(names.size()); ++column) {
    std::vector<double> values;
    std::vector<uint8_t> labels;
    double tests = 0;
    for (int i = 0; i < x.rows; ++i) {
      if (std::isnan(x.at<double>(i, column))) continue;
      values.push_back(x.at<double>(i, column));
      labels.push_back(examples.is_test[i]);
      tests += labels.back();
    }
    const double trains = static_cast<double>(labels.size()) - tests;
    if (tests == 0 || trains == 0) continue;
    const double auc = AreaUnderRoc(values, labels);
    const double deviation = std::sqrt((tests + trains + 1) / (12 * tests * trains));
    features.push_back(
        {names[column], auc, (auc - .5) / deviation, static_cast<int64_t>(labels.size())});
  }
  std::stable_sort(features.begin(), features.end(), [](const FeatureAuc& a, const FeatureAuc& b) {
    return std::abs(a.auc - .5) > std::abs(b.auc - .5);
  });
  return features;
}

}  // namespace

AdversarialReport CompareSplits(const std::vector<ManifestItem>& items,
                                const FeatureTable& features,
                                const std::vector<std::vector<float>>& embeddings,
                                const AdversarialOptions& options) {
  const Examples examples = ExamplesOf(items, features, options);
  AdversarialReport report;
  report.test = std::count(examples.is_test.begin(), examples.is_test.end(), uint8_t{1});
  report.train = static_cast<int64_t>(examples.items.size()) - report.test;
  if (report.train == 0 || report.test == 0) {
    InvalidArgument("split '", options.train_split, "' has ", report.train,
                    " readable photographs and '", options.test_split, "' ", report.test,
                    "; both need some");
  }
  const cv::Mat x = Matrix64(examples, features, embeddings);
  const std::vector<int> fold_of = FoldOfExamples(items, examples, options.folds);
  std::vector<double> p(examples.items.size(), .5);
  for (int fold = 0; fold < options.folds; ++fold) {
    std::vector<int> fit, asked;
    std::vector<uint8_t> labels;
    for (int i = 0; i < x.rows; ++i) {
      (fold_of[i] == fold ? asked : fit).push_back(i);
      if (fold_of[i] != fold) labels.push_back(examples.is_test[i]);
    }
    const Standard standard(x, fit);
    const LogisticModel model = FitLogistic(Expanded(x, fit, standard), labels, options.c);
    const cv::Mat rows = Expanded(x, asked, standard);
    for (int i = 0; i < rows.rows; ++i)
      p[asked[i]] = model.Probability({rows.ptr<double>(i), static_cast<size_t>(rows.cols)});
  }
  report.auc = AreaUnderRoc(p, examples.is_test);
  report.features = EachFeature(x, examples, features.names);
  report.p_test.assign(items.size(), kUnknown);
  for (size_t i = 0; i < p.size(); ++i) report.p_test[examples.items[i]] = p[i];
  return report;
}

std::vector<double> TrainWeights(const std::vector<ManifestItem>& items,
                                 const AdversarialReport& report, const AdversarialOptions& options,
                                 double most) {
  const double prior = static_cast<double>(report.test) / static_cast<double>(report.train);
  std::vector<double> weights(items.size(), kUnknown);
  double sum = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!IsComparedTrain(items[i], report.p_test[i], options)) continue;
    const double odds = report.p_test[i] / std::max(1 - report.p_test[i], 1e-12);
    weights[i] = std::clamp(odds / prior, 1 / most, most);
    sum += weights[i];
  }
  for (double& weight : weights) weight *= static_cast<double>(report.train) / sum;
  return weights;
}

std::vector<bool> MatchedValidation(const std::vector<ManifestItem>& items,
                                    const AdversarialReport& report,
                                    const AdversarialOptions& options, double share,
                                    bool whole_identities) {
  struct Unit {
    std::vector<size_t> photos;
    double sum = 0;
    double mean() const { return sum / static_cast<double>(photos.size()); }
  };
  std::map<std::string, Unit> units;  // ordered: equal means are decided by name
  for (size_t i = 0; i < items.size(); ++i) {
    if (!IsComparedTrain(items[i], report.p_test[i], options)) continue;
    const bool whole = whole_identities && !items[i].identity.empty();
    Unit& unit = units[whole ? "=" + items[i].identity : "\n" + ItemKey(items[i])];
    unit.photos.push_back(i);
    unit.sum += report.p_test[i];
  }
  std::vector<const Unit*> ranked;
  for (const auto& [name, unit] : units) ranked.push_back(&unit);
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Unit* a, const Unit* b) { return a->mean() > b->mean(); });
  const double wanted = share * static_cast<double>(report.train);
  std::vector<bool> chosen(items.size(), false);
  double photos = 0;
  for (const Unit* unit : ranked) {
    if (photos + static_cast<double>(unit->photos.size()) / 2 > wanted) break;
    for (size_t item : unit->photos) chosen[item] = true;
    photos += static_cast<double>(unit->photos.size());
  }
  return chosen;
}

}  // namespace fluke
