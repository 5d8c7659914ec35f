// fluke upsert, update, delete, get, scroll, count, facet: a running server's gallery.
#include <filesystem>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cli/server_arguments.h"
#include "cli/verbs.h"
#include "common/csv.h"
#include "common/embeddings.h"
#include "common/error.h"
#include "common/files.h"
#include "common/item.h"
#include "common/manifest.h"
#include "common/progress.h"

namespace fluke::cli {
namespace {

constexpr int kItemsPerCall = 256;
constexpr uint64_t kBytesPerCall = 8 << 20;  // of photographs
constexpr int kItemsPage = 1000;

// Of verbs that look at all items, or at those that match.
struct FilterArguments : ServerArguments {
  std::string filter;
};

void DeclareFilter(CLI::App& verb, FilterArguments& arguments) {
  DeclareGallery(verb, arguments);
  verb.add_option("--filter", arguments.filter, "only items that match");
}

v1::GalleryItem ToMessage(const Item& item) {
  v1::GalleryItem message;
  message.set_id(item.id);
  message.set_identity(item.identity);
  message.set_path(item.path);
  for (const auto& [key, value] : item.metadata) (*message.mutable_metadata())[key] = value;
  return message;
}

Item FromMessage(const v1::GalleryItem& message) {
  return {.id = message.id(),
          .identity = message.identity(),
          .path = message.path(),
          .metadata = {message.metadata().begin(), message.metadata().end()}};
}

// Sends items in calls of a bearable size.
class Upserter {
 public:
  Upserter(const serve::RetrievalClient& client, const std::string& collection)
      : client_(client), collection_(collection) {}

  void Add(v1::NewItem item) {
    bytes_ += item.photograph().image().size();
    *request_.add_items() = std::move(item);
    if (request_.items_size() == kItemsPerCall || bytes_ >= kBytesPerCall) Flush();
  }
  void Flush() {
    if (request_.items().empty()) return;
    request_.set_collection(collection_);
    upserted_ += client_.Upsert(request_).upserted();
    request_.Clear();
    bytes_ = 0;
  }
  int64_t upserted() const { return upserted_; }

