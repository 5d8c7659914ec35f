// One unary call of any service, from its request to the moment when its answer has left: what all
// calls share.
#pragma once

#include <atomic>
#include <chrono>
#include <exception>

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "common/text.h"
#include "serve/calls/call_gate.h"
#include "serve/pipeline/pipeline.h"
#include "serve/status.h"
#include "serve/task_lane.h"

namespace fluke::serve {

// INVALID_ARGUMENT when the bytes are no `Message`.
template <typename Message>
absl::Status Parse(const grpc::ByteBuffer& bytes, Message* message) {
  grpc::ByteBuffer shared = bytes;  // the reader wants a mutable one; the slices are not copied
  if (grpc::SerializationTraits<Message>::Deserialize(&shared, message).ok()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      StrCat("the request is no valid ", Message::descriptor()->full_name()));
}

template <typename Message>
grpc::Status Serialize(const Message& message, grpc::ByteBuffer* bytes) {
  bool own_buffer = false;
  return grpc::SerializationTraits<Message>::Serialize(message, bytes, &own_buffer);
}

// gRPC's callback API: its threads only parse and check. Requests and answers are bytes (the raw
// methods), because the typed ones answer a damaged message with UNIMPLEMENTED. Deletes itself when
// the answer has left.
class Call : public grpc::ServerUnaryReactor {
 public:
  // `gate` outlives the call, as does what method.name views.
  Call(CallGate* gate, const Method& method, grpc::CallbackServerContext* context,
       grpc::ByteBuffer* response)
      : gate_(*gate), method_(method), context_(*context), response_(*response) {}

 protected:
  // Parses and checks, by `check`, which throws or returns what is wrong. False when the call has
  // been answered instead.
  template <typename Request, typename Check>
  bool Begin(const grpc::ByteBuffer& bytes, Request* request, const Check& check) {
    absl::Status status = gate_.Enter(method_, context_, &ticket_);
    is_inside_ = status.ok();
    if (status.ok()) status = Parse(bytes, request);
    if constexpr (requires { request->collection(); }) {
      ticket_.collection = request->collection().substr(0, kMaxCollectionBytes);
    } else if constexpr (requires { request->name(); }) {
      if (method_.name.starts_with("Collections/")) {
        ticket_.collection = request->name().substr(0, kMaxCollectionBytes);
      }
    }
    if (status.ok()) {
      try {
        status = check();
      } catch (...) {
        status = StatusOf(std::current_exception(), "reading the request");
      }
    }
    if (!status.ok()) Fail(status);
    return status.ok();
  }

  // What the call waits for in the pipeline ends with it.
  void Watch(Query& query) const {
    query.deadline = context_.deadline();
    query.cancelled = [&context = context_] { return context.IsCancelled(); };
  }

  // False when the call has been answered instead.
  bool IsWanted() {
    if (context_.IsCancelled()) {
      Fail(absl::CancelledError("cancelled while it waited"));
    } else if (std::chrono::system_clock::now() >= context_.deadline()) {
      Fail(absl::DeadlineExceededError("deadline exceeded while it waited"));
    } else {
      return true;
    }
    return false;
  }

  // A task of its own for the rest of the call: `make_answer` makes it or throws.
  template <typename MakeAnswer>
  void Submit(TaskLane& lane, const MakeAnswer& make_answer) {
    const bool taken = lane.TrySubmit([this, make_answer] {
      if (IsWanted()) Send(make_answer);
    });
    if (!taken) Fail(absl::ResourceExhaustedError("too many calls are waiting; try again later"));
  }

  template <typename MakeAnswer>
  void Send(const MakeAnswer& make_answer) {
    grpc::Status status;
    try {
      status = Serialize(make_answer(), &response_);
    } catch (...) {
      Fail(StatusOf(std::current_exception(), "the call"));
      return;
    }
    End(status);
  }

  void Fail(const absl::Status& status) {
    ticket_.fault = FaultIn(status);
    End(ToGrpcStatus(status, ticket_.request_id));
  }

 private:
  static constexpr size_t kMaxCollectionBytes = 100;  // of its name, in the audit log

  // The last thing that is done to a call. gRPC orders it before OnDone with locks of its own;
  // `ended_` says so where ThreadSanitizer can see it.
  void End(const grpc::Status& status) {
    code_ = status.error_code();
    gate_.CountAnswer(method_, code_, ticket_);  // before the caller can ask for the count
    ended_.store(true, std::memory_order_release);
    Finish(status);
  }
  void OnDone() override {
    ended_.load(std::memory_order_acquire);
    if (is_inside_) gate_.Leave(method_, code_, ticket_);
    delete this;
  }

  CallGate& gate_;
  const Method method_;
  grpc::CallbackServerContext& context_;
  grpc::ByteBuffer& response_;
  CallTicket ticket_;
  bool is_inside_ = false;
  grpc::StatusCode code_ = grpc::StatusCode::OK;
  std::atomic<bool> ended_ = false;
};

}  // namespace fluke::serve
