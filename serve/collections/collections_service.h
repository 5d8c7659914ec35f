// fluke.v1.Collections over gRPC.
#pragma once

#include <functional>
#include <string_view>

#include "fluke/v1/collections.grpc.pb.h"
#include "serve/calls/call.h"
#include "serve/collections/catalogue.h"
#include "serve/task_lane.h"

namespace fluke::serve {

namespace raw_collections {  // the methods that answer for themselves, one around the other
using S0 = v1::Collections::Service;
using S1 = v1::Collections::WithRawCallbackMethod_CreateCollection<S0>;
using S2 = v1::Collections::WithRawCallbackMethod_DescribeCollection<S1>;
using S3 = v1::Collections::WithRawCallbackMethod_ListCollections<S2>;
using S4 = v1::Collections::WithRawCallbackMethod_DropCollection<S3>;
using S5 = v1::Collections::WithRawCallbackMethod_UpdateAliases<S4>;
using S6 = v1::Collections::WithRawCallbackMethod_SnapshotCollection<S5>;
using Service = v1::Collections::WithRawCallbackMethod_ReloadCollection<S6>;
}  // namespace raw_collections

// What takes a moment has a lane, what opens indexes and models another, snapshots a third: none of
// them waits for the others, nor do searches and changes of the galleries.
class CollectionsService final : public raw_collections::Service {
 public:
  // Both outlive the service.
  CollectionsService(Catalogue* catalogue, CallGate* gate) : catalogue_(*catalogue), gate_(*gate) {}

  using Context = grpc::CallbackServerContext;
  using Bytes = grpc::ByteBuffer;
  using Reactor = grpc::ServerUnaryReactor;
  Reactor* CreateCollection(Context*, const Bytes* request, Bytes* response) override;
  Reactor* DescribeCollection(Context*, const Bytes* request, Bytes* response) override;
  Reactor* ListCollections(Context*, const Bytes* request, Bytes* response) override;
  Reactor* DropCollection(Context*, const Bytes* request, Bytes* response) override;
  Reactor* UpdateAliases(Context*, const Bytes* request, Bytes* response) override;
  Reactor* SnapshotCollection(Context*, const Bytes* request, Bytes* response) override;
  Reactor* ReloadCollection(Context*, const Bytes* request, Bytes* response) override;

 private:
  Catalogue& catalogue_;
  CallGate& gate_;
  TaskLane quick_{1, 1024};
  TaskLane openings_{1, 64};
  TaskLane snapshots_{1, 64};
};

}  // namespace fluke::serve
