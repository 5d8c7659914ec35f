// Evaluating a ranking CSV, as fluke search writes it.
#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include "absl/strings/numbers.h"
#include "cli/evaluate_data.h"
#include "cli/evaluate_outcome.h"
#include "common/csv.h"
#include "common/error.h"
#include "common/item.h"
#include "common/metrics/retrieval.h"

namespace fluke::cli {
namespace {

// What a ranking CSV says about one query.
struct RankingRows {
  std::string query_id, query_identity;
  std::vector<std::pair<int64_t, int64_t>> ranked;  // rank, identity
};

// Columns query_id, query_identity, rank, id, identity, as fluke search writes them; others are
// ignored. A row whose id is the query's own is left out.
std::vector<RankingRows> ReadRanking(const std::string& path, Numbers* numbers) {
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

}  // namespace

Outcome EvaluateRanking(const EvaluateArguments& arguments) {
  Numbers numbers;
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
  Outcome outcome{.report = EvaluateRetrieval(queries, arguments.metrics)};
  for (const RankingRows& row : rows) {
    outcome.ids.push_back(row.query_id);
    outcome.identities.push_back(row.query_identity);
  }
  return outcome;
}

}  // namespace fluke::cli
