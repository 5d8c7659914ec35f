// The plan of an index's local evidence, in a folder beside its snapshots. Every file name is made
// here.
//
//   INDEX/local/
//     local.json        what it is: how key points were found, counts, size and CRC-32C of each
//     file
//                       below; seals itself (sealed_json.h)
//     items.csv         the photographs, one a row
//     photos.bin        of each: width and height (int32), its first key point (int64), the part of
//                       the photograph that was looked at (x, y, w, h, float32)
//     key_points.bin    of each key point: x, y, size_px, angle_deg (float32)
//     descriptors.bin   of each key point: kDescriptorBytes bytes
//     descriptors.faiss beyond kExactDescriptors: FAISS's lists of those descriptors
//     calibration.json  where there is one: scores to probabilities (calibration_file.h)
//     wal/              photographs that came or went since (change_log.h)
//
// All but the last two are written into a temporary folder that takes the old one's place in
// one step (AtomicFolder). Numbers are little-endian.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "common/files.h"
#include "common/item.h"
#include "common/local/key_points.h"
#include "index/change_log.h"
#include "index/sealed_json.h"
#include "index/verify.h"

namespace fluke {

namespace layout {
inline constexpr char kLocalManifestFile[] = "local.json";
inline constexpr char kLocalItemsFile[] = "items.csv";
inline constexpr char kLocalPhotosFile[] = "photos.bin";
inline constexpr char kKeyPointsFile[] = "key_points.bin";
inline constexpr char kDescriptorsFile[] = "descriptors.bin";
inline constexpr char kDescriptorListsFile[] = "descriptors.faiss";

inline std::filesystem::path LocalFolder(const std::filesystem::path& index) {
  return index / "local";
}
inline std::filesystem::path CalibrationFile(const std::filesystem::path& index) {
  return LocalFolder(index) / "calibration.json";
}
inline bool HoldsLocal(const std::filesystem::path& index) {
  return std::filesystem::exists(LocalFolder(index) / kLocalManifestFile);
}
}  // namespace layout

inline constexpr int kLocalFormatVersion = 2;

// The folder is replaced as a whole, its log with it, so that all logs may be called the same. Its
// items have no vectors.
inline constexpr LogIdentity kLocalLog = {.origin = 1, .dimension = 0};

struct LocalManifest {
  KeyPointOptions key_points = {};
  int64_t photos = 0;
  int64_t points = 0;  // key points of all of them
  FileRecords files = {};
};

// What opening it keeps in memory: descriptors as they are searched and, mapped, key points. The
// descriptors' own file is paged in only where something asks for a photograph's.
uint64_t LocalMemoryBytes(const LocalManifest& manifest);

// The manifest alone, without a look at the files. Throws NotFound where there is none.
LocalManifest ReadLocalManifest(const std::filesystem::path& index);

// Every file against its recorded size and CRC-32C, and every record of the log; empty where there
// is no local evidence.
std::vector<FileCheck> VerifyLocal(const std::filesystem::path& index);

std::string LocalManifestToJson(const LocalManifest& manifest);
// `name` stands in errors. Throws DataLoss for anything but what LocalManifestToJson wrote,
// FailedPrecondition for a newer format version.
LocalManifest ParseLocalManifest(std::string_view json, const std::string& name);

nlohmann::json KeyPointOptionsToJson(const KeyPointOptions& options);
KeyPointOptions KeyPointOptionsFromJson(const nlohmann::json& document);

struct LocalPhoto {
  int32_t width = 0, height = 0;  // of the photograph as it was looked at
  int64_t first_point = 0;
  Box part{.x = 0, .y = 0, .w = 1, .h = 1};  // as LocalFeatures
};

// Makes the local evidence of an index folder, photograph by photograph. Not thread-safe.
class LocalWriter {
 public:
  LocalWriter(const std::filesystem::path& index, const KeyPointOptions& options);

  void Add(const Item& item, const LocalFeatures& features);
  // A copy of the calibration that is there, if one is, comes with the rest in one step: Commit
  // alone moves it afterwards, which a crash may prevent.
  void KeepCalibration(const std::filesystem::path& index);
  // Indexes the descriptors and puts all in the place of what was there, its log with it, but for a
  // calibration, which stays. Nothing has changed where it throws.
  LocalManifest Commit();

 private:
  AtomicFolder folder_;
  AtomicFile photos_, key_points_, descriptors_;
  std::vector<Item> items_;
  LocalManifest manifest_;
};

// What LocalWriter wrote, every byte checked first.
struct LocalFiles {
  explicit LocalFiles(const std::filesystem::path& index);  // throws NotFound or DataLoss

  LocalManifest manifest;
  MappedFile items;
  MappedFile descriptor_lists;  // empty where there are none
  std::span<const LocalPhoto> photos;
  std::span<const KeyPoint> key_points;
  std::span<const uint8_t> descriptors;

 private:
  MappedFile photos_file_, key_points_file_, descriptors_file_;
};

}  // namespace fluke
