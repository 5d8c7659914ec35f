// A ranking CSV on its way out: query_id, query_identity, rank, id, identity, score.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/files.h"
#include "common/item.h"

namespace fluke::cli {

// To a file, complete or absent, or to stdout where the path is "".
class RankingSink {
 public:
  explicit RankingSink(const std::string& path);
  // One line. rank: 1 = best.
  void Write(const Item& query, int64_t rank, const Item& found, float score);
  void Finish();

 private:
  void Write(std::string_view text);

  std::unique_ptr<AtomicFile> file_;
};

}  // namespace fluke::cli
