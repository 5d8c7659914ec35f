// An index folder with embeddings and local evidence, where only key points tell some individuals.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "index/local/local_files.h"
#include "tests/common/local_pictures.h"
#include "tests/index/fixtures.h"

namespace fluke::testing {

// Eight individuals with two photographs each, 0a 0b 1a .. 7b; b is a, turned. The b's embeddings
// of the odd ones point where those of the even ones before them do.
class LocalGallery : public ::testing::Test {
 protected:
  static constexpr int kIndividuals = 8;
  static constexpr int kPhotos = 2 * kIndividuals;

  static cv::Mat Photo(int individual, bool turned) {
    const cv::Mat picture = Blotches(200, 200, static_cast<uint64_t>(individual));
    return turned ? Warped(picture, Turn(picture.size(), 20, .9, 3, 2)) : picture;
  }

  LocalGallery() {
    LocalWriter writer(folder_.path(), options_);
    std::vector<Item> items;
    std::vector<float> vectors;
    for (int i = 0; i < kIndividuals; ++i) {
      for (const bool turned : {false, true}) {
        const std::string id = StrCat(i, turned ? "b" : "a");
        items.push_back({.id = id, .identity = StrCat("whale", i), .path = id, .metadata = {}});
        writer.Add(items.back(), ExtractKeyPoints(Photo(i, turned), options_));
        const int direction = i % 2 != 0 && turned ? i - 1 : i;
        for (int d = 0; d < kIndividuals; ++d) {
          vectors.push_back(d == direction ? 1.f : turned ? .02f : 0.f);
        }
      }
    }
    writer.Commit();
    const auto index = CreateIndex(folder_.path(), {.factory = "Flat",
                                                    .metric = "cosine",
                                                    .dimension = kIndividuals,
                                                    .fingerprint = "model",
                                                    .target_recall = 0});
    index->Add(items, vectors);
    index->Commit();
  }

  const KeyPointOptions options_{.side_px = 200, .max_key_points = 200};
  TestFolder folder_;
};

}  // namespace fluke::testing
