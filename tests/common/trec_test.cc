#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/files.h"
#include "common/metrics/trec.h"
#include "common/metrics/trec_files.h"
#include "tests/common/scratch.h"
#include "tests/folders.h"

namespace fluke {
namespace {

using testing::HasSubstr;

// A run of every document a..h in this order, judged.
JudgedRanking Topic(std::string_view order, const std::map<char, int>& judged) {
  JudgedRanking ranking;
  for (char document : order) {
    const auto found = judged.find(document);
    ranking.grades.push_back(found == judged.end() ? kUnjudged : found->second);
  }
  for (const auto& [document, grade] : judged) {
    if (static_cast<size_t>(grade) >= ranking.level_counts.size()) {
      ranking.level_counts.resize(grade + 1);
    }
    ++ranking.level_counts[grade];
  }
  return ranking;
}

// Four topics; z, y and x are not in the runs.
std::vector<JudgedRanking> Topics() {
  return {
      Topic("dacebfgh", {{'a', 1}, {'b', 1}, {'c', 1}, {'z', 1}}),
      Topic("hgfedcba", {{'a', 1}}),
      Topic("abcdefgh", {{'y', 1}, {'x', 1}}),
      Topic("bfaechgd", {{'e', 2}, {'b', 1}, {'f', 3}}),
  };
}

TEST(Trec, GradedMeasuresAgreeWithRanx) {
  // ranx 0.3.21, evaluate(qrels, run, name, return_mean=False). Its ndcg takes the grades as gains,
  // its map divides by all relevant documents, rbp.90 has persistence .9; there it multiplies by
  // the grades (.5158 for the last topic), trec_eval's rbp is of relevant ones alike.
  const std::map<std::string, std::vector<double>> printed = {
      {"success_3", {1, 0, 0, 1}},  // hit_rate@3
      {"P_5", {.6, 0, 0, .6}},
      {"recall_5", {.75, 0, 0, 1}},
      {"recall_8", {.75, 1, 0, 1}},
      {"map_cut_5", {0.44166666666666665, 0, 0, 0.9166666666666666}},
      {"map", {0.44166666666666665, .125, 0, 0.9166666666666666}},
      {"recip_rank", {.5, .125, 0, 1}},
      {"Rprec", {.5, 0, 0, 0.6666666666666666}},
      {"ndcg_cut_5", {0.592512031964586, 0, 0, 0.7883773914853737}},
      {"ndcg_cut_8", {0.592512031964586, 0.31546487678572877, 0, 0.7883773914853737}},
      {"ndcg", {0.592512031964586, 0.31546487678572877, 0, 0.7883773914853737}},
      {"rbp", {0.23661, 0.04782969, 0, .1 + .09 + .0729}},
  };
  const std::vector<JudgedRanking> topics = Topics();
  for (const auto& [name, values] : printed) {
    const auto measures = ParseTrecMeasures(std::vector<std::string>{name});
    const MetricReport report = EvaluateTrec(topics, measures);
    EXPECT_THAT(report.values, testing::Pointwise(testing::DoubleNear(1e-12), values)) << name;
  }
}

TEST(Trec, NamesTakeCutoffsAndGroups) {
  const auto names = [](const std::vector<std::string>& asked) {
    std::vector<std::string> parsed;
    for (const AskedTrecMeasure& measure : ParseTrecMeasures(asked)) parsed.push_back(measure.name);
    return parsed;
  };
  EXPECT_THAT(names({"P_7", "ndcg_cut.12", "iprec_at_recall_0.25"}),
              testing::ElementsAre("P_7", "ndcg_cut_12", "iprec_at_recall_0.25"));
  EXPECT_THAT(names({"success"}), testing::ElementsAre("success_1", "success_5", "success_10"));
  EXPECT_EQ(names({"official"}).size(), 28u);  // out.test has 30 lines, runid and num_q among them
  const auto message = [](const std::string& name) {
    return std::string(ErrorOf([&] { ParseTrecMeasures(std::vector<std::string>{name}); }).what());
  };
  EXPECT_THAT(message("ndgc"), HasSubstr("did you mean 'ndcg'"));
  EXPECT_THAT(message("P_0"), HasSubstr("expected a number of places"));
  EXPECT_THAT(message("P_2.5"), HasSubstr("'2.5' is no cutoff"));
  EXPECT_THAT(message("P_x"), HasSubstr("'x' is no cutoff"));
}

class TrecFiles : public testing::Test {
 protected:
  std::filesystem::path Write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = scratch_ / name;
    WriteFileAtomically(path, text);
    return path;
  }
  std::string QrelsError(const std::string& text) {
    return ErrorOf([&] { ReadTrecQrels(Write("qrels", text)); }).what();
  }
  std::string RunError(const std::string& text) {
    return ErrorOf([&] { ReadTrecRun(Write("run", text)); }).what();
  }

