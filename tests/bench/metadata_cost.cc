// What the items of an index cost in columns (index/item_table.h) and in SQLite: bytes, opening,
// filters, look-ups, updates. Prints one JSON line; metadata_cost.py adds the ratios.
//
//   metadata_cost_bench FOLDER ROWS
//
// SQLite gets what its documentation recommends: typed columns, an index on each, ANALYZE,
// statements prepared once, the file memory-mapped; of its plans with and without indexes the
// quicker one counts.
#include <fcntl.h>
#include <malloc.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/csv.h"
#include "common/error.h"
#include "common/files.h"
#include "common/filter.h"
#include "common/item.h"
#include "common/random.h"
#include "index/item_table.h"
#include "tests/bench/search_bench.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kQueryTimes = 15;
constexpr int kLookUps = 100000;
constexpr int kUpdates = 200;

struct SqlColumn {
  const char* name;
  const char* type;
};
constexpr std::array<SqlColumn, 8> kMetadata = {{{"camera", "TEXT"},
                                                 {"observer", "TEXT"},
                                                 {"quality", "REAL"},
                                                 {"side", "TEXT"},
                                                 {"site", "TEXT"},
                                                 {"taken", "TEXT"},
                                                 {"temperature", "REAL"},
                                                 {"year", "INTEGER"}}};

struct Question {
  const char* name;
  const char* filter;
  const char* where;
};
constexpr Question kQuestions[] = {
    {"equals_1_of_20", "camera = 'camera7'", "camera = 'camera7'"},
    {"equals_1_of_500", "site = 'site123'", "site = 'site123'"},
    // The first row's.
    {"equals_unique_text", "taken = '2014-03-27T23:54:07.604'",
     "taken = '2014-03-27T23:54:07.604'"},
    {"in_10_of_500",
     "site in "
     "('site3','site9','site27','site81','site243','site1','site2','site4','site8','site16')",
     "site IN "
     "('site3','site9','site27','site81','site243','site1','site2','site4','site8','site16')"},
    {"range_number_10_percent", "quality >= 0.9", "quality >= 0.9"},
    {"range_number_50_percent", "year >= 2015", "year >= 2015"},
    {"range_text_1_month", "taken >= '2015-07' and taken < '2015-08'",
     "taken >= '2015-07' AND taken < '2015-08'"},
    {"and_narrow", "site = 'site123' and year = 2015 and quality > 0.5",
     "site = 'site123' AND year = 2015 AND quality > 0.5"},
    {"and_or_not",
     "camera in ('camera1','camera2','camera3') and (year >= 2018 or quality > 0.95) and not side "
     "= 'left'",
     "camera IN ('camera1','camera2','camera3') AND (year >= 2018 OR quality > 0.95) AND side IS "
     "NOT "
     "'left'"},
    {"exists_70_percent", "exists(side)", "side IS NOT NULL"},
};

std::string Taken(Random& random, uint64_t year) {
  std::array<char, 40> text;
  const auto draw = [&](uint64_t n) { return static_cast<int>(random.Below(n)); };
  std::snprintf(text.data(), text.size(), "%d-%02d-%02dT%02d:%02d:%02d.%03d",
                static_cast<int>(year), 1 + draw(12), 1 + draw(28), draw(24), draw(60), draw(60),
                draw(1000));
  return text.data();
}

