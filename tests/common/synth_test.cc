#include "common/synth/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

#include "common/manifest.h"
#include "common/synth/photo.h"
#include "common/synth/pose.h"
#include "common/synth/skin.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;

SynthOptions Small() {
  SynthOptions options;
  options.identities = 5;
  options.min_photos = options.max_photos = 2;
  options.size_px = 64;
  return options;
}

std::map<std::string, std::string> FilesBelow(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    files[entry.path().lexically_relative(folder).string()] =
        std::string(std::istreambuf_iterator<char>(file), {});
  }
  return files;
}

TEST(SyntheticFlukes, AreTheSameBytesForOneSeedWhateverTheNumberOfThreads) {
  const Scratch scratch;
  EXPECT_EQ(WriteSyntheticFlukes(scratch / "one", Small(), 1), 10);
  WriteSyntheticFlukes(scratch / "three", Small(), 3);
  const auto one = FilesBelow(scratch / "one");
  EXPECT_EQ(one.size(), 11u);
  EXPECT_TRUE(one == FilesBelow(scratch / "three"));
}

TEST(SyntheticFlukes, DependOnTheSeed) {
  const Scratch scratch;
  SynthOptions options = Small();
  WriteSyntheticFlukes(scratch / "a", options, 2);
  options.seed = 2;
  WriteSyntheticFlukes(scratch / "b", options, 2);
  EXPECT_NE(FilesBelow(scratch / "a").at("images/000/00.jpg"),
            FilesBelow(scratch / "b").at("images/000/00.jpg"));
}

TEST(SyntheticFlukes, ShowAnIndividualAlikeInALongerSet) {
  const Scratch scratch;
  SynthOptions options = Small();
  WriteSyntheticFlukes(scratch / "long", options, 2);
  options.identities = 1;
  options.min_photos = options.max_photos = 1;
  WriteSyntheticFlukes(scratch / "short", options, 2);
  EXPECT_EQ(FilesBelow(scratch / "long").at("images/000/00.jpg"),
            FilesBelow(scratch / "short").at("images/000/00.jpg"));
}

TEST(SyntheticFlukes, KeepTheLastFifthOfTheIndividualsForTesting) {
  const Scratch scratch;
  WriteSyntheticFlukes(scratch / "set", Small(), 2);
  const Manifest manifest = ReadManifest(scratch / "set" / "manifest.csv");
  for (const ManifestItem& item : manifest.items) {
    EXPECT_EQ(item.split, item.identity == "whale-004" ? "test" : "train") << item.path;
  }
}

TEST(SyntheticFlukes, CarryBoxesInsideThePhotographThatDifferFromPhotoToPhoto) {
  const Scratch scratch;
  WriteSyntheticFlukes(scratch / "set", Small(), 2);
  const Manifest manifest = ReadManifest(scratch / "set" / "manifest.csv");
  EXPECT_TRUE(CheckImages(manifest, 2).empty());
  std::set<std::pair<float, float>> corners;
  for (const ManifestItem& item : manifest.items) {
    ASSERT_TRUE(item.box.has_value()) << item.path;
    EXPECT_GE(item.box->x, 0);
    EXPECT_GE(item.box->y, 0);
    EXPECT_LE(item.box->x + item.box->w, 64);
    EXPECT_LE(item.box->y + item.box->h, 48);
    EXPECT_GT(item.box->w, 20) << item.path;
    corners.emplace(item.box->x, item.box->y);
  }
  EXPECT_GT(corners.size(), 5u);
}

TEST(SyntheticFlukes, HaveAsManyPhotographsOfEachAsTheRangeSays) {
  const Scratch scratch;
  SynthOptions options = Small();
  options.identities = 12;
  options.min_photos = 1;
  options.max_photos = 4;
  options.size_px = 32;
  const int64_t photos = WriteSyntheticFlukes(scratch / "set", options, 2);
  const Manifest manifest = ReadManifest(scratch / "set" / "manifest.csv");
  EXPECT_EQ(static_cast<int64_t>(manifest.items.size()), photos);
  std::map<std::string, int> counts;
  for (const ManifestItem& item : manifest.items) ++counts[item.identity];
  EXPECT_EQ(counts.size(), 12u);
  std::set<int> different;
  for (const auto& [identity, count] : counts) {
    EXPECT_THAT(count, AllOf(Ge(1), Le(4)));
    different.insert(count);
  }
  EXPECT_GT(different.size(), 1u);
}

