#include "tests/fuzz/mutation.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace fluke::fuzz {
namespace {

constexpr uint64_t kMostChanges = 6;
constexpr uint64_t kMostMovedBytes = 64;

constexpr uint64_t kAwkwardNumbers[] = {0,
                                        1,
                                        0x7f,
                                        0x80,
                                        0xff,
                                        0x7fff,
                                        0x8000,
                                        0xffff,
                                        0x7fffffff,
                                        0x80000000,
                                        0xffffffff,
                                        0x7fffffffffffffff,
                                        0x8000000000000000,
                                        0xffffffffffffffff};
constexpr std::string_view kAwkwardTexts[] = {"\"",       "'",
                                              "`",        ",",
                                              ":",        "\n",
                                              "\r",       "\t",
                                              "{",        "}",
                                              "[",        "]",
                                              "(",        ")",
                                              "\\",       "-",
                                              "&",        "*",
                                              "#",        "|",
                                              ">",        "<",
                                              "=",        "%",
                                              "in",       "or",
                                              "not",      "nan",
                                              "inf",      "1e999",
                                              "- ",       "\0",
                                              "\xff",     "\xEF\xBB\xBF",
                                              "\xc3\xa9", "99999999999999999999",
                                              "-1",       "0x1p9",
                                              "~"};

// Starts and lengths within `bytes`, small parts as likely as large ones.
struct Part {
  size_t begin, size;
};
Part PartOf(const std::string& bytes, Random& random) {
  const size_t begin = random.Below(bytes.size() + 1);
  const uint64_t most =
      random.Chance(0.1) ? bytes.size() : std::min<uint64_t>(bytes.size(), kMostMovedBytes);
  const size_t size = random.Below(most + 1);
  return {begin, std::min(size, bytes.size() - begin)};
}

void SetNumber(std::string& bytes, Random& random) {
  const size_t width = size_t{1} << random.Below(4);
  if (bytes.size() < width) return;
  uint64_t number = kAwkwardNumbers[random.Below(std::size(kAwkwardNumbers))];
  // Many formats align what they count with.
  size_t at = random.Below(bytes.size() - width + 1);
  if (random.Chance(0.5)) at -= at % width;
  char raw[8];
  std::memcpy(raw, &number, sizeof(raw));
  if (random.Chance(0.3)) std::reverse(raw, raw + width);  // big-endian
  bytes.replace(at, width, raw, width);
}

void Change(std::string& bytes, const std::vector<std::string>& seeds, Random& random) {
  const Part part = PartOf(bytes, random);
  switch (random.Below(8)) {
    case 0:
      if (part.begin < bytes.size()) {
        bytes[part.begin] = static_cast<char>(bytes[part.begin] ^ (1 << random.Below(8)));
      }
      break;
    case 1:
      if (part.begin < bytes.size()) bytes[part.begin] = static_cast<char>(random.Bits());
      break;
    case 2:
      SetNumber(bytes, random);
      break;
    case 3:
      bytes.erase(part.begin, part.size);
      break;
    case 4:
      bytes.insert(part.begin, bytes.substr(part.begin, part.size));
      break;
    case 5: {
      const std::string& other = seeds[random.Below(seeds.size())];
      const Part taken = PartOf(other, random);
      bytes.insert(part.begin, other, taken.begin, taken.size);
      break;
    }
    case 6: {
      const std::string_view text = kAwkwardTexts[random.Below(std::size(kAwkwardTexts))];
      bytes.replace(part.begin, random.Chance(0.5) ? std::min(text.size(), part.size) : 0, text);
      break;
    }
    case 7:
      if (random.Chance(0.3)) bytes.resize(part.begin);
      break;
  }
}

}  // namespace

std::string Mutated(const std::vector<std::string>& seeds, Random& random) {
  std::string bytes = seeds[random.Below(seeds.size())];
  const uint64_t changes = 1 + random.Below(kMostChanges);
  for (uint64_t i = 0; i < changes; ++i) Change(bytes, seeds, random);
  return bytes;
}

}  // namespace fluke::fuzz
