#include "serve/jobs/job_table.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/error.h"

namespace fluke::serve {
namespace {

// "flkj": tells the file from other programs' databases.
constexpr int64_t kApplicationId = 0x666c6b6a;
constexpr int64_t kSchemaVersion = 1;

constexpr char kSchema[] = R"sql(
CREATE TABLE jobs (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  state INTEGER NOT NULL,
  error TEXT NOT NULL DEFAULT '',
  submitted_ms INTEGER NOT NULL,
  started_ms INTEGER NOT NULL DEFAULT 0,
  ended_ms INTEGER NOT NULL DEFAULT 0,
  config_yaml TEXT NOT NULL,
  run_config TEXT NOT NULL,
  manifest TEXT NOT NULL,
  epochs INTEGER NOT NULL,
  max_steps INTEGER NOT NULL,
  publish_alias TEXT NOT NULL,
  publish_gallery TEXT NOT NULL,
  publish_index_type TEXT NOT NULL,
  gallery TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  fruitless_attempts INTEGER NOT NULL DEFAULT 0,
  mark TEXT NOT NULL DEFAULT '',
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  publications INTEGER NOT NULL DEFAULT 0,
  collection TEXT NOT NULL DEFAULT '',
  revision INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX jobs_by_state ON jobs (state, sequence);
)sql";

#define FLUKE_JOB_COLUMNS                                                                     \
  "sequence, id, name, state, error, submitted_ms, started_ms, ended_ms, epochs, max_steps, " \
  "publish_alias, publish_gallery, publish_index_type, gallery, attempts, "                   \
  "fruitless_attempts, mark, cancel_requested, publications, collection, revision, manifest"
constexpr char kSelectOne[] =
    "SELECT " FLUKE_JOB_COLUMNS ", config_yaml, run_config FROM jobs WHERE id = ?";
constexpr char kSelectState[] =
    "SELECT " FLUKE_JOB_COLUMNS
    ", config_yaml, run_config FROM jobs WHERE state = ? ORDER BY sequence";
constexpr char kSelectPage[] =
    "SELECT " FLUKE_JOB_COLUMNS
    ", '', '' FROM jobs WHERE sequence < ? ORDER BY sequence DESC LIMIT ?";
#undef FLUKE_JOB_COLUMNS

JobRecord RecordOf(const SqliteDatabase::Rows& row) {
  JobRecord job;
  int column = 0;
  const auto integer = [&] { return row.Integer(column++); };
  const auto text = [&] { return row.Text(column++); };
  job.sequence = integer();
  job.id = text();
  job.name = text();
  job.state = static_cast<v1::Job::State>(integer());
  job.error = text();
  job.submitted_ms = integer();
  job.started_ms = integer();
  job.ended_ms = integer();
  job.epochs = integer();
  job.max_steps = integer();
  job.publish.set_alias(text());
  job.publish.set_gallery(text());
  job.publish.set_index_type(text());
  job.gallery = text();
  job.attempts = static_cast<int>(integer());
  job.fruitless_attempts = static_cast<int>(integer());
  job.mark = text();
  job.cancel_requested = integer() != 0;
  job.publications = static_cast<int>(integer());
  job.collection = text();
  job.revision = integer();
  job.manifest = text();
  job.config_yaml = text();
  job.run_config = text();
  return job;
}

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// "20261126-064512-0003": sorts by time, and no two jobs of a table have the same number.
std::string IdOf(int64_t sequence, int64_t submitted_ms) {
  return absl::StrFormat(
      "%s-%04d",
      absl::FormatTime("%Y%m%d-%H%M%S", absl::FromUnixMillis(submitted_ms), absl::UTCTimeZone()),
      sequence);
}

int64_t Number(SqliteDatabase& database, std::string_view sql) {
  SqliteDatabase::Rows rows = database.Query(sql);
  return rows.Next() ? rows.Integer(0) : 0;
}

void OpenSchema(SqliteDatabase& database, const std::filesystem::path& file) {
  {
    SqliteDatabase::Rows rows = database.Query("PRAGMA quick_check(1)");
    const std::string found = rows.Next() ? rows.Text(0) : "nothing";
    if (found != "ok") DataLoss(file, ": damaged: ", found);
  }
  const bool is_new = Number(database, "SELECT count(*) FROM sqlite_master") == 0;
  const int64_t application = Number(database, "PRAGMA application_id");
  const int64_t version = Number(database, "PRAGMA user_version");
  if (is_new && application == 0 && version == 0) {
    SqliteTransaction transaction(&database);
    database.ExecuteScript(StrCat(kSchema, "PRAGMA application_id = ", kApplicationId,
                                  "; PRAGMA user_version = ", kSchemaVersion, ";"));
    transaction.Commit();
    return;
  }
  if (application != kApplicationId) DataLoss(file, ": a database, but no table of fluke's jobs");
  if (version != kSchemaVersion) {
    DataLoss(file, ": a table of jobs of version ", version, "; this fluke reads version ",
             kSchemaVersion);
  }
}

}  // namespace

JobTable::JobTable(const std::filesystem::path& file) : database_(file) {
  std::lock_guard lock(mutex_);
  OpenSchema(database_, file);
}

JobRecord JobTable::Add(const NewJob& job, int max_waiting) {
  std::lock_guard lock(mutex_);
  SqliteTransaction transaction(&database_);
  {
    SqliteDatabase::Rows rows =
        database_.Query("SELECT count(*) FROM jobs WHERE state = ?", int64_t{v1::Job::WAITING});
    if (rows.Next() && rows.Integer(0) >= max_waiting) {
      Throw(absl::StatusCode::kResourceExhausted, rows.Integer(0),
            " jobs are waiting already; try again later");
    }
  }
  const int64_t now_ms = NowMs();
  database_.Execute(
      "INSERT INTO jobs (id, name, state, submitted_ms, config_yaml, run_config, manifest, epochs, "
      "max_steps, publish_alias, publish_gallery, publish_index_type, gallery) "
      "VALUES ('', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      job.name, int64_t{v1::Job::WAITING}, now_ms, job.config_yaml, job.run_config, job.manifest,
      job.epochs, job.max_steps, job.publish.alias(), job.publish.gallery(),
      job.publish.index_type(), job.gallery);
  const int64_t sequence = database_.last_row();
  const std::string id = IdOf(sequence, now_ms);
  database_.Execute("UPDATE jobs SET id = ? WHERE sequence = ?", id, sequence);
  transaction.Commit();
  return Read(id);
}

JobRecord JobTable::Get(std::string_view id) const {
  std::lock_guard lock(mutex_);
  return Read(id);
}

std::vector<JobRecord> JobTable::List(int64_t before_sequence, int count) const {
  std::lock_guard lock(mutex_);
  SqliteDatabase::Rows rows = database_.Query(
      kSelectPage, before_sequence > 0 ? before_sequence : INT64_MAX, int64_t{count});
  std::vector<JobRecord> jobs;
  while (rows.Next()) jobs.push_back(RecordOf(rows));
  return jobs;
}

std::vector<JobRecord> JobTable::InState(v1::Job::State state) const {
  std::lock_guard lock(mutex_);
  SqliteDatabase::Rows rows = database_.Query(kSelectState, int64_t{state});
  std::vector<JobRecord> jobs;
  while (rows.Next()) jobs.push_back(RecordOf(rows));
  return jobs;
}

JobRecord JobTable::Read(std::string_view id) const {
  SqliteDatabase::Rows rows = database_.Query(kSelectOne, id);
  if (!rows.Next()) NotFound("no job '", id.substr(0, 100), "'");
  return RecordOf(rows);
}

JobRecord JobTable::Require(std::string_view id, States from) const {
  JobRecord job = Read(id);
  if (std::ranges::find(from, job.state) != from.end()) return job;
  std::vector<std::string> names;
  for (const v1::Job::State state : from) names.push_back(v1::Job::State_Name(state));
  Throw(absl::StatusCode::kFailedPrecondition, "job ", id, " is ", v1::Job::State_Name(job.state),
        ", expected ", StrJoin(names, " or "));
}

JobRecord JobTable::Start(std::string_view id, std::string_view mark) {
  std::lock_guard lock(mutex_);
  SqliteTransaction transaction(&database_);
  Require(id, {v1::Job::WAITING});
  database_.Execute(
      "UPDATE jobs SET state = ?, started_ms = CASE started_ms WHEN 0 THEN ? ELSE started_ms END, "
      "attempts = attempts + 1, mark = ?, revision = revision + 1 WHERE id = ?",
      int64_t{v1::Job::RUNNING}, NowMs(), mark, id);
  transaction.Commit();
  return Read(id);
}

void JobTable::RunAgain(std::string_view id, int fruitless_attempts) {
  std::lock_guard lock(mutex_);
  SqliteTransaction transaction(&database_);
  Require(id, {v1::Job::RUNNING});
  database_.Execute(
      "UPDATE jobs SET state = ?, fruitless_attempts = ?, revision = revision + 1 WHERE id = ?",
      int64_t{v1::Job::WAITING}, int64_t{fruitless_attempts}, id);
  transaction.Commit();
}

void JobTable::End(std::string_view id, v1::Job::State state, std::string_view error) {
  database_.Execute(
      "UPDATE jobs SET state = ?, error = ?, ended_ms = ?, revision = revision + 1 WHERE id = ?",
      int64_t{state}, error, NowMs(), id);
}

void JobTable::Succeed(std::string_view id) {
  std::lock_guard lock(mutex_);
  SqliteTransaction transaction(&database_);
  Require(id, {v1::Job::RUNNING});
  End(id, v1::Job::SUCCEEDED, "");
  transaction.Commit();
}

void JobTable::SucceedAndPublish(std::string_view id) {
  std::lock_guard lock(mutex_);
  SqliteTransaction transaction(&database_);
  Require(id, {v1::Job::RUNNING});
  End(id, v1::Job::PUBLISHING, "");
  transaction.Commit();
}

void JobTable::Fail(std::string_view id, std::string_view error) {
  std::lock_guard lock(mutex_);
  SqliteTransaction transaction(&database_);
  Require(id, {v1::Job::RUNNING});
  End(id, v1::Job::FAILED, error);
  transaction.Commit();
}

void JobTable::MarkCancelled(std::string_view id) {
  std::lock_guard lock(mutex_);
  SqliteTransaction transaction(&database_);
  Require(id, {v1::Job::RUNNING});
  End(id, v1::Job::CANCELLED, "");
  transaction.Commit();
}

JobRecord JobTable::RequestCancel(std::string_view id) {
  std::lock_guard lock(mutex_);
  SqliteTransaction transaction(&database_);
  const JobRecord job = Require(id, {v1::Job::WAITING, v1::Job::RUNNING, v1::Job::PUBLISHING});
  if (job.state == v1::Job::WAITING) {
    End(id, v1::Job::CANCELLED, "");
  } else {
    database_.Execute("UPDATE jobs SET cancel_requested = 1 WHERE id = ?", id);
  }
  transaction.Commit();
  return Read(id);
}

JobRecord JobTable::RequestPublication(std::string_view id, const v1::PublishTarget& target,
                                       std::string_view gallery) {
  std::lock_guard lock(mutex_);
  SqliteTransaction transaction(&database_);
  Require(id, {v1::Job::SUCCEEDED, v1::Job::PUBLISHED});
  database_.Execute(
      "UPDATE jobs SET state = ?, error = '', cancel_requested = 0, publish_alias = ?, "
      "publish_gallery = ?, publish_index_type = ?, gallery = ?, revision = revision + 1 "
      "WHERE id = ?",
      int64_t{v1::Job::PUBLISHING}, target.alias(), target.gallery(), target.index_type(), gallery,
      id);
  transaction.Commit();
  return Read(id);
}

JobRecord JobTable::BeginPublication(std::string_view id) {
  std::lock_guard lock(mutex_);
  SqliteTransaction transaction(&database_);
  Require(id, {v1::Job::PUBLISHING});
  database_.Execute("UPDATE jobs SET publications = publications + 1 WHERE id = ?", id);
  transaction.Commit();
  return Read(id);
}

void JobTable::Publish(std::string_view id, std::string_view collection) {
  std::lock_guard lock(mutex_);
  SqliteTransaction transaction(&database_);
  Require(id, {v1::Job::PUBLISHING});
  database_.Execute(
      "UPDATE jobs SET state = ?, collection = ?, revision = revision + 1 WHERE id = ?",
      int64_t{v1::Job::PUBLISHED}, collection, id);
  transaction.Commit();
}

void JobTable::FailPublication(std::string_view id, std::string_view error) {
  std::lock_guard lock(mutex_);
  SqliteTransaction transaction(&database_);
  const JobRecord job = Require(id, {v1::Job::PUBLISHING});
  const v1::Job::State before = job.collection.empty() ? v1::Job::SUCCEEDED : v1::Job::PUBLISHED;
  database_.Execute("UPDATE jobs SET state = ?, error = ?, revision = revision + 1 WHERE id = ?",
                    int64_t{before}, error, id);
  transaction.Commit();
}

}  // namespace fluke::serve
