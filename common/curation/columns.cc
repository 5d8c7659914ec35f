#include "common/curation/columns.h"

#include <algorithm>
#include <set>

#include "common/error.h"

namespace fluke {
namespace {

struct KnownColumn {
  std::string_view name;
  std::string ManifestItem::*text;
};

constexpr KnownColumn kKnownColumns[] = {
    {"path", &ManifestItem::path},           {"identity", &ManifestItem::identity},
    {"split", &ManifestItem::split},         {"camera", &ManifestItem::camera},
    {"timestamp", &ManifestItem::timestamp}, {"mask", &ManifestItem::mask},
};

std::string NamesOfUsedColumns(const std::vector<ManifestItem>& items) {
  std::set<std::string> names;
  for (const ManifestItem& item : items) {
    for (const KnownColumn& column : kKnownColumns) {
      if (!(item.*column.text).empty()) names.emplace(column.name);
    }
    for (const auto& [name, value] : item.metadata) names.insert(name);
  }
  return StrJoin(names, ", ");
}

}  // namespace

std::string ColumnText(const ManifestItem& item, std::string_view column) {
  for (const KnownColumn& known : kKnownColumns) {
    if (known.name == column) return item.*known.text;
  }
  const auto found = item.metadata.find(std::string(column));
  return found == item.metadata.end() ? "" : found->second;
}

std::vector<std::string> ColumnTexts(const std::vector<ManifestItem>& items,
                                     std::string_view column) {
  std::vector<std::string> texts;
  for (const ManifestItem& item : items) texts.push_back(ColumnText(item, column));
  if (std::all_of(texts.begin(), texts.end(), [](const auto& text) { return text.empty(); })) {
    InvalidArgument("no photograph has a value in column '", column, "'; found ",
                    NamesOfUsedColumns(items));
  }
  return texts;
}

std::string ItemKey(const ManifestItem& item) {
  if (!item.box) return item.path;
  return StrCat(item.path, "\n", item.box->x, ",", item.box->y, ",", item.box->w, ",", item.box->h);
}

}  // namespace fluke
