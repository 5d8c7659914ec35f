#include "common/metrics/submission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/metrics/protocol.h"
#include "common/metrics/retrieval.h"
#include "common/metrics/roxford.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Submission, AnswersAreDifferentAndNewStandsWhereScoresFallBelowTheThreshold) {
  const std::vector<std::pair<std::string, float>> ranked = {
      {"w_1", .9f}, {"w_1", .8f}, {"", .75f}, {"w_2", .7f}, {"w_3", .4f}, {"w_4", .3f}};
  EXPECT_THAT(DifferentAnswers(ranked, 5, "new_whale", .5f),
              ElementsAre("w_1", "w_2", "new_whale", "w_3", "w_4"));
  EXPECT_THAT(DifferentAnswers(ranked, 3, "new_whale", .95f),
              ElementsAre("new_whale", "w_1", "w_2"));
  EXPECT_THAT(DifferentAnswers(ranked, 5, "new_whale", 0),
              ElementsAre("w_1", "w_2", "w_3", "w_4", "new_whale"));
  EXPECT_THAT(DifferentAnswers(ranked, 5, "", .95f), ElementsAre("w_1", "w_2", "w_3", "w_4"));
}

TEST(Submission, WhatIsWrittenIsRead) {
  const Scratch scratch;
  SubmissionWriter writer(scratch / "s.csv");
  writer.Add("a,b.jpg", {"w_1", "new_whale"});
  writer.Add("c.jpg", {});
  EXPECT_THAT(ErrorOf([&] { writer.Add("d.jpg", {"w 1"}); }).what(), HasSubstr("'w 1'"));
  writer.Commit();
  EXPECT_EQ(ReadFile(scratch / "s.csv"), "Image,Id\n\"a,b.jpg\",w_1 new_whale\nc.jpg,\n");
  const auto read = ReadSubmission(scratch / "s.csv", 5);
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].image, "a,b.jpg");
  EXPECT_THAT(read[0].answers, ElementsAre("w_1", "new_whale"));
  EXPECT_THAT(read[1].answers, ElementsAre());
}

TEST(Submission, BadLinesAreNamed) {
  const Scratch scratch;
  const auto error = [&](const std::string& text) {
    WriteFileAtomically(scratch / "s.csv", text);
    return std::string(ErrorOf([&] { ReadSubmission(scratch / "s.csv", 2); }).what());
  };
  EXPECT_THAT(error("Image,Id\na,1 2 3\n"), HasSubstr("s.csv:2: 3 answers; at most 2"));
  EXPECT_THAT(error("Image,Id\na,1\na,2\n"), HasSubstr("s.csv:3: image 'a' stands there twice"));
  EXPECT_THAT(error("Image,Id\na,1 1\n"), HasSubstr("answer '1' stands there twice"));
  EXPECT_THAT(error("Photo,Whale\na,1\n"), HasSubstr("s.csv:1: none of the columns Image"));
}

TEST(Protocols, NameMetricsThatThereAre) {
  for (const Protocol& protocol : Protocols()) {
    if (protocol.name == "roxford") continue;
    const std::vector<std::string> names = MetricsOf(protocol);
    if (protocol.input == ProtocolInput::kEmbeddings) {
      EXPECT_EQ(ParseMetrics(names).size(), names.size()) << protocol.name;
    } else {
      EXPECT_GE(ParseTrecMeasures(names).size(), names.size()) << protocol.name;
    }
  }
}

// Ranked: junk, hard, wrong, easy, hard; one easy positive is not ranked.
TEST(Roxford, EverySetupTakesItsJunkOutOfTheRanking) {
  JudgedRanking ranking;
  ranking.grades = {kRoxfordJunk, kRoxfordHard, 0, kRoxfordEasy, kRoxfordHard};
  ranking.level_counts = {0, 2, 2};
  const auto value = [&](size_t setup, size_t metric) {
    return EvaluateRoxford({&ranking, 1}, RoxfordSetups()[setup]).metrics[metric].value;
  };
  // easy: wrong, easy; one hit of two at place 1 (from 0): (0/1 + 1/2) / 2 / 2
  EXPECT_DOUBLE_EQ(value(0, 0), .125);
  EXPECT_EQ(value(0, 1), 0);
  EXPECT_DOUBLE_EQ(value(0, 2), 1.0 / 2);  // two places, the last positive's
  // medium: hard, wrong, easy, hard; hits at 0, 2, 3 of four:
  // ((1 + 1) / 2 + (1/2 + 2/3) / 2 + (2/3 + 3/4) / 2) / 4
  EXPECT_DOUBLE_EQ(value(1, 0), (1 + (1.0 / 2 + 2.0 / 3) / 2 + (2.0 / 3 + 3.0 / 4) / 2) / 4);
  EXPECT_DOUBLE_EQ(value(1, 3), 3.0 / 4);
  // hard: hard, wrong, hard; (1 + (1/2 + 2/3) / 2) / 2
  EXPECT_DOUBLE_EQ(value(2, 0), (1 + (1.0 / 2 + 2.0 / 3) / 2) / 2);
  EXPECT_EQ(value(2, 1), 1);
}

}  // namespace
}  // namespace fluke
