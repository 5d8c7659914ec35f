// The checks that every search request passes before it costs anything.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "common/box.h"
#include "fluke/v1/retrieval.pb.h"
#include "serve/pipeline/pipeline.h"

namespace fluke::serve {

Box BoxOf(const v1::CropBox& crop);

// The query that `request` asks for, for SubmitQuery, without `done`, `cancelled` and `deadline`.
// It views the request's images, which must outlive it. Statuses: see Retrieval.Search in
// retrieval.proto.
absl::StatusOr<std::unique_ptr<Query>> QueryFromRequest(
    const v1::SearchRequest& request, const std::shared_ptr<const ServedVersion>& version,
    int32_t max_k);

// The query that embeds a photograph; as above.
absl::StatusOr<std::unique_ptr<Query>> QueryFromPhotograph(
    const v1::Photograph& photograph, const std::shared_ptr<const ServedVersion>& version);

// Narrows the query to items that match `condition`, too.
void AddCondition(Filter condition, Query* query);

// INVALID_ARGUMENT for a vector that cannot be compared with the index's, as far as can be told
// here.
absl::Status CheckVector(const v1::Vector& vector, const IndexInfo& info);

// Neighbours -> hits with their items.
void FillHits(const Neighbors& neighbors, const VectorIndex& index,
              google::protobuf::RepeatedPtrField<v1::Hit>* hits);
void FillResponse(const Neighbors& neighbors, const VectorIndex& index,
                  v1::SearchResponse* response);

}  // namespace fluke::serve
