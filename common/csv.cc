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

// Reads one row after another; knows where it stands.
class Reader {
 public:
  Reader(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  // Fills `row` with the next row that is not a blank line; false at the end.
  bool Next(CsvRow* row) {
    while (AtLineEnd() && !AtEnd()) SkipLineEnd();
    if (AtEnd()) return false;
    row->line = line_;
    row->fields.clear();
    for (;;) {
      row->fields.push_back(!AtEnd() && text_[at_] == '"' ? QuotedField() : PlainField());
      if (AtLineEnd()) break;
      ++at_;  // the comma
    }
    if (!AtEnd()) SkipLineEnd();
    return true;
  }

 private:
  bool AtEnd() const { return at_ == text_.size(); }
  bool AtLineEnd() const { return AtEnd() || text_[at_] == '\n' || text_[at_] == '\r'; }

  // LF, CRLF, or the lone CR of old spreadsheets.
  void SkipLineEnd() {
    if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
    ++at_;
    ++line_;
  }

  std::string PlainField() {
    const size_t begin = at_;
    while (!AtLineEnd() && text_[at_] != ',') ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string QuotedField() {
    const int64_t opened = line_;
    std::string field;
    for (++at_;; ++at_) {
      if (AtEnd()) InvalidArgument(name_, ":", opened, ": a quoted field is never closed");
      if (text_[at_] == '\n') ++line_;
      if (text_[at_] != '"') {
        field += text_[at_];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        field += '"';
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
    return field;
  }

  std::string_view text_;
  std::string_view name_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

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

CsvTable ParseCsv(std::string_view text, std::string_view name, std::vector<CsvRow>* ragged) {
  if (IsUtf16(text)) InvalidArgument(name, ": encoded in UTF-16; expected UTF-8");
  if (text.find('\0') != std::string_view::npos) {
    InvalidArgument(name, ": holds a zero byte; expected a CSV text");
  }
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());

  Reader reader(text, name);
  CsvRow row;
  if (!reader.Next(&row)) InvalidArgument(name, ": empty; expected a header line");
  CheckHeader(row.fields, name, row.line);
  CsvTable table;
  table.header = std::move(row.fields);
  while (reader.Next(&row)) {
    const bool whole = row.fields.size() == table.header.size();
    if (!whole && ragged == nullptr) {
      InvalidArgument(name, ":", row.line, ": ", row.fields.size(), " fields, expected ",
                      table.header.size(), " as in the header");
    }
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
