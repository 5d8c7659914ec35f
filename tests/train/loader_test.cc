#include "train/data/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>

#include <opencv2/core.hpp>

#include "common/error.h"
#include "common/random.h"
#include "common/table.h"
#include "common/text.h"
#include "train/data/sampler.h"

namespace fluke::train {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int kSide = 16;

// Photographs made up on the spot: photo i is filled with 10 + i, a brighter column tells left from
// right.
class PaintedPhotos : public ImageSource {
 public:
  DecodedImage Load(const ManifestItem& item, const DecodeOptions& options) const override {
    ++loads;
    if (delay.count() > 0) std::this_thread::sleep_for(delay);
    if (item.path.starts_with("bad")) InvalidArgument(item.path, ": not an image");
    if (item.path.starts_with("odd")) throw cv::Exception(-1, "no such format", "f", "file", 1);
    const int shade = 10 + static_cast<int>(item.line);
    cv::Mat pixels(kSide, kSide, options.layout == PixelLayout::kGray ? CV_8UC1 : CV_8UC3,
                   cv::Scalar::all(shade));
    pixels.col(2).setTo(cv::Scalar::all(2 * shade));
    return {.pixels = pixels, .full_width = kSide, .full_height = kSide};
  }

  mutable std::atomic<int> loads = 0;
  std::chrono::milliseconds delay{0};
};

Manifest Photos(int count, std::shared_ptr<const ImageSource> images) {
  Manifest manifest{.name = "photos.csv", .items = {}, .images = std::move(images)};
  for (int i = 0; i < count; ++i) {
    ManifestItem item;
    item.path = StrCat("photo", i, ".jpg");
    item.line = i;
    manifest.items.push_back(item);
  }
  return manifest;
}

std::vector<int64_t> LabelsOf(int count) {
  std::vector<int64_t> labels(count);
  for (int i = 0; i < count; ++i) labels[i] = 100 + i;
  return labels;
}

Augmenter Chain(const std::vector<std::string>& names) {
  google::protobuf::RepeatedPtrField<v1::Transform> transforms;
  for (const std::string& name : names) transforms.Add()->set_name(name);  // p .5
  return Augmenter(transforms, ConfigSource());
}

const std::vector<std::string> kSomeOfEverything{"horizontal_flip",
                                                 "gauss_noise",
                                                 "affine",
                                                 "elastic",
                                                 "rain",
                                                 "motion_blur",
                                                 "blur",
                                                 "hue_saturation_value",
                                                 "sharpen",
                                                 "coarse_dropout",
                                                 "perspective"};

InputFormat Rgb() {
  return {.width = kSide, .height = kSide, .channels = 3, .mean = {0, 0, 0}, .std = {1, 1, 1}};
}

EpochOrder Shuffled(int count) {
  return [=](int64_t epoch) {
    return Find(Samplers(), "sampler", "shuffle")
        .order({.labels = LabelsOf(count),
                .batch_size = 8,
                .key = RandomKey({4, static_cast<uint64_t>(epoch)})});
  };
}

EpochOrder InOrder(int count) {
  return [=](int64_t) {
    std::vector<int64_t> order(count);
    std::iota(order.begin(), order.end(), 0);
    return order;
  };
}

// Everything of an epoch from batch `first` on.
std::vector<std::vector<float>> Epoch(Loader* loader, int64_t epoch, int64_t first = 0) {
  loader->Start(epoch, first);
  std::vector<std::vector<float>> batches;
  while (const Batch* batch = loader->Next()) batches.push_back(batch->pixels);
  return batches;
}

LoaderOptions Options(int workers, int64_t cache_bytes = 0) {
  return {.input = Rgb(),
          .batch_size = 8,
          .seed = 11,
          .workers = workers,
          .cache_bytes = cache_bytes,
          .prefetch_batches = 3};
}

// 50 photographs, augmented, in batches of 8.
std::unique_ptr<Loader> Augmented(int workers, int64_t cache_bytes = 0) {
  return std::make_unique<Loader>(Photos(50, std::make_shared<PaintedPhotos>()), LabelsOf(50),
                                  Chain(kSomeOfEverything), Shuffled(50),
                                  Options(workers, cache_bytes));
}

// `count` photographs as they are, in order.
std::unique_ptr<Loader> Plain(int count, std::shared_ptr<const ImageSource> photos,
                              LoaderOptions options) {
  return std::make_unique<Loader>(Photos(count, std::move(photos)), LabelsOf(count), Augmenter(),
                                  InOrder(count), options);
}

TEST(Loader, GivesTheSamePixelsForAnyNumberOfWorkers) {
  std::vector<std::vector<float>> expected;
  for (const int workers : {1, 2, 5}) {
    const auto batches = Epoch(Augmented(workers).get(), 2);
    ASSERT_EQ(batches.size(), 6u);
    if (expected.empty()) expected = batches;
    EXPECT_EQ(batches, expected) << workers << " workers";
  }
}

TEST(Loader, GivesTheSamePixelsFromTheCache) {
  const auto plain = Augmented(2);
  const auto caching = Augmented(3, 20 * kSide * kSide * 3);  // room for 20 of the 50
  for (int64_t epoch = 0; epoch < 3; ++epoch)
    EXPECT_EQ(Epoch(caching.get(), epoch), Epoch(plain.get(), epoch));
}

TEST(Loader, DecodesACachedPhotographOnce) {
  const auto photos = std::make_shared<PaintedPhotos>();
  const auto loader = Plain(40, photos, Options(2, 1 << 20));
  Epoch(loader.get(), 0);
  Epoch(loader.get(), 1);
  EXPECT_EQ(photos->loads, 40);
}

TEST(Loader, AugmentsDifferentlyInEachEpochAndPlaceAndWithEachSeed) {
  // The same photograph twice in a batch, in every epoch; several steps, so that not all are left
  // out by chance.
  const auto pixels_of = [](uint64_t seed, int64_t epoch) {
    LoaderOptions options = Options(1);
    options.seed = seed;
    Loader loader(
        Photos(5, std::make_shared<PaintedPhotos>()), LabelsOf(5), Chain(kSomeOfEverything),
        [](int64_t) {
          return std::vector<int64_t>{3, 3};
        },
        options);
    return Epoch(&loader, epoch).at(0);
  };
  const std::vector<float> pixels = pixels_of(1, 0);
  EXPECT_EQ(pixels_of(1, 0), pixels);
  EXPECT_NE(pixels_of(1, 1), pixels);
  EXPECT_NE(pixels_of(2, 0), pixels);
  const auto half = pixels.begin() + static_cast<int64_t>(pixels.size() / 2);
  EXPECT_FALSE(std::equal(pixels.begin(), half, half));
}

TEST(Loader, ResumesInTheMiddleOfAnEpoch) {
  auto expected = Epoch(Augmented(2).get(), 1);
  expected.erase(expected.begin(), expected.begin() + 4);
  EXPECT_EQ(Epoch(Augmented(3).get(), 1, 4), expected);
}

TEST(Loader, MayLeaveAnEpochAndBeginAnother) {
  const auto loader = Augmented(3);
  const auto expected = Epoch(loader.get(), 1);
  loader->Start(0);
  loader->Next();
  loader->Next();
  EXPECT_EQ(Epoch(loader.get(), 1), expected);
  loader->Start(7);  // and another without taking any batch
  EXPECT_EQ(Epoch(loader.get(), 1), expected);
}

TEST(Loader, GivesPhotographsInOrderWithTheirLabelsAndTheRestAsLastBatch) {
  LoaderOptions options = Options(3);
  options.batch_size = 3;
  const auto loader = Plain(7, std::make_shared<PaintedPhotos>(), options);
  loader->Start(0);
  EXPECT_EQ(loader->batches(), 3);
  EXPECT_THAT(loader->Next()->items, ElementsAre(0, 1, 2));
  EXPECT_THAT(loader->Next()->labels, ElementsAre(103, 104, 105));
  const Batch* last = loader->Next();
  EXPECT_THAT(last->items, ElementsAre(6));
  EXPECT_EQ(last->pixels.size(), 3u * kSide * kSide);
  EXPECT_FLOAT_EQ(last->pixels[0], 16 / 255.0f);  // photograph 6 has the shade 16
  EXPECT_EQ(loader->Next(), nullptr);
  EXPECT_EQ(loader->Next(), nullptr);
}

TEST(Loader, GivesGreyPicturesOneChannel) {
  LoaderOptions options = Options(1);
  options.input = {.width = kSide, .height = kSide, .channels = 1, .mean = {0.5f}, .std = {0.5f}};
  const auto loader = Plain(2, std::make_shared<PaintedPhotos>(), options);
  loader->Start(0);
  const Batch* batch = loader->Next();
  EXPECT_EQ(batch->channels, 1);
  EXPECT_NEAR(batch->pixels.at(kSide * kSide), (11 / 255.0f - 0.5f) / 0.5f, 1e-5);
}

TEST(Loader, ResizesToTheInput) {
  LoaderOptions options = Options(1);
  options.input.width = 8;
  options.input.height = 4;
  const auto loader = Plain(1, std::make_shared<PaintedPhotos>(), options);
  loader->Start(0);
  const Batch* batch = loader->Next();
  EXPECT_EQ(batch->width, 8);
  EXPECT_EQ(batch->height, 4);
  // Two columns become one: 2 and 3 hold 20 and 10.
  EXPECT_NEAR(batch->pixels[0], 10 / 255.0f, 1e-5);
  EXPECT_NEAR(batch->pixels[3], 15 / 255.0f, 1e-5);
}

TEST(Loader, ThrowsTheFirstBadPhotographOfItsBatchByName) {
  Manifest manifest = Photos(12, std::make_shared<PaintedPhotos>());
  manifest.items[6].path = "bad6.jpg";
  manifest.items[7].path = "bad7.jpg";
  LoaderOptions options = Options(3);
  options.batch_size = 4;
  Loader loader(manifest, LabelsOf(12), Augmenter(), InOrder(12), options);
  for (int repeat = 0; repeat < 2; ++repeat) {
    loader.Start(0);
    EXPECT_THAT(loader.Next()->items, ElementsAre(0, 1, 2, 3));
    try {
      loader.Next();
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(error.what(), AllOf(StartsWith("photos.csv:6: "), HasSubstr("bad6.jpg"),
                                      HasSubstr("not an image")));
    }
    EXPECT_EQ(loader.Next(), nullptr);
  }
}

TEST(Loader, WrapsOtherLibrariesErrors) {
  Manifest manifest = Photos(1, std::make_shared<PaintedPhotos>());
  manifest.items[0].path = "odd.tif";
  Loader loader(manifest, LabelsOf(1), Augmenter(), InOrder(1), Options(1));
  loader.Start(0);
  try {
    loader.Next();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("photos.csv:0: odd.tif"), HasSubstr("no such format")));
  }
}

