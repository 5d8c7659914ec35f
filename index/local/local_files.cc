#include "index/local/local_files.h"

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "index/layout.h"
#include "index/local/descriptor_index.h"

namespace fluke {
namespace {

using nlohmann::json;

constexpr uint64_t kMostManifestBytes = 1 << 20;
constexpr int64_t kMostPoints = int64_t{1} << 40;  // what no file has; products of it fit

template <typename Record>
std::span<const Record> RecordsOf(const MappedFile& file) {
  // A mapping begins on a page, so that every record is aligned.
  return {reinterpret_cast<const Record*>(file.bytes().data()),
          file.bytes().size() / sizeof(Record)};
}

template <typename Record>
void AppendRecords(std::span<const Record> records, AtomicFile* file) {
  file->Append(records.data(), records.size_bytes());
}

MappedFile OpenChecked(const std::filesystem::path& folder, const LocalManifest& manifest,
                       const char* name) {
  const auto record = manifest.files.find(name);
  const std::filesystem::path path = folder / name;
  if (record == manifest.files.end()) {
    DataLoss((folder / layout::kLocalManifestFile).string(), ": damaged: it knows no ", name);
  }
  MappedFile file(path);
  CheckBytes(file, record->second, path);
  return file;
}

void CheckCount(size_t found, int64_t expected, const std::filesystem::path& path) {
  if (found != static_cast<uint64_t>(expected)) {
    DataLoss(path.string(), ": damaged: ", found, " records, expected ", expected);
  }
}

}  // namespace

json KeyPointOptionsToJson(const KeyPointOptions& options) {
  return {{"side_px", options.side_px},
          {"max_key_points", options.max_key_points},
          {"contrast_threshold", options.contrast_threshold},
          {"edge_threshold", options.edge_threshold}};
}

KeyPointOptions KeyPointOptionsFromJson(const json& document) {
  return {.side_px = document.at("side_px").get<int>(),
          .max_key_points = document.at("max_key_points").get<int>(),
          .contrast_threshold = document.at("contrast_threshold").get<double>(),
          .edge_threshold = document.at("edge_threshold").get<double>()};
}

std::string LocalManifestToJson(const LocalManifest& manifest) {
  return SealedJson({{"format_version", kLocalFormatVersion},
                     {"key_point_options", KeyPointOptionsToJson(manifest.key_points)},
                     {"photos", manifest.photos},
                     {"key_points", manifest.points},
                     {"files", FileRecordsToJson(manifest.files)}});
}

LocalManifest ParseLocalManifest(std::string_view text, const std::string& name) {
  const json document = OpenSealedJson(text, name);
  try {
    if (const int version = document.at("format_version").get<int>();
        version != kLocalFormatVersion) {
      Throw(absl::StatusCode::kFailedPrecondition, name, ": local evidence of format ", version,
            ", this fluke reads ", kLocalFormatVersion,
            "; fluke index build --local makes it anew");
    }
    return {.key_points = KeyPointOptionsFromJson(document.at("key_point_options")),
            .photos = document.at("photos").get<int64_t>(),
            .points = document.at("key_points").get<int64_t>(),
            .files = FileRecordsFromJson(document.at("files"))};
  } catch (const json::exception& error) {
    DataLoss(name, ": damaged: ", error.what());
  }
}

uint64_t LocalMemoryBytes(const LocalManifest& manifest) {
  const auto points = static_cast<uint64_t>(manifest.points);
  return DescriptorMemoryBytes(manifest.points) + points * sizeof(KeyPoint) +
         static_cast<uint64_t>(manifest.photos) * sizeof(LocalPhoto);
}

LocalManifest ReadLocalManifest(const std::filesystem::path& index) {
  const std::filesystem::path path = layout::LocalFolder(index) / layout::kLocalManifestFile;
  if (!std::filesystem::exists(path)) {
    NotFound(index.string(), ": no local evidence in it; fluke index build --local makes it");
  }
  LocalManifest manifest = ParseLocalManifest(ReadFile(path, kMostManifestBytes), path.string());
  if (manifest.photos < 0 || manifest.points < 0 || manifest.points > kMostPoints) {
    DataLoss(path.string(), ": damaged: ", manifest.photos, " photographs with ", manifest.points,
             " key points");
  }
  return manifest;
}

std::vector<FileCheck> VerifyLocal(const std::filesystem::path& index) {
  std::vector<FileCheck> checks;
  if (!layout::HoldsLocal(index)) return checks;
  const std::filesystem::path folder = layout::LocalFolder(index);
  const auto check = [&](const char* name, const auto& work) {
    const std::filesystem::path path = folder / name;
    FileCheck& result = checks.emplace_back(
        FileCheck{.file = path.lexically_relative(index).string(), .bytes = 0, .problem = ""});
    try {
      result.bytes = work(path);
    } catch (const Error& error) {
      result.problem = error.what();
    }
  };
  LocalManifest manifest;
  check(layout::kLocalManifestFile, [&](const std::filesystem::path& path) {
    manifest = ReadLocalManifest(index);
    return std::filesystem::file_size(path);
  });
  for (const auto& [name, record] : manifest.files) {
    check(name.c_str(), [&](const std::filesystem::path& path) {
      CheckBytes(MappedFile(path), record, path);
      return record.bytes;
    });
  }
  VerifyLog(index, folder, checks);
  return checks;
}

LocalWriter::LocalWriter(const std::filesystem::path& index, const KeyPointOptions& options)
    : folder_(layout::LocalFolder(index)),
      photos_(folder_.path() / layout::kLocalPhotosFile),
      key_points_(folder_.path() / layout::kKeyPointsFile),
      descriptors_(folder_.path() / layout::kDescriptorsFile) {
  CheckKeyPointOptions(options);
  manifest_.key_points = options;
}

void LocalWriter::Add(const Item& item, const LocalFeatures& features) {
  const LocalPhoto photo{.width = features.width,
                         .height = features.height,
                         .first_point = manifest_.points,
                         .part = features.part};
  AppendRecords(std::span(&photo, 1), &photos_);
  AppendRecords(std::span(features.key_points), &key_points_);
  AppendRecords(std::span(features.descriptors), &descriptors_);
  items_.push_back(item);
  ++manifest_.photos;
  manifest_.points += features.size();
}

void LocalWriter::KeepCalibration(const std::filesystem::path& index) {
  const std::filesystem::path file = layout::CalibrationFile(index);
  if (!std::filesystem::exists(file)) return;
  WriteFileAtomically(folder_.path() / file.filename(), ReadFile(file));
}

LocalManifest LocalWriter::Commit() {
  const std::filesystem::path folder = folder_.path();
  photos_.Commit();
  key_points_.Commit();
  descriptors_.Commit();
  WriteFileAtomically(folder / layout::kLocalItemsFile, ItemsToCsv(items_));
  std::vector<const char*> names = {layout::kLocalItemsFile, layout::kLocalPhotosFile,
                                    layout::kKeyPointsFile, layout::kDescriptorsFile};
  if (manifest_.points > kExactDescriptors) {
    const MappedFile codes(folder / layout::kDescriptorsFile);
    DescriptorIndex(RecordsOf<uint8_t>(codes)).Write(folder / layout::kDescriptorListsFile);
    names.push_back(layout::kDescriptorListsFile);
  }
  for (const char* name : names) manifest_.files[name] = MeasureFile(folder / name);
  WriteFileAtomically(folder / layout::kLocalManifestFile, LocalManifestToJson(manifest_));
  MakeFolder(layout::LogFolder(folder));  // in the place of the old log
  folder_.Commit();
  return manifest_;
}

LocalFiles::LocalFiles(const std::filesystem::path& index) {
  const std::filesystem::path folder = layout::LocalFolder(index);
  manifest = ReadLocalManifest(index);
  items = OpenChecked(folder, manifest, layout::kLocalItemsFile);
  photos_file_ = OpenChecked(folder, manifest, layout::kLocalPhotosFile);
  key_points_file_ = OpenChecked(folder, manifest, layout::kKeyPointsFile);
  descriptors_file_ = OpenChecked(folder, manifest, layout::kDescriptorsFile);
  photos = RecordsOf<LocalPhoto>(photos_file_);
  key_points = RecordsOf<KeyPoint>(key_points_file_);
  descriptors = RecordsOf<uint8_t>(descriptors_file_);
  CheckCount(photos.size(), manifest.photos, folder / layout::kLocalPhotosFile);
  CheckCount(key_points.size(), manifest.points, folder / layout::kKeyPointsFile);
  CheckCount(descriptors.size(), manifest.points * kDescriptorBytes,
             folder / layout::kDescriptorsFile);
  int64_t before = 0;
  for (const LocalPhoto& photo : photos) {
    if (photo.first_point < before || photo.first_point > manifest.points || photo.width < 1 ||
        photo.height < 1 || !(photo.part.w > 0) || !(photo.part.h > 0)) {
      DataLoss((folder / layout::kLocalPhotosFile).string(), ": damaged: a photograph of ",
               photo.width, " x ", photo.height, " pixels whose key points begin at ",
               photo.first_point, " of ", manifest.points);
    }
    before = photo.first_point;
  }
  if (!photos.empty() && photos[0].first_point != 0) {
    DataLoss((folder / layout::kLocalPhotosFile).string(), ": damaged: no first photograph");
  }
  if (manifest.points > kExactDescriptors) {
    descriptor_lists = OpenChecked(folder, manifest, layout::kDescriptorListsFile);
  }
}

}  // namespace fluke
