#include "train/data/loader.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include <opencv2/core/utility.hpp>

#include "common/error.h"
#include "common/random.h"

namespace fluke::train {
namespace {

constexpr uint64_t kAugmentStream = 3;  // of the run's random streams
// Workers yield to the network's threads, which wait for one another.
constexpr int kWorkerNiceness = 5;

int CoreCount() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

}  // namespace

Loader::Loader(Manifest manifest, std::vector<int64_t> labels, Augmenter augmenter,
               EpochOrder order, LoaderOptions options)
    : photos_(std::move(manifest), options.input, options.cache_bytes),
      labels_(std::move(labels)),
      augmenter_(std::move(augmenter)),
      order_of_(std::move(order)),
      options_(std::move(options)),
      slots_(static_cast<size_t>(1 + std::max(1, options_.prefetch_batches))) {
  if (static_cast<int64_t>(labels_.size()) != photos_.size()) {
    InvalidArgument("loader: ", labels_.size(), " labels for ", photos_.size(), " photographs");
  }
  for (Slot& slot : slots_) {
    slot.batch.height = options_.input.height;
    slot.batch.width = options_.input.width;
    slot.batch.channels = options_.input.channels;
  }
  cv::setNumThreads(1);  // the workers are the parallelism
}

Loader::~Loader() { Stop(); }

void Loader::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_ready_.notify_all();
  workers_.clear();
  stopping_ = false;
}

int64_t Loader::batches() const {
  return (static_cast<int64_t>(order_.size()) + options_.batch_size - 1) / options_.batch_size;
}

int64_t Loader::SizeOfBatch(int64_t number) const {
  return std::min(options_.batch_size,
                  static_cast<int64_t>(order_.size()) - number * options_.batch_size);
}

void Loader::Start(int64_t epoch, int64_t first_batch) {
  Stop();
  order_ = order_of_(epoch);
  epoch_ = epoch;
  if (first_batch < 0 || first_batch > batches()) {
    InvalidArgument("loader: epoch ", epoch, " has ", batches(), " batches, asked to begin at ",
                    first_batch);
  }
  next_batch_ = first_batch;
  next_position_ = first_batch * options_.batch_size;
  for (Slot& slot : slots_) {
    slot.number = -1;
    slot.error = nullptr;
  }
  const int workers = options_.workers > 0 ? options_.workers : CoreCount();
  for (int i = 0; i < workers; ++i) workers_.emplace_back([this] { Work(); });
}

// Takes one photograph after the other, in the epoch's order, as long as its batch has a slot.
void Loader::Work() {
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kWorkerNiceness);
  std::unique_lock lock(mutex_);
  while (true) {
    const auto can_take = [&] {
      // One slot is the batch that the consumer holds.
      return next_position_ / options_.batch_size <
             next_batch_ - 1 + static_cast<int64_t>(slots_.size());
    };
    work_ready_.wait(lock, [&] {
      return stopping_ || next_position_ >= static_cast<int64_t>(order_.size()) || can_take();
    });
    if (stopping_ || next_position_ >= static_cast<int64_t>(order_.size())) return;
    const int64_t position = next_position_++;
    const int64_t number = position / options_.batch_size;
    Slot& slot = slots_[static_cast<size_t>(number) % slots_.size()];
    if (slot.number != number) {
      const int64_t size = SizeOfBatch(number);
      slot.number = number;
      slot.unfinished = size;
      slot.error = nullptr;
      slot.batch.labels.resize(static_cast<size_t>(size));
      slot.batch.items.resize(static_cast<size_t>(size));
      slot.batch.pixels.resize(static_cast<size_t>(size * options_.input.height *
                                                   options_.input.width * options_.input.channels));
    }
    lock.unlock();
    std::exception_ptr error;
    try {
      MakeItem(&slot.batch, position % options_.batch_size, order_[static_cast<size_t>(position)],
               position, static_cast<uint64_t>(epoch_));
    } catch (const Error&) {
      error = std::current_exception();
    } catch (const std::exception& other) {  // OpenCV's or the allocator's
      error = std::make_exception_ptr(Error(absl::StatusCode::kInternal, other.what()));
    }
    lock.lock();
    if (error && (!slot.error || position < slot.error_position)) {
      slot.error = error;
      slot.error_position = position;
    }
    if (--slot.unfinished == 0) batch_ready_.notify_one();
  }
}

void Loader::MakeItem(Batch* batch, int64_t position_in_batch, int64_t item, int64_t position,
                      uint64_t epoch) {
  const auto at = static_cast<size_t>(position_in_batch);
  const InputFormat& input = options_.input;
  Random random(RandomKey({options_.seed, kAugmentStream, epoch, static_cast<uint64_t>(position)}));
  const cv::Mat pixels = augmenter_.Apply(photos_.Get(item), random, {input.width, input.height});
  const auto values = static_cast<size_t>(input.height * input.width * input.channels);
  Normalize(pixels, input, Layout::kNhwc, batch->pixels.data() + at * values);
  batch->items[at] = item;
  batch->labels[at] = labels_[static_cast<size_t>(item)];
}

const Batch* Loader::Next() {
  std::unique_lock lock(mutex_);
  // The batch handed out by the call before is given back by asking for the next one.
  if (next_batch_ >= batches()) return nullptr;
  const int64_t number = next_batch_;
  Slot& slot = slots_[static_cast<size_t>(number) % slots_.size()];
  batch_ready_.wait(lock, [&] { return slot.number == number && slot.unfinished == 0; });
  if (slot.error) {
    const std::exception_ptr error = slot.error;
    next_batch_ = batches();
    lock.unlock();
    std::rethrow_exception(error);
  }
  ++next_batch_;
  lock.unlock();
  work_ready_.notify_all();
  return &slot.batch;
}

}  // namespace fluke::train
