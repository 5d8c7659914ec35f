// fluke evaluate: retrieval metrics of embeddings (leave-one-out, or queries against a gallery) or
// of a ranking.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "cli/verbs.h"
#include "common/csv.h"
#include "common/embeddings.h"
#include "common/error.h"
#include "common/metrics.h"

namespace fluke::cli {
namespace {

struct EvaluateArguments {
  std::string embeddings;
  std::string query_embeddings;
  std::string ranking;
  std::string gallery;
  std::vector<std::string> metrics = {"recall@1", "recall@5",    "recall@20", "kaggle_map@5",
                                      "map@r",    "r_precision", "mrr"};
  bool json = false;
};

// Without a full ranking and the count of relevant items, these are what can be told.
const std::vector<std::string> kRankingMetrics = {"recall@1", "recall@5", "mrr@5"};

// Identities as numbers; "" is unknown.
class IdentityNumbers {
 public:
  int64_t Of(const std::string& identity) {
    if (identity.empty()) return -1;
    return numbers_.emplace(identity, static_cast<int64_t>(numbers_.size())).first->second;
  }
  std::vector<int64_t> Of(const std::vector<Item>& items) {
    std::vector<int64_t> numbers;
    for (const Item& item : items) numbers.push_back(Of(item.identity));
    return numbers;
  }

 private:
  std::unordered_map<std::string, int64_t> numbers_;
};

// fluke writes unit rows; a folder from elsewhere may hold others, and the metrics are about cosine
// similarity.
Embeddings ReadUnitEmbeddings(const std::string& folder) {
  Embeddings embeddings = ReadEmbeddings(folder);
  int64_t scaled = 0;
  for (int64_t i = 0; i < embeddings.vectors.rows; ++i) {
    const auto row = embeddings.vectors.row(i);
    double squares = 0;
    for (float value : row) squares += static_cast<double>(value) * value;
    if (std::abs(squares - 1) < 1e-3) continue;
    if (squares == 0)
      InvalidArgument(folder, ": row ", i, " (", embeddings.items[i].id, ") is all zero");
    for (float& value : row) value = static_cast<float>(value / std::sqrt(squares));
    ++scaled;
  }
  if (scaled > 0) spdlog::warn("{}: scaled {} rows to unit length", folder, scaled);
  return embeddings;
}

MetricReport EvaluateOneFolder(const EvaluateArguments& arguments) {
  const Embeddings all = ReadUnitEmbeddings(arguments.embeddings);
  IdentityNumbers numbers;
  return EvaluateLeaveOneOut(all.vectors.values, all.vectors.rows, all.vectors.cols,
                             numbers.Of(all.items), arguments.metrics);
}

MetricReport EvaluateTwoFolders(const EvaluateArguments& arguments) {
  const Embeddings gallery = ReadUnitEmbeddings(arguments.embeddings);
  const Embeddings queries = ReadUnitEmbeddings(arguments.query_embeddings);
  if (queries.vectors.cols != gallery.vectors.cols) {
    InvalidArgument(arguments.query_embeddings, " has ", queries.vectors.cols, " dimensions, ",
                    arguments.embeddings, " has ", gallery.vectors.cols);
  }
  if (!queries.fingerprint.empty() && !gallery.fingerprint.empty() &&
      queries.fingerprint != gallery.fingerprint) {
    InvalidArgument(arguments.query_embeddings, " and ", arguments.embeddings,
                    " were made by different models (", queries.fingerprint, ", ",
                    gallery.fingerprint, ")");
  }
  std::unordered_map<std::string_view, int64_t> row_of_id;
  for (size_t row = 0; row < gallery.items.size(); ++row) {
    row_of_id.emplace(gallery.items[row].id, static_cast<int64_t>(row));
  }
  std::vector<int64_t> own_rows;
  for (const Item& query : queries.items) {
    const auto own = row_of_id.find(query.id);
    own_rows.push_back(own == row_of_id.end() ? -1 : own->second);
  }
  IdentityNumbers numbers;
  const std::vector<int64_t> gallery_identities = numbers.Of(gallery.items);
  const std::vector<int64_t> query_identities = numbers.Of(queries.items);
  return EvaluateSearch({.vectors = queries.vectors.values, .identities = query_identities},
                        {.vectors = gallery.vectors.values, .identities = gallery_identities},
                        gallery.vectors.cols, own_rows, arguments.metrics);
}

// What a ranking CSV says about one query.
struct RankingRows {
  std::string query_id, query_identity;
  std::vector<std::pair<int64_t, int64_t>> ranked;  // rank, identity
};

// Columns query_id, query_identity, rank, id, identity, as fluke search writes them; others are
// ignored. A row whose id is the query's own is left out.
std::vector<RankingRows> ReadRanking(const std::string& path, IdentityNumbers* numbers) {
  const CsvTable table = ReadCsv(path);
  const auto column = [&](std::string_view name) {
    const int index = table.Column(name);
    if (index < 0)
      InvalidArgument(path, ":1: no column '", name, "'; found ", StrJoin(table.header, ", "));
    return index;
  };
  const int query_id = column("query_id"), query_identity = column("query_identity"),
            rank = column("rank"), id = column("id"), identity = column("identity");
  std::vector<RankingRows> queries;
  std::unordered_map<std::string, size_t> number_of_query;
  for (const CsvRow& row : table.rows) {
    const auto [found, fresh] = number_of_query.emplace(row.fields[query_id], queries.size());
    if (fresh) queries.push_back({row.fields[query_id], row.fields[query_identity], {}});
    RankingRows& query = queries[found->second];
    if (query.query_identity != row.fields[query_identity]) {
      InvalidArgument(path, ":", row.line, ": query '", query.query_id, "' is of '",
                      row.fields[query_identity], "' here and of '", query.query_identity,
                      "' before");
    }
    int64_t place = 0;
    if (!absl::SimpleAtoi(row.fields[rank], &place) || place < 1) {
      InvalidArgument(path, ":", row.line, ": rank is '", row.fields[rank],
                      "'; expected 1, 2, 3 ...");
    }
    if (row.fields[id] == query.query_id) continue;
    query.ranked.emplace_back(place, numbers->Of(row.fields[identity]));
  }
  for (RankingRows& query : queries) {
    std::sort(query.ranked.begin(), query.ranked.end());
    for (size_t i = 1; i < query.ranked.size(); ++i) {
      if (query.ranked[i].first != query.ranked[i - 1].first) continue;
      InvalidArgument(path, ": query '", query.query_id, "' has rank ", query.ranked[i].first,
                      " twice");
    }
  }
  return queries;
}

// How many items of the gallery are relevant to a query, itself not counted.
class RelevantItems {
 public:
  // gallery: an embeddings folder or an items.csv; "" = unknown.
  explicit RelevantItems(const std::string& gallery) : known_(!gallery.empty()) {
    if (!known_) return;
    const std::filesystem::path path = gallery;
    for (Item& item : ReadItems(std::filesystem::is_directory(path) ? path / "items.csv" : path)) {
      ++count_[item.identity];
      identity_of_.emplace(std::move(item.id), std::move(item.identity));
    }
  }

