#include "serve/retrieval/calibrator.h"

#include <cstdlib>
#include <exception>
#include <utility>

#include "serve/status.h"

namespace fluke::serve {
namespace {

constexpr size_t kMaxWaiting = 1024;  // for one calibration

bool SameModel(const IndexInfo& a, const IndexInfo& b) {
  return a.fingerprint == b.fingerprint && a.dimension == b.dimension && a.metric == b.metric;
}

bool IsLike(const IndexInfo& a, const IndexInfo& b) {
  return SameModel(a, b) && a.snapshot == b.snapshot && 10 * std::abs(a.size - b.size) <= a.size;
}

}  // namespace

void Calibrator::Find(const std::shared_ptr<const ServedIndex>& collection,
                      const std::shared_ptr<const ServedVersion>& version,
                      std::function<void(Made)> done) {
  Made answer;
  {
    const std::lock_guard lock(mutex_);
    if (!entries_.contains(collection)) {
      std::erase_if(entries_, [](const auto& entry) { return entry.first.expired(); });
    }
    Entry& entry = entries_[collection];
    const bool is_current = entry.is_made && IsLike(entry.info, version->info);
    if (!is_current && !entry.under_way) {
      entry.under_way =
          lane_.TrySubmit([this, collection, version] { Make(collection, *version); });
    }
    const bool is_near = entry.made != nullptr && SameModel(entry.info, version->info);
    if (is_current || is_near) {
      answer = entry.made;
    } else if (entry.under_way && entry.waiting.size() < kMaxWaiting) {
      entry.waiting.push_back({version, std::move(done)});
      return;
    } else {
      answer = absl::ResourceExhaustedError(
          "too many calls wait for a gallery's calibration; try again later");
    }
  }
  done(std::move(answer));
}

void Calibrator::Make(const std::shared_ptr<const ServedIndex>& collection,
                      const ServedVersion& version) {
  Made made;
  const auto is_stopped = [this] { return stopped_.load(); };
  try {
    const auto calibration = Calibrate(*version.index, options_, is_stopped);
    made = calibration ? std::make_shared<const ScoreCalibration>(*calibration) : nullptr;
  } catch (...) {
    made = is_stopped() ? absl::Status(absl::UnavailableError("the server is stopping"))
                        : StatusOf(std::current_exception(), "calibrating");
  }
  std::vector<Waiting> waiting;
  {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[collection];
    entry.under_way = false;
    waiting = std::exchange(entry.waiting, {});
    if (made.ok()) {
      entry.info = version.info;
      entry.made = *made;
      entry.is_made = true;
    }
  }
  for (Waiting& one : waiting) {
    if (!made.ok() || SameModel(one.version->info, version.info)) {
      one.done(made);
    } else {  // the collection was given another model meanwhile
      Find(collection, one.version, std::move(one.done));
    }
  }
}

}  // namespace fluke::serve
