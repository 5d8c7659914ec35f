#include "common/zip_archive.h"

#include <algorithm>
#include <utility>

#include <zip.h>

#include "common/error.h"

namespace fluke {
namespace {

struct CloseEntry {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

constexpr size_t kFirstBufferBytes = 1 << 20;

}  // namespace

void ZipArchive::Discard::operator()(zip* archive) const { zip_discard(archive); }

ZipArchive::ZipArchive(std::filesystem::path path) : path_(std::move(path)) {
  Handle archive = Open();
  const zip_int64_t entries = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < entries; ++i) {
    const char* name = zip_get_name(archive.get(), static_cast<zip_uint64_t>(i), 0);
    if (name == nullptr) DataLoss(path_, ": entry ", i, " has no readable name");
    const std::string_view text = name;
    if (!text.empty() && !text.ends_with('/')) names_.emplace_back(text);
  }
  std::sort(names_.begin(), names_.end());
  idle_.push_back(std::move(archive));
}

ZipArchive::~ZipArchive() = default;

std::string ZipArchive::Read(const std::string& name, uint64_t max_bytes) const {
  const std::string where = StrCat(path_, "!", name);
  Handle archive = Take();
  const zip_int64_t index = zip_name_locate(archive.get(), name.c_str(), 0);
  if (index < 0) NotFound(where, ": no such entry in the archive");
  const std::unique_ptr<zip_file_t, CloseEntry> entry(
      zip_fopen_index(archive.get(), static_cast<zip_uint64_t>(index), 0));
  if (!entry) DataLoss(where, ": cannot read: ", zip_strerror(archive.get()));

  // Grows with what is really there; the size in the archive is a claim.
  std::string bytes(std::min<uint64_t>(kFirstBufferBytes, max_bytes + 1), '\0');
  size_t done = 0;
  for (;;) {
    if (done == bytes.size()) bytes.resize(std::min<uint64_t>(2 * bytes.size(), max_bytes + 1));
    const zip_int64_t got = zip_fread(entry.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0) DataLoss(where, ": damaged: ", zip_file_strerror(entry.get()));
    if (got == 0) break;
    done += static_cast<size_t>(got);
    if (done > max_bytes)
      InvalidArgument(where, ": larger than the ", max_bytes, " bytes accepted");
  }
  bytes.resize(done);
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(archive));
  return bytes;
}

ZipArchive::Handle ZipArchive::Open() const {
  int code = 0;
  zip_t* archive = zip_open(path_.c_str(), ZIP_RDONLY, &code);
  if (archive != nullptr) return Handle(archive);
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  if (code == ZIP_ER_NOENT || code == ZIP_ER_OPEN) NotFound(path_, ": cannot open: ", reason);
  DataLoss(path_, ": not a readable zip archive: ", reason);
}

ZipArchive::Handle ZipArchive::Take() const {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      Handle archive = std::move(idle_.back());
      idle_.pop_back();
      return archive;
    }
  }
  return Open();
}

}  // namespace fluke
