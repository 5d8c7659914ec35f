// The collections that a server answers from, by name and by alias.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "fluke/v1/collections.pb.h"
#include "fluke/v1/config.pb.h"
#include "serve/collections/collection_opener.h"
#include "serve/collections/collection_store.h"
#include "serve/collections/openers.h"
#include "serve/collections/retirement.h"
#include "serve/collections/served_index.h"

namespace fluke::serve {

// Of the config's index and model. Where there are none, a collection or alias of this name is what
// calls mean that name no collection, or else the only one.
inline constexpr char kDefaultCollection[] = "default";

// Thread-safe. What a call has found it may use as long as it holds it, whatever is put in its
// place meanwhile. Errors that clients may see name collections, never paths; their details are
// logged. Changes are durable when they return. They throw FailedPrecondition without a `data`
// folder, and what collections.proto says.
class Catalogue {
 public:
  // Of nothing; Find throws Unavailable until Load has returned.
  Catalogue() = default;
  // With one collection, the default one.
  explicit Catalogue(std::shared_ptr<const ServedIndex> default_collection);

  // Opens the collections of the config and those of its data folder, once. Throws what cannot be
  // opened of the config, for the operator's eyes; one of the data folder that cannot be opened is
  // logged, and calls to it are told so.
  void Load(const v1::ServeConfig& config, Openers openers);

  // The collection of this name or alias; empty = the default one. Throws NotFound, and Unavailable
  // for one that could not be opened.
  std::shared_ptr<const ServedIndex> Find(std::string_view name) const;
  // The same with what it is made of; it may be one that could not be opened.
  std::shared_ptr<const Collection> Look(std::string_view name) const;

  v1::Collection Describe(std::string_view name) const;
  v1::ListCollectionsResponse List(const v1::ListCollectionsRequest& request) const;

  v1::Collection Create(const v1::CreateCollectionRequest& request);
  void Drop(const std::string& name);
  // All at the same moment. Returns all that there are then.
  Aliases UpdateAliases(const Aliases& set, const std::vector<std::string>& remove);
  // Number of the snapshot that has all changes so far.
  int64_t Snapshot(std::string_view name) const;
  v1::Collection Reload(std::string_view name);

  // Makes a collection of a finished index folder, which is moved into the data folder (it must lie
  // on the same file system), and of the run folders of its model, and points the alias, unless it
  // is empty, to it. All of it is durable and answers when this returns; where it throws nothing
  // has changed. The collection's name is its model's name, too. Where a killed process got as far
  // as the collection, the same call finishes it.
  void Publish(const std::string& collection, const std::filesystem::path& index_folder,
               const std::vector<std::string>& runs, const std::string& alias);

 private:
  using Entry = std::shared_ptr<const Collection>;
  using Entries = std::map<std::string, Entry, std::less<>>;

  Entry Resolve(std::string_view name) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::Collection Describe(const Collection& collection, const Aliases& aliases) const;
  const CollectionStore& Store() const;
  std::vector<std::string> RunsOf(const std::string& model) const;

  std::vector<Collection> ConfigCollections(const v1::ServeConfig& config) const;
  Collection StoredEntry(const std::string& name) const;
  void LoadAliases();

  void CheckNameIsFree(const std::string& name) const;
  void AwaitName(const std::string& name);
  void CheckAlias(const std::string& alias) const;
  // Opens what the store has just got; the entry is seen when `finish`, which runs under writing_,
  // has returned. undo: what is done to the store where this fails.
  Entry OpenNew(Collection collection, const std::function<void(Aliases&)>& finish,
                const std::function<void()>& undo);
  void Set(Entry entry);

  std::unique_ptr<CollectionStore> store_;                  // null: no data folder. Set by Load
  std::unique_ptr<CollectionOpener> opener_;                // null: before Load
  std::map<std::string, std::vector<std::string>> models_;  // of the config: name -> runs
  bool read_only_ = false;

  // Taken in this order. opening_: changes that take their time, one after the other. writing_:
  // the aliases on disk. mutex_: what calls look at.
  std::mutex opening_;
  std::mutex writing_;
  mutable std::mutex mutex_;
  bool loaded_ ABSL_GUARDED_BY(mutex_) = false;
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  Aliases aliases_ ABSL_GUARDED_BY(mutex_);

  Retirement retirement_;
};

}  // namespace fluke::serve