std::string Decimal(double value, int digits) {
  std::array<char, 40> text;
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

void WriteItemsCsv(const fs::path& path, int64_t rows) {
  AtomicFile file(path);
  std::vector<std::string> fields = {"id", "identity", "path"};
  for (const SqlColumn& column : kMetadata) fields.push_back(column.name);
  file.Append(CsvLine(fields));
  Random random(RandomKey({31}));
  for (int64_t row = 0; row < rows; ++row) {
    const uint64_t year = 2010 + random.Below(10), site = random.Below(500);
    // Few individuals are seen often, many once or twice.
    const auto identity = static_cast<int64_t>(50000 * random.Uniform() * random.Uniform());
    fields = {StrCat("photo", row),
              StrCat("whale", identity),
              StrCat("site", site, "/", year, "/IMG_", row, ".jpg"),
              StrCat("camera", random.Below(20)),
              StrCat("observer", random.Below(200)),
              Decimal(random.Uniform(), 6),
              random.Chance(0.3)   ? ""
              : random.Chance(0.5) ? "left"
                                   : "right",
              StrCat("site", site),
              Taken(random, year),
              Decimal(4 + 0.1 * static_cast<double>(random.Below(200)), 1),
              StrCat(year)};
    file.Append(CsvLine(fields));
  }
  file.Commit();
}

// Of this process, files that it has mapped left out.
int64_t HeapBytes() {
  malloc_trim(0);
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return 1024 * std::stoll(line.substr(8));
  }
  return 0;
}

class Statement {
 public:
  Statement(sqlite3* database, const std::string& sql) : database_(database) {
    Check(sqlite3_prepare_v3(database, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement_,
                             nullptr));
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Parameters from 1; an empty text is NULL.
  void Bind(int parameter, const std::string& text) {
    Check(text.empty() ? sqlite3_bind_null(statement_, parameter)
                       : sqlite3_bind_text(statement_, parameter, text.data(),
                                           static_cast<int>(text.size()), SQLITE_STATIC));
  }
  void Bind(int parameter, int64_t number) {
    Check(sqlite3_bind_int64(statement_, parameter, number));
  }
  bool Step() {
    const int result = sqlite3_step(statement_);
    if (result != SQLITE_ROW && result != SQLITE_DONE) Check(result);
    return result == SQLITE_ROW;
  }
  int64_t Integer(int column) { return sqlite3_column_int64(statement_, column); }
  std::string Text(int column) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return text == nullptr ? "" : text;
  }
  void Reset() { sqlite3_reset(statement_); }
  void Run() {
    while (Step()) {
    }
    Reset();
  }

 private:
  void Check(int result) const {
    if (result != SQLITE_OK) DataLoss("SQLite: ", sqlite3_errmsg(database_));
  }

  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
};

