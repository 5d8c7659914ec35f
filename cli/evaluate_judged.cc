// Evaluating what others made: a trec run by its qrels, a submission by the truth.
#include "cli/evaluate_data.h"
#include "cli/evaluate_outcome.h"
#include "common/error.h"
#include "common/metrics/retrieval.h"
#include "common/metrics/roxford.h"
#include "common/metrics/submission.h"
#include "common/metrics/trec.h"
#include "common/metrics/trec_files.h"

namespace fluke::cli {
namespace {

void SetTopics(std::span<const JudgedRanking> rankings, Outcome* outcome) {
  for (const JudgedRanking& ranking : rankings) outcome->ids.push_back(ranking.topic);
  outcome->identities.resize(outcome->ids.size());
}

// medium stands for all: its values are kept for every query.
Outcome Roxford(std::span<const JudgedRanking> rankings) {
  Outcome outcome;
  for (const RoxfordSetup& setup : RoxfordSetups()) {
    MetricReport report = EvaluateRoxford(rankings, setup);
    for (MetricResult& metric : report.metrics) metric.name = StrCat(setup.name, " ", metric.name);
    if (setup.name == "medium") {
      outcome.report = std::move(report);
    } else {
      outcome.figures.insert(outcome.figures.end(), report.metrics.begin(), report.metrics.end());
    }
  }
  SetTopics(rankings, &outcome);
  return outcome;
}

}  // namespace

Outcome EvaluateJudged(const EvaluateArguments& arguments) {
  const TrecRun run = ReadTrecRun(arguments.run);
  const TrecQrels qrels = ReadTrecQrels(arguments.qrels);
  const std::vector<JudgedRanking> rankings =
      JudgeRun(run, qrels, arguments.all_topics ? TrecTopics::kAllJudged : TrecTopics::kInBoth);
  if (rankings.empty()) {
    InvalidArgument(arguments.run, " and ", arguments.qrels, " have no topic in common");
  }
  if (arguments.protocol->name == "roxford") return Roxford(rankings);
  const std::vector<AskedTrecMeasure> measures = ParseTrecMeasures(arguments.metrics);
  Outcome outcome{.report = EvaluateTrec(rankings, measures)};
  SetTopics(rankings, &outcome);
  for (const AskedTrecMeasure& measure : measures) {
    outcome.is_mean.push_back(measure.row->aggregate == TrecAggregate::kMean);
  }
  outcome.table =
      TrecTable(outcome.report, measures, rankings, run.run_id, arguments.per_query == "-");
  return outcome;
}

namespace {

// What images show, by the truth; the answers of a protocol that wants items are images of
// --gallery, or else of the truth itself.
class Truth {
 public:
  explicit Truth(const std::string& path) {
    for (const Submission& line : ReadTruth(path)) {
      const int64_t identity = numbers_.Of(line.answers[0]);
      if (!identity_of_.emplace(line.image, identity).second) {
        InvalidArgument(path, ": image '", line.image, "' stands there twice");
      }
      ++count_[identity];
    }
  }

  // -1 = unknown.
  int64_t Of(const std::string& image) const {
    const auto found = identity_of_.find(image);
    return found == identity_of_.end() ? -1 : found->second;
  }
  const std::string& Name(int64_t identity) const { return numbers_.Name(identity); }
  int64_t Count(int64_t identity) const {
    const auto found = count_.find(identity);
    return found == count_.end() ? 0 : found->second;
  }
  bool Has(const std::string& image) const { return identity_of_.contains(image); }
  size_t size() const { return identity_of_.size(); }
  Numbers& numbers() { return numbers_; }

 private:
  Numbers numbers_;
  std::unordered_map<std::string, int64_t> identity_of_;
  std::unordered_map<int64_t, int64_t> count_;
};

// Every image of the truth must be answered, and no other.
void CheckImages(const std::string& path, const std::vector<Submission>& submissions,
                 const Truth& truth) {
  for (const Submission& submission : submissions) {
    if (truth.Has(submission.image)) continue;
    InvalidArgument(path, ": image '", submission.image, "' is not in the truth");
  }
  if (submissions.size() < truth.size()) {
    InvalidArgument(path, " answers ", submissions.size(), " of ", truth.size(), " images");
  }
}

}  // namespace

Outcome EvaluateSubmission(const EvaluateArguments& arguments) {
  const Protocol& protocol = *arguments.protocol;
  Truth truth(arguments.truth);
  const std::vector<Submission> submissions =
      ReadSubmission(arguments.submission, protocol.answers);
  CheckImages(arguments.submission, submissions, truth);
  std::vector<std::vector<int64_t>> rankings(submissions.size());
  std::vector<RankedQuery> queries;
  Outcome outcome;
  for (size_t q = 0; q < submissions.size(); ++q) {
    const int64_t identity = truth.Of(submissions[q].image);
    for (const std::string& answer : submissions[q].answers) {
      if (protocol.answers_identities) {
        rankings[q].push_back(truth.numbers().Of(answer));
      } else if (answer != submissions[q].image) {
        rankings[q].push_back(truth.Of(answer));
      }
    }
    queries.push_back({.identity = identity,
                       .ranked = rankings[q],
                       .relevant = protocol.answers_identities ? 1 : truth.Count(identity) - 1,
                       .complete = true});
    outcome.ids.push_back(submissions[q].image);
    outcome.identities.push_back(identity < 0 ? "" : truth.Name(identity));
  }
  outcome.report = EvaluateRetrieval(queries, arguments.metrics);
  return outcome;
}

}  // namespace fluke::cli
