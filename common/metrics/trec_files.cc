#include "common/metrics/trec_files.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "absl/strings/str_format.h"
#include "common/error.h"

namespace fluke {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }

template <size_t kFields>
class FieldLines {
 public:
  FieldLines(std::string_view text, std::string name, std::string_view form)
      : rest_(text), name_(std::move(name)), form_(form) {}

  // The next line that is not blank; false at the end.
  bool Next(std::array<std::string_view, kFields>* fields) {
    while (!rest_.empty()) {
      const size_t end = rest_.find('\n');
      std::string_view line = rest_.substr(0, end);
      rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
      ++line_;
      if (Split(line, fields)) return true;
    }
    return false;
  }

  template <typename... Parts>
  [[noreturn]] void Fail(const Parts&... parts) const {
    InvalidArgument(name_, ":", line_, ": ", parts...);
  }

 private:
  bool Split(std::string_view line, std::array<std::string_view, kFields>* fields) const {
    size_t count = 0, at = 0;
    while (true) {
      while (at < line.size() && IsSpace(line[at])) ++at;
      if (at == line.size()) break;
      const size_t begin = at;
      while (at < line.size() && !IsSpace(line[at])) ++at;
      if (count < kFields) (*fields)[count] = line.substr(begin, at - begin);
      ++count;
    }
    if (count == 0) return false;
    if (count != kFields) Fail(count, " fields, expected ", kFields, ": ", form_);
    return true;
  }

  std::string_view rest_;
  std::string name_;
  std::string_view form_;
  int64_t line_ = 0;
};

template <typename Number>
bool Parse(std::string_view text, Number* number) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

// Lines of a topic stand together as a rule: then the map is asked once for all of them.
template <typename Document>
class ByTopic {
 public:
  explicit ByTopic(std::map<std::string_view, std::vector<Document>>* topics) : topics_(topics) {}
  std::vector<Document>& operator[](std::string_view topic) {
    if (last_ == nullptr || topic != last_topic_) {
      last_ = &(*topics_)[topic];
      last_topic_ = topic;
    }
    return *last_;
  }

 private:
  std::map<std::string_view, std::vector<Document>>* topics_;
  std::string_view last_topic_;
  std::vector<Document>* last_ = nullptr;
};

template <typename Document>
void CheckDistinct(const std::filesystem::path& path,
                   const std::map<std::string_view, std::vector<Document>>& topics) {
  std::vector<std::string_view> names;
  for (const auto& [topic, documents] : topics) {
    names.clear();
    for (const Document& document : documents) names.push_back(document.document);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) {
      InvalidArgument(path, ": topic ", topic, " has document '", *twice, "' twice");
    }
  }
}

void CheckName(std::string_view kind, std::string_view name) {
  if (!name.empty() &&
      std::none_of(name.begin(), name.end(), [](char c) { return IsSpace(c) || c == '\n'; })) {
    return;
  }
  InvalidArgument(kind, " '", name, "' cannot stand in a trec file: expected no white space in it");
}

int GradeOf(const std::vector<JudgedDocument>& judged, std::string_view document) {
  const auto found = std::lower_bound(
      judged.begin(), judged.end(), document,
      [](const JudgedDocument& a, std::string_view name) { return a.document < name; });
  return found != judged.end() && found->document == document ? found->grade : kUnjudged;
}

}  // namespace

TrecQrels ReadTrecQrels(const std::filesystem::path& path) {
  constexpr int kMaxGrade = 1000;  // level_counts has one entry a grade
  TrecQrels qrels{.file = MappedFile(path), .topics = {}};
  FieldLines<4> lines(qrels.file.text(), path.string(), "topic iteration document grade");
  ByTopic by_topic(&qrels.topics);
  for (std::array<std::string_view, 4> fields; lines.Next(&fields);) {
    int grade = 0;
    if (!Parse(fields[3], &grade) || grade > kMaxGrade) {
      lines.Fail("grade is '", fields[3], "'; expected a whole number of at most ", kMaxGrade);
    }
    by_topic[fields[0]].push_back({fields[2], grade});
  }
  for (auto& [topic, judged] : qrels.topics) {
    std::sort(judged.begin(), judged.end(), [](const JudgedDocument& a, const JudgedDocument& b) {
      return a.document < b.document;
    });
  }
  CheckDistinct(path, qrels.topics);
  return qrels;
}

TrecRun ReadTrecRun(const std::filesystem::path& path) {
  TrecRun run{.file = MappedFile(path), .run_id = {}, .topics = {}};
  FieldLines<6> lines(run.file.text(), path.string(), "topic Q0 document rank score run_id");
  ByTopic by_topic(&run.topics);
  for (std::array<std::string_view, 6> fields; lines.Next(&fields);) {
    float score = 0;
    if (!Parse(fields[4], &score) || !std::isfinite(score)) {
      lines.Fail("score is '", fields[4], "'; expected a number");
    }
    if (run.run_id.empty()) run.run_id = fields[5];
    by_topic[fields[0]].push_back({fields[2], score});
  }
  for (auto& [topic, retrieved] : run.topics) {
    std::sort(retrieved.begin(), retrieved.end(),
              [](const RetrievedDocument& a, const RetrievedDocument& b) {
                return a.score != b.score ? a.score > b.score : a.document > b.document;
              });
  }
  CheckDistinct(path, run.topics);
  return run;
}

std::vector<JudgedRanking> JudgeRun(const TrecRun& run, const TrecQrels& qrels, TrecTopics topics) {
  std::vector<JudgedRanking> rankings;
  for (const auto& [topic, judged] : qrels.topics) {
    const auto found = run.topics.find(topic);
    if (found == run.topics.end() && topics == TrecTopics::kInBoth) continue;
    JudgedRanking& ranking = rankings.emplace_back();
    ranking.topic = topic;
    for (const JudgedDocument& document : judged) {
      if (document.grade < 0) continue;
      if (ranking.level_counts.size() <= static_cast<size_t>(document.grade)) {
        ranking.level_counts.resize(document.grade + 1);
      }
      ++ranking.level_counts[document.grade];
    }
    if (found == run.topics.end()) continue;
    ranking.grades.reserve(found->second.size());
    for (const RetrievedDocument& document : found->second) {
      ranking.grades.push_back(GradeOf(judged, document.document));
    }
  }
  return rankings;
}

std::string TrecRunLine(std::string_view topic, std::string_view document, int64_t rank,
                        float score, std::string_view run_id) {
  CheckName("topic", topic);
  CheckName("document", document);
  CheckName("run", run_id);
  return StrCat(topic, " Q0 ", document, " ", rank, " ", absl::StrFormat("%.9g", score), " ",
                run_id, "\n");
}

std::string TrecQrelsLine(std::string_view topic, std::string_view document, int grade) {
  CheckName("topic", topic);
  CheckName("document", document);
  return StrCat(topic, " 0 ", document, " ", grade, "\n");
}

}  // namespace fluke