class Database {
 public:
  explicit Database(const fs::path& path) {
    if (sqlite3_open(path.c_str(), &database_) != SQLITE_OK) DataLoss("cannot open ", path);
    Run("PRAGMA mmap_size = 17179869184");
    Run("PRAGMA cache_size = -262144");
    Run("PRAGMA journal_mode = WAL");
    Run("PRAGMA synchronous = FULL");
  }
  ~Database() { sqlite3_close(database_); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void Run(const std::string& sql) const { Statement(database_, sql).Run(); }
  sqlite3* get() const { return database_; }

 private:
  sqlite3* database_ = nullptr;
};

// items.csv into a table without indexes.
void Fill(const Database& database, std::string_view csv) {
  std::string columns = "row INTEGER PRIMARY KEY, id TEXT NOT NULL, identity TEXT, path TEXT";
  for (const SqlColumn& column : kMetadata) {
    columns += StrCat(", ", column.name, " ", column.type);
  }
  database.Run(StrCat("CREATE TABLE items (", columns, ")"));
  std::string places = "?";
  for (size_t i = 0; i < 3 + kMetadata.size(); ++i) places += ", ?";
  Statement insert(database.get(), StrCat("INSERT INTO items VALUES (", places, ")"));
  database.Run("BEGIN");
  CsvReader reader(csv, "items.csv");
  CsvRow row;
  for (int64_t number = 0; reader.Next(&row); ++number) {
    insert.Bind(1, number);
    for (size_t i = 0; i < row.fields.size(); ++i) {
      insert.Bind(static_cast<int>(i) + 2, row.fields[i]);
    }
    insert.Run();
  }
  database.Run("COMMIT");
  database.Run("PRAGMA wal_checkpoint(TRUNCATE)");
}

void AddIndexes(const Database& database) {
  database.Run("CREATE UNIQUE INDEX by_id ON items (id)");
  database.Run("CREATE INDEX by_identity ON items (identity)");
  for (const SqlColumn& column : kMetadata) {
    database.Run(StrCat("CREATE INDEX by_", column.name, " ON items (", column.name, ")"));
  }
  database.Run("ANALYZE");
  database.Run("PRAGMA wal_checkpoint(TRUNCATE)");
}

RowSet Answer(Statement& select, int64_t rows) {
  RowSet answer(rows);
  while (select.Step()) answer.Insert(select.Integer(0));
  select.Reset();
  return answer;
}

json AskBoth(const ItemTable& items, const Database& database) {
  json asked;
  for (const Question& question : kQuestions) {
    const RowSet ours = items.Matching(ParseFilter(question.filter));
    const double ours_ms =
        MedianMs(kQueryTimes, [&](int64_t) { items.Matching(ParseFilter(question.filter)); });
    double sqlite_ms[2];
    for (const bool indexed : {true, false}) {
      Statement select(database.get(),
                       StrCat("SELECT row FROM items ", indexed ? "" : "NOT INDEXED ", "WHERE ",
                              question.where));
      if (!std::ranges::equal(Answer(select, items.rows()).words(), ours.words())) {
        DataLoss(question.name, ": SQLite gives other rows");
      }
      sqlite_ms[indexed] = MedianMs(kQueryTimes, [&](int64_t) { Answer(select, items.rows()); });
    }
    asked[question.name] = {{"rows", ours.Count()},
                            {"columns_ms", ours_ms},
                            {"sqlite_indexed_ms", sqlite_ms[true]},
                            {"sqlite_scan_ms", sqlite_ms[false]}};
  }
  return asked;
}

template <typename LookUp>
double MicrosecondsEach(int64_t rows, const LookUp& look_up) {
  Random random(RandomKey({32}));
  const double begin = Seconds();
  for (int i = 0; i < kLookUps; ++i) {
    look_up(static_cast<int64_t>(random.Below(static_cast<uint64_t>(rows))));
  }
  return 1e6 * (Seconds() - begin) / kLookUps;
}

json LookUp(const ItemTable& items, const Database& database) {
  int64_t sink = 0;
  Statement by_id(database.get(), "SELECT row FROM items WHERE id = ?");
  Statement by_row(database.get(), "SELECT * FROM items WHERE row = ?");
  return {{"columns_id_us",
           MicrosecondsEach(items.rows(),
                            [&](int64_t row) { sink += *items.FindId(StrCat("photo", row)); })},
          {"sqlite_id_us", MicrosecondsEach(items.rows(),
                                            [&](int64_t row) {
                                              const std::string id = StrCat("photo", row);
                                              by_id.Bind(1, id);
                                              by_id.Step();
                                              sink += by_id.Integer(0);
                                              by_id.Reset();
                                            })},
          {"columns_item_us", MicrosecondsEach(items.rows(),
                                               [&](int64_t row) {
                                                 sink += static_cast<int64_t>(
                                                     items.item(row).metadata.size());
                                               })},
          {"sqlite_item_us", MicrosecondsEach(items.rows(), [&](int64_t row) {
             Item item;
             by_row.Bind(1, row);
             by_row.Step();
             item.id = by_row.Text(1);
             item.identity = by_row.Text(2);
             item.path = by_row.Text(3);
             for (size_t i = 0; i < kMetadata.size(); ++i) {
               if (std::string value = by_row.Text(static_cast<int>(i) + 4); !value.empty()) {
                 item.metadata.emplace(kMetadata[i].name, std::move(value));
               }
             }
             by_row.Reset();
             sink += static_cast<int64_t>(item.metadata.size());
           })}};
}

// The columns are never changed in place: an update is a durable line in a log until the next
// commit makes the columns anew, whose time is that of opening.
json Update(const fs::path& folder, const ItemTable& items, const Database& database) {
  Random random(RandomKey({33}));
  const auto any_id = [&] {
    return StrCat("photo", random.Below(static_cast<uint64_t>(items.rows())));
  };
  const int log = open((folder / "log").c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_APPEND, 0644);
  const double log_ms = MedianMs(kUpdates, [&](int64_t) {
    const std::string line = ItemsToCsv({items.item(*items.FindId(any_id()))});
    if (write(log, line.data(), line.size()) < 0 || fdatasync(log) < 0) DataLoss("cannot log");
  });
  close(log);
  Statement update(database.get(),
                   "UPDATE items SET quality = ?, side = ?, camera = ? WHERE id = ?");
  const auto change = [&](int64_t) {
    const std::string quality = Decimal(random.Uniform(), 6), side = "left", id = any_id();
    const std::string camera = StrCat("camera", random.Below(20));
    update.Bind(1, quality);
    update.Bind(2, side);
    update.Bind(3, camera);
    update.Bind(4, id);
    update.Run();
  };
  const double single_ms = MedianMs(kUpdates, change);
  constexpr int kTransaction = 10000;
  const double begin = Seconds();
  database.Run("BEGIN");
  for (int i = 0; i < kTransaction; ++i) change(i);
  database.Run("COMMIT");
  return {{"columns_logged_ms", log_ms},
          {"sqlite_committed_ms", single_ms},
          {"sqlite_in_a_transaction_of_10000_ms", 1e3 * (Seconds() - begin) / kTransaction}};
}

void Run(const fs::path& folder, int64_t rows) {
  fs::create_directories(folder);
  const fs::path csv_path = folder / "items.csv", database_path = folder / "items.sqlite";
  WriteItemsCsv(csv_path, rows);
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(database_path.string() + suffix);
  const MappedFile csv(csv_path);
  json report = {{"rows", rows}, {"sqlite", sqlite3_libversion()}};

  int64_t heap = HeapBytes();
  const auto items = std::make_unique<const ItemTable>(ReadItemTable(csv.text(), "items.csv"));
  const int64_t columns_heap = HeapBytes() - heap;
  const double open_s = BestSeconds([&] { ReadItemTable(csv.text(), "items.csv"); });
  report["columns"] = {{"csv_bytes", csv.bytes().size()},
                       {"memory_bytes", items->memory_bytes()},
                       {"heap_bytes", columns_heap},
                       {"open_s", open_s}};
  {
    heap = HeapBytes();
    const double begin = Seconds();
    const std::vector<Item> all = ReadItems(csv_path);
    report["vector_of_items"] = {{"open_s", Seconds() - begin}, {"heap_bytes", HeapBytes() - heap}};
  }

  json sqlite;
  {
    double begin = Seconds();
    const Database database(database_path);
    Fill(database, csv.text());
    sqlite["fill_s"] = Seconds() - begin;
    sqlite["table_bytes"] = fs::file_size(database_path);
    begin = Seconds();
    AddIndexes(database);
    sqlite["index_s"] = Seconds() - begin;
    sqlite["bytes"] = fs::file_size(database_path);
  }
  sqlite["open_ms"] = MedianMs(kQueryTimes, [&](int64_t) {
    const Database database(database_path);
    Statement(database.get(), "SELECT row FROM items WHERE id = 'photo0'").Step();
  });
  const Database database(database_path);
  report["filters"] = AskBoth(*items, database);
  report["look_ups"] = LookUp(*items, database);
  sqlite["heap_bytes"] = sqlite3_memory_used();
  report["updates"] = Update(folder, *items, database);
  report["sqlite_database"] = sqlite;
  std::cout << report.dump() << std::endl;
}

}  // namespace
}  // namespace fluke

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: " << argv[0] << " FOLDER ROWS\n";
    return 2;
  }
  try {
    fluke::Run(argv[1], std::stoll(argv[2]));
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
