// What fluke evaluate measures: vectors and who is on them, as queries and as a gallery.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/embeddings.h"
#include "common/metrics/protocol.h"
#include "common/metrics/search.h"
#include "common/npy.h"
#include "index/item_table.h"

namespace fluke::cli {

// Identities (or cameras) as numbers; "" is unknown.
class Numbers {
 public:
  int64_t Of(const std::string& name) {
    if (name.empty()) return -1;
    const auto [found, fresh] = numbers_.emplace(name, static_cast<int64_t>(names_.size()));
    if (fresh) names_.push_back(name);
    return found->second;
  }
  const std::string& Name(int64_t number) const { return names_[number]; }

 private:
  std::unordered_map<std::string, int64_t> numbers_;
  std::vector<std::string> names_;
};

// Items with a unit row each, left on disk where they are of unit length there.
class VectorTable {
 public:
  // path: an embeddings folder, or a .npy file with `items` (a CSV: items.csv or any manifest).
  VectorTable(const std::string& path, const std::string& items);

  const ItemTable& items() const { return *items_; }
  std::span<const float> vectors() const {
    return mapped_ ? mapped_->values() : std::span<const float>(owned_.values);
  }
  int64_t dimension() const { return mapped_ ? mapped_->cols() : owned_.cols; }
  const std::string& fingerprint() const { return fingerprint_; }

  // A copy of some rows.
  VectorTable Select(const std::vector<int64_t>& rows) const;

 private:
  VectorTable() = default;
  void ReadVectors(const std::string& path);

  std::optional<ItemTable> items_;  // set
  std::optional<MappedNpy> mapped_;
  Matrix owned_;
  std::string fingerprint_;
};

// Queries and gallery as metrics want them.
class EvaluationData {
 public:
  // query_path "": what the items' is_query and is_gallery say; for a protocol of individuals,
  // split train against the others; otherwise each row against all others.
  EvaluationData(const std::string& path, const std::string& items, const std::string& query_path,
                 const std::string& query_items, const Protocol* protocol);

  const VectorTable& queries() const { return queries_ ? *queries_ : gallery_; }
  const VectorTable& gallery() const { return gallery_; }
  SearchLabels labels() const {
    return {.queries = query_identities_,
            .gallery = gallery_identities_,
            .own_rows = own_rows_,
            .query_cameras = query_cameras_,
            .gallery_cameras = gallery_cameras_};
  }
  const Numbers& identities() const { return identities_; }

 private:
  void Divide(const Protocol* protocol);
  void DropJunk(std::string_view junk);
  void CheckSides(const std::string& path, const std::string& query_path) const;
  void SetLabels(bool by_camera);

  VectorTable gallery_;
  std::optional<VectorTable> queries_;  // none: the gallery's rows
  Numbers identities_;
  std::vector<int64_t> query_identities_, gallery_identities_, own_rows_, query_cameras_,
      gallery_cameras_;
};

}  // namespace fluke::cli
