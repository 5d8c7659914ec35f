#include "serve/collections/collection_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "common/crc32c.h"
#include "common/error.h"
#include "common/files.h"

namespace fluke::serve {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kFormat = 1;
constexpr uint64_t kMaxJsonBytes = 16 << 20;
constexpr size_t kMaxCollectionNameBytes = 100;
constexpr std::string_view kMaking = ".making-", kDropping = ".dropping-";
constexpr char kCollectionFile[] = "collection.json", kIndexFolder[] = "index";

std::string Checksum(const json& content) {
  return absl::StrFormat("%08x", Crc32c(content.dump()));
}

void WriteJson(const fs::path& path, const json& content) {
  try {
    const json document{{"format", kFormat}, {"crc32c", Checksum(content)}, {"content", content}};
    WriteFileAtomically(path, document.dump(2) + "\n");
  } catch (const json::exception& error) {
    InvalidArgument("cannot write ", path, ": ", error.what());  // a name that is no UTF-8
  }
}

// parse(content) throws json::exception for what is not as it should be.
template <typename Parse>
auto ReadJson(const fs::path& path, const Parse& parse) {
  const std::string text = ReadFile(path, kMaxJsonBytes);
  try {
    const json document = json::parse(text);
    const int format = document.at("format").get<int>();
    if (format != kFormat) {
      Throw(absl::StatusCode::kFailedPrecondition, path, ": format ", format,
            ", this program knows format ", kFormat);
    }
    const json& content = document.at("content");
    if (document.at("crc32c").get<std::string>() != Checksum(content)) {
      DataLoss(path, ": damaged: its content does not have its CRC-32C");
    }
    return parse(content);
  } catch (const json::exception& error) {
    DataLoss(path, ": damaged: ", error.what());
  }
}

void Rename(const fs::path& from, const fs::path& to) {
  if (rename(from.c_str(), to.c_str()) != 0) {
    ThrowErrno(errno, StrCat("cannot move ", from, " to"), to);
  }
}

// Durably.
void MoveIndex(const fs::path& index, const fs::path& target) {
  Rename(index, target);
  SyncDirectory(target.parent_path());
  SyncDirectory(fs::absolute(index).parent_path());
}

int Lock(const fs::path& file, const fs::path& data) {
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) ThrowErrno(errno, "cannot lock", file);
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  const int error = errno;
  close(fd);
  if (error != EWOULDBLOCK) ThrowErrno(error, "cannot lock", file);
  Throw(absl::StatusCode::kFailedPrecondition, data, ": another server keeps its data there");
}

std::vector<std::string> EntriesOf(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error) ThrowErrno(error.value(), "cannot list", folder);
  std::ranges::sort(names);
  return names;
}

// "runs/a" of "/srv/data/runs/a" in "/srv/data".
std::string RelativeWithin(const fs::path& folder, const fs::path& path) {
  const fs::path relative = path.lexically_relative(folder);
  const bool is_within = !relative.empty() && *relative.begin() != "..";
  return (is_within ? relative : path).string();
}

}  // namespace

void CheckCollectionName(std::string_view name, std::string_view what) {
  const bool is_sound = !name.empty() && name.size() <= kMaxCollectionNameBytes &&
                        name.front() != '.' && std::ranges::all_of(name, [](char c) {
                          return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' ||
                                 c == '_' || c == '.';
                        });
  if (is_sound) return;
  InvalidArgument("'", name.substr(0, kMaxCollectionNameBytes),
                  name.size() > kMaxCollectionNameBytes ? "...'" : "'", " cannot name ", what,
                  ": expected 1 to ", kMaxCollectionNameBytes,
                  " letters, digits, '-', '_' and '.', no '.' first");
}

