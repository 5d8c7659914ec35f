#include "common/csv.h"

#include <unordered_set>
#include <utility>

#include "common/error.h"
#include "common/files.h"

namespace fluke {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool IsUtf16(std::string_view text) {
  return text.substr(0, 2) == "\xFF\xFE" || text.substr(0, 2) == "\xFE\xFF";
}

void CheckHeader(const std::vector<std::string>& header, std::string_view name, int64_t line) {
  std::unordered_set<std::string_view> seen;
  for (const std::string& column : header) {
    // Columns without a name may repeat: spreadsheets leave them behind, and nobody can ask for
    // them.
    if (!column.empty() && !seen.insert(column).second) {
      InvalidArgument(name, ":", line, ": column '", column, "' appears twice");
    }
  }
}

}  // namespace

int CsvTable::Column(std::string_view name) const {
  for (size_t i = 0; i < header.size(); ++i) {
    if (header[i] == name) return static_cast<int>(i);
  }
  return -1;
}

CsvReader::CsvReader(std::string_view text, std::string_view name) : text_(text), name_(name) {
  if (IsUtf16(text)) InvalidArgument(name, ": encoded in UTF-16; expected UTF-8");
  if (text.find('\0') != std::string_view::npos) {
    InvalidArgument(name, ": holds a zero byte; expected a CSV text");
  }
  if (text.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
  CsvRow row;
  if (!NextOfAnyWidth(&row)) InvalidArgument(name, ": empty; expected a header line");
  CheckHeader(row.fields, name, row.line);
  header_ = std::move(row.fields);
}

bool CsvReader::Next(CsvRow* row) {
  if (!NextOfAnyWidth(row)) return false;
  if (row->fields.size() != header_.size()) {
    InvalidArgument(name_, ":", row->line, ": ", row->fields.size(), " fields, expected ",
                    header_.size(), " as in the header");
  }
  return true;
}

bool CsvReader::NextOfAnyWidth(CsvRow* row) {
  while (AtLineEnd() && !AtEnd()) SkipLineEnd();  // blank lines
  if (AtEnd()) return false;
  row->line = line_;
  for (size_t width = 1;; ++width) {
    if (row->fields.size() < width) row->fields.emplace_back();
    std::string& field = row->fields[width - 1];
    field.clear();
    if (!AtEnd() && text_[at_] == '"') {
      ReadQuoted(&field);
    } else {
      ReadPlain(&field);
    }
    if (AtLineEnd()) {
      row->fields.resize(width);
      break;
    }
    ++at_;  // the comma
  }
  if (!AtEnd()) SkipLineEnd();
  return true;
}

// LF, CRLF, or the lone CR of old spreadsheets.
void CsvReader::SkipLineEnd() {
  if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
  ++at_;
  ++line_;
}

void CsvReader::ReadPlain(std::string* field) {
  const size_t begin = at_;
  while (!AtLineEnd() && text_[at_] != ',') ++at_;
  field->assign(text_.substr(begin, at_ - begin));
}

void CsvReader::ReadQuoted(std::string* field) {
  const int64_t opened = line_;
  for (++at_;; ++at_) {
    if (AtEnd()) InvalidArgument(name_, ":", opened, ": a quoted field is never closed");
    if (text_[at_] == '\n') ++line_;
    if (text_[at_] != '"') {
      *field += text_[at_];
    } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
      *field += '"';
      ++at_;
    } else {
      break;
    }
  }
  ++at_;
  if (!AtLineEnd() && text_[at_] != ',') {
    InvalidArgument(name_, ":", line_,
                    ": expected a comma or the line's end behind a quoted field; a quote inside "
                    "one is written twice");
  }
}

CsvTable ParseCsv(std::string_view text, std::string_view name, std::vector<CsvRow>* ragged) {
  CsvReader reader(text, name);
  CsvTable table{.header = reader.header(), .rows = {}};
  CsvRow row;
  while (ragged == nullptr ? reader.Next(&row) : reader.NextOfAnyWidth(&row)) {
    const bool whole = row.fields.size() == table.header.size();
    (whole ? table.rows : *ragged).push_back(std::move(row));
    row = {};
  }
  return table;
}

CsvTable ReadCsv(const std::filesystem::path& path) {
  return ParseCsv(ReadFile(path), path.string());
}

std::string CsvLine(const std::vector<std::string>& fields) {
  std::string line;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) line += ',';
    const std::string& field = fields[i];
    // A row of one empty field would otherwise read as a blank line; a leading byte-order mark
    // would be dropped.
    const bool quoted = field.find_first_of(",\"\r\n") != std::string::npos ||
                        (field.empty() && fields.size() == 1) || field.starts_with(kByteOrderMark);
    if (!quoted) {
      line += field;
      continue;
    }
    line += '"';
    for (char c : field) {
      if (c == '"') line += '"';
      line += c;
    }
    line += '"';
  }
  line += '\n';
  return line;
}

}  // namespace fluke
