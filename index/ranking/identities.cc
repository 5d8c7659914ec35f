#include "index/ranking/identities.h"

#include <string>

#include "absl/container/flat_hash_map.h"
#include "index/ranking/gallery.h"

namespace fluke::ranking {

Identities IdentitiesOf(const VectorIndex& index) {
  Identities identities;
  identities.of_row.assign(static_cast<size_t>(RowLimit(index)), -1);
  absl::flat_hash_map<std::string, int32_t> numbers;
  index.ForEachRow([&](int64_t row) {
    const std::string identity = index.item(row).identity;
    if (identity.empty()) return;
    const auto [place, is_new] = numbers.try_emplace(identity, identities.count);
    if (is_new) ++identities.count;
    identities.of_row[static_cast<size_t>(row)] = place->second;
  });
  return identities;
}

}  // namespace fluke::ranking
