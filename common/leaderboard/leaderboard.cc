#include "common/leaderboard/leaderboard.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"

namespace fluke {
namespace {

std::string CellText(const LeaderboardCell& cell) {
  if (!cell.interval) return absl::StrFormat("%.4f", cell.value);
  return absl::StrFormat("%.4f [%.3f, %.3f]", cell.value, cell.interval->low, cell.interval->high);
}

// The table as rows of texts, the header first.
std::vector<std::vector<std::string>> Rows(const Leaderboard& board) {
  std::vector<std::vector<std::string>> rows = {{"run", "queries"}};
  rows[0].insert(rows[0].end(), board.metrics.begin(), board.metrics.end());
  rows[0].push_back("p against best");
  for (const LeaderboardRun& run : board.runs) {
    std::vector<std::string>& row = rows.emplace_back();
    row = {run.name, std::to_string(run.queries)};
    for (const LeaderboardCell& cell : run.cells) row.push_back(CellText(cell));
    row.push_back(run.p_against_best ? absl::StrFormat("%.4f", *run.p_against_best) : "");
  }
  return rows;
}

// Characters of UTF-8, not bytes.
size_t Width(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

std::string MarkdownCell(const std::string& text) {
  std::string cell;
  for (char c : text) {
    if (c == '|') cell += '\\';
    cell += c == '\n' || c == '\r' ? ' ' : c;
  }
  return cell;
}

}  // namespace

void SortByFirstMetric(Leaderboard* board) {
  std::sort(board->runs.begin(), board->runs.end(),
            [](const LeaderboardRun& a, const LeaderboardRun& b) {
              return a.cells[0].value != b.cells[0].value ? a.cells[0].value > b.cells[0].value
                                                          : a.name < b.name;
            });
}

std::string LeaderboardText(const Leaderboard& board) {
  const auto rows = Rows(board);
  std::vector<size_t> widths(rows[0].size());
  for (const auto& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], Width(row[c]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      line += row[c] + std::string(widths[c] - Width(row[c]) + 2, ' ');
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string LeaderboardMarkdown(const Leaderboard& board) {
  const auto rows = Rows(board);
  std::string text = "# " + MarkdownCell(board.title) + "\n\n";
  for (size_t r = 0; r < rows.size(); ++r) {
    for (const std::string& cell : rows[r]) text += "| " + MarkdownCell(cell) + " ";
    text += "|\n";
    if (r > 0) continue;
    for (size_t c = 0; c < rows[0].size(); ++c) text += c == 0 ? "|---" : "|--:";
    text += "|\n";
  }
  return text;
}

std::string LeaderboardJson(const Leaderboard& board) {
  using Json = nlohmann::ordered_json;
  Json runs = Json::array();
  for (const LeaderboardRun& run : board.runs) {
    Json metrics = Json::object(), intervals = Json::object();
    for (size_t m = 0; m < board.metrics.size(); ++m) {
      metrics[board.metrics[m]] = run.cells[m].value;
      if (const auto& interval = run.cells[m].interval) {
        intervals[board.metrics[m]] = {interval->low, interval->high};
      }
    }
    Json one = {{"name", run.name}, {"queries", run.queries}, {"metrics", metrics}};
    if (!intervals.empty()) one["intervals"] = intervals;
    if (run.p_against_best) one["p_against_best"] = *run.p_against_best;
    if (!run.recall_at.empty()) one["recall_at"] = run.recall_at;
    runs.push_back(one);
  }
  return Json{{"title", board.title}, {"runs", runs}}.dump(-1, ' ', false,
                                                           Json::error_handler_t::replace);
}

std::optional<ScoreHistogram> MakeHistogram(const std::vector<float>& same,
                                            const std::vector<float>& different, int64_t bins) {
  if (same.empty() || different.empty()) return std::nullopt;
  ScoreHistogram histogram;
  const auto [low_same, high_same] = std::minmax_element(same.begin(), same.end());
  const auto [low_different, high_different] =
      std::minmax_element(different.begin(), different.end());
  histogram.low = std::min(*low_same, *low_different);
  histogram.high = std::max(*high_same, *high_different);
  const double width = (histogram.high - histogram.low) / static_cast<double>(bins);
  const auto fill = [&](const std::vector<float>& scores) {
    std::vector<double> shares(bins);
    for (float score : scores) {
      const auto bin =
          width > 0 ? static_cast<int64_t>((score - histogram.low) / width) : int64_t{0};
      shares[std::clamp<int64_t>(bin, 0, bins - 1)] += 1 / static_cast<double>(scores.size());
    }
    return shares;
  };
  histogram.same = fill(same);
  histogram.different = fill(different);
  return histogram;
}

}  // namespace fluke
