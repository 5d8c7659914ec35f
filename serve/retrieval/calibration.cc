#include "serve/retrieval/calibration.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/error.h"
#include "common/random.h"

namespace fluke::serve {
namespace {

constexpr int64_t kFolds = 5;
constexpr size_t kSearchedTogether = 32;

using Trials = std::span<const CalibrationTrial>;

// How many trials go right at a threshold: it is passed on the way up by `score`.
struct Turn {
  float score = 0;
  int change = 0;
};

float FitThreshold(const std::vector<CalibrationTrial>& trials) {
  std::vector<Turn> turns;
  int right = 0;  // with a threshold below all scores, but for those that always are
  for (const CalibrationTrial& trial : trials) {
    if (trial.best_is_right) {
      ++right;
      turns.push_back({trial.best_score, -1});
    }
    if (trial.best_other_score) turns.push_back({*trial.best_other_score, +1});
  }
  if (turns.empty()) return 0;
  std::ranges::sort(turns, {}, &Turn::score);
  float best = turns.front().score;
  int most = right;
  float widest = 0;
  for (size_t i = 0; i < turns.size(); ++i) {
    right += turns[i].change;
    const float low = turns[i].score;
    const bool is_last = i + 1 == turns.size();
    const float high =
        is_last ? std::nextafter(low, std::numeric_limits<float>::infinity()) : turns[i + 1].score;
    if (high == low) continue;
    const float gap = is_last ? 0 : high - low;
    if (right < most || (right == most && gap <= widest)) continue;
    most = right;
    widest = gap;
    const auto middle = static_cast<float>(low + (double{high} - low) / 2);
    best = middle > low ? middle : high;
  }
  return best;
}

struct Recognised {
  int64_t known = 0, fresh = 0;
};

Recognised Count(Trials trials, float threshold) {
  Recognised recognised;
  for (const CalibrationTrial& trial : trials) {
    if (trial.best_is_right && trial.best_score >= threshold) ++recognised.known;
    if (!trial.best_other_score || *trial.best_other_score < threshold) ++recognised.fresh;
  }
  return recognised;
}

Recognised CrossValidate(Trials trials) {
  Recognised sum;
  for (int64_t fold = 0; fold < kFolds; ++fold) {
    std::vector<CalibrationTrial> fitted, judged;
    for (const CalibrationTrial& trial : trials) {
      (trial.individual % kFolds == fold ? judged : fitted).push_back(trial);
    }
    const Recognised part = Count(judged, FitThreshold(fitted));
    sum.known += part.known;
    sum.fresh += part.fresh;
  }
  return sum;
}

// Trials of neighbouring scores, pooled.
struct Pool {
  float low = 0, high = 0;
  double right = 0, trials = 0;

  double share() const { return right / trials; }
  void Take(const Pool& next) {
    high = next.high;
    right += next.right;
    trials += next.trials;
  }
};

std::vector<ScoreCalibration::Step> FitProbability(Trials trials) {
  std::vector<Pool> outcomes;
  const auto add = [&](float score, bool right) {
    outcomes.push_back({.low = score, .high = score, .right = right ? 1.0 : 0.0, .trials = 1});
  };
  for (const CalibrationTrial& trial : trials) {
    add(trial.best_score, trial.best_is_right);
    if (trial.best_other_score) add(*trial.best_other_score, false);
  }
  const auto [lowest, highest] = std::ranges::minmax(outcomes, {}, &Pool::low);
  const float low = lowest.low, high = highest.low;
  add(low, true);
  add(high, false);
  std::ranges::stable_sort(outcomes, {}, &Pool::low);

  std::vector<Pool> equal;  // one a score
  for (const Pool& outcome : outcomes) {
    if (!equal.empty() && equal.back().high == outcome.low) {
      equal.back().Take(outcome);
    } else {
      equal.push_back(outcome);
    }
  }
  std::vector<Pool> rising;
  for (const Pool& next : equal) {
    rising.push_back(next);
    while (rising.size() > 1 && rising[rising.size() - 2].share() >= rising.back().share()) {
      const Pool last = rising.back();
      rising.pop_back();
      rising.back().Take(last);
    }
  }
  std::vector<ScoreCalibration::Step> steps;
  for (const Pool& pool : rising) {
    steps.push_back({.low = pool.low, .high = pool.high, .probability = pool.share()});
  }
  return steps;
}

// Identities with two photographs or more, numbered.
absl::flat_hash_map<std::string, int64_t> IndividualsOf(const VectorIndex& index) {
  absl::flat_hash_map<std::string, int64_t> individuals;
  for (const FacetValue& value : index.Facet("identity", nullptr)) {
    if (value.count >= 2) individuals.emplace(value.value, int64_t(individuals.size()));
  }
  return individuals;
}

class Sampler {
 public:
  Sampler(const VectorIndex& index, absl::flat_hash_map<std::string, int64_t> individuals,
          uint64_t seed)
      : index_(index), individuals_(std::move(individuals)), random_(RandomKey({seed})) {
    index_.ForEachRow([&](int64_t row) { rows_.push_back(row); });
  }

