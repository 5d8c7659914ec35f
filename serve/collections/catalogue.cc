#include "serve/collections/catalogue.h"

#include <algorithm>
#include <exception>
#include <utility>

#include <spdlog/spdlog.h>

#include "common/error.h"
#include "serve/collections/warm_up.h"

namespace fluke::serve {
namespace {

constexpr uint32_t kDefaultPage = 100, kMaxPage = 1024;

void LogServed(const Collection& collection) {
  const ServedIndex& served = *collection.served;
  const std::shared_ptr<const ServedVersion> version = served.Current();
  const IndexInfo& info = version->info;
  spdlog::info("collection '{}': {} items, {} dimensions, {} {}, snapshot {}{}{}", collection.name,
               info.size, info.dimension, info.factory, info.metric, info.snapshot,
               version->embedder != nullptr ? "" : ", no model",
               served.live() != nullptr ? "" : ", read-only");
}

}  // namespace

Catalogue::Catalogue(std::shared_ptr<const ServedIndex> default_collection) {
  auto entry = std::make_shared<Collection>();
  entry->name = kDefaultCollection;
  entry->read_only = default_collection->live() == nullptr;
  entry->from_config = true;
  entry->served = std::move(default_collection);
  Set(std::move(entry));
  const std::lock_guard lock(mutex_);
  loaded_ = true;
}

std::vector<Collection> Catalogue::ConfigCollections(const v1::ServeConfig& config) const {
  std::vector<Collection> collections;
  if (config.has_index()) {
    collections.push_back({.name = kDefaultCollection,
                           .runs = {config.model().begin(), config.model().end()},
                           .index = config.index(),
                           .photos = config.photos(),
                           .read_only = config.read_only(),
                           .from_config = true});
  } else if (config.model_size() > 0) {
    InvalidArgument("config: `model` goes with `index`, which is missing");
  }
  for (const v1::ServedCollection& served : config.collection()) {
    CheckCollectionName(served.name(), "a collection");
    collections.push_back({.name = served.name(),
                           .runs = {served.model().begin(), served.model().end()},
                           .index = served.index(),
                           .photos = served.photos(),
                           .read_only = config.read_only() || served.read_only(),
                           .from_config = true});
  }
  std::vector<std::string> names;
  for (const Collection& collection : collections) names.push_back(collection.name);
  std::ranges::sort(names);
  if (const auto twice = std::ranges::adjacent_find(names); twice != names.end()) {
    InvalidArgument("config: two collections are called '", *twice, "'",
                    *twice == kDefaultCollection ? ", which is the name of `index`" : "");
  }
  return collections;
}

Collection Catalogue::StoredEntry(const std::string& name) const {
  StoredCollection stored = store_->Read(name);
  return {.name = name,
          .model = std::move(stored.model),
          .runs = std::move(stored.runs),
          .index = store_->IndexFolder(name),
          .read_only = read_only_};
}

void Catalogue::Load(const v1::ServeConfig& config, Openers openers) {
  const std::lock_guard opening(opening_);
  read_only_ = config.read_only();
  opener_ = std::make_unique<CollectionOpener>(std::move(openers), WarmUpSizes(config.batching()));
  for (const v1::ServedModel& model : config.models()) {
    if (model.run().empty()) InvalidArgument("config: model '", model.name(), "' has no run");
    if (models_.contains(model.name())) {
      InvalidArgument("config: two models are called '", model.name(), "'");
    }
    models_[model.name()] = {model.run().begin(), model.run().end()};
  }
  std::vector<Collection> collections = ConfigCollections(config);
  if (config.has_data()) store_ = std::make_unique<CollectionStore>(config.data());
  for (Collection& collection : collections) {
    collection.served = opener_->Open(collection);
    LogServed(collection);
    Set(std::make_shared<const Collection>(std::move(collection)));
  }
  if (store_ != nullptr) {
    for (const std::string& name : store_->Names()) {
      {
        const std::lock_guard lock(mutex_);
        if (entries_.contains(name)) {
          Throw(absl::StatusCode::kFailedPrecondition, "collection '", name,
                "' is in the config and in the data folder ", config.data(),
                " too: give one of them another name");
        }
      }
      Collection collection{.name = name};
      try {
        collection = StoredEntry(name);
        collection.served = opener_->Open(collection);
        LogServed(collection);
      } catch (const std::exception& error) {
        spdlog::error("collection '{}' cannot be opened: {}", name, error.what());
      }
      Set(std::make_shared<const Collection>(std::move(collection)));
    }
    LoadAliases();
  }
  const std::lock_guard lock(mutex_);
  loaded_ = true;
}

void Catalogue::LoadAliases() {
  Aliases aliases = store_->ReadAliases();
  const std::lock_guard lock(mutex_);
  std::erase_if(aliases, [this](const auto& alias) {
    if (entries_.contains(alias.second) && !entries_.contains(alias.first)) return false;
    spdlog::warn("alias '{}' of collection '{}' is left out: {}", alias.first, alias.second,
                 entries_.contains(alias.first) ? "there is a collection of its name"
                                                : "there is no such collection");
    return true;
  });
  aliases_ = std::move(aliases);
}

Catalogue::Entry Catalogue::Resolve(std::string_view name) const {
  const std::string_view wanted = name.empty() ? kDefaultCollection : name;
  if (const auto entry = entries_.find(wanted); entry != entries_.end()) return entry->second;
  if (const auto alias = aliases_.find(wanted); alias != aliases_.end()) {
    return entries_.find(alias->second)->second;
  }
  if (!name.empty()) NotFound("no collection '", name.substr(0, 100), "'");
  if (entries_.size() == 1) return entries_.begin()->second;
  NotFound("this server has ", entries_.size(), " collections and none is the default one: name ",
           "one, or give one the alias '", kDefaultCollection, "'");
}

std::shared_ptr<const Collection> Catalogue::Look(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  if (!loaded_) Throw(absl::StatusCode::kUnavailable, "the server is loading");
  return Resolve(name);
}

std::shared_ptr<const ServedIndex> Catalogue::Find(std::string_view name) const {
  Entry entry = Look(name);
  if (entry->served == nullptr) {
    Throw(absl::StatusCode::kUnavailable, "collection '", entry->name,
          "' could not be opened; the server's log says why");
  }
  return entry->served;
}

v1::Collection Catalogue::Describe(const Collection& collection, const Aliases& aliases) const {
  v1::Collection described;
  described.set_name(collection.name);
  for (const auto& [alias, name] : aliases) {
    if (name == collection.name) described.add_aliases(alias);
  }
  described.set_model(collection.model);
  described.set_read_only(collection.served == nullptr || collection.served->live() == nullptr);
  described.set_from_config(collection.from_config);
  described.set_has_photos(!collection.photos.empty());
  if (collection.served == nullptr) return described;
  const std::shared_ptr<const ServedVersion> version = collection.served->Current();
  const IndexInfo& info = version->info;
  described.set_model_fingerprint(info.fingerprint);
  described.set_accepts_images(version->embedder != nullptr);
  described.set_matches_regions(info.matches_regions);
  described.set_size(info.size);
  described.set_dimension(static_cast<int32_t>(info.dimension));
  described.set_metric(info.metric);
  described.set_index_type(info.factory);
  described.set_snapshot(info.snapshot);
  described.set_changed(info.changed);
  described.set_memory_bytes(static_cast<int64_t>(info.memory_bytes));
  described.set_disk_bytes(static_cast<int64_t>(info.bytes));
  return described;
}

v1::Collection Catalogue::Describe(std::string_view name) const {
  const Entry entry = Look(name);
  Aliases aliases;
  {
    const std::lock_guard lock(mutex_);
    aliases = aliases_;
  }
  return Describe(*entry, aliases);
}

v1::ListCollectionsResponse Catalogue::List(const v1::ListCollectionsRequest& request) const {
  if (request.page_size() > kMaxPage) {
    InvalidArgument("page_size is ", request.page_size(), ", at most ", kMaxPage);
  }
  const size_t size = request.page_size() == 0 ? kDefaultPage : request.page_size();
  std::vector<Entry> page;
  Aliases aliases;
  bool is_last = true;
  {
    const std::lock_guard lock(mutex_);
    if (!loaded_) Throw(absl::StatusCode::kUnavailable, "the server is loading");
    auto next = entries_.upper_bound(request.page_token());
    for (; next != entries_.end() && page.size() < size; ++next) page.push_back(next->second);
    is_last = next == entries_.end();
    aliases = aliases_;
  }
  v1::ListCollectionsResponse response;
  for (const Entry& entry : page) *response.add_collections() = Describe(*entry, aliases);
  if (!is_last) response.set_next_page_token(page.back()->name);
  return response;
}

}  // namespace fluke::serve
