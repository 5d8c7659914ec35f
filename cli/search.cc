// fluke search: the nearest neighbours of every vector of an embeddings folder.
#include <algorithm>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/local_search.h"
#include "cli/ranking_sink.h"
#include "cli/verbs.h"
#include "common/embeddings.h"
#include "common/error.h"
#include "common/filter.h"
#include "common/progress.h"
#include "index/ranking/pipeline.h"
#include "index/reader.h"

namespace fluke::cli {
namespace {

constexpr size_t kSearchedAtOnce = 256;

struct SearchArguments {
  std::string index;
  std::string queries;
  std::string out;
  SearchOptions options;
  std::string filter;
  int64_t snapshot = 0;
  std::string pipeline;
  OpenOptions open;
  bool exclude_self = false;
  LocalSearchArguments local;
};

void WriteRanking(const VectorIndex& index, const Item& query,
                  const std::vector<Neighbor>& neighbors, RankingSink& sink) {
  for (size_t i = 0; i < neighbors.size(); ++i) {
    sink.Write(query, static_cast<int64_t>(i) + 1, index.item(neighbors[i].row),
               neighbors[i].score);
  }
}

std::vector<int64_t> OwnRows(const VectorIndex& index, std::span<const Item> queries) {
  std::vector<int64_t> rows;
  for (const Item& query : queries) rows.push_back(index.FindItem(query.id).value_or(-1));
  return rows;
}

// Behind the pipeline, where one is asked for.
std::shared_ptr<const VectorIndex> Open(const SearchArguments& arguments) {
  std::optional<ranking::Pipeline> pipeline;
  if (!arguments.pipeline.empty()) pipeline = ranking::LoadPipeline(arguments.pipeline);
  std::shared_ptr<const VectorIndex> index =
      arguments.snapshot > 0 ? OpenIndexAt(arguments.index, arguments.snapshot, arguments.open)
                             : OpenIndex(arguments.index, arguments.open);
  return pipeline ? ranking::RankWith(*pipeline, std::move(index), arguments.index) : index;
}

void SearchVectors(const SearchArguments& arguments) {
  const std::shared_ptr<const VectorIndex> index = Open(arguments);
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
  Progress progress("search", static_cast<int64_t>(queries.items.size()), "queries");
  const size_t width = static_cast<size_t>(info.dimension);
  for (size_t begin = 0; begin < queries.items.size(); begin += kSearchedAtOnce) {
    const size_t count = std::min(kSearchedAtOnce, queries.items.size() - begin);
    const auto items = std::span(queries.items).subspan(begin, count);
    const std::vector<int64_t> exclude =
        arguments.exclude_self ? OwnRows(*index, items) : std::vector<int64_t>();
    std::vector<QueryPhotograph> photographs;
    for (const Item& item : items) photographs.push_back({.item_id = item.id});
    const auto results = index->SearchPhotographs(
        std::span(queries.vectors.values).subspan(begin * width, count * width), options, exclude,
        photographs);
    for (size_t q = 0; q < count; ++q) WriteRanking(*index, items[q], results[q], sink);
    progress.Advance(static_cast<int64_t>(count));
  }
  sink.Finish();
}

void Search(SearchArguments& arguments) {
  if (arguments.local.manifest.empty()) {
    if (arguments.queries.empty()) throw CLI::RequiredError("--queries or --local");
    SearchVectors(arguments);
    return;
  }
  if (!arguments.filter.empty() || !arguments.pipeline.empty() || arguments.snapshot > 0 ||
      arguments.options.min_score > -std::numeric_limits<float>::infinity()) {
    InvalidArgument(
        "--local does not go with --filter, --min-score, --snapshot and --pipeline; the step "
        "local_evidence of a pipeline does");
  }
  arguments.local.index = arguments.index;
  arguments.local.queries = arguments.queries;
  arguments.local.out = arguments.out;
  arguments.local.k = arguments.options.k;
  arguments.local.one_per_identity = arguments.options.one_per_identity;
  arguments.local.exclude_self = arguments.exclude_self;
  SearchLocal(arguments.local);
}

}  // namespace

void DeclareSearch(CLI::App& verb) {
  const auto arguments = std::make_shared<SearchArguments>();
  const CLI::Range positive(1, std::numeric_limits<int>::max());
  verb.add_option("--index", arguments->index, "Index folder")->required();
  verb.add_option("--queries", arguments->queries, "Embeddings folder, one query a row");
  verb.add_option("-k", arguments->options.k, "Neighbours wanted")
      ->check(positive)
      ->capture_default_str();
  verb.add_option("--out", arguments->out, "Ranking CSV to write; stdout otherwise");
  DeclareLocalSearch(verb, arguments->local);
  verb.add_option("--filter", arguments->filter,
                  "Only items that match: 'camera = \"north\" and year >= 2019'; =, !=, <, <=, >, "
                  ">=, in (..), exists(field), and, or, not; fields: id, identity, path, metadata");
  verb.add_option("--min-score", arguments->options.min_score, "Leave out neighbours below");
  verb.add_flag("--one-per-identity", arguments->options.one_per_identity,
                "The best photograph of each of k individuals");
  verb.add_option(
      "--pipeline", arguments->pipeline,
      "YAML file of ranking steps (`fluke list steps`); scores are then the pipeline's");
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
