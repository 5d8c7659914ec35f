#include "cli/evaluate_data.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include <spdlog/spdlog.h>

#include "common/csv.h"
#include "common/error.h"
#include "common/manifest.h"

namespace fluke::cli {
namespace {

std::string Field(const Item& item, const std::string& name) {
  const auto found = item.metadata.find(name);
  return found == item.metadata.end() ? "" : found->second;
}

bool IsTrue(const Item& item, const std::string& field) {
  const std::string value = Field(item, field);
  return value == "true" || value == "True" || value == "1";
}

// Any table that a manifest may be, or items.csv without paths.
ItemTable ReadTable(const std::string& path) {
  const MappedFile file(path);
  const CsvReader reader(file.text(), path);
  const auto& header = reader.header();
  if (std::find(header.begin(), header.end(), "path") == header.end()) {
    return ReadItemTable(file.text(), path);
  }
  ItemTableBuilder items;
  for (const ManifestItem& photo : ReadManifest(path).items) items.Add(ItemOf(photo));
  return std::move(items).Finish();
}

double SquaredLength(std::span<const float> row) {
  double squares = 0;
  for (float value : row) squares += static_cast<double>(value) * value;
  return squares;
}

bool IsUnit(double squares) { return std::abs(squares - 1) < 1e-3; }

}  // namespace

VectorTable::VectorTable(const std::string& path, const std::string& items) {
  if (std::filesystem::is_directory(path)) {
    if (!items.empty()) {
      InvalidArgument(path, " is an embeddings folder, which has its items; ", items,
                      " goes with a .npy file");
    }
    fingerprint_ = MappedEmbeddings(path).fingerprint();  // checks the folder, too
    const std::filesystem::path csv = std::filesystem::path(path) / "items.csv";
    items_ = ReadItemTable(MappedFile(csv).text(), csv.string());
    ReadVectors((std::filesystem::path(path) / "embeddings.npy").string());
    return;
  }
  if (!path.ends_with(".npy")) {
    NotFound(path, ": no such folder; expected an embeddings folder or a .npy file");
  }
  if (items.empty())
    InvalidArgument(path, ": a .npy file needs its items, a CSV with a line a row");
  items_ = ReadTable(items);
  ReadVectors(path);
}

// fluke writes unit rows; vectors from elsewhere may be others, and the metrics are about cosine
// similarity.
void VectorTable::ReadVectors(const std::string& path) {
  try {
    mapped_.emplace(path);
  } catch (const Error& error) {
    if (error.code() != absl::StatusCode::kInvalidArgument) throw;
    owned_ = ReadNpy(path);  // another type than float32
  }
  const auto values = vectors();
  const int64_t width = dimension();
  const int64_t count = items_->rows();
  if (static_cast<int64_t>(values.size()) != count * width) {
    DataLoss(path, ": ", static_cast<int64_t>(values.size()) / std::max<int64_t>(width, 1),
             " rows for ", count, " items");
  }
  int64_t scaled = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double squares = SquaredLength(values.subspan(i * width, width));
    if (!std::isfinite(squares)) {
      InvalidArgument(path, ": row ", i, " (", items_->id(i), ") holds a value that is not finite");
    }
    if (squares == 0) InvalidArgument(path, ": row ", i, " (", items_->id(i), ") is all zero");
    scaled += IsUnit(squares) ? 0 : 1;
  }
  if (scaled == 0) return;
  if (mapped_) {
    owned_ = {.rows = count, .cols = width, .values = {values.begin(), values.end()}};
    mapped_.reset();
  }
  for (int64_t i = 0; i < count; ++i) {
    const double squares = SquaredLength(owned_.row(i));
    if (IsUnit(squares)) continue;
    for (float& value : owned_.row(i)) value = static_cast<float>(value / std::sqrt(squares));
  }
  spdlog::warn("{}: scaled {} rows to unit length", path, scaled);
}

VectorTable VectorTable::Select(const std::vector<int64_t>& rows) const {
  VectorTable selected;
  selected.fingerprint_ = fingerprint_;
  const int64_t width = dimension();
  selected.owned_ = {.rows = static_cast<int64_t>(rows.size()), .cols = width, .values = {}};
  selected.owned_.values.reserve(rows.size() * width);
  ItemTableBuilder items;
  for (int64_t row : rows) {
    items.Add(items_->item(row));
    const auto values = vectors().subspan(row * width, width);
    selected.owned_.values.insert(selected.owned_.values.end(), values.begin(), values.end());
  }
  selected.items_ = std::move(items).Finish();
  return selected;
}

