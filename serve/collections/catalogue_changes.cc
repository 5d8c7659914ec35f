// What clients and jobs change about the collections.
#include <chrono>
#include <utility>

#include <spdlog/spdlog.h>

#include "common/error.h"
#include "serve/collections/background.h"
#include "serve/collections/catalogue.h"
#include "serve/retrieval/gallery.h"
#include "serve/status.h"

namespace fluke::serve {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxDimension = 65536;
// How long a new collection waits for calls that still use a dropped one of its name.
constexpr std::chrono::seconds kReleaseTimeout(10);

std::string_view KindOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kNotFound:
      return "its index or its model is not there";
    case absl::StatusCode::kDataLoss:
      return "its index or its model is damaged";
    case absl::StatusCode::kResourceExhausted:
      return "memory or disk does not suffice";
    case absl::StatusCode::kFailedPrecondition:
      return "its index or its model is in use elsewhere or does not fit";
    case absl::StatusCode::kPermissionDenied:
      return "the server may not read or write it";
    case absl::StatusCode::kInvalidArgument:
      return "its index or its model is not what was expected";
    default:
      return "it failed";
  }
}

// Those that would say something about the call itself say something about the collection here.
absl::StatusCode CodeForClients(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
      return code;
    default:
      return absl::StatusCode::kFailedPrecondition;
  }
}

// Runs `work` in the background. What it throws is logged; the caller is told the collection's
// name, what was not possible and of what kind the failure is.
template <typename Work>
auto ForClients(const std::string& name, std::string_view what, const Work& work) {
  try {
    return InBackground(work);
  } catch (const Error& error) {
    spdlog::error("collection '{}' {}: {}", name, what, error.what());
    if (NamesAbsolutePath(error.what())) {
      Throw(CodeForClients(error.code()), "collection '", name, "' ", what, ": ",
            KindOf(error.code()), "; the server's log says more");
    }
    Throw(CodeForClients(error.code()), "collection '", name, "' ", what, ": ", error.what());
  }
}

}  // namespace

const CollectionStore& Catalogue::Store() const {
  if (store_ == nullptr) {
    Throw(absl::StatusCode::kFailedPrecondition,
          "this server has no data folder (`data` in its config): it keeps no collections and "
          "aliases of clients");
  }
  return *store_;
}

void Catalogue::Set(Entry entry) {
  const std::lock_guard lock(mutex_);
  entries_[entry->name] = std::move(entry);
}

void Catalogue::CheckNameIsFree(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  if (entries_.contains(name) || aliases_.contains(name)) {
    Throw(absl::StatusCode::kAlreadyExists, "there is ",
          entries_.contains(name) ? "a collection '" : "an alias '", name, "' already");
  }
}

// What was dropped may still be used by calls, and would find the files of the new one.
void Catalogue::AwaitName(const std::string& name) {
  CheckNameIsFree(name);
  if (!retirement_.AwaitGone(name, kReleaseTimeout)) {
    Throw(absl::StatusCode::kUnavailable, "calls still use a collection '", name,
          "' that was dropped; try again later");
  }
}

void Catalogue::CheckAlias(const std::string& alias) const {
  CheckCollectionName(alias, "an alias");
  const std::lock_guard lock(mutex_);
  if (entries_.contains(alias)) {
    Throw(absl::StatusCode::kAlreadyExists, "'", alias, "' is a collection: it cannot be an alias");
  }
}

// Of the config, or of a collection that was published or made with it.
std::vector<std::string> Catalogue::RunsOf(const std::string& model) const {
  if (model.empty()) return {};
  if (const auto known = models_.find(model); known != models_.end()) return known->second;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, entry] : entries_) {
    if (entry->model == model) return entry->runs;
  }
  std::vector<std::string> known;
  for (const auto& [name, runs] : models_) known.push_back(name);
  NotFound("no model '", model.substr(0, 100), "'; the config names ",
           known.empty() ? "none" : StrJoin(known, ", "));
}

Catalogue::Entry Catalogue::OpenNew(Collection collection,
                                    const std::function<void(Aliases&)>& finish,
                                    const std::function<void()>& undo) {
  try {
    collection.served = opener_->Open(collection);
    auto entry = std::make_shared<const Collection>(std::move(collection));
    const std::lock_guard writing(writing_);
    CheckNameIsFree(entry->name);  // an alias may have come meanwhile
    Aliases aliases;
    {
      const std::lock_guard lock(mutex_);
      aliases = aliases_;
    }
    finish(aliases);
    const std::lock_guard lock(mutex_);
    entries_[entry->name] = entry;
    aliases_ = std::move(aliases);
    return entry;
  } catch (...) {
    collection.served.reset();
    undo();
    throw;
  }
}

v1::Collection Catalogue::Create(const v1::CreateCollectionRequest& request) {
  const CollectionStore& store = Store();
  const std::string& name = request.name();
  CheckCollectionName(name, "a collection");
  if (read_only_) {
    Throw(absl::StatusCode::kFailedPrecondition, "this server is read-only: it takes no changes");
  }
  if (request.dimension() > kMaxDimension) {
    InvalidArgument("dimension is ", request.dimension(), ", at most ", kMaxDimension);
  }
  if (request.model().empty() && request.dimension() == 0) {
    InvalidArgument("a collection without a model needs the dimension of its vectors");
  }
  const std::lock_guard opening(opening_);
  AwaitName(name);
  const StoredCollection stored{.model = request.model(), .runs = RunsOf(request.model())};
  const Entry entry = ForClients(name, "cannot be made", [&] {
    NewIndex index{.dimension = request.dimension(),
                   .metric = request.metric().empty() ? "cosine" : request.metric(),
                   .type = request.index_type()};
    const std::shared_ptr<const Embedder> embedder = opener_->Model(stored.runs);
    if (embedder != nullptr) {
      if (index.dimension != 0 && index.dimension != embedder->dimension()) {
        InvalidArgument("dimension is ", index.dimension, ", the model makes vectors of ",
                        embedder->dimension());
      }
      index.dimension = embedder->dimension();
      index.fingerprint = embedder->fingerprint();
    }
    store.Create(name, stored,
                 [&](const fs::path& folder) { opener_->openers().create_index(folder, index); });
    return OpenNew(
        {.name = name,
         .model = stored.model,
         .runs = stored.runs,
         .index = store.IndexFolder(name)},
        [](Aliases&) {}, [&] { CollectionStore::Delete(store.Hide(name)); });
  });
  return Describe(*entry, {});
}

