// What a server keeps of its collections in its `data` folder. Every name there is made here.
//
//   DATA/
//     LOCK                 flock()ed by the one server
//     aliases.json         alias -> collection, written in one piece
//     collections/
//       NAME/              a collection is whole as long as it has its name
//         collection.json  its model: name and run folders, relative to DATA where they lie in it
//         index/           an index folder
//       .making-NAME/      one that is being made
//       .dropping-NAME/    one on its way out; left over only by a crash, both are removed at start
//
// The JSON files have a format version and the CRC-32C of what they say.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace fluke::serve {

// Throws InvalidArgument unless `name` may be a collection's or an alias's: letters, digits, '-',
// '_' and '.', at most 100 bytes, no '.' first. `what`: "a collection", "an alias".
void CheckCollectionName(std::string_view name, std::string_view what);

struct StoredCollection {
  std::string model;              // name; empty: none
  std::vector<std::string> runs;  // absolute run folders of the model
};

using Aliases = std::map<std::string, std::string, std::less<>>;  // alias -> collection

// Each change is durable when it returns. Errors name paths. One caller at a time for a name, and
// for the aliases.
class CollectionStore {
 public:
  // Throws FailedPrecondition while another server has the folder.
  explicit CollectionStore(const std::filesystem::path& data);
  ~CollectionStore();
  CollectionStore(const CollectionStore&) = delete;
  CollectionStore& operator=(const CollectionStore&) = delete;

  // Ascending.
  std::vector<std::string> Names() const;
  // Throws DataLoss for a damaged file.
  StoredCollection Read(const std::string& name) const;
  std::filesystem::path IndexFolder(const std::string& name) const;

  // None where there is no file; throws DataLoss for a damaged one.
  Aliases ReadAliases() const;
  void WriteAliases(const Aliases& aliases) const;

  // The collection is there when this returns, or nothing has changed. make_index: makes the index
  // in the folder that it is given, which is not there yet. Throws AlreadyExists.
  using MakeIndex = std::function<void(const std::filesystem::path& index)>;
  void Create(const std::string& name, const StoredCollection& stored,
              const MakeIndex& make_index) const;
  // The same of a finished index, which is moved in; it must lie on the same file system.
  void Adopt(const std::string& name, const StoredCollection& stored,
             const std::filesystem::path& index) const;
  // Undoes Adopt.
  void GiveBack(const std::string& name, const std::filesystem::path& index) const;

  // The collection is not there any more when this returns; its files stay, under the name that is
  // returned, until Delete, which throws nothing: a restart does the rest.
  std::filesystem::path Hide(const std::string& name) const;
  static void Delete(const std::filesystem::path& hidden);

 private:
  std::filesystem::path Folder(const std::string& name) const { return collections_ / name; }
  void Make(const std::string& name, const StoredCollection& stored, const MakeIndex& make_index,
            const MakeIndex& unmake_index) const;

  const std::filesystem::path data_;
  const std::filesystem::path collections_;
  int lock_ = -1;
};

}  // namespace fluke::serve
