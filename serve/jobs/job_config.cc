#include "serve/jobs/job_config.h"

#include <algorithm>

#include "common/error.h"
#include "serve/jobs/private_paths.h"

namespace fluke::serve {
namespace {

constexpr char kConfigName[] = "config";  // in errors, where `fluke train` names its file
constexpr size_t kMaxConfigBytes = 1 << 20;
constexpr size_t kMaxOverrides = 1000;
constexpr char kJobPrefix[] = "job:";

bool IsWithin(const std::filesystem::path& path, const std::filesystem::path& folder) {
  return std::ranges::mismatch(folder, path).in1 == folder.end();
}

std::string RunOf(const std::string& origin,
                  const std::function<std::string(const std::string& id)>& run_of_job,
                  std::string_view where) {
  try {
    return run_of_job(origin.substr(sizeof(kJobPrefix) - 1));
  } catch (const Error& error) {
    if (error.code() == absl::StatusCode::kInternal) throw;
    InvalidArgument(where, ": ", error.what());
  }
}

}  // namespace

std::string PathWithin(const std::filesystem::path& folder, const std::string& given,
                       std::string_view where) {
  const std::filesystem::path path(given);
  // Not repeated: a message that names an absolute path never reaches a client (status.h).
  if (path.is_absolute()) {
    InvalidArgument(where,
                    ": expected a path relative to the server's folder of data, found "
                    "an absolute one");
  }
  if (given.empty() || given.find('\0') != std::string::npos ||
      !IsWithin((folder / path).lexically_normal(), folder)) {
    InvalidArgument(where, ": '", given,
                    "': expected a path within the server's folder of data, relative to it");
  }
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(folder / path, error);
  const bool is_usable =
      !error && IsWithin(real, folder) &&
      (std::filesystem::is_regular_file(real, error) || std::filesystem::is_directory(real, error));
  // Of what lies outside it is not told whether it is there.
  if (!is_usable) {
    InvalidArgument(where, ": '", given,
                    "': no file or folder of this name in the server's folder of data");
  }
  return real.string();
}

NewJob ReadJobConfig(const std::string& yaml, const std::vector<std::string>& overrides,
                     const std::filesystem::path& data,
                     const std::function<std::string(const std::string& id)>& run_of_job,
                     const CheckTrainConfig& check, std::span<const std::string> hidden_roots) {
  if (yaml.size() > kMaxConfigBytes) InvalidArgument("config: longer than ", kMaxConfigBytes);
  if (overrides.size() > kMaxOverrides) InvalidArgument("set: more than ", kMaxOverrides);
  v1::TrainConfig config;
  const ConfigSource source = ParseConfig(yaml, kConfigName, overrides, &config);
  NewJob job;
  job.config_yaml = ConfigToYaml(config);
  job.manifest = PathWithin(data, config.data().manifest(), source.Where("data.manifest"));
  config.mutable_data()->set_manifest(job.manifest);
  if (config.model().has_init_from()) {
    const std::string where = source.Where("model.init_from");
    const std::string& origin = config.model().init_from();
    config.mutable_model()->set_init_from(origin.starts_with(kJobPrefix)
                                              ? RunOf(origin, run_of_job, where)
                                              : PathWithin(data, origin, where));
  }
  try {
    if (check) check(config, source);
  } catch (const Error& error) {
    // Whatever is wrong here is wrong with the config or with the data that it names.
    InvalidArgument(WithoutPaths(error.what(), hidden_roots));
  }
  job.run_config = ConfigToYaml(config);
  job.epochs = config.train().epochs();
  job.max_steps = config.train().max_steps();
  return job;
}

}  // namespace fluke::serve
