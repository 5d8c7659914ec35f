#include "serve/calls/stream_call.h"

#include <utility>

#include "serve/status.h"

namespace fluke::serve {

StreamCall::StreamCall(CallGate* gate, OpenStreams* open_streams, const Method& method,
                       grpc::CallbackServerContext* context, size_t at_once)
    : gate_(*gate),
      open_streams_(*open_streams),
      method_(method),
      context_(*context),
      at_once_(at_once) {}

void StreamCall::Start() {
  const absl::Status status = gate_.Enter(method_, context_, &ticket_);
  is_inside_ = status.ok();
  // gRPC ends no call before it has been given to it.
  if (is_inside_) open_streams_.Add(this);
  std::unique_lock lock(mutex_);
  if (!status.ok()) TakeNoMore(status);
  Advance(lock);
}

void StreamCall::Answer(const grpc::ByteBuffer& answer) {
  std::unique_lock lock(mutex_);
  answers_.push_back(answer);
  Advance(lock);
}

void StreamCall::Break(const absl::Status& status) {
  std::unique_lock lock(mutex_);
  --under_way_;
  TakeNoMore(status);
  Advance(lock);
}

absl::Status StreamCall::CountRequest() {
  // The gate counted the first with the call.
  return std::exchange(is_first_, false) ? absl::OkStatus() : gate_.Count(ticket_);
}

grpc::Status StreamCall::Shown(const absl::Status& status) const {
  return ToGrpcStatus(status, ticket_.request_id);
}

void StreamCall::Watch(Query& query) const {
  query.deadline = context_.deadline();
  query.cancelled = [&context = context_] { return context.IsCancelled(); };
}

void StreamCall::EndSoon() {
  std::unique_lock lock(mutex_);
  TakeNoMore(absl::UnavailableError("the server is stopping"));
  Advance(lock);
}

void StreamCall::TakeNoMore(const absl::Status& status) {
  takes_no_more_ = true;
  if (status_.ok()) status_ = status;
}

void StreamCall::Advance(std::unique_lock<std::mutex>& lock) {
  // One thread at a time; what happens meanwhile is seen by its next round. It begins what it
  // begins without the lock, and while it does so the call cannot end.
  if (advancing_) return;
  advancing_ = true;
  for (;;) {
    if (!writing_ && !answers_.empty()) {
      writing_ = true;
      const grpc::ByteBuffer* answer = &answers_.front();
      lock.unlock();
      StartWrite(answer);
      lock.lock();
    } else if (!reading_ && !takes_no_more_ && under_way_ < at_once_) {
      reading_ = true;
      lock.unlock();
      StartRead(&request_);
      lock.lock();
    } else {
      break;
    }
  }
  advancing_ = false;
  if (!takes_no_more_ || under_way_ > 0 || ended_) return;
  ended_ = true;
  const absl::Status status = status_;
  ticket_.fault = FaultIn(status);
  lock.unlock();
  // A read that is still under way ends with it.
  const grpc::Status shown = Shown(status);
  gate_.CountAnswer(method_, shown.error_code(), ticket_);
  Finish(shown);
}

void StreamCall::OnReadDone(bool ok) {
  // gRPC keeps the call until this returns.
  std::unique_lock lock(mutex_);
  reading_ = false;
  if (!ok) TakeNoMore(absl::OkStatus());
  if (!takes_no_more_) {
    ++under_way_;
    grpc::ByteBuffer request;
    request.Swap(&request_);
    lock.unlock();
    Handle(request);
    lock.lock();
  }
  Advance(lock);
}

void StreamCall::OnWriteDone(bool /*ok*/) {
  std::unique_lock lock(mutex_);
  writing_ = false;
  answers_.pop_front();
  --under_way_;
  Advance(lock);
}

void StreamCall::OnDone() {
  grpc::StatusCode code = grpc::StatusCode::OK;
  {
    const std::lock_guard lock(mutex_);
    code = static_cast<grpc::StatusCode>(status_.code());
  }
  if (is_inside_) {
    open_streams_.Remove(this);
    gate_.Leave(method_, code, ticket_);
  }
  delete this;
}

}  // namespace fluke::serve