TEST(Loader, EndsQuicklyInTheMiddleOfAnEpoch) {
  const auto photos = std::make_shared<PaintedPhotos>();
  photos->delay = std::chrono::milliseconds(20);
  const auto begin = std::chrono::steady_clock::now();
  {
    LoaderOptions options = Options(2);
    options.batch_size = 100;
    Plain(1000, photos, options)->Start(0);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  EXPECT_LT(photos->loads, 100);  // of 1000
}

TEST(Loader, LooksAheadNoFurtherThanAsked) {
  const auto photos = std::make_shared<PaintedPhotos>();
  const auto loader = Plain(100, photos, Options(4));
  loader->Start(0);
  loader->Next();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_LE(photos->loads, (1 + 3) * 8);  // the batch in use and three ahead
}

TEST(Loader, RefusesWhatDoesNotFit) {
  const auto photos = std::make_shared<PaintedPhotos>();
  EXPECT_THROW(Loader(Photos(3, photos), LabelsOf(2), Augmenter(), InOrder(2), Options(1)), Error);
  const auto loader = Plain(20, photos, Options(1));
  EXPECT_EQ(loader->Next(), nullptr);  // nothing begun
  EXPECT_THROW(loader->Start(0, 4), Error);
  loader->Start(0, 3);  // nothing left
  EXPECT_EQ(loader->Next(), nullptr);
}

TEST(Normalize, WritesEitherLayout) {
  InputFormat input = Rgb();
  input.mean = {0.1f, 0.2f, 0.3f};
  input.std = {0.5f, 0.25f, 0.2f};
  // More pixels a row than one run of the vector loop, and not a whole number of them.
  constexpr int kWidth = 37, kHeight = 3, kPlane = kWidth * kHeight;
  cv::Mat image(kHeight, kWidth, CV_8UC3);
  for (int i = 0; i < 3 * kPlane; ++i) image.data[i] = static_cast<uint8_t>(i * 7 % 256);
  std::vector<float> nhwc(3 * kPlane), nchw(3 * kPlane);
  Normalize(image, input, Layout::kNhwc, nhwc.data());
  Normalize(image, input, Layout::kNchw, nchw.data());
  for (int pixel = 0; pixel < kPlane; ++pixel) {
    for (int c = 0; c < 3; ++c) {
      const float value = (image.data[3 * pixel + c] / 255.0f - input.mean[c]) / input.std[c];
      ASSERT_NEAR(nhwc[3 * pixel + c], value, 1e-5);
      ASSERT_NEAR(nchw[c * kPlane + pixel], value, 1e-5);
    }
  }
}

TEST(FitToInput, AveragesWhereItShrinks) {
  // The mean of the four pixels of each 2 x 2 block.
  cv::Mat image(2, 4, CV_8UC1);
  const std::vector<uint8_t> values{0, 100, 10, 20, 0, 100, 30, 40};
  std::copy(values.begin(), values.end(), image.data);
  const cv::Mat fitted =
      FitToInput(image, {.width = 2, .height = 1, .channels = 1, .mean = {}, .std = {}});
  EXPECT_EQ(fitted.at<uint8_t>(0, 0), 50);
  EXPECT_EQ(fitted.at<uint8_t>(0, 1), 25);
}

}  // namespace
}  // namespace fluke::train
