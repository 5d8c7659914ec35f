#include "serve/collections/collections_service.h"

#include "serve/calls/task_call.h"

namespace fluke::serve {

CollectionsService::Reactor* CollectionsService::CreateCollection(Context* context,
                                                                  const Bytes* request,
                                                                  Bytes* response) {
  return TaskCall<v1::CreateCollectionRequest, v1::Collection>::Start(
      &gate_, {"Collections/CreateCollection", Right::kAdmin}, context, *request, response,
      &openings_, [this](const v1::CreateCollectionRequest& r) { return catalogue_.Create(r); });
}

CollectionsService::Reactor* CollectionsService::DescribeCollection(Context* context,
                                                                    const Bytes* request,
                                                                    Bytes* response) {
  return TaskCall<v1::DescribeCollectionRequest, v1::Collection>::Start(
      &gate_, {"Collections/DescribeCollection", Right::kRead}, context, *request, response,
      &quick_,
      [this](const v1::DescribeCollectionRequest& r) { return catalogue_.Describe(r.name()); });
}

CollectionsService::Reactor* CollectionsService::ListCollections(Context* context,
                                                                 const Bytes* request,
                                                                 Bytes* response) {
  return TaskCall<v1::ListCollectionsRequest, v1::ListCollectionsResponse>::Start(
      &gate_, {"Collections/ListCollections", Right::kRead}, context, *request, response, &quick_,
      [this](const v1::ListCollectionsRequest& r) { return catalogue_.List(r); });
}

CollectionsService::Reactor* CollectionsService::DropCollection(Context* context,
                                                                const Bytes* request,
                                                                Bytes* response) {
  return TaskCall<v1::DropCollectionRequest, v1::DropCollectionResponse>::Start(
      &gate_, {"Collections/DropCollection", Right::kAdmin}, context, *request, response,
      &openings_, [this](const v1::DropCollectionRequest& r) {
        catalogue_.Drop(r.name());
        return v1::DropCollectionResponse();
      });
}

CollectionsService::Reactor* CollectionsService::UpdateAliases(Context* context,
                                                               const Bytes* request,
                                                               Bytes* response) {
  return TaskCall<v1::UpdateAliasesRequest, v1::UpdateAliasesResponse>::Start(
      &gate_, {"Collections/UpdateAliases", Right::kAdmin}, context, *request, response, &quick_,
      [this](const v1::UpdateAliasesRequest& r) {
        const Aliases aliases = catalogue_.UpdateAliases({r.set().begin(), r.set().end()},
                                                         {r.remove().begin(), r.remove().end()});
        v1::UpdateAliasesResponse answer;
        answer.mutable_aliases()->insert(aliases.begin(), aliases.end());
        return answer;
      });
}

CollectionsService::Reactor* CollectionsService::SnapshotCollection(Context* context,
                                                                    const Bytes* request,
                                                                    Bytes* response) {
  return TaskCall<v1::SnapshotCollectionRequest, v1::SnapshotCollectionResponse>::Start(
      &gate_, {"Collections/SnapshotCollection", Right::kWrite}, context, *request, response,
      &snapshots_, [this](const v1::SnapshotCollectionRequest& r) {
        v1::SnapshotCollectionResponse answer;
        answer.set_snapshot(catalogue_.Snapshot(r.name()));
        return answer;
      });
}

CollectionsService::Reactor* CollectionsService::ReloadCollection(Context* context,
                                                                  const Bytes* request,
                                                                  Bytes* response) {
  return TaskCall<v1::ReloadCollectionRequest, v1::Collection>::Start(
      &gate_, {"Collections/ReloadCollection", Right::kAdmin}, context, *request, response,
      &openings_,
      [this](const v1::ReloadCollectionRequest& r) { return catalogue_.Reload(r.name()); });
}

}  // namespace fluke::serve
