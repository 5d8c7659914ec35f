// Evaluating embeddings: metrics by the scan or by the index's exact search, what is new, and the
// files that a leaderboard wants.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>

#include "cli/evaluate_data.h"
#include "cli/evaluate_outcome.h"
#include "common/error.h"
#include "common/metrics/calibration.h"
#include "common/metrics/open_set.h"
#include "common/metrics/pair_scores.h"
#include "common/metrics/retrieval.h"
#include "common/metrics/search_plan.h"
#include "common/metrics/submission.h"
#include "common/metrics/trec_files.h"
#include "common/metrics/verification.h"
#include "common/progress.h"
#include "index/flat_search.h"

namespace fluke::cli {
namespace {

constexpr int64_t kRunDepth = 100;         // neighbours a topic in --write-run
constexpr int64_t kDeepestAnswers = 200;   // neighbours looked at for different identities
constexpr int64_t kMostPairs = 4'000'000;  // of different individuals
constexpr double kFmrs[] = {1e-1, 1e-2, 1e-3};
constexpr double kFars[] = {.1, .01};

// Searches the gallery for rows of the query table.
class Searcher {
 public:
  explicit Searcher(const EvaluationData& data)
      : data_(data),
        search_(data.gallery().vectors(), data.gallery().dimension(),
                std::filesystem::temp_directory_path()) {}

  bool has_codes() const { return search_.has_codes(); }

  BlockSearch function() {
    return [this](std::span<const int64_t> rows, int64_t k) {
      const int64_t width = data_.gallery().dimension();
      queries_.clear();
      for (int64_t row : rows) {
        const auto vector = data_.queries().vectors().subspan(row * width, width);
        queries_.insert(queries_.end(), vector.begin(), vector.end());
      }
      return search_.Search(queries_, k);
    };
  }

 private:
  const EvaluationData& data_;
  FlatSearch search_;
  std::vector<float> queries_;
};

// Each made when it is first wanted.
class Evaluation {
 public:
  explicit Evaluation(const EvaluateArguments& arguments)
      : arguments_(arguments),
        data_(arguments.embeddings, arguments.items, arguments.query_embeddings,
              arguments.query_items, arguments.protocol) {}

  Outcome Run() {
    Outcome outcome;
    outcome.report = Measure();
    if (NeedsNeighbors()) LookAtNeighbors(&outcome);
    searcher_.reset();  // its codes, before each query's names
    for (int64_t row = 0; row < data_.queries().items().rows(); ++row) {
      Item item = data_.queries().items().item(row);
      outcome.ids.push_back(std::move(item.id));
      outcome.identities.push_back(std::move(item.identity));
    }
    if (arguments_.verification) Verify(&outcome);
    if (!arguments_.write_qrels.empty()) WriteQrels();
    return outcome;
  }

 private:
  // Metrics of a certain depth come from the index's search where it is quicker than all products;
  // those that may need the whole ranking from the scan, which keeps a query's scores until it can
  // tell.
  MetricReport Measure() {
    const std::vector<AskedMetric> asked = ParseMetrics(arguments_.metrics);
    const bool full = std::any_of(asked.begin(), asked.end(), [](const AskedMetric& metric) {
      return metric.row->full_ranking;
    });
    const SearchLabels labels = data_.labels();
    if (full || !searcher().has_codes()) {
      return EvaluateSearch(data_.queries().vectors(), data_.gallery().vectors(),
                            data_.gallery().dimension(), labels, arguments_.metrics);
    }
    Progress progress("evaluate", static_cast<int64_t>(labels.queries.size()), "queries");
    return EvaluateStreamed(labels, arguments_.metrics, searcher().function(),
                            {.progress = [&](int64_t queries) { progress.Advance(queries); }});
  }

  Searcher& searcher() {
    if (searcher_ == nullptr) searcher_ = std::make_unique<Searcher>(data_);
    return *searcher_;
  }

