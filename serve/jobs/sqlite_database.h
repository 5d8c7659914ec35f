// One SQLite file with exceptions in place of result codes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace fluke::serve {

// Not thread-safe; the caller owns it. Write-ahead log, every commit fsync'ed, and the file belongs
// to this process alone until the object is gone (or the process: the system takes its locks away).
// Every function throws fluke::Error naming the file: DATA_LOSS when it is damaged or no database,
// FAILED_PRECONDITION when another process has it, RESOURCE_EXHAUSTED when the disk is full.
class SqliteDatabase {
 public:
  // Makes the file where there is none.
  explicit SqliteDatabase(const std::filesystem::path& file);
  ~SqliteDatabase();
  SqliteDatabase(const SqliteDatabase&) = delete;
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;

  // The rows of a statement that runs; lives no longer than the database, and two of the same text
  // not at once.
  class Rows {
   public:
    Rows(SqliteDatabase& database, sqlite3_stmt* statement)
        : database_(database), statement_(statement) {}
    ~Rows();
    Rows(const Rows&) = delete;
    Rows& operator=(const Rows&) = delete;

    bool Next();
    int64_t Integer(int column) const;
    std::string Text(int column) const;

   private:
    SqliteDatabase& database_;
    sqlite3_stmt* statement_;
  };

  // `arguments`, numbers or texts, take the places of `?` in turn. Prepared once for each `sql`.
  template <typename... Arguments>
  Rows Query(std::string_view sql, const Arguments&... arguments) {
    sqlite3_stmt* statement = Prepared(sql);
    int place = 0;
    (Bind(statement, ++place, arguments), ...);
    return Rows(*this, statement);
  }

  // The number of rows that were changed.
  template <typename... Arguments>
  int64_t Execute(std::string_view sql, const Arguments&... arguments) {
    {
      Rows rows = Query(sql, arguments...);
      while (rows.Next()) {
      }
    }
    return changes();
  }

  // Several statements without arguments, not kept.
  void ExecuteScript(const std::string& sql);

  // Of an INSERT just made.
  int64_t last_row() const;

 private:
  sqlite3_stmt* Prepared(std::string_view sql);
  void Bind(sqlite3_stmt* statement, int place, int64_t value);
  void Bind(sqlite3_stmt* statement, int place, std::string_view text);
  int64_t changes() const;
  void Check(int code) const;

  const std::string name_;
  sqlite3* connection_ = nullptr;
  std::map<std::string, sqlite3_stmt*, std::less<>> statements_;
};

// BEGIN ... COMMIT; destroyed before Commit(), nothing has changed.
class SqliteTransaction {
 public:
  explicit SqliteTransaction(SqliteDatabase* database) : database_(*database) {
    database_.Execute("BEGIN IMMEDIATE");
  }
  ~SqliteTransaction();
  SqliteTransaction(const SqliteTransaction&) = delete;
  SqliteTransaction& operator=(const SqliteTransaction&) = delete;

  void Commit() {
    database_.Execute("COMMIT");
    is_open_ = false;
  }

 private:
  SqliteDatabase& database_;
  bool is_open_ = true;
};

}  // namespace fluke::serve
