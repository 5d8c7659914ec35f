#include "train/data/sampler.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "common/error.h"
#include "common/random.h"

namespace fluke::train {
namespace {

std::vector<int64_t> Shuffle(const SamplerContext& context) {
  std::vector<int64_t> order(context.labels.size());
  std::iota(order.begin(), order.end(), 0);
  Random random(context.key);
  random.Shuffle(order.begin(), order.end());
  const auto n = static_cast<int64_t>(order.size());
  order.resize(static_cast<size_t>(n / context.batch_size * context.batch_size));
  return order;
}

// A pile of cards that is dealt out and shuffled again, so that all come up equally often.
class Deck {
 public:
  explicit Deck(std::vector<int64_t> cards) : cards_(std::move(cards)), next_(cards_.size()) {}

  // `count` cards, all different where there are as many. What is left of the pile is dealt before
  // it is shuffled again.
  void Deal(int64_t count, Random& random, std::vector<int64_t>* hand) {
    const auto all = static_cast<int64_t>(cards_.size());
    for (; count > all; count -= all) hand->insert(hand->end(), cards_.begin(), cards_.end());
    const int64_t left = all - static_cast<int64_t>(next_);
    if (left < count) {
      // The cards that are left go on top, the others are shuffled below them.
      std::rotate(cards_.begin(), cards_.begin() + static_cast<int64_t>(next_), cards_.end());
      random.Shuffle(cards_.begin() + left, cards_.end());
      next_ = 0;
    }
    const auto begin = cards_.begin() + static_cast<int64_t>(next_);
    hand->insert(hand->end(), begin, begin + count);
    next_ += static_cast<size_t>(count);
  }

 private:
  std::vector<int64_t> cards_;
  size_t next_;
};

// P different identities x K of their photographs a batch (Hermans et al. 2017; PML's
// MPerClassSampler). Identities come up equally often, however many photographs they have; one with
// fewer than K repeats them.
std::vector<int64_t> IdentitiesTimesPhotos(const SamplerContext& context) {
  const int64_t k = context.photos_per_identity;
  if (k < 1 || context.batch_size % k != 0) {
    InvalidArgument("sampler pk: batch_size ", context.batch_size,
                    " is not a multiple of photos_per_identity ", k);
  }
  std::map<int64_t, std::vector<int64_t>> photos_of;
  for (size_t i = 0; i < context.labels.size(); ++i)
    photos_of[context.labels[i]].push_back(static_cast<int64_t>(i));
  const int64_t p = context.batch_size / k;
  const auto identities = static_cast<int64_t>(photos_of.size());
  if (identities < p) {
    InvalidArgument("sampler pk: a batch of ", context.batch_size, " needs ", p,
                    " identities, found ", identities);
  }
  std::vector<Deck> photos;
  for (auto& [identity, items] : photos_of) photos.emplace_back(std::move(items));
  std::vector<int64_t> numbers(static_cast<size_t>(identities));
  std::iota(numbers.begin(), numbers.end(), 0);
  Deck people(std::move(numbers));
  Random random(context.key);
  const int64_t batches = static_cast<int64_t>(context.labels.size()) / context.batch_size;
  std::vector<int64_t> order;
  order.reserve(static_cast<size_t>(batches * context.batch_size));
  for (int64_t batch = 0; batch < batches; ++batch) {
    std::vector<int64_t> chosen;
    people.Deal(p, random, &chosen);
    for (int64_t identity : chosen) photos[static_cast<size_t>(identity)].Deal(k, random, &order);
  }
  return order;
}

constexpr SamplerRow kSamplers[] = {
    {"shuffle", Shuffle,
     "every photograph once, in random order; the last partial batch is dropped"},
    {"pk", IdentitiesTimesPhotos,
     "P identities x K photographs a batch (for pair and triplet losses)"},
};

}  // namespace

std::span<const SamplerRow> Samplers() { return kSamplers; }

}  // namespace fluke::train
