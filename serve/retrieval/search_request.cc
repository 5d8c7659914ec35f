#include "serve/retrieval/search_request.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/text.h"
#include "serve/retrieval/gallery.h"
#include "serve/status.h"

namespace fluke::serve {
namespace {

constexpr uint32_t kDefaultK = 20;
// Far above what any index needs; keeps a request from making the index allocate without bound.
constexpr uint32_t kMaxKnob = 65536;
constexpr size_t kMaxIdBytesShown = 200;

absl::Status UnknownItem(std::string_view field, std::string_view id) {
  return absl::NotFoundError(StrCat("no item has the ", field, " '", id.substr(0, kMaxIdBytesShown),
                                    id.size() > kMaxIdBytesShown ? "...'" : "'"));
}

absl::Status SetOptions(const v1::SearchRequest& request, const IndexInfo& info, int32_t max_k,
                        SearchOptions* options) {
  const uint32_t k = request.k() == 0 ? kDefaultK : request.k();
  if (k > static_cast<uint32_t>(max_k)) {
    return absl::InvalidArgumentError(
        StrCat("k is ", k, ", at most ", max_k, " neighbours are given"));
  }
  const v1::SearchKnobs& knobs = request.knobs();
  if (knobs.nprobe() > kMaxKnob || knobs.ef_search() > kMaxKnob) {
    return absl::InvalidArgumentError(StrCat("knobs: nprobe ", knobs.nprobe(), ", ef_search ",
                                             knobs.ef_search(), "; at most ", kMaxKnob));
  }
  options->k = static_cast<int>(std::clamp<int64_t>(info.size, 1, k));
  options->nprobe = static_cast<int>(knobs.nprobe());
  options->ef_search = static_cast<int>(knobs.ef_search());
  if (request.has_min_score()) {
    if (std::isnan(request.min_score())) {
      return absl::InvalidArgumentError("min_score is not a number");
    }
    options->min_score = request.min_score();
  }
  options->one_per_identity = request.one_per_identity();
  return absl::OkStatus();
}

// Of an `Asked`, a query or an example of one.
template <typename Asked>
absl::Status SetImage(std::string_view image, const v1::CropBox* crop, const ServedVersion& version,
                      Asked* query) {
  if (version.embedder == nullptr) {
    return absl::FailedPreconditionError(
        "this server has no model: it takes vectors and item ids, no images");
  }
  if (image.empty()) return absl::InvalidArgumentError("the query image is empty");
  query->image = image;
  if (crop != nullptr) query->crop = BoxOf(*crop);
  return absl::OkStatus();
}

absl::Status SetFilter(const std::string& text, Query* query) {
  try {
    query->filter = ParseRequestFilter(text);
  } catch (...) {
    return StatusOf(std::current_exception(), "reading the filter");
  }
  query->options.filter = query->filter.get();
  return absl::OkStatus();
}

absl::Status InExample(std::string_view list, int place, const absl::Status& status) {
  if (status.ok()) return status;
  return {status.code(), StrCat(list, " ", place, ": ", status.message())};
}

absl::Status SetExample(const v1::Example& asked, const ServedVersion& version, Example* example,
                        std::vector<int64_t>* exclude_rows) {
  if (asked.has_crop() && !asked.has_image()) {
    return absl::InvalidArgumentError("crop goes with an image only");
  }
  switch (asked.content_case()) {
    case v1::Example::kImage:
      return SetImage(asked.image(), asked.has_crop() ? &asked.crop() : nullptr, version, example);
    case v1::Example::kVector: {
      const auto& values = asked.vector().values();
      example->vector.assign(values.begin(), values.end());
      return CheckVector(asked.vector(), version.info);
    }
    case v1::Example::kItemId: {
      const std::optional<int64_t> row = version.index->FindItem(asked.item_id());
      if (!row.has_value()) return UnknownItem("item_id", asked.item_id());
      example->vector = version.index->vector(*row);
      exclude_rows->push_back(*row);
      return absl::OkStatus();
    }
    case v1::Example::CONTENT_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("one of image, vector and item_id must be set");
}

absl::Status SetExamples(const v1::SearchRequest& request, const ServedVersion& version,
                         Query* query) {
  if (request.query_case() != v1::SearchRequest::QUERY_NOT_SET) {
    return absl::InvalidArgumentError(
        "like and unlike stand instead of image, vector and item_id, not beside them");
  }
  if (request.like().empty()) return absl::InvalidArgumentError("unlike goes with like only");
  const int count = request.like_size() + request.unlike_size();
  if (count > kMaxExamples) {
    return absl::InvalidArgumentError(
        StrCat(count, " examples, at most ", kMaxExamples, " are taken"));
  }
  const auto set = [&](std::string_view list, const auto& asked, std::vector<Example>* examples) {
    for (int i = 0; i < asked.size(); ++i) {
      const absl::Status status =
          SetExample(asked[i], version, &examples->emplace_back(), &query->exclude_rows);
      if (!status.ok()) return InExample(list, i, status);
    }
    return absl::OkStatus();
  };
  if (absl::Status status = set("like", request.like(), &query->like); !status.ok()) return status;
  return set("unlike", request.unlike(), &query->unlike);
}

absl::Status SetQuery(const v1::SearchRequest& request, const ServedVersion& version,
                      Query* query) {
  if (!request.like().empty() || !request.unlike().empty()) {
    return SetExamples(request, version, query);
  }
  switch (request.query_case()) {
    case v1::SearchRequest::kImage:
      return SetImage(request.image(), request.has_crop() ? &request.crop() : nullptr, version,
                      query);
    case v1::SearchRequest::kVector: {
      const auto& values = request.vector().values();
      query->vector.assign(values.begin(), values.end());
      return CheckVector(request.vector(), version.info);
    }
    case v1::SearchRequest::kItemId: {
      const std::optional<int64_t> row = version.index->FindItem(request.item_id());
      if (!row.has_value()) return UnknownItem("item_id", request.item_id());
      query->vector = version.index->vector(*row);
      query->item_id = request.item_id();
      if (request.exclude_self()) query->exclude_rows.push_back(*row);
      return absl::OkStatus();
    }
    case v1::SearchRequest::QUERY_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      "no query: one of image, vector and item_id must be set, or like");
}

// Fields that only one kind of query has: set with another, they are a mistake of the caller.
absl::Status CheckFieldsFit(const v1::SearchRequest& request) {
  if (request.has_crop() && !request.has_image()) {
    return absl::InvalidArgumentError("crop goes with an image query only");
  }
  if (request.exclude_self() && !request.has_item_id()) {
    return absl::InvalidArgumentError(
        "exclude_self goes with item_id only; for an image or a vector give exclude_id");
  }
  return absl::OkStatus();
}

// Each row once; where they cannot be taken out of what a search found (Query::exclude_rows), they
// become a condition of it.
void SettleExcluded(const VectorIndex& index, Query* query) {
  std::vector<int64_t>& rows = query->exclude_rows;
  std::ranges::sort(rows);
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  if (rows.size() < 2 || !query->options.one_per_identity) return;
  Filter excluded{.kind = Filter::Kind::kIn, .field = "id"};
  for (const int64_t row : rows) excluded.values.emplace_back(index.item(row).id);
  Filter others{.kind = Filter::Kind::kNot};
  others.children.push_back(std::move(excluded));
  rows.clear();
  AddCondition(std::move(others), query);
}

}  // namespace

Box BoxOf(const v1::CropBox& crop) {
  return {.x = crop.x(), .y = crop.y(), .w = crop.w(), .h = crop.h()};
}

void AddCondition(Filter condition, Query* query) {
  Filter both{.kind = Filter::Kind::kAnd};
  if (query->filter != nullptr) both.children.push_back(*query->filter);
  both.children.push_back(std::move(condition));
  query->filter = std::make_shared<const Filter>(std::move(both));
  query->options.filter = query->filter.get();
}

absl::Status CheckVector(const v1::Vector& vector, const IndexInfo& info) {
  if (vector.values_size() != info.dimension) {
    return absl::InvalidArgumentError(StrCat("the vector has ", vector.values_size(),
                                             " values, the index has ", info.dimension,
                                             " dimensions"));
  }
  double squared_length = 0;
  for (int i = 0; i < vector.values_size(); ++i) {
    const float value = vector.values(i);
    if (!std::isfinite(value)) {
      return absl::InvalidArgumentError(StrCat("the vector's value ", i, " is ", value));
    }
    squared_length += double{value} * value;
  }
  if (info.metric == "cosine" && squared_length == 0) {
    return absl::InvalidArgumentError("the vector is all zeros: it has no direction");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Query>> QueryFromPhotograph(
    const v1::Photograph& photograph, const std::shared_ptr<const ServedVersion>& version) {
  auto query = std::make_unique<Query>();
  query->version = version;
  absl::Status status =
      SetImage(photograph.image(), photograph.has_crop() ? &photograph.crop() : nullptr, *version,
               query.get());
  if (!status.ok()) return status;
  return query;
}

absl::StatusOr<std::unique_ptr<Query>> QueryFromRequest(
    const v1::SearchRequest& request, const std::shared_ptr<const ServedVersion>& version,
    int32_t max_k) {
  auto query = std::make_unique<Query>();
  query->version = version;
  if (absl::Status status = CheckFieldsFit(request); !status.ok()) return status;
  if (absl::Status status = SetOptions(request, version->info, max_k, &query->options);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = SetFilter(request.filter(), query.get()); !status.ok()) return status;
  if (absl::Status status = SetQuery(request, *version, query.get()); !status.ok()) return status;
  if (!request.exclude_id().empty()) {
    const std::optional<int64_t> row = version->index->FindItem(request.exclude_id());
    if (!row.has_value()) return UnknownItem("exclude_id", request.exclude_id());
    query->exclude_rows.push_back(*row);
  }
  SettleExcluded(*version->index, query.get());
  return query;
}

void FillHits(const Neighbors& neighbors, const VectorIndex& index,
              google::protobuf::RepeatedPtrField<v1::Hit>* hits) {
  hits->Reserve(static_cast<int>(neighbors.size()));
  for (const Neighbor& neighbor : neighbors) {
    const Item item = index.item(neighbor.row);
    v1::Hit& hit = *hits->Add();
    hit.set_id(item.id);
    hit.set_score(neighbor.score);
    hit.set_identity(item.identity);
    hit.set_path(item.path);
    for (const auto& [key, value] : item.metadata) (*hit.mutable_metadata())[key] = value;
  }
}

void FillResponse(const Neighbors& neighbors, const VectorIndex& index,
                  v1::SearchResponse* response) {
  FillHits(neighbors, index, response->mutable_hits());
}

}  // namespace fluke::serve
