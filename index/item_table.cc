#include "index/item_table.h"

#include <algorithm>
#include <utility>

#include "common/csv.h"
#include "common/error.h"

namespace fluke {
namespace {

ItemTable Build(const std::vector<Item>& items) {
  ItemTableBuilder builder;
  for (const Item& item : items) builder.Add(item);
  return std::move(builder).Finish();
}

}  // namespace

ItemTable::ItemTable(const std::vector<Item>& items) : ItemTable(Build(items)) {}

ItemTable::ItemTable(Column ids, StringIndex row_of_id, Column identities,
                     std::optional<Column> paths, std::map<std::string, Column> metadata)
    : ids_(std::move(ids)),
      row_of_id_(std::move(row_of_id)),
      identities_(std::move(identities)),
      paths_(std::move(paths)),
      metadata_(std::move(metadata)) {}

Item ItemTable::item(int64_t row) const {
  Item item{.id = std::string(ids_.value(row)),
            .identity = std::string(identities_.value(row)),
            .path = std::string(paths().value(row)),
            .metadata = {}};
  for (const auto& [name, column] : metadata_) {
    if (const std::string_view value = column.value(row); !value.empty()) {
      item.metadata.emplace_hint(item.metadata.end(), name, value);
    }
  }
  return item;
}

std::optional<int64_t> ItemTable::FindId(std::string_view id) const {
  return row_of_id_.Find(ids_.values(), id);
}

std::optional<int32_t> ItemTable::FindIdentity(std::string_view identity) const {
  const std::optional<uint32_t> code = identities_.FindCode(identity);
  if (!code) return {};
  return static_cast<int32_t>(*code) - 1;
}

RowSet ItemTable::Matching(const Filter& filter) const {
  switch (filter.kind) {
    case Filter::Kind::kAnd: {
      RowSet matching = RowSet::All(rows());
      for (const Filter& child : filter.children) matching.IntersectWith(Matching(child));
      return matching;
    }
    case Filter::Kind::kOr: {
      RowSet matching(rows());
      for (const Filter& child : filter.children) matching.UniteWith(Matching(child));
      return matching;
    }
    case Filter::Kind::kNot: {
      RowSet matching = Matching(filter.children.front());
      matching.Invert();
      return matching;
    }
    default:
      return MatchingCondition(filter);
  }
}

RowSet ItemTable::MatchingCondition(const Filter& condition) const {
  const Column* column = Find(condition.field);
  if (column == nullptr) return RowSet(rows());
  if (column == &ids_) {
    if (auto rows_of_ids = MatchingIds(condition)) return *std::move(rows_of_ids);
  }
  return column->Matching(condition);
}

// By look-up, where the condition names whole ids.
std::optional<RowSet> ItemTable::MatchingIds(const Filter& condition) const {
  if (condition.kind != Filter::Kind::kEqual && condition.kind != Filter::Kind::kIn) return {};
  RowSet matching(rows());
  for (const Filter::Value& value : condition.values) {
    const auto* id = std::get_if<std::string>(&value);
    if (id == nullptr) return {};
    if (const auto row = FindId(*id)) matching.Insert(*row);
  }
  return matching;
}

uint64_t ItemTable::memory_bytes() const {
  uint64_t sum = sizeof(*this) + ids_.memory_bytes() + row_of_id_.memory_bytes() +
                 identities_.memory_bytes() + (paths_ ? paths_->memory_bytes() : 0);
  for (const auto& [name, column] : metadata_) {
    sum += sizeof(column) + name.size() + column.memory_bytes();
  }
  return sum;
}

void ItemTable::CountValues(std::string_view field, const RowSet& rows, ValueCounts& counts) const {
  const Column* column = Find(std::string(field));
  if (column != nullptr) column->CountValues(rows, counts);
}

const Column* ItemTable::Find(const std::string& field) const {
  if (field == "id") return &ids_;
  if (field == "identity") return &identities_;
  if (field == "path") return &paths();
  const auto found = metadata_.find(field);
  return found == metadata_.end() ? nullptr : &found->second;
}

ItemTableBuilder::ItemTableBuilder() {
  columns_.emplace_back(ColumnBuilder::Dictionary::kAlways);            // kIdentity
  columns_.emplace_back(ColumnBuilder::Dictionary::kUnlessMostDiffer);  // kPath
}

void ItemTableBuilder::Add(const Item& item) {
  AddRow(item.id);
  Set(kIdentity, item.identity);
  Set(kPath, item.path);
  for (const auto& [name, value] : item.metadata) Set(Metadata(name), value);
}

ItemTableBuilder::Field ItemTableBuilder::Metadata(const std::string& name) {
  const auto [field, is_new] = metadata_.try_emplace(name, columns_.size());
  if (is_new) {
    if (name.empty() || name == "id" || name == "identity" || name == "path") {
      InvalidArgument("'", name, "' cannot be the name of metadata");
    }
    columns_.emplace_back(ColumnBuilder::Dictionary::kUnlessMostDiffer);
  }
  return field->second;
}

void ItemTableBuilder::AddRow(std::string_view id) {
  const int64_t row = rows();
  if (id.empty()) InvalidArgument("item ", row, " has an empty id");
  const int64_t found = row_of_id_.FindOrAppend(ids_, id);
  if (found != row) {
    InvalidArgument("items ", found, " and ", row, " have the same id '", id,
                    "'; ids must be unique");
  }
}

void ItemTableBuilder::Set(Field field, std::string_view value) {
  if (field == kPath) {
    SetPath(value);
  } else {
    columns_[field].Set(rows() - 1, value);
  }
}

// Paths are kept only from where one differs from its id: mostly none does.
void ItemTableBuilder::SetPath(std::string_view path) {
  const int64_t row = rows() - 1;
  if (paths_as_ids_ == row && path == ids_[static_cast<size_t>(row)]) {
    ++paths_as_ids_;
    return;
  }
  KeepPaths();
  columns_[kPath].Set(row, path);
}

void ItemTableBuilder::KeepPaths() {
  for (int64_t row = 0; row < paths_as_ids_; ++row) {
    columns_[kPath].Set(row, ids_[static_cast<size_t>(row)]);
  }
  paths_as_ids_ = -1;
}

ItemTable ItemTableBuilder::Finish() && {
  const bool has_paths = paths_as_ids_ != rows();
  if (has_paths) KeepPaths();
  const auto finish = [&](Field field) {
    // By value, so that what it was built from is gone before the next is finished.
    ColumnBuilder column = std::move(columns_[field]);
    return std::move(column).Finish(rows());
  };
  std::map<std::string, Column> metadata;
  for (const auto& [name, field] : metadata_) {
    if (!columns_[field].empty()) metadata.emplace(name, finish(field));
  }
  Column identities = finish(kIdentity);
  std::optional<Column> paths;
  if (has_paths) paths = finish(kPath);
  ids_.ShrinkToFit();
  return ItemTable(Column(std::move(ids_), {}), std::move(row_of_id_), std::move(identities),
                   std::move(paths), std::move(metadata));
}

ItemTable ReadItemTable(std::string_view text, std::string_view name) {
  CsvReader reader(text, name);
  ItemTableBuilder builder;
  std::optional<size_t> id_column;
  struct Source {
    size_t column;
    ItemTableBuilder::Field field;
  };
  std::vector<Source> sources;
  for (size_t column = 0; column < reader.header().size(); ++column) {
    const std::string& title = reader.header()[column];
    if (title == "id") {
      id_column = column;
    } else if (title == "identity") {
      sources.push_back({column, ItemTableBuilder::kIdentity});
    } else if (title == "path") {
      sources.push_back({column, ItemTableBuilder::kPath});
    } else if (!title.empty()) {
      sources.push_back({column, builder.Metadata(title)});
    }
  }
  if (!id_column) {
    InvalidArgument(name, ":1: no column 'id'; found ", StrJoin(reader.header(), ", "));
  }
  CsvRow row;
  while (reader.Next(&row)) {
    try {
      builder.AddRow(row.fields[*id_column]);
      for (const auto& [column, field] : sources) builder.Set(field, row.fields[column]);
    } catch (const Error& error) {
      Throw(error.code(), name, ":", row.line, ": ", error.what());
    }
  }
  return std::move(builder).Finish();
}

}  // namespace fluke
