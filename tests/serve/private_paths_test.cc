// What clients see of texts that name paths of this machine.
#include "serve/jobs/private_paths.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fluke::serve {
namespace {

const std::vector<std::string> kRoots{"/srv/data", "/srv/data/photos"};

TEST(PrivatePaths, BelowARootAreRelativeToIt) {
  EXPECT_EQ(WithoutPaths("cannot read /srv/data/jobs/7/log.txt: gone", kRoots),
            "cannot read jobs/7/log.txt: gone");
  EXPECT_EQ(WithoutPaths("/srv/data/photos/a.csv:3: bad", kRoots), "a.csv:3: bad");
  EXPECT_EQ(WithoutPaths("in '/srv/data'", kRoots), "in '.'");
}

TEST(PrivatePaths, ElsewhereKeepTheirLastName) {
  EXPECT_EQ(WithoutPaths("/usr/lib/libtorch.so(+0x12): at /srv/data2/x.csv", kRoots),
            ".../libtorch.so(+0x12): at .../x.csv");
  EXPECT_EQ(WithoutPaths("--run=/home/me/run and \"/etc/passwd\"", kRoots),
            "--run=.../run and \".../passwd\"");
}

TEST(PrivatePaths, OtherSlashesStay) {
  for (const char* text : {"12.5 images/s", "a/b.jpg", "./x", "1 / 2", "and/or", ""}) {
    EXPECT_EQ(WithoutPaths(text, kRoots), text);
  }
}

TEST(PlainText, HasNeitherBrokenCharactersNorEscapeSequences) {
  EXPECT_EQ(AsPlainText("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8b\n\tx"),
            "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8b\n\tx");
  EXPECT_EQ(AsPlainText("a\xff\xc3"), "a??");
  EXPECT_EQ(AsPlainText("\xc0\xaf"), "??");       // overlong
  EXPECT_EQ(AsPlainText("\xed\xa0\x80"), "???");  // a surrogate
  EXPECT_EQ(AsPlainText("\x1b[31mred\r"), "?[31mred?");
}

}  // namespace
}  // namespace fluke::serve
