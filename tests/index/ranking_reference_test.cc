// Every ranking step against values by the papers' formulas (ranking_reference.py, numpy).
#include <cmath>
#include <fstream>
#include <map>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "index/ranking/pipeline.h"
#include "tests/folders.h"
#include "tests/index/fixtures.h"

namespace fluke::testing {
namespace {

nlohmann::json Reference() {
  return nlohmann::json::parse(ReadBytes(SourceFolder() / "tests/index/ranking_reference.json"));
}

std::vector<float> Matrix(const nlohmann::json& rows) {
  std::vector<float> values;
  for (const auto& row : rows) {
    for (const auto& value : row) values.push_back(value.get<float>());
  }
  return values;
}

class RankingReference : public ::testing::TestWithParam<int> {};

// By expected score, best first: row -> score, of the rows that the reference speaks of.
std::vector<std::pair<double, int64_t>> Expected(const nlohmann::json& scores) {
  std::vector<std::pair<double, int64_t>> expected;
  for (size_t row = 0; row < scores.size(); ++row) {
    if (!scores[row].is_null()) {
      expected.emplace_back(scores[row].get<double>(), static_cast<int64_t>(row));
    }
  }
  std::ranges::sort(expected, [](const auto& a, const auto& b) { return a.first > b.first; });
  return expected;
}

TEST_P(RankingReference, IsReproduced) {
  const nlohmann::json reference = Reference();
  const nlohmann::json& test = reference["cases"][static_cast<size_t>(GetParam())];
  const TestFolder folder;
  const std::vector<float> gallery = Matrix(reference["gallery"]);
  const std::vector<float> queries = Matrix(reference["queries"]);
  const int64_t dimension = static_cast<int64_t>(reference["gallery"][0].size());
  std::vector<Item> items;
  for (size_t i = 0; i < reference["gallery"].size(); ++i) {
    items.push_back({.id = IdOf(static_cast<int64_t>(i)),
                     .identity = StrCat("w", reference["identities"][i].get<int>()),
                     .path = "",
                     .metadata = {}});
  }
  const auto writer = CreateIndex(folder.path() / "index", {.dimension = dimension});
  writer->Add(items, gallery);
  writer->Commit();
  const std::filesystem::path yaml = folder.path() / "pipeline.yaml";
  WriteBytes(yaml, "steps: [{" + test["step"].get<std::string>() + "}]\n");
  const auto ranked = ranking::RankWith(ranking::LoadPipeline(yaml),
                                        OpenIndex(folder.path() / "index"), folder.path());
  for (const nlohmann::json& answer : test["answers"]) {
    const auto expected = Expected(answer["scores"]);
    const bool is_item = answer.contains("item");
    const size_t number = answer[is_item ? "item" : "query"].get<size_t>();
    const auto width = static_cast<size_t>(dimension);
    const auto query = std::span(is_item ? gallery : queries).subspan(number * width, width);
    const int64_t left_out = is_item ? static_cast<int64_t>(number) : -1;
    const auto found =
        ranked->Search(query, {.k = static_cast<int>(expected.size())}, {{left_out}}).front();
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      const double score = expected[i].first;
      EXPECT_NEAR(found[i].score, score, 3e-5 * std::max(1.0, std::fabs(score)))
          << answer.begin().key() << " " << number << ", place " << i;
      const bool is_tied = (i > 0 && expected[i - 1].first - score < 1e-4) ||
                           (i + 1 < expected.size() && score - expected[i + 1].first < 1e-4);
      if (is_tied) continue;
      EXPECT_EQ(found[i].row, expected[i].second) << number << ", place " << i;
    }
  }
}

std::string NameOf(const ::testing::TestParamInfo<int>& info) {
  std::string name = Reference()["cases"][static_cast<size_t>(info.param)]["name"];
  std::erase_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); });
  return name;
}

INSTANTIATE_TEST_SUITE_P(Steps, RankingReference,
                         ::testing::Range(0, static_cast<int>(Reference()["cases"].size())),
                         NameOf);

}  // namespace
}  // namespace fluke::testing
