// Score normalisation: z-norm (Reynolds, 1997), s-norm (Kenny, Bayesian Speaker Verification with
// Heavy-Tailed Priors, Odyssey 2010).
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/table.h"
#include "index/best_k.h"
#include "index/parallel_loop.h"
#include "index/ranking/identities.h"
#include "index/ranking/steps/factories.h"

namespace fluke::ranking {
namespace {

enum class Method { kMinMax, kZNorm, kSNorm };

struct MethodRow {
  std::string_view name;
  Method method;
  std::string_view help;
};

constexpr MethodRow kMethods[] = {
    {"s_norm", Method::kSNorm, "by the cohort's scores with the item and with the query"},
    {"z_norm", Method::kZNorm, "by the cohort's scores with the item"},
    {"min_max", Method::kMinMax, "from 0 to 1 within the query's shortlist"},
};

// Of scores against a cohort.
struct Spread {
  float mean = 0;
  float deviation = 1;

  double Normalised(double score) const { return (score - mean) / deviation; }
};

Spread SpreadOf(std::span<const double> scores) {
  if (scores.empty()) return {};
  double sum = 0, squares = 0;
  for (const double score : scores) sum += score;
  const double mean = sum / static_cast<double>(scores.size());
  for (const double score : scores) squares += (score - mean) * (score - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(scores.size()));
  return {.mean = static_cast<float>(mean),
          .deviation = deviation > 0 ? static_cast<float>(deviation) : 1};
}

class ScoreNormalisationStep : public Step {
 public:
  ScoreNormalisationStep(const v1::ScoreNormalisation& settings, const Gallery& gallery)
      : method_(Find(kMethods, "method", settings.method()).method),
        shortlist_(settings.shortlist()),
        width_(static_cast<size_t>(gallery.dimension())) {
    if (method_ == Method::kMinMax) return;
    const std::vector<int64_t> rows = RowsOf(gallery.index());
    identities_ = IdentitiesOf(gallery.index());
    const auto size = std::min<size_t>(rows.size(), static_cast<size_t>(settings.cohort()));
    for (size_t i = 0; i < size; ++i) cohort_.push_back(rows[i * rows.size() / size]);
    cohort_vectors_.resize(size * width_);
    for (size_t i = 0; i < size; ++i) {
      gallery.CopyVector(cohort_[i], -1, cohort_vectors_.data() + i * width_);
    }
    items_.resize(static_cast<size_t>(RowLimit(gallery.index())));
    ParallelLoop(static_cast<int64_t>(rows.size()), omp_get_max_threads(), [&](int64_t i, int) {
      std::vector<float> vector(width_);
      gallery.CopyVector(rows[i], -1, vector.data());
      items_[static_cast<size_t>(rows[i])] =
          AgainstCohort(vector, rows[i], identities_.of_row[static_cast<size_t>(rows[i])]);
    });
  }

  int64_t DepthFor(int64_t k) const override { return std::max<int64_t>(k, shortlist_); }

  void Apply(const StepScope& /*scope*/, std::span<QueryState> queries) const override {
    for (QueryState& query : queries) {
      if (method_ == Method::kMinMax) {
        MinMax(query.ranking);
        continue;
      }
      Spread own;
      if (method_ == Method::kSNorm) own = AgainstCohort(query.vector, query.without, -1);
      for (Neighbor& neighbor : query.ranking) {
        const double by_item = items_[static_cast<size_t>(neighbor.row)].Normalised(neighbor.score);
        neighbor.score = static_cast<float>(
            method_ == Method::kZNorm ? by_item : (by_item + own.Normalised(neighbor.score)) / 2);
      }
      std::ranges::sort(query.ranking, Better);
    }
  }

 private:
  static void MinMax(std::vector<Neighbor>& ranking) {
    if (ranking.empty()) return;
    const float greatest = ranking.front().score, least = ranking.back().score;
    for (Neighbor& neighbor : ranking) {
      neighbor.score = greatest > least ? (neighbor.score - least) / (greatest - least) : 1;
    }
  }

  // Without `row` and, where it is known, its individual.
  Spread AgainstCohort(std::span<const float> vector, int64_t row, int32_t identity) const {
    std::vector<double> scores;
    for (size_t i = 0; i < cohort_.size(); ++i) {
      const int32_t theirs = identities_.of_row[static_cast<size_t>(cohort_[i])];
      if (cohort_[i] == row || (identity >= 0 && theirs == identity)) continue;
      scores.push_back(
          Cosine(vector.data(), cohort_vectors_.data() + i * width_, static_cast<int64_t>(width_)));
    }
    return SpreadOf(scores);
  }

  Method method_;
  int64_t shortlist_;
  size_t width_;
  Identities identities_;
  std::vector<int64_t> cohort_;        // rows
  std::vector<float> cohort_vectors_;  // cohort x dimension
  std::vector<Spread> items_;          // a row
};

}  // namespace

StepPtr MakeScoreNormalisation(const v1::RankingStep& settings, GalleryPtr gallery,
                               const StepContext& /*context*/) {
  return std::make_unique<const ScoreNormalisationStep>(settings.score_normalisation(), *gallery);
}

}  // namespace fluke::ranking