  struct Photograph {
    int64_t row = 0;
    int64_t individual = 0;
  };

  // Up to `count` further ones; fewer, and then none, at the end.
  std::vector<Photograph> Next(size_t count) {
    std::vector<Photograph> photographs;
    while (photographs.size() < count && drawn_ < rows_.size()) {
      std::swap(rows_[drawn_], rows_[drawn_ + random_.Below(rows_.size() - drawn_)]);
      const int64_t row = rows_[drawn_++];
      const auto individual = individuals_.find(index_.item(row).identity);
      if (individual != individuals_.end()) photographs.push_back({row, individual->second});
    }
    return photographs;
  }

 private:
  const VectorIndex& index_;
  const absl::flat_hash_map<std::string, int64_t> individuals_;
  Random random_;
  std::vector<int64_t> rows_;
  size_t drawn_ = 0;
};

void Try(const VectorIndex& index, const std::vector<Sampler::Photograph>& photographs,
         std::vector<CalibrationTrial>* trials) {
  const Filter known{.kind = Filter::Kind::kExists, .field = "identity"};
  // The best individual and the next: where the best is the right one, the next is what would be
  // found without it.
  const SearchOptions options{.k = 2, .filter = &known, .one_per_identity = true};
  std::vector<float> queries;
  std::vector<int64_t> rows;
  std::vector<std::string> ids;
  for (const Sampler::Photograph& photograph : photographs) {
    const std::vector<float> vector = index.vector(photograph.row);
    queries.insert(queries.end(), vector.begin(), vector.end());
    rows.push_back(photograph.row);
    ids.push_back(index.item(photograph.row).id);
  }
  std::vector<QueryPhotograph> known_photographs;
  for (const std::string& id : ids) known_photographs.push_back({.item_id = id});
  const std::vector<std::vector<Neighbor>> found =
      index.SearchPhotographs(queries, options, rows, known_photographs);
  for (size_t i = 0; i < photographs.size(); ++i) {
    if (found[i].empty()) continue;
    const Neighbor& best = found[i].front();
    CalibrationTrial& trial = trials->emplace_back();
    trial.individual = photographs[i].individual;
    trial.best_score = best.score;
    trial.best_is_right = index.item(best.row).identity == index.item(rows[i]).identity;
    if (!trial.best_is_right) {
      trial.best_other_score = best.score;
    } else if (found[i].size() > 1) {
      trial.best_other_score = found[i][1].score;
    }
  }
}

}  // namespace

double ScoreCalibration::ProbabilityAt(float score) const {
  const auto next = std::ranges::lower_bound(steps, score, {}, &Step::high);
  if (next == steps.end()) return steps.back().probability;
  if (next == steps.begin() || score >= next->low) return next->probability;
  const Step& before = *(next - 1);
  const double way = (double{score} - before.high) / (double{next->low} - before.high);
  return before.probability + way * (next->probability - before.probability);
}

ScoreCalibration FitCalibration(const std::vector<CalibrationTrial>& trials) {
  ScoreCalibration calibration;
  calibration.photographs = static_cast<int64_t>(trials.size());
  calibration.threshold = FitThreshold(trials);
  const Recognised recognised = CrossValidate(trials);
  const auto count = static_cast<double>(trials.size());
  calibration.known_recognised = static_cast<double>(recognised.known) / count;
  calibration.new_recognised = static_cast<double>(recognised.fresh) / count;
  calibration.steps = FitProbability(trials);
  return calibration;
}

std::optional<ScoreCalibration> Calibrate(const VectorIndex& index,
                                          const CalibrationOptions& options,
                                          const std::function<bool()>& cancelled) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  auto individuals = IndividualsOf(index);
  if (static_cast<int64_t>(individuals.size()) < kLeastIndividualsToCalibrate) return {};
  Sampler sampler(index, std::move(individuals), options.seed);
  std::vector<CalibrationTrial> trials;
  for (int64_t left = options.max_photographs; left > 0;) {
    if (cancelled()) Throw(absl::StatusCode::kCancelled, "the calibration was cancelled");
    const auto photographs =
        sampler.Next(static_cast<size_t>(std::min<int64_t>(left, kSearchedTogether)));
    if (photographs.empty()) break;
    Try(index, photographs, &trials);
    left -= static_cast<int64_t>(photographs.size());
    if (std::chrono::duration<double>(Clock::now() - begin).count() > options.max_seconds) break;
  }
  if (trials.empty()) return {};
  ScoreCalibration calibration = FitCalibration(trials);
  calibration.snapshot = index.Describe().snapshot;
  return calibration;
}

}  // namespace fluke::serve