  bool open_set() const { return arguments_.protocol != nullptr && arguments_.protocol->open_set; }
  bool gap() const {
    return arguments_.protocol != nullptr && arguments_.protocol->name == "landmark";
  }
  bool NeedsNeighbors() const {
    return open_set() || gap() || !arguments_.write_submission.empty() ||
           !arguments_.write_run.empty();
  }

  // One pass for everything that looks at the first neighbours of all queries.
  void LookAtNeighbors(Outcome* outcome) {
    const SearchLabels labels = data_.labels();
    std::vector<bool> is_known(labels.queries.size());
    const SearchPlan plan(labels);
    for (const SearchPlan::Query& query : plan.queries()) is_known[query.row] = true;
    std::vector<Identification> best;
    std::unique_ptr<AtomicFile> run;
    if (!arguments_.write_run.empty()) run = std::make_unique<AtomicFile>(arguments_.write_run);
    std::vector<std::vector<Neighbor>> kept;  // a submission may need the threshold
    const int64_t depth = arguments_.write_submission.empty()
                              ? (run == nullptr ? 1 : kRunDepth)
                              : std::max(kDeepestAnswers, kRunDepth);
    ForEachNeighbors(labels, depth, searcher().function(),
                     [&](int64_t query, std::span<const Neighbor> neighbors) {
                       if (run != nullptr) WriteRun(query, neighbors, run.get());
                       if (!arguments_.write_submission.empty())
                         kept.push_back(FirstAnswers(neighbors));
                       if (labels.queries[query] < 0) return;  // nobody can say whether it is right
                       Identification& one = best.emplace_back();
                       one.identity = labels.queries[query];
                       one.is_known = is_known[query];
                       if (neighbors.empty()) return;
                       one.predicted = labels.gallery[neighbors[0].row];
                       one.score = neighbors[0].score;
                     });
    if (run != nullptr) run->Commit();
    if (gap()) outcome->figures.push_back({"gap", GlobalAveragePrecision(best)});
    float threshold = arguments_.new_threshold;
    if (open_set() && !best.empty()) threshold = AddOpenSet(best, outcome);
    if (!arguments_.write_submission.empty()) WriteSubmission(kept, threshold);
  }

  // Returns the threshold that was given or found.
  float AddOpenSet(const std::vector<Identification>& best, Outcome* outcome) {
    const auto add = [&](std::string name, double value) {
      outcome->figures.push_back({std::move(name), value});
    };
    const bool is_given = !std::isnan(arguments_.new_threshold);
    const ThresholdGoal& goal = ThresholdGoals()[0];
    const float threshold =
        is_given ? arguments_.new_threshold : ChooseThreshold(best, goal).threshold;
    const OpenSetAccuracy accuracy = BalancedAccuracies(best, threshold);
    add(is_given ? "threshold (given)" : "threshold (best on these queries)", threshold);
    add("baks", accuracy.baks);
    add("baus", accuracy.baus);
    add("geometric", goal.value(accuracy.baks, accuracy.baus));
    add("known individuals", static_cast<double>(accuracy.known_individuals));
    add("new individuals", static_cast<double>(accuracy.new_individuals));
    std::vector<float> known, fresh, confidences;
    std::vector<bool> right;
    for (const Identification& one : best) {
      (one.is_known ? known : fresh).push_back(one.score);
      confidences.push_back(std::clamp(one.score, 0.f, 1.f));
      right.push_back(one.is_right());
    }
    add("auroc", Auroc(known, fresh));
    for (double far : kFars) add(StrCat("dir@far ", far), DirAtFar(best, far).dir);
    add("ece", MeasureCalibration(confidences, right).ece);
    return threshold;
  }

  void WriteRun(int64_t query, std::span<const Neighbor> neighbors, AtomicFile* file) const {
    for (size_t i = 0; i < std::min<size_t>(neighbors.size(), kRunDepth); ++i) {
      file->Append(TrecRunLine(data_.queries().items().id(query),
                               data_.gallery().items().id(neighbors[i].row),
                               static_cast<int64_t>(i) + 1, neighbors[i].score, "fluke"));
    }
  }

