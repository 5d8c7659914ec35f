#include "common/embeddings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "common/files.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

const std::vector<Item> kItems = {
    {.id = "a", .identity = "Ann", .path = "x/a.jpg", .metadata = {{"camera", "left"}}},
    {.id = "b", .identity = "", .path = "x/b, c.jpg", .metadata = {{"year", "2019"}}}};

Item Called(const std::string& id, std::map<std::string, std::string> metadata = {}) {
  return {.id = id, .identity = "", .path = "", .metadata = std::move(metadata)};
}

std::vector<Item> ItemsFrom(const std::string& csv) {
  const Scratch scratch;
  WriteFileAtomically(scratch / "items.csv", csv);
  return ReadItems(scratch / "items.csv");
}

TEST(Items, AreWrittenWithMetadataInAlphabeticalOrder) {
  EXPECT_EQ(ItemsToCsv(kItems),
            "id,identity,path,camera,year\n"
            "a,Ann,x/a.jpg,left,\n"
            "b,,\"x/b, c.jpg\",,2019\n");
  EXPECT_EQ(ItemsToCsv({}), "id,identity,path\n");
}

TEST(Items, AreReadAsWritten) {
  const std::vector<Item> items = ItemsFrom(ItemsToCsv(kItems));
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0].id, "a");
  EXPECT_EQ(items[0].identity, "Ann");
  EXPECT_THAT(items[0].metadata, ElementsAre(Pair("camera", "left")));
  EXPECT_EQ(items[1].path, "x/b, c.jpg");
  EXPECT_THAT(items[1].metadata, ElementsAre(Pair("year", "2019")));
}

TEST(Items, NeedAnIdColumnAndNoOther) {
  const std::vector<Item> items = ItemsFrom("colour,id\nred,7\n");
  EXPECT_EQ(items[0].id, "7");
  EXPECT_EQ(items[0].identity, "");
  EXPECT_THAT(items[0].metadata, ElementsAre(Pair("colour", "red")));
  EXPECT_THAT(ErrorOf([] { ItemsFrom("path\nx\n"); }).what(),
              AllOf(HasSubstr("items.csv:1: no column 'id'"), HasSubstr("path")));
}

TEST(Items, NeedUniqueIds) {
  EXPECT_THAT(ErrorOf([] { ItemsFrom("id\na\nb\na\n"); }).what(),
              HasSubstr("items.csv:4: id 'a' stands in line 2 already"));
  EXPECT_THAT(ErrorOf([] { ItemsFrom("id,path\n,x\n"); }).what(),
              HasSubstr("items.csv:2: empty id"));
  EXPECT_THAT(ErrorOf([] {
                ItemsToCsv({Called("a"), Called("b"), Called("a")});
              }).what(),
              HasSubstr("items 0 and 2 have the same id 'a'"));
  EXPECT_THAT(ErrorOf([] {
                ItemsToCsv({Called("a", {{"path", "y"}})});
              }).what(),
              HasSubstr("'path' cannot be the name of metadata"));
}

class EmbeddingsTest : public testing::Test {
 protected:
  void WriteVectors(int64_t rows, std::vector<float> values) {
    WriteNpy(scratch_ / "embeddings.npy", rows, 2, values);
  }
  Error ReadError() {
    return ErrorOf([&] { ReadEmbeddings(scratch_.folder()); });
  }
  Scratch scratch_;
};

TEST_F(EmbeddingsTest, ComeBackAsWritten) {
  WriteVectors(2, {1, 0, 0.6f, 0.8f});
  WriteEmbeddingsInfo(scratch_.folder(), kItems, 2, "c0ffee", {"run1", "run2"}, "photos.csv");
  const Embeddings embeddings = ReadEmbeddings(scratch_.folder());
  EXPECT_THAT(embeddings.vectors.values, ElementsAre(1, 0, 0.6f, 0.8f));
  ASSERT_EQ(embeddings.items.size(), 2u);
  EXPECT_EQ(embeddings.items[1].id, "b");
  EXPECT_EQ(embeddings.fingerprint, "c0ffee");
  const auto info = nlohmann::json::parse(ReadFile(scratch_ / "embeddings.json"));
  EXPECT_EQ(info["dimension"], 2);
  EXPECT_EQ(info["models"], (std::vector<std::string>{"run1", "run2"}));
  EXPECT_EQ(info["data"], "photos.csv");
}

TEST_F(EmbeddingsTest, FromElsewhereNeedNoJson) {
  WriteVectors(1, {1, 0});
  WriteFileAtomically(scratch_ / "items.csv", "id\na\n");
  EXPECT_EQ(ReadEmbeddings(scratch_.folder()).fingerprint, "");
}

