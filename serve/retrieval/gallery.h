// The requests that look at or change the gallery, each from its checks to its answer. They throw
// fluke::Error, with the codes that retrieval.proto promises.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "common/filter.h"
#include "fluke/v1/retrieval.pb.h"
#include "serve/collections/served_index.h"

namespace fluke::serve {

inline constexpr int kMaxItemsPerCall = 1024;

// Throws InvalidArgument for more than a call may hold; `what` names them.
void CheckCallSize(int count, std::string_view what);

// Null for an empty text.
std::shared_ptr<const Filter> ParseRequestFilter(std::string_view text);

// Throws FailedPrecondition where the server is read-only.
LiveIndex& Changeable(const ServedIndex& served);

v1::GetResponse GetItems(const v1::GetRequest& request, const ServedVersion& version);
v1::ScrollResponse ScrollItems(const v1::ScrollRequest& request, const ServedVersion& version);
v1::CountResponse CountItems(const v1::CountRequest& request, const ServedVersion& version);
v1::FacetResponse FacetItems(const v1::FacetRequest& request, const ServedVersion& version);

// vectors: request.items_size() x dimension.
v1::UpsertResponse UpsertItems(const v1::UpsertRequest& request, const std::vector<float>& vectors,
                               const ServedIndex& served);
v1::UpdateResponse UpdateItems(const v1::UpdateRequest& request, const ServedIndex& served);
v1::DeleteResponse DeleteItems(const v1::DeleteRequest& request, const ServedIndex& served);

}  // namespace fluke::serve
