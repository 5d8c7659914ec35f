#include "common/sheet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <opencv2/imgcodecs.hpp>

#include "common/sheet_text.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::StartsWith;

SheetPicture Neighbor(std::string identity, float score = .5f) {
  return {cv::Mat(60, 100, CV_8UC3, cv::Scalar(120, 120, 120)), std::move(identity), score};
}

ContactSheet WithNeighbors(const std::vector<std::string>& identities) {
  ContactSheet sheet{.title = "title", .subtitle = "", .rows = {{Neighbor("anna"), {}}}};
  for (const std::string& identity : identities)
    sheet.rows[0].neighbors.push_back(Neighbor(identity));
  return sheet;
}

// Pixels below the header, whose legend is coloured too, that are clearly green or clearly red.
int Clearly(int channel, const cv::Mat& rgb) {
  int count = 0;
  for (int row = 120; row < rgb.rows; ++row) {
    for (int col = 0; col < rgb.cols; ++col) {
      const auto& pixel = rgb.at<cv::Vec3b>(row, col);
      count += pixel[channel] > pixel[(channel + 1) % 3] + 70 &&
               pixel[channel] > pixel[(channel + 2) % 3] + 70;
    }
  }
  return count;
}

constexpr int kRed = 0, kGreen = 1;

TEST(ContactSheet, FramesTheSameIdentityGreenAndAnotherRed) {
  const cv::Mat right = DrawContactSheet(WithNeighbors({"anna"}));
  EXPECT_GT(Clearly(kGreen, right), 1000);
  EXPECT_EQ(Clearly(kRed, right), 0);
  const cv::Mat wrong = DrawContactSheet(WithNeighbors({"bert"}));
  EXPECT_GT(Clearly(kRed, wrong), 1000);
  EXPECT_EQ(Clearly(kGreen, wrong), 0);
}

TEST(ContactSheet, FramesUnknownIdentitiesNeitherGreenNorRed) {
  ContactSheet sheet = WithNeighbors({""});
  EXPECT_EQ(Clearly(kGreen, DrawContactSheet(sheet)) + Clearly(kRed, DrawContactSheet(sheet)), 0);
  sheet = WithNeighbors({"anna"});
  sheet.rows[0].query.identity = "";
  EXPECT_EQ(Clearly(kGreen, DrawContactSheet(sheet)) + Clearly(kRed, DrawContactSheet(sheet)), 0);
}

TEST(ContactSheet, PutsMoreThanTenNeighborsOnTwoLinesAndStopsAtTwenty) {
  const cv::Mat ten = DrawContactSheet(WithNeighbors(std::vector<std::string>(10, "anna")));
  const cv::Mat twenty = DrawContactSheet(WithNeighbors(std::vector<std::string>(20, "anna")));
  const cv::Mat thirty = DrawContactSheet(WithNeighbors(std::vector<std::string>(30, "anna")));
  EXPECT_EQ(ten.cols, twenty.cols);
  EXPECT_GT(twenty.rows, ten.rows + 60);
  EXPECT_EQ(twenty.size(), thirty.size());
}

TEST(ContactSheet, IsDrawnWithoutRowsNeighborsOrPixels) {
  EXPECT_FALSE(DrawContactSheet({}).empty());
  EXPECT_FALSE(DrawContactSheet(WithNeighbors({})).empty());
  ContactSheet sheet = WithNeighbors({"anna"});
  sheet.rows[0].query.rgb = cv::Mat();
  sheet.rows[0].neighbors[0].rgb = cv::Mat(1, 3000, CV_8UC3, cv::Scalar::all(0));
  EXPECT_FALSE(DrawContactSheet(sheet).empty());
}

TEST(ContactSheet, IsWrittenAsAPngThatReadsBackEqual) {
  const Scratch scratch;
  const ContactSheet sheet = WithNeighbors({"anna", "bert"});
  WriteContactSheet(scratch / "sheet.png", sheet);
  const cv::Mat bgr = cv::imread((scratch / "sheet.png").string());
  const cv::Mat drawn = DrawContactSheet(sheet);
  ASSERT_EQ(bgr.size(), drawn.size());
  EXPECT_EQ(bgr.at<cv::Vec3b>(0, 0)[0], drawn.at<cv::Vec3b>(0, 0)[2]);
  EXPECT_THROW(WriteContactSheet(scratch / "no" / "folder.png", sheet), Error);
}

TEST(SheetText, ReplacesWhatTheFontCannotShow) {
  EXPECT_EQ(PlainText("Bj\xc3\xb6rn \xf0\x9f\x90\x8b"), "Bj?rn ?");
  EXPECT_EQ(PlainText("a\tb"), "a?b");
}

TEST(SheetText, WrapsLongNamesAtTheirPartsAndKeepsTheEnd) {
  const TextStyle style{.size_px = 13, .weight = 1, .color = cv::Scalar::all(0)};
  EXPECT_THAT(WrapText("whale-001", 200, 2, style), ElementsAre("whale-001"));
  const std::vector<std::string> two = WrapText("humpback/whale-001", 90, 2, style);
  EXPECT_THAT(two, ElementsAre("humpback/", "whale-001"));
  const std::vector<std::string> shortened =
      WrapText(std::string(300, 'x') + "-0815", 90, 2, style);
  ASSERT_EQ(shortened.size(), 2u);
  EXPECT_THAT(shortened[1], StartsWith(".."));
  EXPECT_THAT(shortened[1], EndsWith("-0815"));
  for (const std::string& line : shortened) EXPECT_LE(TextWidth(line, style), 90);
  EXPECT_TRUE(WrapText("", 90, 2, style).empty());
}

}  // namespace
}  // namespace fluke
