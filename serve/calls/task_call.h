// A call that is one task: its request is parsed, waits its turn on a lane, is handled there.
#pragma once

#include <functional>
#include <utility>

#include "serve/calls/call.h"

namespace fluke::serve {

// handle: makes the answer or throws fluke::Error; it runs on a thread of `lane`, and what it views
// outlives the call.
template <typename Request, typename Response>
class TaskCall final : public Call {
 public:
  static grpc::ServerUnaryReactor* Start(CallGate* gate, const Method& method,
                                         grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer& request,
                                         grpc::ByteBuffer* response, TaskLane* lane,
                                         std::function<Response(const Request&)> handle) {
    auto* call = new TaskCall(gate, method, context, response);
    if (call->Begin(request, &call->request_, [] { return absl::OkStatus(); })) {
      call->Submit(*lane, [call, handle = std::move(handle)] { return handle(call->request_); });
    }
    return call;
  }

 private:
  using Call::Call;

  Request request_;
};

}  // namespace fluke::serve
