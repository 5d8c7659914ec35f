// fluke evaluate from arguments to figures: what each kind of input comes to.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "common/metrics/protocol.h"
#include "common/metrics/report.h"
#include "common/metrics/significance.h"

namespace fluke::cli {

struct EvaluateArguments {
  std::string embeddings, items;
  std::string query_embeddings, query_items;
  std::string ranking, gallery;
  std::string run, qrels;
  std::string submission, truth;
  std::string protocol_name;
  const Protocol* protocol = nullptr;
  std::vector<std::string> metrics;
  bool all_topics = false;
  float new_threshold = std::numeric_limits<float>::quiet_NaN();  // none: it is searched

  std::string write_submission, write_run, write_qrels;
  std::string per_query, per_identity_file;
  std::string compare;
  bool per_identity = false;
  bool verification = false;
  BootstrapOptions bootstrap = {.resamples = 0};
  bool json = false;
};

// What an evaluation found.
struct Outcome {
  MetricReport report = {};
  std::vector<std::string> ids = {};         // of all queries, by their numbers in the report
  std::vector<std::string> identities = {};  // the same; "" = unknown
  std::vector<MetricResult> figures = {};    // that are no means over queries
  std::vector<bool> is_mean = {};            // of report.metrics; empty: all are
  std::string table = {};                    // to print instead of ours
};

// By whatever input the arguments name. Writes the submission, run and qrels that they ask for.
Outcome Evaluate(const EvaluateArguments& arguments);

// Of embeddings; in evaluate_vectors.cc.
Outcome EvaluateVectors(const EvaluateArguments& arguments);
// Of a ranking CSV; in evaluate_ranking.cc.
Outcome EvaluateRanking(const EvaluateArguments& arguments);
// Of a trec run and of a submission; in evaluate_judged.cc.
Outcome EvaluateJudged(const EvaluateArguments& arguments);
Outcome EvaluateSubmission(const EvaluateArguments& arguments);

// In evaluate_report.cc. --per-query's file: columns query_id, query_identity, then one a metric.
void WritePerQuery(const std::string& path, const Outcome& outcome);
Outcome ReadPerQuery(const std::string& path);

}  // namespace fluke::cli