TEST(SyntheticFlukes, AreNotWrittenOverAnotherSet) {
  const Scratch scratch;
  WriteSyntheticFlukes(scratch / "set", Small(), 2);
  const auto before = FilesBelow(scratch / "set");
  const Error error = ErrorOf([&] { WriteSyntheticFlukes(scratch / "set", Small(), 2); });
  EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(error.what(), HasSubstr("manifest.csv"));
  EXPECT_TRUE(before == FilesBelow(scratch / "set"));
}

TEST(SyntheticFlukes, RefuseOptionsOutOfRangeByName) {
  const Scratch scratch;
  const auto message = [&](void (*change)(SynthOptions*)) {
    SynthOptions options = Small();
    change(&options);
    return std::string(ErrorOf([&] { WriteSyntheticFlukes(scratch / "set", options, 1); }).what());
  };
  EXPECT_THAT(message([](SynthOptions* o) { o->identities = 0; }), HasSubstr("identities is 0"));
  EXPECT_THAT(message([](SynthOptions* o) { o->max_photos = 1; }), HasSubstr("photos is 1"));
  EXPECT_THAT(message([](SynthOptions* o) { o->size_px = 8; }), HasSubstr("size is 8"));
  EXPECT_THAT(message([](SynthOptions* o) { o->difficulty = NAN; }), HasSubstr("difficulty"));
  EXPECT_FALSE(fs::exists(scratch / "set"));
}

TEST(SyntheticPose, KeepsLeftLeftAndTheTrailingEdgeUp) {
  for (uint64_t i = 0; i < 300; ++i) {
    Random random(i);
    const synth::Pose pose = synth::DrawPose(random, 1);
    EXPECT_LT(synth::Project(pose, -.9, 0).x, synth::Project(pose, .9, 0).x);
    EXPECT_LT(synth::Project(pose, 0, 0).y, synth::Project(pose, 0, -.9).y);
  }
}

TEST(SyntheticSkin, HasTwoLobesOfItsOwnThatDoNotMirrorEachOther) {
  const synth::Skin skin = synth::GrowSkin(1, 0, 100), other = synth::GrowSkin(1, 1, 100);
  const auto inside = [](const synth::Skin& s, float x, float y) {
    return s.alpha.at<uint8_t>(static_cast<int>(s.Row(y)), static_cast<int>(s.Column(x))) > 127;
  };
  for (const synth::Skin* s : {&skin, &other}) {
    EXPECT_TRUE(inside(*s, -.5f, -.2f) && inside(*s, .5f, -.2f) && inside(*s, 0, -1));
    EXPECT_FALSE(inside(*s, -.5f, .3f) || inside(*s, .5f, -.9f) || inside(*s, 0, .1f));
  }
  cv::Mat mirrored;
  cv::flip(skin.alpha, mirrored, 1);
  EXPECT_GT(cv::norm(skin.alpha, mirrored, cv::NORM_L1) / 255, 50);
  EXPECT_GT(cv::norm(skin.alpha, other.alpha, cv::NORM_L1) / 255, 200);
}

// A set that the mean colour of the crop solves would teach nothing.
TEST(SyntheticPhotos, CannotBeToldApartByTheirMeanColour) {
  constexpr int kIndividuals = 12, kPhotos = 5;
  std::vector<cv::Scalar> colors;
  for (uint64_t i = 0; i < kIndividuals; ++i) {
    const synth::Skin skin = synth::GrowSkin(1, i, synth::SkinPixelsPerUnit(96));
    for (uint64_t p = 0; p < kPhotos; ++p) {
      const synth::Photo photo = synth::TakePhoto(skin, RandomKey({i, p}), 96, .5);
      colors.push_back(cv::mean(photo.rgb(photo.box)));
    }
  }
  int right = 0;
  for (size_t q = 0; q < colors.size(); ++q) {
    double best = std::numeric_limits<double>::max();
    size_t nearest = q;
    for (size_t g = 0; g < colors.size(); ++g) {
      const double distance = cv::norm(colors[q], colors[g]);
      if (g != q && distance < best) best = distance, nearest = g;
    }
    right += nearest / kPhotos == q / kPhotos;
  }
  EXPECT_LT(right, kIndividuals * kPhotos / 4);
}

}  // namespace
}  // namespace fluke
