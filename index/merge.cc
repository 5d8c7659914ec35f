#include "index/merge.h"

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "common/error.h"
#include "index/reader.h"
#include "index/writer.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBlockItems = 4096;

void CheckFits(const fs::path& first, const IndexInfo& expected, const fs::path& shard,
               const IndexInfo& info) {
  if (info.dimension != expected.dimension || info.metric != expected.metric) {
    InvalidArgument("cannot join ", first, " (", expected.dimension, " dimensions, ",
                    expected.metric, ") and ", shard, " (", info.dimension, " dimensions, ",
                    info.metric, ")");
  }
  CheckFingerprint(expected, info.fingerprint, "the index " + shard.string());
}

}  // namespace

int64_t MergeIndexes(const std::vector<fs::path>& shards, const fs::path& out, bool replace) {
  if (shards.empty()) InvalidArgument("no indexes to join");
  std::vector<std::unique_ptr<VectorIndex>> opened;
  for (const fs::path& shard : shards) {
    opened.push_back(OpenIndex(shard));
    CheckFits(shards.front(), opened.front()->Describe(), shard, opened.back()->Describe());
  }
  const IndexInfo info = opened.front()->Describe();
  const IndexOptions options = {.factory = info.factory,
                                .metric = info.metric,
                                .dimension = info.dimension,
                                .fingerprint = info.fingerprint,
                                .target_recall = info.target_recall};
  const auto writer = replace ? ReplaceIndex(out, options) : CreateIndex(out, options);
  absl::flat_hash_map<std::string, size_t> shard_of_id;
  int64_t count = 0;
  for (size_t s = 0; s < shards.size(); ++s) {
    std::vector<Item> items;
    std::vector<float> vectors;
    opened[s]->ForEachRow([&](int64_t row) {
      items.push_back(opened[s]->item(row));
      const auto [first, is_new] = shard_of_id.emplace(items.back().id, s);
      if (!is_new) {
        InvalidArgument("the id '", items.back().id, "' stands in ", shards[first->second], " and ",
                        shards[s]);
      }
      const std::vector<float> vector = opened[s]->vector(row);
      vectors.insert(vectors.end(), vector.begin(), vector.end());
      if (items.size() == kBlockItems) {
        writer->Add(items, vectors);
        items.clear();
        vectors.clear();
      }
      ++count;
    });
    writer->Add(items, vectors);
  }
  writer->Commit();
  return count;
}

}  // namespace fluke
