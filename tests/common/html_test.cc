#include "common/html.h"

#include <gtest/gtest.h>

namespace fluke {
namespace {

TEST(EscapeHtml, LeavesNoMarkupAndEndsNoAttribute) {
  EXPECT_EQ(EscapeHtml("<b a='1' c=\"2\">&amp;"),
            "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;");
  EXPECT_EQ(EscapeHtml("Grauwal é"), "Grauwal é");
}

}  // namespace
}  // namespace fluke
