#include "serve/jobs/sqlite_database.h"

#include <sqlite3.h>

#include <spdlog/spdlog.h>

#include "common/error.h"

namespace fluke::serve {
namespace {

// A server that was just killed may still be on its way out.
constexpr int kBusyTimeoutMs = 2000;

}  // namespace

SqliteDatabase::SqliteDatabase(const std::filesystem::path& file) : name_(file.string()) {
  // No mutex of SQLite's own: the caller has one.
  const int code =
      sqlite3_open_v2(name_.c_str(), &connection_,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  try {
    Check(code);
    sqlite3_busy_timeout(connection_, kBusyTimeoutMs);
    // Exclusive before the first look into the file, so that the log needs no shared memory.
    ExecuteScript(
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
        "BEGIN EXCLUSIVE; COMMIT;");
  } catch (...) {
    sqlite3_close(connection_);
    throw;
  }
}

SqliteDatabase::~SqliteDatabase() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(connection_);
}

SqliteDatabase::Rows::~Rows() { sqlite3_reset(statement_); }

bool SqliteDatabase::Rows::Next() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) database_.Check(code);
  return false;
}

int64_t SqliteDatabase::Rows::Integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string SqliteDatabase::Rows::Text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return "";
  return {reinterpret_cast<const char*>(text),
          static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

void SqliteDatabase::ExecuteScript(const std::string& sql) {
  Check(sqlite3_exec(connection_, sql.c_str(), nullptr, nullptr, nullptr));
}

int64_t SqliteDatabase::last_row() const { return sqlite3_last_insert_rowid(connection_); }

int64_t SqliteDatabase::changes() const { return sqlite3_changes(connection_); }

sqlite3_stmt* SqliteDatabase::Prepared(std::string_view sql) {
  const auto known = statements_.find(sql);
  if (known != statements_.end()) return known->second;
  sqlite3_stmt* statement = nullptr;
  Check(sqlite3_prepare_v2(connection_, sql.data(), static_cast<int>(sql.size()), &statement,
                           nullptr));
  statements_.emplace(sql, statement);
  return statement;
}

void SqliteDatabase::Bind(sqlite3_stmt* statement, int place, int64_t value) {
  Check(sqlite3_bind_int64(statement, place, value));
}

void SqliteDatabase::Bind(sqlite3_stmt* statement, int place, std::string_view text) {
  Check(sqlite3_bind_text64(statement, place, text.data() != nullptr ? text.data() : "",
                            text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

void SqliteDatabase::Check(int code) const {
  if (code == SQLITE_OK) return;
  const char* why = connection_ != nullptr ? sqlite3_errmsg(connection_) : sqlite3_errstr(code);
  switch (code & 0xff) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      DataLoss(name_, ": damaged, or no SQLite database: ", why);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      Throw(absl::StatusCode::kFailedPrecondition, name_, ": another process uses it");
    case SQLITE_FULL:
      Throw(absl::StatusCode::kResourceExhausted, name_, ": ", why);
    default:
      Throw(absl::StatusCode::kInternal, name_, ": ", why);
  }
}

SqliteTransaction::~SqliteTransaction() {
  if (!is_open_) return;
  try {
    database_.Execute("ROLLBACK");
  } catch (const Error& error) {
    // SQLite itself has rolled back after some errors.
    spdlog::warn("{}", error.what());
  }
}

}  // namespace fluke::serve