 private:
  const serve::RetrievalClient& client_;
  const std::string collection_;
  v1::UpsertRequest request_;
  uint64_t bytes_ = 0;
  int64_t upserted_ = 0;
};

void UpsertEmbeddings(const std::string& folder, const std::string& model, Upserter& upserter) {
  const MappedEmbeddings embeddings(folder);
  if (!model.empty() && !embeddings.fingerprint().empty() && model != embeddings.fingerprint()) {
    Throw(absl::StatusCode::kFailedPrecondition, folder, ": made with the model ",
          embeddings.fingerprint(), ", the server's index with ", model);
  }
  Progress progress("upsert", embeddings.rows(), "vectors");
  const auto width = static_cast<size_t>(embeddings.dimension());
  embeddings.ForEachBlock([&](const std::vector<Item>& items, std::span<const float> vectors) {
    for (size_t i = 0; i < items.size(); ++i) {
      v1::NewItem item;
      *item.mutable_item() = ToMessage(items[i]);
      const auto vector = vectors.subspan(i * width, width);
      item.mutable_vector()->mutable_values()->Add(vector.begin(), vector.end());
      upserter.Add(std::move(item));
    }
    progress.Advance(static_cast<int64_t>(items.size()));
  });
  upserter.Flush();
}

void UpsertPhotographs(const std::string& path, Upserter& upserter) {
  const Manifest manifest = ReadManifest(path);
  const std::filesystem::path root = std::filesystem::is_directory(manifest.name)
                                         ? std::filesystem::path(manifest.name)
                                         : std::filesystem::path(manifest.name).parent_path();
  Progress progress("upsert", static_cast<int64_t>(manifest.items.size()), "images");
  for (const ManifestItem& photo : manifest.items) {
    v1::NewItem item;
    *item.mutable_item() = ToMessage(ItemOf(photo));
    v1::Photograph& photograph = *item.mutable_photograph();
    photograph.set_image(ReadFile(root / photo.path, kMaxImageBytes));
    if (const auto& box = photo.box) {
      photograph.mutable_crop()->set_x(box->x);
      photograph.mutable_crop()->set_y(box->y);
      photograph.mutable_crop()->set_w(box->w);
      photograph.mutable_crop()->set_h(box->h);
    }
    upserter.Add(std::move(item));
    progress.Advance();
  }
  upserter.Flush();
}

void PrintEntries(const google::protobuf::RepeatedPtrField<v1::StoredEntry>& entries,
                  ItemLines* lines) {
  for (const v1::StoredEntry& entry : entries) std::cout << lines->Line(FromMessage(entry.item()));
}

}  // namespace

void DeclareUpsert(CLI::App& verb) {
  struct Arguments : ServerArguments {
    std::string embeddings, data;
  };
  auto arguments = std::make_shared<Arguments>();
  DeclareGallery(verb, *arguments);
  auto* sources = verb.add_option_group("what is put in");
  sources->add_option("--embeddings", arguments->embeddings, "folder that fluke embed made");
  sources->add_option("--data", arguments->data,
                      "manifest or folder of photographs, which the server embeds");
  sources->require_option(1);
  verb.callback([arguments] {
    const serve::RetrievalClient client = arguments->Connect();
    Upserter upserter(client, arguments->collection);
    if (!arguments->embeddings.empty()) {
      const std::string model = client.Describe(arguments->collection).model_fingerprint();
      UpsertEmbeddings(arguments->embeddings, model, upserter);
    } else {
      UpsertPhotographs(arguments->data, upserter);
    }
    std::cout << upserter.upserted() << " items upserted\n";
  });
}

void DeclareUpdate(CLI::App& verb) {
  struct Arguments : ServerArguments {
    std::string items;
  };
  auto arguments = std::make_shared<Arguments>();
  DeclareGallery(verb, *arguments);
  verb.add_option("--items", arguments->items,
                  "CSV of id, identity, path and metadata: what these items shall say")
      ->required();
  verb.callback([arguments] {
    const serve::RetrievalClient client = arguments->Connect();
    v1::UpdateRequest request;
    request.set_collection(arguments->collection);
    int64_t updated = 0;
    for (const Item& item : ReadItems(arguments->items)) {
      *request.add_items() = ToMessage(item);
      ++updated;
      if (request.items_size() < kItemsPerCall) continue;
      client.Update(request);
      request.clear_items();
    }
    if (request.items_size() > 0) client.Update(request);
    std::cout << updated << " items updated\n";
  });
}

void DeclareDelete(CLI::App& verb) {
  struct Arguments : ServerArguments {
    std::vector<std::string> ids;
    std::string filter;
  };
  auto arguments = std::make_shared<Arguments>();
  DeclareGallery(verb, *arguments);
  auto* which = verb.add_option_group("which");
  which->add_option("--ids", arguments->ids, "items to take out")->delimiter(',');
  which->add_option("--filter", arguments->filter, "or all that match");
  which->require_option(1);
  verb.callback([arguments] {
    v1::DeleteRequest request;
    request.set_collection(arguments->collection);
    for (const std::string& id : arguments->ids) request.add_ids(id);
    request.set_filter(arguments->filter);
    std::cout << arguments->Connect().Delete(request).deleted() << " items deleted\n";
  });
}

void DeclareGet(CLI::App& verb) {
  struct Arguments : ServerArguments {
    std::vector<std::string> ids;
  };
  auto arguments = std::make_shared<Arguments>();
  DeclareGallery(verb, *arguments);
  verb.add_option("--ids", arguments->ids, "items to show")->delimiter(',')->required();
  verb.callback([arguments] {
    v1::GetRequest request;
    request.set_collection(arguments->collection);
    for (const std::string& id : arguments->ids) request.add_ids(id);
    const v1::GetResponse response = arguments->Connect().Get(request);
    ItemLines lines;
    for (const v1::StoredEntry& entry : response.entries()) lines.Show(FromMessage(entry.item()));
    std::cout << lines.Header();
    PrintEntries(response.entries(), &lines);
    if (response.entries().empty()) NotFound("no item has any of these ids");
  });
}

void DeclareScroll(CLI::App& verb) {
  auto arguments = std::make_shared<FilterArguments>();
  DeclareFilter(verb, *arguments);
  verb.callback([arguments] {
    const serve::RetrievalClient client = arguments->Connect();
    v1::ScrollRequest request;
    request.set_collection(arguments->collection);
    request.set_filter(arguments->filter);
    request.set_page_size(kItemsPage);
    // The header needs every item's fields.
    std::vector<v1::ScrollResponse> pages;
    ItemLines lines;
    do {
      pages.push_back(client.Scroll(request));
      for (const auto& entry : pages.back().entries()) lines.Show(FromMessage(entry.item()));
      request.set_page_token(pages.back().next_page_token());
    } while (!request.page_token().empty());
    std::cout << lines.Header();
    for (const v1::ScrollResponse& page : pages) PrintEntries(page.entries(), &lines);
  });
}

void DeclareCount(CLI::App& verb) {
  auto arguments = std::make_shared<FilterArguments>();
  DeclareFilter(verb, *arguments);
  verb.callback([arguments] {
    v1::CountRequest request;
    request.set_collection(arguments->collection);
    request.set_filter(arguments->filter);
    std::cout << arguments->Connect().Count(request).count() << "\n";
  });
}

void DeclareFacet(CLI::App& verb) {
  struct Arguments : FilterArguments {
    std::string field;
    uint32_t limit = 0;
  };
  auto arguments = std::make_shared<Arguments>();
  DeclareFilter(verb, *arguments);
  verb.add_option("field", arguments->field, "identity, path or a name of metadata")->required();
  verb.add_option("--limit", arguments->limit, "values shown; 0: 100");
  verb.callback([arguments] {
    v1::FacetRequest request;
    request.set_collection(arguments->collection);
    request.set_field(arguments->field);
    request.set_filter(arguments->filter);
    request.set_limit(arguments->limit);
    std::cout << CsvLine({"value", "count"});
    const v1::FacetResponse response = arguments->Connect().Facet(request);
    for (const v1::FacetCount& count : response.counts()) {
      std::cout << CsvLine({count.value(), std::to_string(count.count())});
    }
  });
}

}  // namespace fluke::cli
