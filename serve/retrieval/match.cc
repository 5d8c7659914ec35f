#include "serve/retrieval/match.h"

#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "serve/pipeline/query_image.h"
#include "serve/retrieval/search_request.h"

namespace fluke::serve {
namespace {

int64_t RowCalled(const std::string& id, const VectorIndex& index) {
  const std::optional<int64_t> row = index.FindItem(id);
  if (!row) NotFound("there is no item '", id, "'");
  return *row;
}

// Refers to the request.
QueryPhotograph PhotographOf(const v1::MatchRequest& request, int64_t max_image_pixels) {
  if (!request.item_id().empty()) {
    if (request.has_crop()) InvalidArgument("crop is for an image, not for an item");
    if (!request.exclude_id().empty()) InvalidArgument("exclude_id is for an image");
    return {.item_id = request.item_id()};
  }
  if (request.image().empty()) InvalidArgument("expected an image or an item_id");
  QueryPhotograph photograph{.image = request.image()};
  if (request.has_crop()) photograph.crop = BoxOf(request.crop());
  CheckQueryImage(photograph.image, photograph.crop, max_image_pixels);
  return photograph;
}

v1::Region RegionMessage(const Region& region) {
  v1::Region message;
  message.set_x(region.x);
  message.set_y(region.y);
  message.set_diameter(region.diameter);
  return message;
}

}  // namespace

v1::MatchResponse MatchItems(const v1::MatchRequest& request, const ServedVersion& version,
                             int64_t max_image_pixels) {
  if (request.ids_size() > kMaxMatchedItems) {
    InvalidArgument(request.ids_size(), " ids in one call, at most ", kMaxMatchedItems);
  }
  const VectorIndex& index = *version.index;
  const QueryPhotograph photograph = PhotographOf(request, max_image_pixels);
  std::vector<int64_t> rows;
  for (const std::string& id : request.ids()) rows.push_back(RowCalled(id, index));
  int64_t without = -1;
  if (!photograph.item_id.empty()) {
    without = RowCalled(request.item_id(), index);
  } else if (!request.exclude_id().empty()) {
    without = index.FindItem(request.exclude_id()).value_or(-1);
  }
  v1::MatchResponse response;
  for (const auto& regions : index.Match(photograph, rows, without)) {
    v1::ItemMatches& item = *response.add_items();
    for (const MatchedRegions& match : regions) {
      v1::MatchedRegions& message = *item.add_regions();
      *message.mutable_query() = RegionMessage(match.query);
      *message.mutable_item() = RegionMessage(match.gallery);
      message.set_weight(match.weight);
    }
  }
  return response;
}

}  // namespace fluke::serve
