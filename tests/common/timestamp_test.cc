#include "common/curation/timestamp.h"

#include <gtest/gtest.h>

namespace fluke {
namespace {

// date -u -d "2019-05-17 08:30:15" +%s (coreutils 9.1) prints 1558081815; midnight is 1558051200,
// 2019-05-01 1556668800 and 2019-01-01 1546300800.
TEST(ParseTimestamp, ReadsTheFormsThatManifestsHave) {
  EXPECT_EQ(ParseTimestamp("2019"), 1546300800);
  EXPECT_EQ(ParseTimestamp("2019-05"), 1556668800);
  EXPECT_EQ(ParseTimestamp("2019-05-17"), 1558051200);
  EXPECT_EQ(ParseTimestamp("2019/05/17"), 1558051200);
  EXPECT_EQ(ParseTimestamp(" 2019-05-17 08:30:15 "), 1558081815);
  EXPECT_EQ(ParseTimestamp("2019-05-17T08:30:15.75Z"), 1558081815);
  EXPECT_EQ(ParseTimestamp("2019-05-17T10:30:15+02:00"), 1558081815);
  EXPECT_EQ(ParseTimestamp("2019-05-17T05:00:15-0330"), 1558081815);
  EXPECT_EQ(ParseTimestamp("2019:05:17 08:30:15"), 1558081815);
  EXPECT_EQ(ParseTimestamp("2019-05-17 08:30"), 1558081800);
  EXPECT_EQ(ParseTimestamp("1558081815"), 1558081815);
}

TEST(ParseTimestamp, RefusesWhatIsNoPointInTime) {
  for (const char* text : {"", "May 2019", "2019-13", "2019-02-30", "2019-05-17 25:00", "20195",
                           "2019-05-17 08:30 CET", "2019-05-17x", "0000:00:00 00:00:00"}) {
    EXPECT_FALSE(ParseTimestamp(text).has_value()) << text;
  }
}

TEST(DayOf, RoundsDownBeforeTheEpochToo) {
  EXPECT_EQ(DayOf(86399), 0);
  EXPECT_EQ(DayOf(86400), 1);
  EXPECT_EQ(DayOf(-1), -1);
  EXPECT_EQ(DayOf(-86400), -1);
  EXPECT_EQ(DayOf(-86401), -2);
}

}  // namespace
}  // namespace fluke
