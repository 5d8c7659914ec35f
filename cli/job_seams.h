// What a server needs of the other rooms to run training jobs: the checks of a config, and the
// command lines of this same program.
#pragma once

#include "serve/server_seams.h"

namespace fluke::cli {

serve::TrainingSeams JobSeams();

}  // namespace fluke::cli
