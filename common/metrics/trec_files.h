// The two files of TREC evaluations, one line a document, fields separated by white space:
//   qrels  topic iteration document grade
//   run    topic Q0 document rank score run_id
// A run is ordered by score, equal ones by document from the last name to the first (trec_eval's
// rule); its ranks are not read. Bad lines are InvalidArgument, naming file and line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/files.h"
#include "common/metrics/trec.h"

namespace fluke {

struct JudgedDocument {
  std::string_view document;
  int grade = 0;
};

// Texts are views of the file.
struct TrecQrels {
  MappedFile file;
  std::map<std::string_view, std::vector<JudgedDocument>> topics;  // each by document
};

struct RetrievedDocument {
  std::string_view document;
  float score = 0;
};

struct TrecRun {
  MappedFile file;
  std::string_view run_id;                                            // of the first line
  std::map<std::string_view, std::vector<RetrievedDocument>> topics;  // each best first
};

TrecQrels ReadTrecQrels(const std::filesystem::path& path);
TrecRun ReadTrecRun(const std::filesystem::path& path);

enum class TrecTopics {
  kInBoth,     // topics of the run that are judged, trec_eval's default
  kAllJudged,  // its -c: a judged topic that the run lacks retrieved nothing
};

// Judges the run's documents. By topic, in ascending order.
std::vector<JudgedRanking> JudgeRun(const TrecRun& run, const TrecQrels& qrels, TrecTopics topics);

// Lines to write, with their line end. Throws InvalidArgument for a name with white space in it.
std::string TrecRunLine(std::string_view topic, std::string_view document, int64_t rank,
                        float score, std::string_view run_id);
std::string TrecQrelsLine(std::string_view topic, std::string_view document, int grade);

}  // namespace fluke
