// Calibrations of the served collections, each made when it is first asked for and kept.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "serve/collections/served_index.h"
#include "serve/retrieval/calibration.h"
#include "serve/task_lane.h"

namespace fluke::serve {

// Thread-safe.
class Calibrator {
 public:
  explicit Calibrator(const CalibrationOptions& options = {}) : options_(options) {}
  // Ends calibrations under way first.
  ~Calibrator() { Stop(); }
  Calibrator(const Calibrator&) = delete;
  Calibrator& operator=(const Calibrator&) = delete;

  // Null: the gallery is too small for one.
  using Made = absl::StatusOr<std::shared_ptr<const ScoreCalibration>>;

  // Calls `done` once: at once where there is one for a gallery like `version`, otherwise from a
  // thread of this, when it is made. It must not block. A gallery is like another of the same model
  // and snapshot that differs in size by at most a tenth; where one of the same model is at hand it
  // is given, and another is made meanwhile. RESOURCE_EXHAUSTED when too many wait.
  void Find(const std::shared_ptr<const ServedIndex>& collection,
            const std::shared_ptr<const ServedVersion>& version, std::function<void(Made)> done);

  // For good: who waits is told UNAVAILABLE.
  void Stop() { stopped_.store(true); }

 private:
  struct Waiting {
    std::shared_ptr<const ServedVersion> version;
    std::function<void(Made)> done;
  };
  struct Entry {
    IndexInfo info;  // of the gallery that `made` is of
    std::shared_ptr<const ScoreCalibration> made;
    bool is_made = false;
    bool under_way = false;
    std::vector<Waiting> waiting;
  };

  void Make(const std::shared_ptr<const ServedIndex>& collection, const ServedVersion& version);

  const CalibrationOptions options_;
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;
  // Collections that are no longer served are forgotten at the next one's first.
  std::map<std::weak_ptr<const ServedIndex>, Entry, std::owner_less<>> entries_
      ABSL_GUARDED_BY(mutex_);
  TaskLane lane_{1, 64};  // ends first
};

}  // namespace fluke::serve
