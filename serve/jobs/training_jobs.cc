#include "serve/jobs/training_jobs.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "common/error.h"
#include "common/files.h"

namespace fluke::serve {
namespace {

constexpr size_t kMaxJobNameBytes = 200, kMaxTargetBytes = 1000;
// With a job's id behind it, an alias is a collection's name, which has at most 100 bytes.
constexpr size_t kMaxAliasBytes = 64;
constexpr int kDefaultJobPage = 20, kMaxJobPage = 1024;
constexpr int kLogLines = 50;

std::filesystem::path CanonicalFolder(const std::string& folder, std::string_view field) {
  std::error_code error;
  const std::filesystem::path canonical = std::filesystem::canonical(folder, error);
  if (error || !std::filesystem::is_directory(canonical, error)) {
    InvalidArgument(field, ": ", folder, ": expected a folder");
  }
  return canonical;
}

std::filesystem::path MadeFolder(const std::string& folder, std::string_view field) {
  MakeFolder(folder);
  return CanonicalFolder(folder, field);
}

// As the config names them and as they are.
std::vector<std::string> Roots(const v1::ServeConfig& config) {
  std::vector<std::string> roots{config.data(), config.jobs().data()};
  for (int i = 0; i < 2; ++i) {
    while (roots[i].size() > 1 && roots[i].back() == '/') roots[i].pop_back();
    roots.push_back(std::filesystem::weakly_canonical(roots[i]).string());
  }
  // A root that is relative, or all of the machine, would be found in any text.
  std::erase_if(roots, [](const std::string& root) { return root.size() < 2 || root[0] != '/'; });
  return roots;
}

JobRunnerOptions RunnerOptions(const v1::Jobs& config, const std::filesystem::path& jobs,
                               const std::vector<std::string>& hidden_roots) {
  return {.jobs = jobs,
          .hidden_roots = hidden_roots,
          .max_running = config.max_running(),
          .max_memory_mb = config.max_memory_mb(),
          .max_seconds = config.max_seconds(),
          .niceness = config.niceness()};
}

double ProgressOf(const JobRecord& record, const JobFolder& folder, v1::Job* with_metrics) {
  JobMetrics metrics;
  const bool is_trained = record.state == v1::Job::SUCCEEDED ||
                          record.state == v1::Job::PUBLISHING || record.state == v1::Job::PUBLISHED;
  if (with_metrics != nullptr || !is_trained) metrics = ReadMetrics(folder.run());
  if (with_metrics != nullptr) {
    with_metrics->mutable_metrics()->Assign(metrics.points.begin(), metrics.points.end());
  }
  if (is_trained) return 1;
  double progress = record.epochs > 0 ? metrics.epochs / static_cast<double>(record.epochs) : 0;
  if (record.max_steps > 0) {
    progress = std::max(progress,
                        static_cast<double>(metrics.steps) / static_cast<double>(record.max_steps));
  }
  return std::min(progress, 1.0);
}

}  // namespace

TrainingJobs::TrainingJobs(const v1::ServeConfig& config, TrainingSeams seams)
    : data_(CanonicalFolder(config.jobs().data(), "jobs.data")),
      jobs_(MadeFolder(config.data(), "data") / "jobs"),
      max_waiting_(config.jobs().max_waiting()),
      seams_(std::move(seams)),
      hidden_roots_(Roots(config)),
      table_(jobs_.parent_path() / "jobs.sqlite"),
      runner_(&table_, seams_.commands, seams_.publish,
              RunnerOptions(config.jobs(), jobs_, hidden_roots_)) {}

v1::Job TrainingJobs::Submit(const v1::SubmitJobRequest& request) {
  if (request.name().size() > kMaxJobNameBytes) {
    InvalidArgument("name: ", request.name().size(), " bytes, at most ", kMaxJobNameBytes);
  }
  std::string gallery;
  if (request.has_publish()) gallery = CheckTarget(request.publish());
  NewJob job = ReadJobConfig(
      request.config_yaml(), {request.set().begin(), request.set().end()}, data_,
      [this](const std::string& id) { return RunOfJob(id); }, seams_.check_config, hidden_roots_);
  job.name = request.name();
  job.publish = request.publish();
  job.gallery = gallery;
  const JobRecord record = table_.Add(job, max_waiting_);
  runner_.Wake();
  return Full(record);
}

v1::Job TrainingJobs::Get(const std::string& id) const { return Full(table_.Get(id)); }

v1::ListJobsResponse TrainingJobs::List(const v1::ListJobsRequest& request) const {
  if (request.page_size() > kMaxJobPage) {
    InvalidArgument("page_size ", request.page_size(), " exceeds ", kMaxJobPage);
  }
  int64_t before = 0;
  const std::string& token = request.page_token();
  if (!token.empty() && (!absl::SimpleAtoi(token, &before) || before <= 0)) {
    InvalidArgument("page_token: not one of a ListJobsResponse");
  }
  const int count =
      request.page_size() > 0 ? static_cast<int>(request.page_size()) : kDefaultJobPage;
  const std::vector<JobRecord> records = table_.List(before, count + 1);
  v1::ListJobsResponse response;
  for (const JobRecord& record : records) {
    if (response.jobs_size() == count) {
      response.set_next_page_token(
          std::to_string(records[static_cast<size_t>(count) - 1].sequence));
      break;
    }
    *response.add_jobs() = Summary(record);
  }
  return response;
}

v1::Job TrainingJobs::Cancel(const std::string& id) {
  const JobRecord record = table_.RequestCancel(id);
  runner_.Wake();
  return Full(record);
}

v1::Job TrainingJobs::Publish(const v1::PublishJobRequest& request) {
  const std::string gallery = CheckTarget(request.target());
  const JobRecord record = table_.RequestPublication(request.id(), request.target(), gallery);
  runner_.Wake();
  return Full(record);
}

std::string TrainingJobs::Stamp(const std::string& id) const {
  const JobRecord record = table_.Get(id);
  return StrCat(record.revision, " ", FolderStamp(FolderOf(id)));
}

v1::Job TrainingJobs::Summary(const JobRecord& record) const {
  v1::Job job;
  job.set_id(record.id);
  job.set_name(record.name);
  job.set_state(record.state);
  job.set_error(record.error);
  job.set_submitted_ms(record.submitted_ms);
  job.set_started_ms(record.started_ms);
  job.set_ended_ms(record.ended_ms);
  job.set_progress(ProgressOf(record, FolderOf(record.id), nullptr));
  job.set_collection(record.collection);
  if (!record.publish.alias().empty()) *job.mutable_publish() = record.publish;
  job.set_attempts(record.attempts);
  return job;
}

v1::Job TrainingJobs::Full(const JobRecord& record) const {
  v1::Job job = Summary(record);
  const JobFolder folder = FolderOf(record.id);
  job.set_progress(ProgressOf(record, folder, &job));
  job.set_log_tail(LogTail(folder, kLogLines, hidden_roots_));
  job.set_config_yaml(record.config_yaml);
  return job;
}

std::string TrainingJobs::CheckTarget(const v1::PublishTarget& target) const {
  if (seams_.publish == nullptr) {
    Throw(absl::StatusCode::kFailedPrecondition, "this server has no place to publish to");
  }
  const std::string& alias = target.alias();
  const bool is_name = std::ranges::all_of(alias, [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  });
  if (alias.empty() || alias.size() > kMaxAliasBytes || !is_name) {
    InvalidArgument("publish.alias: expected 1 to ", kMaxAliasBytes,
                    " letters, digits, '-', '_' and '.'");
  }
  if (target.index_type().size() > kMaxTargetBytes) InvalidArgument("publish.index_type: too long");
  if (target.gallery().empty()) return "";
  return PathWithin(data_, target.gallery(), "publish.gallery");
}

std::string TrainingJobs::RunOfJob(const std::string& id) const {
  const JobRecord record = table_.Get(id);
  if (!std::filesystem::exists(FolderOf(id).run() / "model.safetensors")) {
    InvalidArgument("job ", id, " has no model: it is ", v1::Job::State_Name(record.state));
  }
  return FolderOf(id).run().string();
}

}  // namespace fluke::serve
