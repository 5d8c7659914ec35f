// fluke search: the nearest neighbours of every vector of an embeddings folder.
#include <algorithm>
#include <iostream>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_format.h"
#include "cli/verbs.h"
#include "common/csv.h"
#include "common/embeddings.h"
#include "common/error.h"
#include "common/files.h"
#include "common/filter.h"
#include "common/progress.h"
#include "index/reader.h"

namespace fluke::cli {
namespace {

constexpr size_t kBlockQueries = 256;

struct SearchArguments {
  std::string index;
  std::string queries;
  std::string out;
  SearchOptions options;
  std::string filter;
  int64_t snapshot = 0;
  OpenOptions open;
  bool exclude_self = false;
};

// Where the ranking goes: a file, complete or absent, or stdout.
class RankingSink {
 public:
  explicit RankingSink(const std::string& path) {
    if (!path.empty()) file_ = std::make_unique<AtomicFile>(path);
  }
  void Write(std::string_view text) {
    if (file_ != nullptr) {
      file_->Append(text);
    } else {
      std::cout << text;
    }
  }
  void Finish() {
    if (file_ != nullptr) {
      file_->Commit();
    } else if (!std::cout.flush()) {
      Throw(absl::StatusCode::kUnavailable, "cannot write the ranking to stdout");
    }
  }

 private:
  std::unique_ptr<AtomicFile> file_;
};

std::string RankingLines(const VectorIndex& index, const Item& query,
                         const std::vector<Neighbor>& neighbors) {
  std::string lines;
  for (size_t i = 0; i < neighbors.size(); ++i) {
    const Item item = index.item(neighbors[i].row);
    // Nine digits tell any two float32 apart.
    lines += CsvLine({query.id, query.identity, std::to_string(i + 1), item.id, item.identity,
                      absl::StrFormat("%.9g", neighbors[i].score)});
  }
  return lines;
}

std::vector<int64_t> OwnRows(const VectorIndex& index, std::span<const Item> queries) {
  std::vector<int64_t> rows;
  for (const Item& query : queries) rows.push_back(index.FindItem(query.id).value_or(-1));
  return rows;
}

void Search(const SearchArguments& arguments) {
  const auto index = arguments.snapshot > 0
                         ? OpenIndexAt(arguments.index, arguments.snapshot, arguments.open)
                         : OpenIndex(arguments.index, arguments.open);
  SearchOptions options = arguments.options;
  Filter filter;
  if (!arguments.filter.empty()) {
    filter = ParseFilter(arguments.filter);
    options.filter = &filter;
  }
  const IndexInfo info = index->Describe();
  const Embeddings queries = ReadEmbeddings(arguments.queries);
  CheckFingerprint(info, queries.fingerprint, "the queries " + arguments.queries);
  if (queries.vectors.cols != info.dimension) {
    InvalidArgument("the queries ", arguments.queries, " have ", queries.vectors.cols,
                    " dimensions, the index ", arguments.index, " has ", info.dimension);
  }
  if (arguments.options.k > info.size) {
    std::cerr << "note: k is " << arguments.options.k << ", but the index holds " << info.size
              << " items: all of them are ranked\n";
  }
  RankingSink sink(arguments.out);
  sink.Write(CsvLine({"query_id", "query_identity", "rank", "id", "identity", "score"}));
  Progress progress("search", static_cast<int64_t>(queries.items.size()), "queries");
  const size_t width = static_cast<size_t>(info.dimension);
  for (size_t begin = 0; begin < queries.items.size(); begin += kBlockQueries) {
    const size_t count = std::min(kBlockQueries, queries.items.size() - begin);
    const auto items = std::span(queries.items).subspan(begin, count);
    const std::vector<int64_t> exclude =
        arguments.exclude_self ? OwnRows(*index, items) : std::vector<int64_t>();
    const auto results = index->Search(
        std::span(queries.vectors.values).subspan(begin * width, count * width), options, exclude);
    for (size_t q = 0; q < count; ++q) sink.Write(RankingLines(*index, items[q], results[q]));
    progress.Advance(static_cast<int64_t>(count));
  }
  sink.Finish();
}

}  // namespace

void DeclareSearch(CLI::App& verb) {
  const auto arguments = std::make_shared<SearchArguments>();
  const CLI::Range positive(1, std::numeric_limits<int>::max());
  verb.add_option("--index", arguments->index, "Index folder")->required();
  verb.add_option("--queries", arguments->queries, "Embeddings folder, one query a row")
      ->required();
  verb.add_option("-k", arguments->options.k, "Neighbours wanted")
      ->check(positive)
      ->capture_default_str();
  verb.add_option("--out", arguments->out, "Ranking CSV to write; stdout otherwise");
  verb.add_option("--filter", arguments->filter,
                  "Only items that match: 'camera = \"north\" and year >= 2019'; =, !=, <, <=, >, "
                  ">=, in (..), exists(field), and, or, not; fields: id, identity, path, metadata");
  verb.add_option("--min-score", arguments->options.min_score, "Leave out neighbours below");
  verb.add_flag("--one-per-identity", arguments->options.one_per_identity,
                "The best photograph of each of k individuals");
  verb.add_option("--snapshot", arguments->snapshot,
                  "Search the index as it was at this snapshot, of those that are kept")
      ->check(positive);
  verb.add_option("--device", arguments->open.device,
                  "cpu, or gpu: from a copy of the index on a GPU, where there is one")
      ->capture_default_str();
  verb.add_flag("--float16", arguments->open.gpu_float16,
                "Keep that copy's vectors in half the memory");
  verb.add_flag("--exclude-self", arguments->exclude_self,
                "Leave out the item with the query's own id");
  verb.add_option("--nprobe", arguments->options.nprobe, "IVF lists visited")->check(positive);
  verb.add_option("--ef-search", arguments->options.ef_search, "HNSW candidates kept")
      ->check(positive);
  verb.callback([arguments] { Search(*arguments); });
}

}  // namespace fluke::cli
