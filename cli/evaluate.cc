// fluke evaluate: retrieval metrics of embeddings (leave-one-out, or queries against a gallery), of
// a ranking, of a trec run or of a submission, by a named protocol or by metrics that are asked
// for.
#include <algorithm>
#include <cmath>
#include <memory>

#include "cli/evaluate_outcome.h"
#include "cli/evaluate_report.h"
#include "cli/leaderboard.h"
#include "cli/verbs.h"
#include "common/error.h"
#include "common/metrics/retrieval.h"
#include "common/metrics/trec.h"
#include "common/table.h"

namespace fluke::cli {
namespace {

const std::vector<std::string> kMetrics = {"recall@1", "recall@5",    "recall@20", "kaggle_map@5",
                                           "map@r",    "r_precision", "mrr"};
// Without a full ranking and the count of relevant items, these are what can be told.
const std::vector<std::string> kRankingMetrics = {"recall@1", "recall@5", "mrr@5"};
constexpr int64_t kTestResamples = 10000;  // of the randomisation test

bool IsPerQueryFile(const std::string& path) { return path.ends_with(".csv"); }

// The same evaluation of another run, which writes nothing.
Outcome EvaluateOther(const EvaluateArguments& arguments) {
  if (arguments.ranking.empty() && arguments.submission.empty() &&
      IsPerQueryFile(arguments.compare)) {
    return ReadPerQuery(arguments.compare);
  }
  EvaluateArguments other = arguments;
  (!arguments.run.empty()          ? other.run
   : !arguments.submission.empty() ? other.submission
   : !arguments.ranking.empty()    ? other.ranking
                                   : other.embeddings) = arguments.compare;
  other.write_submission = other.write_run = other.write_qrels = "";
  return Evaluate(other);
}

void RunEvaluate(const EvaluateArguments& arguments) {
  const Outcome outcome = Evaluate(arguments);
  if (outcome.report.queries == 0) {
    Throw(absl::StatusCode::kFailedPrecondition, "nothing to evaluate: none of the ",
          outcome.report.dropped_queries,
          " queries has another item of its identity in the gallery");
  }
  std::vector<ComparedMetric> compared;
  if (!arguments.compare.empty()) {
    BootstrapOptions options = arguments.bootstrap;
    options.resamples = std::max(options.resamples, kTestResamples);
    compared = Compare(outcome, EvaluateOther(arguments), options);
  }
  Report(arguments, outcome, compared);
}

// What the options ask for, checked before any file is read.
void Complete(EvaluateArguments* arguments) {
  if (!arguments->run.empty() && arguments->protocol_name.empty()) {
    arguments->protocol_name = "trec";
  }
  if (!arguments->protocol_name.empty()) {
    arguments->protocol = &Find(Protocols(), "protocol", arguments->protocol_name);
    arguments->per_identity |= arguments->protocol->per_identity;
  }
  const bool judged =
      arguments->protocol != nullptr && arguments->protocol->input == ProtocolInput::kJudgedRun;
  if (judged != !arguments->run.empty()) {
    InvalidArgument(judged ? "this protocol needs --run and --qrels"
                           : "--run and --qrels go with the protocols trec and roxford");
  }
  if (arguments->metrics.empty()) {
    arguments->metrics = arguments->protocol != nullptr ? MetricsOf(*arguments->protocol)
                         : !arguments->ranking.empty()  ? kRankingMetrics
                                                        : kMetrics;
  }
  if (!judged) ParseMetrics(arguments->metrics);
  if (arguments->protocol_name == "trec") ParseTrecMeasures(arguments->metrics);
  if (!arguments->submission.empty() &&
      (arguments->protocol == nullptr || arguments->protocol->answers == 0)) {
    InvalidArgument("--submission needs a --protocol that has submissions, as kaggle-whale");
  }
  const bool writes = !arguments->write_submission.empty() || !arguments->write_run.empty() ||
                      !arguments->write_qrels.empty();
  if ((writes || arguments->verification) && arguments->embeddings.empty()) {
    InvalidArgument(
        "--write-submission, --write-run, --write-qrels and --verification need "
        "--embeddings");
  }
}

}  // namespace

Outcome Evaluate(const EvaluateArguments& arguments) {
  if (!arguments.run.empty()) return EvaluateJudged(arguments);
  if (!arguments.submission.empty()) return EvaluateSubmission(arguments);
  if (!arguments.ranking.empty()) return EvaluateRanking(arguments);
  return EvaluateVectors(arguments);
}

void DeclareEvaluate(CLI::App& verb) {
  auto arguments = std::make_shared<EvaluateArguments>();
  auto board = std::make_shared<LeaderboardArguments>();
  EvaluateArguments& a = *arguments;
  CLI::Option* embeddings =
      verb.add_option("--embeddings", a.embeddings,
                      "embeddings folder (or .npy with --items): each row against all others, or "
                      "by the items' is_query and is_gallery");
  verb.add_option("--items", a.items, "items of a .npy file: items.csv or any manifest CSV")
      ->needs(embeddings);
  CLI::Option* queries = verb.add_option(
      "--query-embeddings", a.query_embeddings,
      "folder (or .npy) of queries against --embeddings instead; an item never finds itself (same "
      "id)");
  queries->needs(embeddings);
  verb.add_option("--query-items", a.query_items, "items of a .npy file of queries")
      ->needs(queries);
  CLI::Option* ranking =
      verb.add_option("--ranking", a.ranking, "ranking CSV, as fluke search writes it");
  verb.add_option(
          "--gallery", a.gallery,
          "with --ranking: the gallery's embeddings folder or items.csv, to count relevant items")
      ->needs(ranking);
  CLI::Option* qrels = verb.add_option("--qrels", a.qrels, "trec judgements of --run");
  CLI::Option* run = verb.add_option("--run", a.run, "trec run")->needs(qrels);
  qrels->needs(run);
  verb.add_flag("--all-topics", a.all_topics,
                "judged topics that the run lacks count as 0 (trec_eval -c)");
  CLI::Option* truth = verb.add_option("--truth", a.truth,
                                       "CSV of what --submission's images show: Image,Id or a "
                                       "manifest's columns");
  CLI::Option* submission =
      verb.add_option("--submission", a.submission, "Kaggle submission: Image,Id")->needs(truth);
  CLI::Option* leaderboard = verb.add_option(
      "--leaderboard", board->folder,
      "folder of runs (embeddings folders, CSV files of --per-query): one table, best first");
  verb.add_option("--out", board->out, "folder for --leaderboard's leaderboard.md, .json and .html")
      ->needs(leaderboard);
  verb.add_option("--images", board->images,
                  "folder that the items' paths are in: the page shows its hardest queries")
      ->needs(leaderboard);
  verb.add_option("--title", board->title, "of the leaderboard")
      ->needs(leaderboard)
      ->default_val("Leaderboard");
  CLI::Option* inputs[] = {embeddings, ranking, run, submission, leaderboard};
  for (CLI::Option* one : inputs) {
    for (CLI::Option* other : inputs) {
      if (one != other) one->excludes(other);
    }
  }
  verb.add_option("--protocol", a.protocol_name,
                  "a named way to evaluate: " + StrJoin(Names(Protocols()), ", ") +
                      "; see fluke list protocols");
  verb.add_option("--metrics", a.metrics,
                  "comma-separated, see fluke list metrics (trec-metrics for --run); default: the "
                  "protocol's, or " +
                      StrJoin(kMetrics, ","))
      ->delimiter(',');
  verb.add_option("--new-threshold", a.new_threshold,
                  "score below which a query shows a new individual; searched where a protocol "
                  "needs one");
  verb.add_flag("--verification", a.verification,
                "error rates of pairs too: FNMR at FMR, equal error rate, AUROC");
  verb.add_flag("--per-identity", a.per_identity,
                "means over individuals too; intervals draw whole individuals");
  verb.add_option("--bootstrap", a.bootstrap.resamples,
                  "confidence intervals from so many resamples, as 1000")
      ->check(CLI::NonNegativeNumber);
  verb.add_option("--confidence", a.bootstrap.confidence, "of the intervals")
      ->capture_default_str();
  verb.add_option("--seed", a.bootstrap.seed, "of what is drawn")->capture_default_str();
  verb.add_option("--compare", a.compare,
                  "another run of the same kind, or a file of --per-query: paired tests of the "
                  "difference");
  verb.add_option("--per-query", a.per_query,
                  "CSV to write: every query's values; - with --run: as trec_eval -q prints them");
  verb.add_option("--identities-out", a.per_identity_file,
                  "CSV to write: every individual's means");
  verb.add_option("--write-submission", a.write_submission,
                  "Kaggle submission to write, by the protocol");
  verb.add_option("--write-run", a.write_run, "trec run to write, 100 neighbours a query");
  verb.add_option("--write-qrels", a.write_qrels, "trec judgements to write");
  verb.add_flag("--json", a.json, "one JSON document");
  verb.callback([=] {
    if (embeddings->empty() && ranking->empty() && run->empty() && submission->empty() &&
        leaderboard->empty()) {
      throw CLI::RequiredError("--embeddings, --ranking, --run, --submission or --leaderboard");
    }
    Complete(arguments.get());
    leaderboard->empty() ? RunEvaluate(*arguments) : RunLeaderboard(*board, *arguments);
  });
}

}  // namespace fluke::cli
