// The streams of a server that have not ended, so that a server that stops can end them: their
// callers may keep them open for ever.
#pragma once

#include <mutex>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"

namespace fluke::serve {

class EndableStream {
 public:
  // Takes in no more requests, answers those it has and ends. Must not wait.
  virtual void EndSoon() = 0;

 protected:
  ~EndableStream() = default;
};

// Thread-safe.
class OpenStreams {
 public:
  // A stream that comes after EndAll ends soon, too.
  void Add(EndableStream* stream) {
    const std::lock_guard lock(mutex_);
    streams_.insert(stream);
    if (ending_) stream->EndSoon();
  }
  // It is not touched from here afterwards.
  void Remove(EndableStream* stream) {
    const std::lock_guard lock(mutex_);
    streams_.erase(stream);
  }
  void EndAll() {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    for (EndableStream* stream : streams_) stream->EndSoon();
  }

 private:
  std::mutex mutex_;
  absl::flat_hash_set<EndableStream*> streams_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace fluke::serve