  const Protocol& SubmissionProtocol() const {
    if (arguments_.protocol == nullptr || arguments_.protocol->answers == 0) {
      InvalidArgument("--write-submission needs a --protocol that has submissions");
    }
    return *arguments_.protocol;
  }

  // The neighbours that can become answers: the best of each identity, or the first items.
  std::vector<Neighbor> FirstAnswers(std::span<const Neighbor> neighbors) const {
    const Protocol& protocol = SubmissionProtocol();
    std::vector<Neighbor> first;
    for (const Neighbor& neighbor : neighbors) {
      if (static_cast<int64_t>(first.size()) == protocol.answers) break;
      const int64_t identity = data_.labels().gallery[neighbor.row];
      const bool is_again = protocol.answers_identities &&
                            std::any_of(first.begin(), first.end(), [&](const Neighbor& other) {
                              return data_.labels().gallery[other.row] == identity;
                            });
      if (!is_again) first.push_back(neighbor);
    }
    return first;
  }

  void WriteSubmission(const std::vector<std::vector<Neighbor>>& neighbors, float threshold) const {
    const Protocol& protocol = SubmissionProtocol();
    SubmissionWriter writer(arguments_.write_submission);
    for (size_t q = 0; q < neighbors.size(); ++q) {
      std::vector<std::pair<std::string, float>> ranked;
      for (const Neighbor& neighbor : neighbors[q]) {
        const Item item = data_.gallery().items().item(neighbor.row);
        ranked.emplace_back(protocol.answers_identities ? item.identity : item.id, neighbor.score);
      }
      const std::string_view new_label = std::isnan(threshold) ? "" : protocol.new_label;
      writer.Add(data_.queries().items().id(static_cast<int64_t>(q)),
                 DifferentAnswers(ranked, protocol.answers, new_label, threshold));
    }
    writer.Commit();
  }

  // Judges what is relevant alone: whatever is not listed is not.
  void WriteQrels() const {
    const SearchLabels labels = data_.labels();
    std::unordered_map<int64_t, std::vector<int64_t>> rows_of;
    for (size_t row = 0; row < labels.gallery.size(); ++row) {
      rows_of[labels.gallery[row]].push_back(static_cast<int64_t>(row));
    }
    const SearchPlan plan(labels);
    std::vector<int64_t> left_out;
    AtomicFile file(arguments_.write_qrels);
    for (const SearchPlan::Query& query : plan.queries()) {
      plan.LeftOut(query.row, &left_out);
      for (int64_t row : rows_of.at(labels.queries[query.row])) {
        if (std::binary_search(left_out.begin(), left_out.end(), row)) continue;
        file.Append(TrecQrelsLine(data_.queries().items().id(query.row),
                                  data_.gallery().items().id(row), 1));
      }
    }
    file.Commit();
  }

  void Verify(Outcome* outcome) const {
    const PairScores pairs = ScorePairs(data_.queries().vectors(), data_.gallery().vectors(),
                                        data_.gallery().dimension(), data_.labels(), kMostPairs,
                                        arguments_.bootstrap.seed);
    const auto add = [&](std::string name, double value) {
      outcome->figures.push_back({std::move(name), value});
    };
    add("pairs of the same", static_cast<double>(pairs.same.size()));
    add(pairs.is_sample ? "pairs of different ones (drawn)" : "pairs of different ones",
        static_cast<double>(pairs.different.size()));
    add("pair auroc", Auroc(pairs.same, pairs.different));
    add("eer", EqualErrorRate(pairs.same, pairs.different));
    for (double fmr : kFmrs) {
      add(StrCat("fnmr@fmr ", fmr), FnmrAtFmr(pairs.same, pairs.different, fmr).fnmr);
    }
  }

  const EvaluateArguments& arguments_;
  const EvaluationData data_;
  std::unique_ptr<Searcher> searcher_;
};

}  // namespace

Outcome EvaluateVectors(const EvaluateArguments& arguments) { return Evaluation(arguments).Run(); }

}  // namespace fluke::cli
