// One call of many requests and answers (a bidirectional stream), from its first request to the
// moment when its last answer has left.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "serve/calls/call_gate.h"
#include "serve/calls/open_streams.h"
#include "serve/pipeline/pipeline.h"

namespace fluke::serve {

// gRPC's callback API, raw, as Call. At most `at_once` requests are under way: taken in, and their
// answers not yet written; no more is read meanwhile, so that a caller who does not read the
// answers has to stop sending. Deletes itself when it has ended.
class StreamCall : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                   private EndableStream {
 public:
  // `gate` and `open_streams` outlive the call, as does what method.name views.
  StreamCall(CallGate* gate, OpenStreams* open_streams, const Method& method,
             grpc::CallbackServerContext* context, size_t at_once);

  void Start();

 protected:
  // Begins one request. Then follows, from any thread or from Handle itself, one Answer or one
  // Break.
  virtual void Handle(const grpc::ByteBuffer& request) = 0;
  void Answer(const grpc::ByteBuffer& answer);
  // The request has no answer: with this status the stream ends, when those before it are written.
  void Break(const absl::Status& status);

  // Once for each request, by Handle: not OK over the caller's rate.
  absl::Status CountRequest();
  // How an answer may show what went wrong.
  grpc::Status Shown(const absl::Status& status) const;

  // What a request waits for in the pipeline ends with the call.
  void Watch(Query& query) const;

 private:
  void EndSoon() override;
  // Takes in no more requests; the stream ends with the first status that is not OK.
  void TakeNoMore(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Reads, writes and ends, as far as it is time. `lock` of `mutex_` is held since the change that
  // makes it time: in between, another thread might answer and end the whole.
  void Advance(std::unique_lock<std::mutex>& lock);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;

  CallGate& gate_;
  OpenStreams& open_streams_;
  const Method method_;
  grpc::CallbackServerContext& context_;
  const size_t at_once_;
  CallTicket ticket_;
  bool is_inside_ = false;
  bool is_first_ = true;      // no request was counted yet
  grpc::ByteBuffer request_;  // that is being read

  std::mutex mutex_;
  std::deque<grpc::ByteBuffer> answers_ ABSL_GUARDED_BY(mutex_);  // the first is being written
  size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool takes_no_more_ ABSL_GUARDED_BY(mutex_) = false;
  bool advancing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fluke::serve