  int64_t For(const std::string& query_id, const std::string& identity) const {
    if (!known_) return kUnknownRelevant;
    const auto found = count_.find(identity);
    if (found == count_.end()) return 0;
    const auto own = identity_of_.find(query_id);
    return found->second - (own != identity_of_.end() && own->second == identity ? 1 : 0);
  }

 private:
  bool known_;
  std::unordered_map<std::string, int64_t> count_;
  std::unordered_map<std::string, std::string> identity_of_;
};

MetricReport EvaluateRanking(const EvaluateArguments& arguments) {
  IdentityNumbers numbers;
  const std::vector<RankingRows> rows = ReadRanking(arguments.ranking, &numbers);
  const RelevantItems relevant(arguments.gallery);
  std::vector<std::vector<int64_t>> rankings(rows.size());
  std::vector<RankedQuery> queries;
  for (size_t q = 0; q < rows.size(); ++q) {
    for (const auto& [rank, identity] : rows[q].ranked) rankings[q].push_back(identity);
    queries.push_back({.identity = numbers.Of(rows[q].query_identity),
                       .ranked = rankings[q],
                       .relevant = relevant.For(rows[q].query_id, rows[q].query_identity)});
  }
  return EvaluateRetrieval(queries, arguments.metrics);
}

void PrintTable(const MetricReport& report) {
  for (const MetricResult& metric : report.metrics) {
    std::cout << absl::StreamFormat("%-16s %.4f\n", metric.name, metric.value);
  }
  std::cout << absl::StreamFormat("%-16s %d\n", "queries", report.queries);
  std::cout << absl::StreamFormat(
      "%-16s %d (no relevant item in the gallery, or of unknown identity)\n", "dropped",
      report.dropped_queries);
}

void PrintJson(const MetricReport& report) {
  nlohmann::ordered_json metrics = nlohmann::ordered_json::object();
  for (const MetricResult& metric : report.metrics) metrics[metric.name] = metric.value;
  std::cout << nlohmann::ordered_json{{"metrics", metrics},
                                      {"queries", report.queries},
                                      {"dropped_queries", report.dropped_queries}}
                   .dump()
            << "\n";
}

void RunEvaluate(const EvaluateArguments& arguments) {
  ParseMetrics(arguments.metrics);  // a slip is told before any file is read
  const MetricReport report = !arguments.ranking.empty()           ? EvaluateRanking(arguments)
                              : arguments.query_embeddings.empty() ? EvaluateOneFolder(arguments)
                                                                   : EvaluateTwoFolders(arguments);
  if (report.queries == 0) {
    Throw(absl::StatusCode::kFailedPrecondition, "nothing to evaluate: none of the ",
          report.dropped_queries, " queries has another item of its identity in the gallery");
  }
  arguments.json ? PrintJson(report) : PrintTable(report);
}

}  // namespace

void DeclareEvaluate(CLI::App& verb) {
  auto arguments = std::make_shared<EvaluateArguments>();
  CLI::Option* embeddings = verb.add_option("--embeddings", arguments->embeddings,
                                            "embeddings folder: each row against all others");
  verb.add_option(
          "--query-embeddings", arguments->query_embeddings,
          "folder of queries against --embeddings instead; an item never finds itself (same id)")
      ->needs(embeddings);
  CLI::Option* ranking =
      verb.add_option("--ranking", arguments->ranking, "ranking CSV, as fluke search writes it")
          ->excludes(embeddings);
  verb.add_option(
          "--gallery", arguments->gallery,
          "with --ranking: the gallery's embeddings folder or items.csv, to count relevant items")
      ->needs(ranking);
  CLI::Option* metrics =
      verb.add_option("--metrics", arguments->metrics, "comma-separated, see fluke list metrics")
          ->delimiter(',')
          ->default_str(StrJoin(arguments->metrics, ","));
  verb.add_flag("--json", arguments->json, "one JSON document");
  verb.callback([=] {
    if (embeddings->empty() && ranking->empty()) {
      throw CLI::RequiredError("--embeddings or --ranking");
    }
    if (!ranking->empty() && metrics->empty()) arguments->metrics = kRankingMetrics;
    RunEvaluate(*arguments);
  });
}

}  // namespace fluke::cli
