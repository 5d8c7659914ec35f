// The CSV form of a manifest: rows checked one by one, each error with its line.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>
#include <unordered_map>

#include "absl/strings/ascii.h"
#include "common/csv.h"
#include "common/error.h"
#include "common/files.h"
#include "common/manifest_forms.h"

namespace fluke {
namespace {

// Thrown inside ParseManifestCsv only, where it becomes a BadRow.
struct RowProblem {
  std::string reason;
};

template <typename... Parts>
[[noreturn]] void Reject(const Parts&... parts) {
  throw RowProblem{StrCat(parts...)};
}

std::string_view Trimmed(std::string_view text) {
  const auto view = absl::StripAsciiWhitespace(AbslView(text));
  return {view.data(), view.size()};
}

std::optional<bool> ParseBool(const std::string& cell, std::string_view column) {
  const std::string word = absl::AsciiStrToLower(std::string(Trimmed(cell)));
  if (word.empty()) return std::nullopt;
  for (std::string_view yes : {"true", "1", "yes", "t", "y", "1.0"}) {
    if (word == yes) return true;
  }
  for (std::string_view no : {"false", "0", "no", "f", "n", "0.0"}) {
    if (word == no) return false;
  }
  Reject(column, " is '", cell, "'; expected true or false");
}

float ParseBoxNumber(std::string_view cell, std::string_view column) {
  const std::string_view text = Trimmed(cell);
  float value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    Reject("box ", column, " is '", cell, "'; expected a number");
  }
  if (!std::isfinite(value)) Reject("box ", column, " is ", cell, "; expected a finite number");
  return value;
}

constexpr std::array<std::string_view, 4> kBoxColumns = {"x", "y", "w", "h"};

std::optional<Box> ParseBox(const std::array<std::string_view, 4>& cells) {
  if (std::all_of(cells.begin(), cells.end(),
                  [](std::string_view cell) { return Trimmed(cell).empty(); })) {
    return std::nullopt;
  }
  std::array<float, 4> value;
  for (size_t i = 0; i < 4; ++i) value[i] = ParseBoxNumber(cells[i], kBoxColumns[i]);
  const Box box = {.x = value[0], .y = value[1], .w = value[2], .h = value[3]};
  if (box.w <= 0 || box.h <= 0) Reject("box is empty: w ", box.w, ", h ", box.h);
  return box;
}

// "[x, y, w, h]", as wildlife-datasets writes it.
std::optional<Box> ParseBracketedBox(std::string_view cell) {
  std::string_view text = Trimmed(cell);
  if (text.empty()) return std::nullopt;
  if (!text.starts_with('[') || !text.ends_with(']'))
    Reject("bbox is '", cell, "'; expected [x, y, w, h]");
  text = text.substr(1, text.size() - 2);
  std::array<std::string_view, 4> cells;
  for (size_t i = 0; i < 4; ++i) {
    const size_t comma = text.find(',');
    if ((comma == std::string_view::npos) != (i == 3))
      Reject("bbox is '", cell, "'; expected [x, y, w, h]");
    cells[i] = text.substr(0, comma);
    text.remove_prefix(i == 3 ? text.size() : comma + 1);
  }
  return ParseBox(cells);
}

std::string ParseSplit(const std::string& cell) {
  const std::string word(Trimmed(cell));
  if (word == "validation" || word == "valid") return "val";
  const bool fold = word.find_first_not_of("0123456789") == std::string::npos;  // "" too
  if (fold || word == "train" || word == "val" || word == "test") return word;
  Reject("split is '", cell, "'; expected train, val, test or a fold number");
}

class CsvManifest {
 public:
  CsvManifest(std::string_view text, std::string_view name)
      : table_(ParseCsv(text, name, &ragged_)) {
    if (table_.Column("path") < 0) {
      InvalidArgument(name, ":1: no column 'path'; found ", StrJoin(table_.header, ", "));
    }
    int box_columns = 0;
    for (std::string_view column : kBoxColumns) box_columns += table_.Column(column) >= 0;
    if (box_columns != 0 && box_columns != 4) {
      InvalidArgument(name, ":1: a box needs the columns x, y, w and h; found ",
                      StrJoin(table_.header, ", "));
    }
    has_box_ = box_columns == 4;
  }

  std::vector<ManifestItem> Items(const OnBadRow& on_bad_row) {
    const auto path_column = static_cast<size_t>(table_.Column("path"));
    for (const CsvRow& row : ragged_) {
      on_bad_row({.path = path_column < row.fields.size() ? row.fields[path_column] : "",
                  .line = row.line,
                  .reason = StrCat(row.fields.size(), " fields, expected ", table_.header.size(),
                                   " as in the header")});
    }
    std::vector<ManifestItem> items;
    items.reserve(table_.rows.size());
    for (const CsvRow& row : table_.rows) {
      try {
        items.push_back(Item(row));
      } catch (const RowProblem& problem) {
        on_bad_row({.path = row.fields[path_column], .line = row.line, .reason = problem.reason});
      }
    }
    return items;
  }

 private:
  // The row's cell in a column, or null when there is no such column; the column is then no
  // metadata.
  const std::string* Cell(const CsvRow& row, std::string_view column) {
    const int index = table_.Column(column);
    if (index < 0) return nullptr;
    known_.insert(index);
    return &row.fields[index];
  }

