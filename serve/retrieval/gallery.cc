#include "serve/retrieval/gallery.h"

#include <string>

#include "common/error.h"
#include "serve/retrieval/search_request.h"

namespace fluke::serve {
namespace {

constexpr uint32_t kDefaultItemPage = 100;
constexpr uint32_t kMaxFacetValues = 65536;

Item ItemOf(const v1::GalleryItem& item) {
  return {.id = item.id(),
          .identity = item.identity(),
          .path = item.path(),
          .metadata = {item.metadata().begin(), item.metadata().end()}};
}

// Without an image where the item came as a vector.
QueryPhotograph KnownPhotograph(const v1::NewItem& item) {
  if (!item.has_photograph()) return {};
  const v1::Photograph& photograph = item.photograph();
  QueryPhotograph known{.image = photograph.image()};
  if (photograph.has_crop()) known.crop = BoxOf(photograph.crop());
  return known;
}

void FillEntry(const VectorIndex& index, int64_t row, bool with_vector, v1::StoredEntry* entry) {
  const Item item = index.item(row);
  v1::GalleryItem& stored = *entry->mutable_item();
  stored.set_id(item.id);
  stored.set_identity(item.identity);
  stored.set_path(item.path);
  for (const auto& [key, value] : item.metadata) (*stored.mutable_metadata())[key] = value;
  if (with_vector) {
    const std::vector<float> vector = index.vector(row);
    entry->mutable_vector()->mutable_values()->Add(vector.begin(), vector.end());
  }
}

// 0 = the default.
int64_t WithinLimit(uint32_t asked, uint32_t usual, uint32_t most, std::string_view what) {
  if (asked > most) InvalidArgument(what, " is ", asked, ", at most ", most);
  return asked == 0 ? usual : asked;
}

}  // namespace

void CheckCallSize(int count, std::string_view what) {
  if (count > kMaxItemsPerCall) {
    InvalidArgument(count, " ", what, " in one call, at most ", kMaxItemsPerCall);
  }
}

std::shared_ptr<const Filter> ParseRequestFilter(std::string_view text) {
  if (text.empty()) return nullptr;
  return std::make_shared<const Filter>(ParseFilter(text));
}

LiveIndex& Changeable(const ServedIndex& served) {
  if (served.live() == nullptr) {
    Throw(absl::StatusCode::kFailedPrecondition, "this server is read-only: it takes no changes");
  }
  return *served.live();
}

v1::GetResponse GetItems(const v1::GetRequest& request, const ServedVersion& version) {
  CheckCallSize(request.ids_size(), "ids");
  v1::GetResponse response;
  for (const std::string& id : request.ids()) {
    const auto row = version.index->FindItem(id);
    if (row) FillEntry(*version.index, *row, request.with_vectors(), response.add_entries());
  }
  return response;
}

v1::ScrollResponse ScrollItems(const v1::ScrollRequest& request, const ServedVersion& version) {
  const int64_t size =
      WithinLimit(request.page_size(), kDefaultItemPage, kMaxItemsPerCall, "page_size");
  const auto filter = ParseRequestFilter(request.filter());
  // A token is the last id of its page. One more than wanted tells whether there are more.
  const std::vector<int64_t> rows =
      version.index->NextById(filter.get(), request.page_token(), size + 1);
  v1::ScrollResponse response;
  for (const int64_t row : rows) {
    if (response.entries_size() == size) {
      response.set_next_page_token(response.entries(response.entries_size() - 1).item().id());
      break;
    }
    FillEntry(*version.index, row, request.with_vectors(), response.add_entries());
  }
  return response;
}

v1::CountResponse CountItems(const v1::CountRequest& request, const ServedVersion& version) {
  v1::CountResponse response;
  response.set_count(version.index->Count(ParseRequestFilter(request.filter()).get()));
  return response;
}

v1::FacetResponse FacetItems(const v1::FacetRequest& request, const ServedVersion& version) {
  const int64_t limit = WithinLimit(request.limit(), kDefaultItemPage, kMaxFacetValues, "limit");
  const std::vector<FacetValue> values =
      version.index->Facet(request.field(), ParseRequestFilter(request.filter()).get());
  v1::FacetResponse response;
  response.set_distinct(static_cast<int64_t>(values.size()));
  for (const FacetValue& value : values) {
    if (response.counts_size() == limit) break;
    v1::FacetCount& count = *response.add_counts();
    count.set_value(value.value);
    count.set_count(value.count);
  }
  return response;
}

v1::UpsertResponse UpsertItems(const v1::UpsertRequest& request, const std::vector<float>& vectors,
                               const ServedIndex& served) {
  std::vector<Item> items;
  std::vector<QueryPhotograph> photographs;
  for (const v1::NewItem& item : request.items()) {
    items.push_back(ItemOf(item.item()));
    photographs.push_back(KnownPhotograph(item));
  }
  Changeable(served).UpsertPhotographs(items, vectors, photographs);
  v1::UpsertResponse response;
  response.set_upserted(request.items_size());
  return response;
}

v1::UpdateResponse UpdateItems(const v1::UpdateRequest& request, const ServedIndex& served) {
  CheckCallSize(request.items_size(), "items");
  std::vector<Item> items;
  for (const v1::GalleryItem& item : request.items()) items.push_back(ItemOf(item));
  Changeable(served).Update(items);
  return {};
}

v1::DeleteResponse DeleteItems(const v1::DeleteRequest& request, const ServedIndex& served) {
  LiveIndex& live = Changeable(served);
  if (request.ids().empty() == request.filter().empty()) {
    InvalidArgument("expected ids or a filter of what is to be deleted, found ",
                    request.ids().empty() ? "neither" : "both");
  }
  CheckCallSize(request.ids_size(), "ids");
  std::vector<std::string> ids(request.ids().begin(), request.ids().end());
  if (!request.filter().empty()) {
    const auto filter = ParseRequestFilter(request.filter());
    const auto index = live.Current();
    for (const int64_t row : index->NextById(filter.get(), "", index->Count(filter.get()))) {
      ids.push_back(index->item(row).id);
    }
  }
  v1::DeleteResponse response;
  response.set_deleted(live.Remove(ids));
  return response;
}

}  // namespace fluke::serve
