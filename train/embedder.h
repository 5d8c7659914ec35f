// Opening trained runs for use: the Embedder seam (common/embedder.h) made of one or several runs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/embedder.h"

namespace fluke::train {

struct EmbedderOptions {
  int threads = 0;                 // 0: one a core
  std::string device = "auto";     // auto, cpu, cuda
  std::vector<std::string> tta;    // test-time augmentation (tta.h); none: photographs as they are
  std::string tta_merge = "mean";  // of its views
  std::vector<double> weights;     // a run; none: all the same
  std::string precision;  // "" = fp32; bf16 is faster where the machine has AMX or AVX512-BF16
};

// Several runs give a concatenated meta-embedding: each model's unit vector, times 1 / sqrt(number
// of models), so that the whole is a unit vector and its cosine is the mean of the models' cosines;
// with weights w, times sqrt(w / their sum), and the weighted mean. Test-time augmentation and
// weights are part of the fingerprint. Throws NotFound or FailedPrecondition naming the run,
// InvalidArgument for options that are not known or do not fit.
std::unique_ptr<Embedder> OpenEmbedder(const std::vector<std::string>& runs,
                                       const EmbedderOptions& options = {});

}  // namespace fluke::train
