#include "serve/jobs/job_watchers.h"

#include <atomic>
#include <chrono>
#include <exception>
#include <utility>

#include "fluke/v1/training.grpc.pb.h"
#include "serve/calls/call.h"
#include "serve/status.h"

namespace fluke::serve {
namespace {

// At most this often is a watcher told of changes.
constexpr std::chrono::milliseconds kRound(250);

bool HasEnded(v1::Job::State state) {
  return state != v1::Job::WAITING && state != v1::Job::RUNNING && state != v1::Job::PUBLISHING;
}

}  // namespace

// One message is on its way at a time: a slow client is told less often. Only the thread of
// JobWatchers writes and finishes; gRPC's threads leave word of what has happened.
class JobWatchers::Watcher final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  Watcher(CallGate* gate, const Method& method, grpc::CallbackServerContext* context)
      : gate_(*gate), method_(method), context_(*context) {}

  // Not OK: the call is to be ended with that.
  absl::Status Begin(const grpc::ByteBuffer& bytes) {
    absl::Status status = gate_.Enter(method_, context_, &ticket_);
    is_inside_ = status.ok();
    if (status.ok()) status = Parse(bytes, &request_);
    return status;
  }
  void End(const absl::Status& status) {
    ticket_.fault = FaultIn(status);
    const grpc::Status result = ToGrpcStatus(status, ticket_.request_id);
    code_ = result.error_code();
    gate_.CountAnswer(method_, code_, ticket_);
    ended_.store(true, std::memory_order_release);
    Finish(result);
  }
  void Write(const grpc::ByteBuffer& bytes) {
    message_ = bytes;
    is_writing_.store(true);
    StartWrite(&message_);
  }

  void WriteLast(const grpc::ByteBuffer& bytes) {
    message_ = bytes;
    gate_.CountAnswer(method_, code_, ticket_);
    ended_.store(true, std::memory_order_release);
    StartWriteAndFinish(&message_, grpc::WriteOptions(), grpc::Status::OK);
  }

  const std::string& id() const { return request_.id(); }
  bool is_writing() const { return is_writing_.load(); }
  bool is_gone() const { return is_gone_.load(); }
  bool is_late() const { return std::chrono::system_clock::now() >= context_.deadline(); }

  std::string stamp;  // of what was written last

 private:
  void OnWriteDone(bool ok) override {
    if (!ok) is_gone_.store(true);
    is_writing_.store(false);
  }
  void OnCancel() override { is_gone_.store(true); }
  void OnDone() override {
    ended_.load(std::memory_order_acquire);
    if (is_inside_) gate_.Leave(method_, code_, ticket_);
    delete this;
  }

  CallGate& gate_;
  const Method method_;
  grpc::CallbackServerContext& context_;
  CallTicket ticket_;
  v1::WatchJobRequest request_;
  grpc::ByteBuffer message_;
  bool is_inside_ = false;
  std::atomic<bool> is_writing_ = false, is_gone_ = false;
  grpc::StatusCode code_ = grpc::StatusCode::OK;
  std::atomic<bool> ended_ = false;  // as in call.h
};

JobWatchers::JobWatchers(const TrainingJobs* jobs, CallGate* gate, size_t max_watchers)
    : jobs_(*jobs), gate_(*gate), max_watchers_(max_watchers), thread_([this] { Loop(); }) {}

JobWatchers::~JobWatchers() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = ending_ = true;
  }
  changed_.notify_all();
}

void JobWatchers::StopWatching() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* JobWatchers::Watch(const Method& method,
                                                               grpc::CallbackServerContext* context,
                                                               const grpc::ByteBuffer& request) {
  auto* watcher = new Watcher(&gate_, method, context);
  absl::Status status = watcher->Begin(request);
  if (status.ok()) {
    std::lock_guard lock(mutex_);
    if (stopping_) {
      status = absl::UnavailableError("the server is stopping");
    } else if (count_ >= max_watchers_) {
      status = absl::ResourceExhaustedError("too many watch jobs; try again later");
    } else {
      ++count_;
      coming_.push_back(watcher);
    }
  }
  if (status.ok()) {
    changed_.notify_all();
  } else {
    watcher->End(status);
  }
  return watcher;
}

void JobWatchers::Loop() {
  std::vector<Watcher*> watchers;
  std::unique_lock lock(mutex_);
  for (;;) {
    watchers.insert(watchers.end(), coming_.begin(), coming_.end());
    coming_.clear();
    const bool stopping = stopping_;
    if (watchers.empty() && ending_) return;
    lock.unlock();
    std::map<std::string, Standing> round;
    const size_t ended = std::erase_if(
        watchers, [&](Watcher* watcher) { return !Serve(*watcher, &round, stopping); });
    lock.lock();
    count_ -= ended;
    if (stopping && !watchers.empty()) {
      // Their last messages are on their way.
      changed_.wait_for(lock, std::chrono::milliseconds(5));
    } else if (watchers.empty()) {
      changed_.wait(lock, [&] { return ending_ || !coming_.empty(); });
    } else {
      changed_.wait_for(lock, kRound, [&] { return stopping_ || ending_ || !coming_.empty(); });
    }
  }
}

JobWatchers::Standing& JobWatchers::Look(const std::string& id,
                                         std::map<std::string, Standing>* round) const {
  const auto [place, is_new] = round->try_emplace(id);
  Standing& standing = place->second;
  if (!is_new) return standing;
  try {
    standing.stamp = jobs_.Stamp(id);
  } catch (...) {
    standing.status = StatusOf(std::current_exception(), "looking at the job");
  }
  return standing;
}

// After its stamp was made: what changes meanwhile is told again in the next round.
absl::Status JobWatchers::Describe(const std::string& id, Standing* standing) const {
  if (standing->bytes.Valid()) return absl::OkStatus();
  try {
    const v1::Job job = jobs_.Get(id);
    standing->has_ended = HasEnded(job.state());
    if (Serialize(job, &standing->bytes).ok()) return absl::OkStatus();
    return absl::InternalError("the job cannot be written");
  } catch (...) {
    return StatusOf(std::current_exception(), "looking at the job");
  }
}

bool JobWatchers::Serve(Watcher& watcher, std::map<std::string, Standing>* round,
                        bool stopping) const {
  if (watcher.is_writing()) return true;
  const auto end = [&](const absl::Status& status) {
    watcher.End(status);
    return false;
  };
  if (watcher.is_gone()) return end(absl::CancelledError("cancelled"));
  if (watcher.is_late()) return end(absl::DeadlineExceededError("deadline exceeded"));
  if (stopping) return end(absl::UnavailableError("the server is stopping"));
  Standing& standing = Look(watcher.id(), round);
  if (!standing.status.ok()) return end(standing.status);
  if (standing.stamp == watcher.stamp) return true;
  const absl::Status described = Describe(watcher.id(), &standing);
  if (!described.ok()) return end(described);
  watcher.stamp = standing.stamp;
  if (standing.has_ended) {
    watcher.WriteLast(standing.bytes);
    return false;
  }
  watcher.Write(standing.bytes);
  return true;
}

}  // namespace fluke::serve
