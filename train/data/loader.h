// Batches of augmented photographs, made ahead by several threads.
//
// The pixels of a batch are a function of (photographs, augmentation, seed, epoch, position in the
// epoch) alone: not of the number of workers, the cache or where the epoch was entered.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/manifest.h"
#include "train/data/batch_pixels.h"
#include "train/data/photo_cache.h"
#include "train/data/transforms.h"
#include "train/input.h"

namespace fluke::train {

struct Batch {
  int64_t height = 0, width = 0, channels = 0;
  std::vector<float> pixels;    // items x height x width x channels, normalised
  std::vector<int64_t> labels;  // one an item
  std::vector<int64_t> items;   // numbers in the manifest
};

struct LoaderOptions {
  InputFormat input;
  int64_t batch_size = 32;
  uint64_t seed = 0;
  int workers = 0;           // 0: one a core
  int64_t cache_bytes = 0;   // for decoded photographs at the input's size
  int prefetch_batches = 4;  // made ahead at most
};

// The photographs of an epoch, batch after batch; the last batch may be short.
using EpochOrder = std::function<std::vector<int64_t>(int64_t epoch)>;

// One consumer thread; the workers are its own.
class Loader {
 public:
  // labels: one a photograph of the manifest. `augmenter` is applied to every photograph.
  Loader(Manifest manifest, std::vector<int64_t> labels, Augmenter augmenter, EpochOrder order,
         LoaderOptions options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // Begins an epoch at one of its batches; what was made ahead of another epoch is dropped.
  void Start(int64_t epoch, int64_t first_batch = 0);
  // Batches of the epoch begun.
  int64_t batches() const;
  // The next batch, valid until the next call; nullptr when the epoch is over. Rethrows the error
  // of a photograph that cannot be read (it names path and line); the epoch is over then.
  const Batch* Next();

 private:
  struct Slot {
    Batch batch;
    int64_t number = -1;       // of the batch being made
    int64_t unfinished = 0;    // items still being worked on
    std::exception_ptr error;  // of the first photograph, in the batch's order, that had one
    int64_t error_position = 0;
  };

  void Work();
  void Stop();
  void MakeItem(Batch* batch, int64_t position_in_batch, int64_t item, int64_t position,
                uint64_t epoch);
  int64_t SizeOfBatch(int64_t number) const;

  const PhotoCache photos_;
  const std::vector<int64_t> labels_;
  const Augmenter augmenter_;
  const EpochOrder order_of_;
  const LoaderOptions options_;

  std::mutex
      mutex_;  // guards all below but order_ and epoch_, which only change while no worker runs
  std::condition_variable work_ready_, batch_ready_;
  std::vector<Slot> slots_;
  int64_t next_position_ = 0;  // in order_, the next item a worker takes
  int64_t next_batch_ = 0;     // the consumer's
  bool stopping_ = false;
  std::vector<std::jthread> workers_;
  std::vector<int64_t> order_;
  int64_t epoch_ = 0;
};

}  // namespace fluke::train
