#include "cli/evaluate_data.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

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
std::vector<Item> ReadItemTable(const std::string& path) {
  const MappedFile file(path);
  const CsvReader reader(file.text(), path);
  const auto& header = reader.header();
  if (std::find(header.begin(), header.end(), "path") == header.end()) return ReadItems(path);
  std::vector<Item> items;
  for (const ManifestItem& photo : ReadManifest(path).items) items.push_back(ItemOf(photo));
  return items;
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
    items_ = ReadItems(std::filesystem::path(path) / "items.csv");
    ReadVectors((std::filesystem::path(path) / "embeddings.npy").string());
    return;
  }
  if (!path.ends_with(".npy")) {
    NotFound(path, ": no such folder; expected an embeddings folder or a .npy file");
  }
  if (items.empty())
    InvalidArgument(path, ": a .npy file needs its items, a CSV with a line a row");
  items_ = ReadItemTable(items);
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
  const auto count = static_cast<int64_t>(items_.size());
  if (static_cast<int64_t>(values.size()) != count * width) {
    DataLoss(path, ": ", static_cast<int64_t>(values.size()) / std::max<int64_t>(width, 1),
             " rows for ", count, " items");
  }
  int64_t scaled = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double squares = SquaredLength(values.subspan(i * width, width));
    if (!std::isfinite(squares)) {
      InvalidArgument(path, ": row ", i, " (", items_[i].id, ") holds a value that is not finite");
    }
    if (squares == 0) InvalidArgument(path, ": row ", i, " (", items_[i].id, ") is all zero");
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
  for (int64_t row : rows) {
    selected.items_.push_back(items_[row]);
    const auto values = vectors().subspan(row * width, width);
    selected.owned_.values.insert(selected.owned_.values.end(), values.begin(), values.end());
  }
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
  for (const Item& item : gallery_.items()) {
    has_roles |= item.metadata.contains("is_query") || item.metadata.contains("is_gallery");
    has_splits |= item.metadata.contains("split");
  }
  const bool by_split = !has_roles && has_splits && protocol != nullptr && protocol->per_identity;
  if (!has_roles && !by_split) return;
  std::vector<int64_t> queries, gallery;
  for (size_t row = 0; row < gallery_.items().size(); ++row) {
    const Item& item = gallery_.items()[row];
    const bool is_train = Field(item, "split") == "train";
    if (has_roles ? IsTrue(item, "is_query") : !is_train) {
      queries.push_back(static_cast<int64_t>(row));
    }
    if (has_roles ? IsTrue(item, "is_gallery") : is_train) {
      gallery.push_back(static_cast<int64_t>(row));
    }
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
    for (size_t row = 0; row < table.items().size(); ++row) {
      if (table.items()[row].identity != junk) rows.push_back(static_cast<int64_t>(row));
    }
    return rows;
  };
  const auto drop = [&](VectorTable& table) {
    const std::vector<int64_t> rows = without(table);
    if (rows.size() < table.items().size()) table = table.Select(rows);
  };
  if (queries_) drop(*queries_);
  drop(gallery_);
}

void EvaluationData::SetLabels(bool by_camera) {
  Numbers cameras;
  const auto camera_of = [&](const Item& item) { return cameras.Of(Field(item, "camera")); };
  std::unordered_map<std::string_view, int64_t> row_of_id;
  for (size_t row = 0; row < gallery_.items().size(); ++row) {
    const Item& item = gallery_.items()[row];
    gallery_identities_.push_back(identities_.Of(item.identity));
    if (by_camera) gallery_cameras_.push_back(camera_of(item));
    if (queries_) row_of_id.emplace(item.id, static_cast<int64_t>(row));
  }
  for (size_t row = 0; row < queries().items().size(); ++row) {
    const Item& item = queries().items()[row];
    query_identities_.push_back(identities_.Of(item.identity));
    if (by_camera) query_cameras_.push_back(camera_of(item));
    const auto own = row_of_id.find(item.id);
    own_rows_.push_back(!queries_                ? static_cast<int64_t>(row)
                        : own == row_of_id.end() ? -1
                                                 : own->second);
  }
  if (by_camera && std::all_of(gallery_cameras_.begin(), gallery_cameras_.end(),
                               [](int64_t camera) { return camera < 0; })) {
    InvalidArgument(
        "this protocol needs to know the camera of the gallery's items; found no "
        "column 'camera'");
  }
}

}  // namespace fluke::cli
