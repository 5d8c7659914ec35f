#include "common/metrics/submission.h"

#include <algorithm>
#include <sstream>
#include <unordered_set>

#include "common/csv.h"
#include "common/error.h"

namespace fluke {
namespace {

// The first of these columns that there is.
int FindColumn(const CsvTable& table, const std::filesystem::path& path,
               const std::vector<std::string_view>& names) {
  for (std::string_view name : names) {
    if (const int column = table.Column(name); column >= 0) return column;
  }
  InvalidArgument(path, ":1: none of the columns ", StrJoin(names, ", "), "; found ",
                  StrJoin(table.header, ", "));
}

std::vector<std::string> Words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

}  // namespace

std::vector<Submission> ReadSubmission(const std::filesystem::path& path, int64_t most) {
  const CsvTable table = ReadCsv(path);
  const int image = FindColumn(table, path, {"Image", "image", "id", "path"});
  const int answers = FindColumn(table, path, {"Id", "predictions", "identity"});
  std::vector<Submission> submissions;
  std::unordered_set<std::string> seen;
  for (const CsvRow& row : table.rows) {
    Submission& submission = submissions.emplace_back(
        Submission{.image = row.fields[image], .answers = Words(row.fields[answers])});
    if (!seen.insert(submission.image).second) {
      InvalidArgument(path, ":", row.line, ": image '", submission.image, "' stands there twice");
    }
    if (static_cast<int64_t>(submission.answers.size()) > most) {
      InvalidArgument(path, ":", row.line, ": ", submission.answers.size(), " answers; at most ",
                      most, " are allowed");
    }
    std::unordered_set<std::string_view> different;
    for (const std::string& answer : submission.answers) {
      if (different.insert(answer).second) continue;
      InvalidArgument(path, ":", row.line, ": answer '", answer, "' stands there twice");
    }
  }
  return submissions;
}

std::vector<Submission> ReadTruth(const std::filesystem::path& path) {
  const CsvTable table = ReadCsv(path);
  const int image = FindColumn(table, path, {"Image", "image", "id", "path"});
  const int identity = FindColumn(table, path, {"Id", "identity", "label"});
  std::vector<Submission> truth;
  for (const CsvRow& row : table.rows) {
    truth.push_back({.image = row.fields[image], .answers = {row.fields[identity]}});
  }
  return truth;
}

SubmissionWriter::SubmissionWriter(const std::filesystem::path& path) : file_(path) {
  file_.Append("Image,Id\n");
}

void SubmissionWriter::Add(std::string_view image, const std::vector<std::string>& answers) {
  for (const std::string& answer : answers) {
    if (Words(answer) == std::vector<std::string>{answer}) continue;
    InvalidArgument("'", answer, "' cannot stand in a submission: answers are separated by spaces");
  }
  file_.Append(CsvLine({std::string(image), StrJoin(answers, " ")}));
}

void SubmissionWriter::Commit() { file_.Commit(); }

std::vector<std::string> DifferentAnswers(const std::vector<std::pair<std::string, float>>& ranked,
                                          int64_t count, std::string_view new_label,
                                          float threshold) {
  std::vector<std::string> answers;
  const auto add = [&](std::string_view answer) {
    if (static_cast<int64_t>(answers.size()) == count) return;
    if (std::find(answers.begin(), answers.end(), answer) == answers.end()) {
      answers.emplace_back(answer);
    }
  };
  for (const auto& [identity, score] : ranked) {
    if (!new_label.empty() && score < threshold) add(new_label);
    if (!identity.empty()) add(identity);
  }
  if (!new_label.empty() && static_cast<int64_t>(answers.size()) < count) add(new_label);
  return answers;
}

}  // namespace fluke
