// What is trained on, out of a manifest.
#include "train/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files.h"
#include "tests/common/scratch.h"

namespace fluke::train {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DividedManifest : public ::testing::Test {
 protected:
  TrainingData Divide(const std::string& rows, const std::string& column) const {
    WriteFileAtomically(scratch_ / "photos.csv", "path,identity,heavy\n" + rows);
    fluke::v1::TrainConfig config;
    const ConfigSource source = ParseConfig(
        "data: {manifest: photos.csv, val_fraction: 0, weight_column: '" + column + "'}\n",
        "t.yaml", {}, &config);
    return DivideManifest(ReadManifest(scratch_ / "photos.csv"), config.data(), source);
  }

  const Scratch scratch_;
};

TEST_F(DividedManifest, TakesWeightsFromTheColumnThatTheConfigNames) {
  const std::string rows = "a,anna,0.25\nb,anna,\nc,bert,3\nd,bert,1e-3\n";
  EXPECT_THAT(Divide(rows, "heavy").train.weights, ElementsAre(.25f, 1, 3, 1e-3f));
  EXPECT_THAT(Divide(rows, "").train.weights, IsEmpty());
}

TEST_F(DividedManifest, NamesAWeightThatIsNone) {
  for (const char* wrong : {"0", "-1", "heavy", "inf", "nan"}) {
    const Error error = ErrorOf(
        [&] { Divide(StrCat("a,anna,1\nb,anna,", wrong, "\nc,bert,\nd,bert,\n"), "heavy"); });
    EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("photos.csv:3"));
    EXPECT_THAT(error.what(), HasSubstr(wrong));
  }
  EXPECT_THAT(ErrorOf([&] { Divide("a,anna,1\nb,anna,1\nc,bert,\nd,bert,\n", "weight"); }).what(),
              HasSubstr("no column 'weight'"));
}

}  // namespace
}  // namespace fluke::train
