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

// One line with its newline, fields quoted where they must be.
std::string CsvLine(const std::vector<std::string>& fields);

}  // namespace fluke