EvaluationData::EvaluationData(const std::string& path, const std::string& items,
                               const std::string& query_path, const std::string& query_items,
                               const Protocol* protocol)
    : gallery_(path, items) {
  if (query_path.empty()) {
    Divide(protocol);
  } else {
    queries_.emplace(query_path, query_items);
    CheckSides(path, query_path);
  }
  if (protocol != nullptr && !protocol->junk_identity.empty()) DropJunk(protocol->junk_identity);
  SetLabels(protocol != nullptr && protocol->by_camera);
}

void EvaluationData::CheckSides(const std::string& path, const std::string& query_path) const {
  if (queries_->dimension() != gallery_.dimension()) {
    InvalidArgument(query_path, " has ", queries_->dimension(), " dimensions, ", path, " has ",
                    gallery_.dimension());
  }
  if (!queries_->fingerprint().empty() && !gallery_.fingerprint().empty() &&
      queries_->fingerprint() != gallery_.fingerprint()) {
    InvalidArgument(query_path, " and ", path, " were made by different models (",
                    queries_->fingerprint(), ", ", gallery_.fingerprint(), ")");
  }
}

void EvaluationData::Divide(const Protocol* protocol) {
  bool has_roles = false, has_splits = false;
  for (int64_t row = 0; row < gallery_.items().rows(); ++row) {
    const Item item = gallery_.items().item(row);
    has_roles |= item.metadata.contains("is_query") || item.metadata.contains("is_gallery");
    has_splits |= item.metadata.contains("split");
  }
  const bool by_split = !has_roles && has_splits && protocol != nullptr && protocol->per_identity;
  if (!has_roles && !by_split) return;
  std::vector<int64_t> queries, gallery;
  for (int64_t row = 0; row < gallery_.items().rows(); ++row) {
    const Item item = gallery_.items().item(row);
    const bool is_train = Field(item, "split") == "train";
    if (has_roles ? IsTrue(item, "is_query") : !is_train) queries.push_back(row);
    if (has_roles ? IsTrue(item, "is_gallery") : is_train) gallery.push_back(row);
  }
  if (queries.empty() || gallery.empty()) {
    InvalidArgument("the items' ", has_roles ? "is_query and is_gallery" : "split", " give ",
                    queries.size(), " queries and a gallery of ", gallery.size());
  }
  queries_.emplace(gallery_.Select(queries));
  gallery_ = gallery_.Select(gallery);
}

void EvaluationData::DropJunk(std::string_view junk) {
  const auto without = [&](const VectorTable& table) {
    std::vector<int64_t> rows;
    const auto junk_number = table.items().FindIdentity(junk);
    for (int64_t row = 0; row < table.items().rows(); ++row) {
      if (!junk_number || table.items().identity_number(row) != *junk_number) rows.push_back(row);
    }
    return rows;
  };
  const auto drop = [&](VectorTable& table) {
    const std::vector<int64_t> rows = without(table);
    if (static_cast<int64_t>(rows.size()) < table.items().rows()) table = table.Select(rows);
  };
  if (queries_) drop(*queries_);
  drop(gallery_);
}

void EvaluationData::SetLabels(bool by_camera) {
  Numbers cameras;
  const auto camera_of = [&](const Item& item) { return cameras.Of(Field(item, "camera")); };
  for (int64_t row = 0; row < gallery_.items().rows(); ++row) {
    const Item item = gallery_.items().item(row);
    gallery_identities_.push_back(identities_.Of(item.identity));
    if (by_camera) gallery_cameras_.push_back(camera_of(item));
  }
  for (int64_t row = 0; row < queries().items().rows(); ++row) {
    const Item item = queries().items().item(row);
    query_identities_.push_back(identities_.Of(item.identity));
    if (by_camera) query_cameras_.push_back(camera_of(item));
    own_rows_.push_back(queries_ ? gallery_.items().FindId(item.id).value_or(-1) : row);
  }
  if (by_camera && std::all_of(gallery_cameras_.begin(), gallery_cameras_.end(),
                               [](int64_t camera) { return camera < 0; })) {
    InvalidArgument(
        "this protocol needs to know the camera of the gallery's items; found no "
        "column 'camera'");
  }
}

}  // namespace fluke::cli