  Scratch scratch_;
};

TEST_F(TrecFiles, EqualScoresGoFromTheLastNameToTheFirst) {
  const TrecRun run = ReadTrecRun(Write(
      "run", "1 Q0 b 1 2.5 mine\n1\tQ0\ta 2 2.5 mine\r\n1 Q0 z 9 -1e-3 mine\n1 Q0 c 3 +7 x\n"));
  std::string order;
  for (const RetrievedDocument& document : run.topics.at("1")) order += document.document;
  EXPECT_EQ(order, "cbaz");
  EXPECT_EQ(run.run_id, "mine");
}

TEST_F(TrecFiles, TopicsThatTheRunLacksCountWhereAsked) {
  const TrecQrels qrels = ReadTrecQrels(Write("qrels", "1 0 a 1\n2 0 b 1\n2 0 c 0\n"));
  const TrecRun run = ReadTrecRun(Write("run", "1 Q0 a 1 1 r\n3 Q0 a 1 1 r\n"));
  EXPECT_EQ(JudgeRun(run, qrels, TrecTopics::kInBoth).size(), 1u);
  const auto all = JudgeRun(run, qrels, TrecTopics::kAllJudged);
  ASSERT_EQ(all.size(), 2u);
  const auto measures = ParseTrecMeasures(std::vector<std::string>{"map", "recip_rank", "ndcg"});
  EXPECT_THAT(EvaluateTrec(all, measures).metrics,
              testing::Each(testing::Field(&MetricResult::value, .5)));
}

TEST_F(TrecFiles, WhatIsWrittenIsRead) {
  const std::string text = TrecRunLine("w1", "a/b.jpg", 1, 0.123456789f, "fluke");
  const TrecRun run = ReadTrecRun(Write("run", text));
  EXPECT_EQ(run.topics.at("w1")[0].document, "a/b.jpg");
  EXPECT_EQ(run.topics.at("w1")[0].score, 0.123456789f);
  EXPECT_EQ(TrecQrelsLine("w1", "a", 2), "w1 0 a 2\n");
  EXPECT_THAT(ErrorOf([] { TrecRunLine("a b", "c", 1, 0, "r"); }).what(), HasSubstr("'a b'"));
}

TEST_F(TrecFiles, BadLinesAreNamed) {
  EXPECT_THAT(QrelsError("1 0 a 1\n1 0 b\n"), HasSubstr("qrels:2: 3 fields, expected 4"));
  EXPECT_THAT(QrelsError("1 0 a one\n"), HasSubstr("qrels:1: grade is 'one'"));
  EXPECT_THAT(QrelsError("1 0 a 99999999\n"), HasSubstr("at most 1000"));
  EXPECT_THAT(QrelsError("1 0 a 1\n1 0 a 0\n"), HasSubstr("document 'a' twice"));
  EXPECT_THAT(RunError("1 Q0 a 1 nan r\n"), HasSubstr("run:1: score is 'nan'"));
  EXPECT_THAT(RunError("1 Q0 a 1 .5 r extra\n"), HasSubstr("7 fields, expected 6"));
  EXPECT_THAT(RunError("1 Q0 a 1 .5 r\n1 Q0 a 2 .4 r\n"), HasSubstr("document 'a' twice"));
}

// NIST's own test run, and what trec_eval prints for it.
class TrecEval : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = DataFolder() / "trec_eval";
    if (!std::filesystem::exists(folder_ / "results.test")) {
      GTEST_SKIP() << "needs " << folder_.string();
    }
  }
  std::string Table(const std::string& measures, bool per_topic) {
    const TrecRun run = ReadTrecRun(folder_ / "results.test");
    const auto rankings = JudgeRun(run, ReadTrecQrels(folder_ / "qrels.test"), TrecTopics::kInBoth);
    const auto asked = ParseTrecMeasures(std::vector<std::string>{measures});
    return TrecTable(EvaluateTrec(rankings, asked), asked, rankings, run.run_id, per_topic);
  }

  std::filesystem::path folder_;
};

TEST_F(TrecEval, OfficialMeasuresAreByteForByteWhatTrecEvalPrints) {
  EXPECT_EQ(Table("official", false), ReadFile(folder_ / "out.test"));
}

TEST_F(TrecEval, AllMeasuresAreByteForByteWhatTrecEvalPrints) {
  EXPECT_EQ(Table("all_trec", false), ReadFile(folder_ / "out.test.a"));
}

TEST_F(TrecEval, AllMeasuresOfEveryTopicAreByteForByteWhatTrecEvalPrints) {
  EXPECT_EQ(Table("all_trec", true), ReadFile(folder_ / "out.test.aq"));
}

}  // namespace
}  // namespace fluke
