// codes.bin of 100 rows: what is taken can be searched, whatever its numbers are, and only rows
// that are there are found.
#include "index/row_codes.h"

#include "common/files.h"
#include "common/random.h"
#include "index/bounded_scan.h"
#include "index/list_scan.h"
#include "index/row_codes_writer.h"
#include "tests/fuzz/fuzz.h"

namespace fluke::fuzz {

constexpr int64_t kRows = 100, kDimension = 8, kNeighbours = 5;

const std::vector<float>& Rows() {
  static const auto* rows = [] {
    Random random(RandomKey({1}));
    auto* values = new std::vector<float>(kRows * kDimension);
    for (float& value : *values) value = static_cast<float>(random.Normal());
    return values;
  }();
  return *rows;
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const Similarity similarity : {Similarity::kInnerProduct, Similarity::kL2}) {
    for (const int64_t lists : {0, 3}) {
      const auto path = FileOf("", "seed.bin");
      Require(WriteRowCodes(path, similarity, Rows(), kDimension, {.head = 4, .lists = lists}),
              "codes to start from");
      seeds.push_back(ReadFile(path));
    }
  }
  return seeds;
}

}  // namespace fluke::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fluke;  // NOLINT: a harness
  const auto path = fuzz::FileOf(fuzz::Text(data, size), "codes.bin");
  for (const Similarity similarity : {Similarity::kInnerProduct, Similarity::kL2}) {
    fuzz::Takes([&] {
      const RowCodes codes(MappedFile(path), similarity, fuzz::kRows, fuzz::kDimension, "input");
      const auto query = std::span(fuzz::Rows()).first(fuzz::kDimension);
      const auto results =
          codes.lists() > 0 ? ScanLists(codes, BestCodeKernel(), similarity, query, fuzz::Rows(),
                                        fuzz::kDimension, {.k = fuzz::kNeighbours, .nprobe = 2}, {})
                            : ScanByBounds(codes, BestCodeKernel(), similarity, query, fuzz::Rows(),
                                           fuzz::kDimension, fuzz::kNeighbours, {});
      for (const Neighbor& neighbor : results.at(0)) {
        fuzz::Require(neighbor.row >= 0 && neighbor.row < fuzz::kRows, "a row that is there");
      }
    });
  }
  return 0;
}
