#include "common/leaderboard/page.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "common/html.h"
#include "common/leaderboard/plots.h"
#include "common/text.h"

namespace fluke {
namespace {

constexpr char kHead[] = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #222; background: #fff }
table { border-collapse: collapse } th, td { padding: .3rem .7rem; border-bottom: 1px solid #ddd; text-align: right }
th:first-child, td:first-child { text-align: left } td small { color: #666; display: block; white-space: nowrap }
.plots { display: flex; flex-wrap: wrap; gap: 1rem } svg { max-width: 100%; height: auto }
.strip { display: flex; gap: .4rem; margin: .5rem 0; align-items: flex-start } .strip figure { margin: 0; width: 7rem }
.strip img, .strip .none { width: 7rem; height: 5rem; object-fit: contain; background: #eee; border: 3px solid #D55E00; box-sizing: border-box }
.strip .right img, .strip .right .none { border-color: #009E73 } .strip .query img, .strip .query .none { border-color: #888 }
.strip .query { margin-right: 1rem } figcaption { font-size: 11px; overflow-wrap: anywhere }
</style>
)";

std::string Table(const Leaderboard& board) {
  std::string html = "<table><thead><tr><th>run</th><th>queries</th>";
  for (const std::string& metric : board.metrics) html += "<th>" + EscapeHtml(metric) + "</th>";
  html += "<th>p against best</th></tr></thead><tbody>";
  for (const LeaderboardRun& run : board.runs) {
    html += StrCat("<tr><td>", EscapeHtml(run.name), "</td><td>", run.queries, "</td>");
    for (const LeaderboardCell& cell : run.cells) {
      html += absl::StrFormat("<td>%.4f", cell.value);
      if (cell.interval) {
        html += absl::StrFormat(" <small>[%.3f, %.3f]</small>", cell.interval->low,
                                cell.interval->high);
      }
      html += "</td>";
    }
    html += run.p_against_best ? absl::StrFormat("<td>%.4f</td></tr>", *run.p_against_best)
                               : "<td></td></tr>";
  }
  return html + "</tbody></table>\n";
}

std::string Figure(const StripPicture& picture, std::string_view kind) {
  std::string html = StrCat("<figure class=\"", kind, "\">");
  if (picture.jpeg.empty()) {
    html += "<div class=\"none\"></div>";
  } else {
    html += StrCat("<img alt=\"\" src=\"data:image/jpeg;base64,", absl::Base64Escape(picture.jpeg),
                   "\">");
  }
  return html + "<figcaption>" + EscapeHtml(picture.caption) + "</figcaption></figure>";
}

std::string Strip(const HardQuery& query) {
  std::string html = "<div class=\"strip\">" + Figure(query.query, "query");
  for (const StripPicture& found : query.found) {
    html += Figure(found, found.is_right ? "right" : "wrong");
  }
  return html + "</div>\n";
}

std::string RunSection(const LeaderboardRun& run) {
  if (!run.scores && run.hardest.empty() && !run.confusion) return "";
  std::string html = "<section><h2>" + EscapeHtml(run.name) + "</h2><div class=\"plots\">";
  if (run.scores) html += "<div><h3>Scores</h3>" + HistogramPlot(*run.scores) + "</div>";
  if (run.confusion && !run.confusion->individuals.empty()) {
    html +=
        "<div><h3>Most confused individuals</h3><p>Rows: who it is; columns: whom the best "
        "match shows.</p>" +
        ConfusionPlot(*run.confusion) + "</div>";
  }
  html += "</div>";
  if (!run.hardest.empty()) {
    html +=
        "<h3>Hardest queries</h3><p>The query, then what it found, best first; framed green "
        "where it is the same individual.</p>\n";
    for (const HardQuery& query : run.hardest) html += Strip(query);
  }
  return html + "</section>\n";
}

}  // namespace

std::string LeaderboardPage(const Leaderboard& board) {
  std::string html =
      StrCat(kHead, "<title>", EscapeHtml(board.title), "</title></head><body>\n<h1>",
             EscapeHtml(board.title), "</h1>\n", Table(board));
  std::vector<Curve> curves;
  for (const LeaderboardRun& run : board.runs) {
    if (!run.recall_at.empty()) curves.push_back({run.name, run.recall_at});
  }
  if (!curves.empty()) {
    html += "<section><h2>Recall</h2>" + CurvePlot(curves, "k", "recall@k") + "</section>\n";
  }
  for (const LeaderboardRun& run : board.runs) html += RunSection(run);
  return html + "</body></html>\n";
}

}  // namespace fluke
