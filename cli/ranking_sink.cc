#include "cli/ranking_sink.h"

#include <iostream>

#include "absl/strings/str_format.h"
#include "common/csv.h"
#include "common/error.h"

namespace fluke::cli {

RankingSink::RankingSink(const std::string& path) {
  if (!path.empty()) file_ = std::make_unique<AtomicFile>(path);
  Write(CsvLine({"query_id", "query_identity", "rank", "id", "identity", "score"}));
}

void RankingSink::Write(const Item& query, int64_t rank, const Item& found, float score) {
  // Nine digits tell any two float32 apart.
  Write(CsvLine({query.id, query.identity, std::to_string(rank), found.id, found.identity,
                 absl::StrFormat("%.9g", score)}));
}

void RankingSink::Write(std::string_view text) {
  if (file_ != nullptr) {
    file_->Append(text);
  } else {
    std::cout << text;
  }
}

void RankingSink::Finish() {
  if (file_ != nullptr) {
    file_->Commit();
  } else if (!std::cout.flush()) {
    Throw(absl::StatusCode::kUnavailable, "cannot write the ranking to stdout");
  }
}

}  // namespace fluke::cli
