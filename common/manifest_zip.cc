// A zip as a manifest: of the CSV in it, or of the folders of photographs in it.
#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "common/error.h"
#include "common/manifest_forms.h"
#include "common/zip_archive.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxPhotographBytes = uint64_t{1} << 28;
constexpr uint64_t kMaxCsvBytes = uint64_t{1} << 30;

class ZipSource : public ImageSource {
 public:
  // root: folder inside the archive that the items' paths are relative to.
  ZipSource(std::shared_ptr<const ZipArchive> archive, fs::path root)
      : archive_(std::move(archive)), root_(std::move(root)) {}

  DecodedImage Load(const ManifestItem& item, const DecodeOptions& options) const override {
    const std::string name = (root_ / item.path).lexically_normal().generic_string();
    const std::string bytes = archive_->Read(name, kMaxPhotographBytes);
    return DecodeImage(std::as_bytes(std::span(bytes)), options,
                       StrCat(archive_->path(), "!", name));
  }

 private:
  std::shared_ptr<const ZipArchive> archive_;
  fs::path root_;
};

bool IsVisibleCsv(const std::string& name) {
  if (!absl::AsciiStrToLower(name).ends_with(".csv")) return false;
  for (const fs::path& step : fs::path(name)) {
    if (step.string().starts_with('.') || step == "__MACOSX") return false;
  }
  return true;
}

// The one CSV of the archive, or the one called manifest.csv among several; "" when there is none.
std::string FindCsv(const ZipArchive& archive) {
  std::vector<std::string> found;
  std::copy_if(archive.names().begin(), archive.names().end(), std::back_inserter(found),
               IsVisibleCsv);
  if (found.size() <= 1) return found.empty() ? "" : found.front();
  std::erase_if(
      found, [](const std::string& name) { return fs::path(name).filename() != "manifest.csv"; });
  if (found.size() == 1) return found.front();
  InvalidArgument(archive.path(),
                  ": holds several CSV files; expected one, or one called manifest.csv");
}

}  // namespace

Manifest ReadZipManifest(const fs::path& path, const OnBadRow& on_bad_row) {
  const auto archive = std::make_shared<const ZipArchive>(path);
  Manifest manifest = {.name = path.string()};
  const std::string csv = FindCsv(*archive);
  if (!csv.empty()) {
    manifest.items =
        ParseManifestCsv(archive->Read(csv, kMaxCsvBytes), StrCat(path, "!", csv), on_bad_row);
    manifest.images = std::make_shared<ZipSource>(archive, fs::path(csv).parent_path());
    return manifest;
  }
  std::vector<std::string> paths;
  std::copy_if(archive->names().begin(), archive->names().end(), std::back_inserter(paths),
               IsPhotographPath);
  if (paths.empty()) InvalidArgument(path, ": neither a CSV nor photographs in this archive");
  manifest.items = ItemsFromPaths(paths);
  manifest.images = std::make_shared<ZipSource>(archive, "");
  return manifest;
}

}  // namespace fluke
