// Submission files of Kaggle's identification contests: a header "Image,Id" and a line a
// photograph, its answers separated by spaces, best first.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/files.h"

namespace fluke {

struct Submission {
  std::string image;
  std::vector<std::string> answers;
};

// Columns Image (or id, path) and Id (or the second column); more than `most` answers, a repeated
// image or answer is InvalidArgument, naming the line.
std::vector<Submission> ReadSubmission(const std::filesystem::path& path, int64_t most);

// The truth in the same form or as a table with columns id or path and identity: image -> identity.
std::vector<Submission> ReadTruth(const std::filesystem::path& path);

// Writes a submission as queries come; complete or absent.
class SubmissionWriter {
 public:
  explicit SubmissionWriter(const std::filesystem::path& path);
  // Throws InvalidArgument, naming it, for an answer with white space in it.
  void Add(std::string_view image, const std::vector<std::string>& answers);
  void Commit();

 private:
  AtomicFile file_;
};

// The first `count` different identities of a ranking (of nobody: skipped), with `new_label` put
// in before the first whose score is below `threshold` where it is not "".
std::vector<std::string> DifferentAnswers(const std::vector<std::pair<std::string, float>>& ranked,
                                          int64_t count, std::string_view new_label,
                                          float threshold);

}  // namespace fluke