  std::string Text(const CsvRow& row, std::string_view column) {
    const std::string* cell = Cell(row, column);
    return cell == nullptr ? "" : *cell;
  }

  ManifestItem Item(const CsvRow& row) {
    ManifestItem item;
    item.line = row.line;
    item.path = Text(row, "path");
    if (Trimmed(item.path).empty()) Reject("path is empty");
    item.identity = Text(row, table_.Column("identity") >= 0 ? "identity" : "label");
    item.split = ParseSplit(Text(row, "split"));
    item.box = RowBox(row);
    item.is_query = ParseBool(Text(row, "is_query"), "is_query");
    item.is_gallery = ParseBool(Text(row, "is_gallery"), "is_gallery");
    item.camera = Text(row, "camera");
    item.timestamp = Text(row, "timestamp");
    item.mask = Text(row, "mask");
    for (size_t i = 0; i < row.fields.size(); ++i) {
      if (known_.count(static_cast<int>(i)) > 0 || row.fields[i].empty() ||
          table_.header[i].empty())
        continue;
      item.metadata.emplace(table_.header[i], row.fields[i]);
    }
    CheckUnique(item);
    return item;
  }

  std::optional<Box> RowBox(const CsvRow& row) {
    if (!has_box_) return ParseBracketedBox(Text(row, "bbox"));
    std::array<std::string_view, 4> cells;
    for (size_t i = 0; i < 4; ++i) cells[i] = *Cell(row, kBoxColumns[i]);
    return ParseBox(cells);
  }

  void CheckUnique(const ManifestItem& item) {
    std::string key = item.path;
    if (item.box)
      key = StrCat(key, "\n", item.box->x, ",", item.box->y, ",", item.box->w, ",", item.box->h);
    const auto [same, fresh] = line_of_path_.emplace(std::move(key), item.line);
    if (!fresh) {
      Reject("'", item.path, "' stands in line ", same->second, " already",
             item.box ? " with the same box" : "");
    }
    const auto id = item.metadata.find("id");
    if (id == item.metadata.end()) return;
    const auto [same_id, fresh_id] = line_of_id_.emplace(id->second, item.line);
    if (!fresh_id) Reject("id '", id->second, "' stands in line ", same_id->second, " already");
  }

  std::vector<CsvRow> ragged_;  // before table_, which fills it
  CsvTable table_;
  bool has_box_ = false;
  std::set<int> known_;  // columns that are no metadata
  std::unordered_map<std::string, int64_t> line_of_path_, line_of_id_;
};

// The shortest text that reads back as the same float.
std::string ExactNumber(float value) {
  std::array<char, 32> text;
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  return std::string(text.data(), end);
}

std::string BoolText(const std::optional<bool>& value) {
  if (!value) return "";
  return *value ? "true" : "false";
}

struct Column {
  std::string_view name;
  std::string (*text)(const ManifestItem& item);
};

constexpr Column kColumns[] = {
    {"path", [](const ManifestItem& item) { return item.path; }},
    {"identity", [](const ManifestItem& item) { return item.identity; }},
    {"split", [](const ManifestItem& item) { return item.split; }},
    {"x", [](const ManifestItem& item) { return item.box ? ExactNumber(item.box->x) : ""; }},
    {"y", [](const ManifestItem& item) { return item.box ? ExactNumber(item.box->y) : ""; }},
    {"w", [](const ManifestItem& item) { return item.box ? ExactNumber(item.box->w) : ""; }},
    {"h", [](const ManifestItem& item) { return item.box ? ExactNumber(item.box->h) : ""; }},
    {"is_query", [](const ManifestItem& item) { return BoolText(item.is_query); }},
    {"is_gallery", [](const ManifestItem& item) { return BoolText(item.is_gallery); }},
    {"camera", [](const ManifestItem& item) { return item.camera; }},
    {"timestamp", [](const ManifestItem& item) { return item.timestamp; }},
    {"mask", [](const ManifestItem& item) { return item.mask; }},
};

}  // namespace

std::vector<ManifestItem> ParseManifestCsv(std::string_view text, std::string_view name,
                                           const OnBadRow& on_bad_row) {
  return CsvManifest(text, name).Items(on_bad_row);
}

void WriteManifestCsv(const std::filesystem::path& path, const std::vector<ManifestItem>& items) {
  std::vector<Column> used;
  for (const Column& column : kColumns) {
    const bool in_use = column.name == "path" ||
                        std::any_of(items.begin(), items.end(), [&](const ManifestItem& item) {
                          return !column.text(item).empty();
                        });
    if (in_use) used.push_back(column);
  }
  std::set<std::string> metadata;
  for (const ManifestItem& item : items) {
    for (const auto& [key, value] : item.metadata) metadata.insert(key);
  }
  std::vector<std::string> fields;
  for (const Column& column : used) fields.emplace_back(column.name);
  fields.insert(fields.end(), metadata.begin(), metadata.end());
  std::string csv = CsvLine(fields);
  for (const ManifestItem& item : items) {
    fields.clear();
    for (const Column& column : used) fields.push_back(column.text(item));
    for (const std::string& key : metadata) {
      const auto found = item.metadata.find(key);
      fields.push_back(found == item.metadata.end() ? "" : found->second);
    }
    csv += CsvLine(fields);
  }
  WriteFileAtomically(path, csv);
}

}  // namespace fluke
