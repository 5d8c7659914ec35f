// The config of a job as a client sends it -> what `fluke train` may be given.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "common/config.h"
#include "fluke/v1/config.pb.h"
#include "serve/jobs/job_table.h"
#include "serve/server_seams.h"

namespace fluke::serve {

// The absolute path of `given`, a path relative to `folder`, when it is a file or folder within it
// that is there. `folder` is canonical; symbolic links that lead outside are outside. Throws
// INVALID_ARGUMENT, beginning with `where`.
std::string PathWithin(const std::filesystem::path& folder, const std::string& given,
                       std::string_view where);

// Fills all of the job but its name and publication. `data.manifest` is a path relative to `data`,
// `model.init_from` as well, or "job:ID", of which `run_of_job` gives the run folder or throws.
// Throws INVALID_ARGUMENT for a config that `fluke train` would refuse, naming line and key and no
// path below `hidden_roots`.
NewJob ReadJobConfig(const std::string& yaml, const std::vector<std::string>& overrides,
                     const std::filesystem::path& data,
                     const std::function<std::string(const std::string& id)>& run_of_job,
                     const CheckTrainConfig& check, std::span<const std::string> hidden_roots);

}  // namespace fluke::serve
