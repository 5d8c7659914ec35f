#include "index/empty_index.h"

#include <algorithm>

#include "common/error.h"
#include "index/approximate_index.h"
#include "index/factory.h"
#include "index/similarity.h"

namespace fluke {
namespace {

// So many items that no preset falls back on the exact search: the index is to grow.
constexpr int64_t kManyItems = 1'000'000;

bool IsPreset(std::string_view type) {
  return std::ranges::any_of(IndexPresets(),
                             [&](const IndexPreset& preset) { return preset.name == type; });
}

}  // namespace

std::string FactoryOfEmpty(std::string_view type, int64_t dimension, std::string_view metric) {
  if (type.empty()) return "Flat";
  const std::string factory =
      IsPreset(type) ? FactoryOfPreset(type, dimension, kManyItems) : std::string(type);
  if (LearnsFromVectors(factory, dimension, ParseSimilarity(metric))) {
    InvalidArgument("index type '", type,
                    "' learns from the vectors that it is built from, so that it cannot begin "
                    "empty; the presets exact and fast can, and so can Flat, IVF,Codes and HNSW32");
  }
  return factory;
}

void CreateEmptyIndex(const std::filesystem::path& folder, const IndexOptions& options) {
  if (options.dimension < 1) {
    InvalidArgument("index dimension ", options.dimension, ", expected at least 1");
  }
  IndexOptions resolved = options;
  resolved.factory = FactoryOfEmpty(options.factory, options.dimension, options.metric);
  CreateIndex(folder, resolved)->Commit();
}

}  // namespace fluke