CollectionStore::CollectionStore(const fs::path& data)
    : data_(fs::absolute(data).lexically_normal()), collections_(data_ / "collections") {
  MakeFolder(collections_);
  lock_ = Lock(data_ / "LOCK", data_);
  try {
    RemoveAbandoned(data_ / "aliases.json");
    for (const std::string& name : EntriesOf(collections_)) {
      if (name.starts_with(kMaking) || name.starts_with(kDropping)) Delete(collections_ / name);
    }
  } catch (...) {
    close(lock_);
    throw;
  }
}

CollectionStore::~CollectionStore() { close(lock_); }

std::vector<std::string> CollectionStore::Names() const {
  std::vector<std::string> names = EntriesOf(collections_);
  std::erase_if(names, [this](const std::string& name) {
    return name.starts_with(".") || !fs::is_directory(Folder(name));
  });
  return names;
}

StoredCollection CollectionStore::Read(const std::string& name) const {
  return ReadJson(Folder(name) / kCollectionFile, [this](const json& content) {
    StoredCollection stored;
    content.at("model").get_to(stored.model);
    for (const json& run : content.at("runs")) {
      stored.runs.push_back((data_ / run.get<std::string>()).lexically_normal().string());
    }
    return stored;
  });
}

fs::path CollectionStore::IndexFolder(const std::string& name) const {
  return Folder(name) / kIndexFolder;
}

Aliases CollectionStore::ReadAliases() const {
  const fs::path path = data_ / "aliases.json";
  if (!fs::exists(path)) return {};
  return ReadJson(path, [](const json& content) {
    Aliases aliases;
    for (const auto& [alias, collection] : content.items()) {
      aliases[alias] = collection.get<std::string>();
    }
    return aliases;
  });
}

void CollectionStore::WriteAliases(const Aliases& aliases) const {
  json content = json::object();
  for (const auto& [alias, collection] : aliases) content[alias] = collection;
  WriteJson(data_ / "aliases.json", content);
}

void CollectionStore::Create(const std::string& name, const StoredCollection& stored,
                             const MakeIndex& make_index) const {
  Make(name, stored, make_index, [](const fs::path&) {});
}

void CollectionStore::Adopt(const std::string& name, const StoredCollection& stored,
                            const fs::path& index) const {
  Make(
      name, stored, [&](const fs::path& made) { MoveIndex(index, made); },
      [&](const fs::path& made) {
        if (fs::exists(made)) MoveIndex(made, index);
      });
}

void CollectionStore::Make(const std::string& name, const StoredCollection& stored,
                           const MakeIndex& make_index, const MakeIndex& unmake_index) const {
  const fs::path folder = Folder(name);
  if (fs::exists(folder)) {
    Throw(absl::StatusCode::kAlreadyExists, "there is a collection '", name, "' already");
  }
  const fs::path making = collections_ / StrCat(kMaking, name);
  Delete(making);
  MakeFolder(making);
  try {
    json runs = json::array();
    for (const std::string& run : stored.runs) {
      runs.push_back(RelativeWithin(data_, fs::absolute(run).lexically_normal()));
    }
    WriteJson(making / kCollectionFile, {{"model", stored.model}, {"runs", runs}});
    make_index(making / kIndexFolder);
    SyncDirectory(making);
    Rename(making, folder);
    SyncDirectory(collections_);
  } catch (...) {
    if (fs::exists(folder)) Rename(folder, making);
    unmake_index(making / kIndexFolder);
    Delete(making);
    throw;
  }
}

void CollectionStore::GiveBack(const std::string& name, const fs::path& index) const {
  const fs::path hidden = Hide(name);
  MoveIndex(hidden / kIndexFolder, index);
  Delete(hidden);
}

fs::path CollectionStore::Hide(const std::string& name) const {
  const fs::path hidden = collections_ / StrCat(kDropping, name);
  Delete(hidden);
  Rename(Folder(name), hidden);
  SyncDirectory(collections_);
  return hidden;
}

void CollectionStore::Delete(const fs::path& hidden) {
  std::error_code error;
  fs::remove_all(hidden, error);
  if (error) spdlog::warn("cannot remove {}: {}", hidden.string(), error.message());
}

}  // namespace fluke::serve
