#include "common/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace fluke {
namespace {

std::string Counting(int first, int step) {
  std::string bytes;
  for (int i = 0; i < 32; ++i) bytes += static_cast<char>(first + i * step);
  return bytes;
}

// RFC 3720 B.4 lists the CRCs as bytes on the wire, least significant first: "aa 36 91 8a" is
// 0x8a9136aa.
TEST(Crc32c, GivesTheVectorsOfRfc3720) {
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(Crc32c(Counting(0, 1)), 0x46dd794eu);
  EXPECT_EQ(Crc32c(Counting(31, -1)), 0x113fdb5cu);
  // An iSCSI SCSI Read (10) command PDU: "56 3a 96 d9".
  const unsigned char pdu[48] = {0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0, 0,
                                 0x14, 0,    0, 0, 0, 0, 4, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18,
                                 0x28, 0,    0, 0, 0, 0, 0, 0, 2, 0, 0, 0,    0, 0, 0, 0};
  EXPECT_EQ(Crc32c(pdu, sizeof pdu), 0xd9963a56u);
}

TEST(Crc32c, GivesTheCheckValueOfTheCatalogueOfCrcs) {
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(Crc32c, ByTableEqualsByInstructionAtEveryLengthAndAlignment) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) bytes += static_cast<char>(i * 167 + 13);
  for (size_t begin = 0; begin < 9; ++begin) {
    for (size_t length = 0; length < 80; ++length) {
      ASSERT_EQ(Crc32c(bytes.data() + begin, length), Crc32cPortable(bytes.data() + begin, length))
          << begin << " " << length;
    }
  }
  EXPECT_EQ(Crc32cPortable("123456789", 9), 0xe3069283u);
}

TEST(Crc32c, ExtendsAcrossPieces) {
  const std::string bytes = "the quick brown fluke jumps over the lazy boat";
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    const uint32_t first = Crc32c(bytes.data(), cut);
    EXPECT_EQ(Crc32c(bytes.data() + cut, bytes.size() - cut, first), Crc32c(bytes));
    EXPECT_EQ(Crc32cPortable(bytes.data() + cut, bytes.size() - cut, first), Crc32c(bytes));
  }
}

// rot15(0xe3069283) + 0xa282ead8 mod 2^32, by hand: 0xe3069283 >> 15 = 0x1c60d, << 17 = 0x25060000,
// or'ed 0x2507c60d;
// + 0xa282ead8 = 0xc78ab0e5.
TEST(Crc32c, MasksAsTfRecordDoes) { EXPECT_EQ(MaskedCrc32c("123456789"), 0xc78ab0e5u); }

}  // namespace
}  // namespace fluke