TEST_F(EmbeddingsTest, SayWhichFileIsMissing) {
  EXPECT_EQ(ReadError().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(ReadError().what(), HasSubstr("embeddings.npy: no such file"));
  WriteVectors(1, {1, 0});
  EXPECT_THAT(ReadError().what(), HasSubstr("items.csv: no such file"));
}

TEST_F(EmbeddingsTest, RefuseRowsThatDoNotMatchTheItems) {
  WriteVectors(1, {1, 0});
  WriteFileAtomically(scratch_ / "items.csv", "id\na\nb\n");
  EXPECT_THAT(ReadError().what(), HasSubstr("embeddings.npy has 1 rows, items.csv has 2"));
  EXPECT_THAT(
      ErrorOf([&] { WriteEmbeddingsInfo(scratch_.folder(), kItems, 2, "", {}, ""); }).what(),
      HasSubstr("1 x 2, expected 2 x 2"));
}

TEST_F(EmbeddingsTest, RefuseValuesThatAreNotFiniteNamingTheItem) {
  WriteFileAtomically(scratch_ / "items.csv", "id\na\nb\n");
  for (float bad : {NAN, INFINITY, -INFINITY}) {
    WriteVectors(2, {1, 0, 0, bad});
    EXPECT_EQ(ReadError().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(ReadError().what(), HasSubstr("row 1 (item 'b') holds"));
  }
}

TEST_F(EmbeddingsTest, RefuseADamagedOrForeignJson) {
  WriteVectors(1, {1, 0});
  WriteFileAtomically(scratch_ / "items.csv", "id\na\n");
  for (const char* json : {"{\"fingerprint\": \"c0", "[]", "", "{\"fingerprint\": 5}",
                           "{\"fingerprint\": \"x\", \"dimension\": 3}"}) {
    WriteFileAtomically(scratch_ / "embeddings.json", json);
    EXPECT_EQ(ReadError().code(), absl::StatusCode::kDataLoss) << json;
    EXPECT_THAT(ReadError().what(), HasSubstr("embeddings.json")) << json;
  }
}

// What MappedEmbeddings hands out, put together again.
struct Collected {
  int64_t blocks = 0;
  std::vector<std::string> ids;
  std::vector<float> values;

  explicit Collected(const MappedEmbeddings& embeddings) {
    embeddings.ForEachBlock([&](const std::vector<Item>& items, std::span<const float> vectors) {
      ++blocks;
      for (const Item& item : items) ids.push_back(item.id);
      values.insert(values.end(), vectors.begin(), vectors.end());
      EXPECT_EQ(vectors.size(), items.size() * static_cast<size_t>(embeddings.dimension()));
    });
  }
};

TEST_F(EmbeddingsTest, MappedComeBackAsWritten) {
  WriteVectors(2, {1, 0, 0.6f, 0.8f});
  WriteEmbeddingsInfo(scratch_.folder(), kItems, 2, "c0ffee", {"run1"}, "photos.csv");
  const MappedEmbeddings embeddings(scratch_.folder());
  EXPECT_EQ(embeddings.rows(), 2);
  EXPECT_EQ(embeddings.dimension(), 2);
  EXPECT_EQ(embeddings.fingerprint(), "c0ffee");
  for (int pass = 0; pass < 2; ++pass) {
    const Collected collected(embeddings);
    EXPECT_THAT(collected.ids, ElementsAre("a", "b"));
    EXPECT_THAT(collected.values, ElementsAre(1, 0, 0.6f, 0.8f));
  }
}

TEST_F(EmbeddingsTest, MappedComeInBlocksInTheirOrder) {
  constexpr int64_t kRows = 1200000;
  std::vector<float> values;
  std::string csv = "id\n";
  std::vector<std::string> ids;
  for (int64_t i = 0; i < kRows; ++i) {
    values.insert(values.end(), {static_cast<float>(i), 1});
    ids.push_back(std::to_string(i));
    csv += ids.back() + "\n";
  }
  WriteVectors(kRows, values);
  WriteFileAtomically(scratch_ / "items.csv", csv);
  const Collected collected{MappedEmbeddings(scratch_.folder())};
  EXPECT_GT(collected.blocks, 1);
  EXPECT_TRUE(collected.ids == ids);
  EXPECT_TRUE(collected.values == values);
}

TEST_F(EmbeddingsTest, MappedRefuseWhatReadingRefuses) {
  const auto error = [&] {
    return ErrorOf([&] { Collected{MappedEmbeddings(scratch_.folder())}; });
  };
  EXPECT_EQ(error().code(), absl::StatusCode::kNotFound);
  WriteFileAtomically(scratch_ / "items.csv", "id\na\nb\na\n");
  WriteVectors(3, {1, 0, 0, 1, 1, 0});
  EXPECT_THAT(error().what(), HasSubstr("items.csv:4: id 'a' stands in line 2 already"));
  WriteFileAtomically(scratch_ / "items.csv", "id\na\nb\n");
  EXPECT_EQ(error().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(error().what(), HasSubstr("embeddings.npy has 3 rows, items.csv has 2"));
  WriteVectors(2, {1, 0, NAN, 1});
  EXPECT_EQ(error().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(error().what(), HasSubstr("row 1 (item 'b') holds nan"));
}

}  // namespace
}  // namespace fluke
