// CSV by RFC 4180: quoted fields, doubled quotes, CRLF or LF, UTF-8 with or without a byte-order
// mark.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace fluke {

struct CsvRow {
  int64_t line = 0;  // 1-based line of the row's first character
  std::vector<std::string> fields;
};

struct CsvTable {
  std::vector<std::string> header;
  std::vector<CsvRow> rows;
  // Index of the column called `name`, or -1.
  int Column(std::string_view name) const;
};

// `name` stands in error messages ("photos.csv:12: 4 fields, expected 3").
// A row with more or fewer fields than the header is such an error, or goes to `ragged` where that
// is given.
CsvTable ParseCsv(std::string_view text, std::string_view name,
                  std::vector<CsvRow>* ragged = nullptr);
CsvTable ReadCsv(const std::filesystem::path& path);

// The same one row after another, for a text of too many to hold. `text` and `name` must outlive
// it.
class CsvReader {
 public:
  CsvReader(std::string_view text, std::string_view name);

  const std::vector<std::string>& header() const { return header_; }
  // Fills `row`, using its strings again; false at the end.
  bool Next(CsvRow* row);
  bool NextOfAnyWidth(CsvRow* row);

 private:
  bool AtEnd() const { return at_ == text_.size(); }
  bool AtLineEnd() const { return AtEnd() || text_[at_] == '\n' || text_[at_] == '\r'; }
  void SkipLineEnd();
  void ReadPlain(std::string* field);
  void ReadQuoted(std::string* field);

  std::string_view text_;
  std::string_view name_;
  size_t at_ = 0;
  int64_t line_ = 1;
  std::vector<std::string> header_;
};

// One line with its newline, fields quoted where they must be.
std::string CsvLine(const std::vector<std::string>& fields);

}  // namespace fluke