void Catalogue::Drop(const std::string& name) {
  const CollectionStore& store = Store();
  const std::lock_guard opening(opening_);
  fs::path hidden;
  {
    const std::lock_guard writing(writing_);
    Entry entry;
    {
      const std::lock_guard lock(mutex_);
      const auto found = entries_.find(name);
      if (found == entries_.end()) {
        const auto alias = aliases_.find(name);
        NotFound(alias == aliases_.end() ? "no collection '" : "no collection, but an alias '",
                 name.substr(0, 100), "'");
      }
      entry = found->second;
      for (const auto& [alias, collection] : aliases_) {
        if (collection == name) {
          Throw(absl::StatusCode::kFailedPrecondition, "alias '", alias, "' points to collection '",
                name, "': remove it or point it elsewhere first");
        }
      }
    }
    if (entry->from_config) {
      Throw(absl::StatusCode::kFailedPrecondition, "collection '", name,
            "' is in the server's config: only that can take it away");
    }
    hidden = ForClients(name, "cannot be dropped", [&] { return store.Hide(name); });
    {
      const std::lock_guard lock(mutex_);
      entries_.erase(name);
    }
    retirement_.Take(name, entry->served);
  }
  InBackground([&] { CollectionStore::Delete(hidden); });
}

Aliases Catalogue::UpdateAliases(const Aliases& set, const std::vector<std::string>& remove) {
  const CollectionStore& store = Store();
  const std::lock_guard writing(writing_);
  Aliases aliases;
  {
    const std::lock_guard lock(mutex_);
    aliases = aliases_;
  }
  for (const std::string& alias : remove) {
    if (set.contains(alias)) InvalidArgument("alias '", alias, "' is both set and removed");
    if (aliases.erase(alias) == 0) NotFound("no alias '", alias.substr(0, 100), "'");
  }
  for (const auto& [alias, collection] : set) {
    CheckAlias(alias);
    const std::lock_guard lock(mutex_);
    if (!entries_.contains(collection)) {
      NotFound("no collection '", collection.substr(0, 100), "' for the alias '", alias, "'");
    }
    aliases[alias] = collection;
  }
  store.WriteAliases(aliases);
  const std::lock_guard lock(mutex_);
  aliases_ = aliases;
  return aliases;
}

int64_t Catalogue::Snapshot(std::string_view name) const {
  const std::shared_ptr<const ServedIndex> served = Find(name);
  LiveIndex& live = Changeable(*served);
  return InBackground([&] { return live.Compact(); });
}

v1::Collection Catalogue::Reload(std::string_view name) {
  const std::lock_guard opening(opening_);
  const Entry before = Look(name);
  if (opener_ == nullptr) {
    Throw(absl::StatusCode::kFailedPrecondition, "collection '", before->name,
          "' was handed to the server opened: there is nothing to open anew");
  }
  auto entry = std::make_shared<Collection>(*before);
  ForClients(before->name, "stays as it is", [&] {
    // One that could not be opened may have been repaired, together with what it is made of.
    if (before->served == nullptr && !before->from_config) *entry = StoredEntry(before->name);
    entry->served = opener_->OpenAnew(*entry);
  });
  Set(entry);
  retirement_.Take(before->name, before->served);
  return Describe(before->name);
}

void Catalogue::Publish(const std::string& collection, const fs::path& index_folder,
                        const std::vector<std::string>& runs, const std::string& alias) {
  const CollectionStore& store = Store();
  CheckCollectionName(collection, "a collection");
  if (!alias.empty()) CheckAlias(alias);
  if (alias == collection) InvalidArgument("alias '", alias, "' is the collection's own name");
  const std::lock_guard opening(opening_);
  StoredCollection stored{.model = collection, .runs = {}};
  for (const std::string& run : runs) {
    stored.runs.push_back(fs::absolute(run).lexically_normal().string());
  }
  if (!fs::exists(index_folder)) {
    const Entry entry = Look(collection);  // throws where there was no such call before
    if (entry->from_config || entry->model != collection || entry->runs != stored.runs) {
      NotFound("no index to publish as collection '", collection, "'");
    }
    if (!alias.empty()) UpdateAliases({{alias, collection}}, {});
    return;
  }
  AwaitName(collection);
  ForClients(collection, "cannot be published", [&] {
    store.Adopt(collection, stored, index_folder);
    OpenNew(
        {.name = collection,
         .model = collection,
         .runs = stored.runs,
         .index = store.IndexFolder(collection),
         .read_only = read_only_},
        [&](Aliases& aliases) {
          if (alias.empty()) return;
          CheckAlias(alias);
          aliases[alias] = collection;
          store.WriteAliases(aliases);
        },
        [&] { store.GiveBack(collection, index_folder); });
  });
}

}  // namespace fluke::serve
