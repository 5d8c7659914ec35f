#include "index/local/lnbnn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace fluke {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr float kFar = std::numeric_limits<float>::infinity();

// By hand, k = 2: the third neighbour is the background.
//   key point 0: (d(3) - d(1), d(3) - d(2)) = (.9 - .2, .9 - .5) = (.7, .4) for rows 4 and 1
//   key point 1: (.6 - .6) = 0 twice: no better than the background, no vote
//   key point 2: (1 - 0, 1 - .75) = (1, .25) for rows 5 and 0
const NearDescriptors kNear{.k = 3,
                            .rows = {4, 1, 6, 2, 3, 0, 5, 0, 3},
                            .distances = {.04f, .25f, .81f, .36f, .36f, .36f, 0, .5625f, 1}};

TEST(Lnbnn, VotesWithWhatIsNearerThanTheBackground) {
  const std::vector<Vote> votes = LnbnnVotes(kNear);
  ASSERT_EQ(votes.size(), 4u);
  const std::vector<int32_t> queries = {0, 0, 2, 2};
  const std::vector<int64_t> rows = {4, 1, 5, 0};
  const std::vector<double> weights = {.7, .4, 1, .25};
  for (size_t i = 0; i < votes.size(); ++i) {
    EXPECT_EQ(votes[i].query, queries[i]);
    EXPECT_EQ(votes[i].row, rows[i]);
    EXPECT_NEAR(votes[i].weight, weights[i], 1e-6);
  }
}

TEST(Lnbnn, TakesTheLastThatIsThereForTheBackground) {
  // Two of three found: .8 - .5. One found: it is the background itself.
  const std::vector<Vote> votes = LnbnnVotes(
      {.k = 3, .rows = {7, 8, -1, 9, -1, -1}, .distances = {.25f, .64f, kFar, .1f, kFar, kFar}});
  ASSERT_EQ(votes.size(), 1u);
  EXPECT_EQ(votes[0].row, 7);
  EXPECT_NEAR(votes[0].weight, .3, 1e-6);
  EXPECT_THAT(LnbnnVotes({.k = 2, .rows = {-1, -1}, .distances = {kFar, kFar}}), IsEmpty());
}

TEST(Lnbnn, SumsTheVotesOfAPhotographAndNumbersItsOwnKeyPoints) {
  // Photograph 0 has rows 0 to 1, photograph 1 none, photograph 2 rows 2 to 4, photograph 3 the
  // rest. 0: .4 + .25 = .65; 2: .7 (row 4, its third); 3: 1 (row 5, its first).
  const std::vector<int64_t> first_row = {0, 2, 2, 5, 7};
  const std::vector<PhotoVotes> photos = VotesByPhoto(LnbnnVotes(kNear), first_row);
  ASSERT_EQ(photos.size(), 3u);
  EXPECT_EQ(photos[0].photo, 3);
  EXPECT_NEAR(photos[0].score, 1, 1e-6);
  EXPECT_EQ(photos[0].pairs[0].gallery, 0);
  EXPECT_EQ(photos[0].pairs[0].query, 2);
  EXPECT_EQ(photos[1].photo, 2);
  EXPECT_NEAR(photos[1].score, .7, 1e-6);
  EXPECT_EQ(photos[1].pairs[0].gallery, 2);
  EXPECT_EQ(photos[2].photo, 0);
  EXPECT_NEAR(photos[2].score, .65, 1e-6);
  ASSERT_EQ(photos[2].pairs.size(), 2u);
  EXPECT_EQ(photos[2].pairs[0].gallery, 1);
  EXPECT_EQ(photos[2].pairs[1].gallery, 0);
}

TEST(Lnbnn, OrdersEqualPhotographsByNumber) {
  const std::vector<Vote> votes = {{0, 3, .5f}, {1, 0, .5f}};
  const std::vector<int64_t> first_row = {0, 2, 4};
  const std::vector<PhotoVotes> photos = VotesByPhoto(votes, first_row);
  ASSERT_EQ(photos.size(), 2u);
  EXPECT_EQ(photos[0].photo, 0);
  EXPECT_EQ(photos[1].photo, 1);
}

TEST(Lnbnn, CountsAnIndividualOnceAKeyPoint) {
  // Photographs 0 and 3 show individual 8, photograph 2 is of nobody known.
  //   key point 0 votes .4 for photograph 0; key point 2 votes .25 for 0 and 1 for 3: the heavier.
  //   individual 8: .4 + 1 = 1.4; photograph 2 alone: .7.
  const std::vector<int64_t> first_row = {0, 2, 2, 5, 7};
  const std::vector<PhotoVotes> photos = VotesByPhoto(LnbnnVotes(kNear), first_row);
  const auto identity_of = [](int64_t photo) { return photo == 2 ? int64_t{-1} : int64_t{8}; };
  EXPECT_THAT(IndividualScores(photos, identity_of),
              ElementsAre(DoubleNear(1.4, 1e-6), DoubleNear(.7, 1e-6), DoubleNear(1.4, 1e-6)));
}

}  // namespace
}  // namespace fluke
