#include "cli/leaderboard.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <spdlog/spdlog.h>

#include "absl/strings/str_format.h"
#include "cli/evaluate_data.h"
#include "cli/evaluate_report.h"
#include "common/error.h"
#include "common/image.h"
#include "common/leaderboard/leaderboard.h"
#include "common/leaderboard/page.h"
#include "common/metrics/pair_scores.h"
#include "common/metrics/search_plan.h"
#include "index/flat_search.h"

namespace fluke::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCurve = 20;                // recall@1 .. recall@20
constexpr int64_t kBins = 60;                 // of the histograms
constexpr int64_t kMostRunPairs = 1'000'000;  // of different individuals
constexpr size_t kHardQueries = 8;
constexpr size_t kFoundShown = 5;
constexpr size_t kConfusedShown = 15;
constexpr int64_t kPairedResamples = 10000;
constexpr int kThumbnailPx = 160;

// What a query's first neighbours come to.
struct QueryView {
  int64_t row = 0;
  int64_t place = 0;  // of the first relevant one among kCurve, from 1; 0 = none of them
  std::vector<Neighbor> first;
};

// Smaller views are easier: an early hit, or a wrong first answer that is not sure of itself.
bool IsHarder(const QueryView& a, const QueryView& b) {
  const int64_t place_a = a.place == 0 ? kCurve + 1 : a.place;
  const int64_t place_b = b.place == 0 ? kCurve + 1 : b.place;
  if (place_a != place_b) return place_a > place_b;
  return a.first[0].score > b.first[0].score;
}

std::string Thumbnail(const std::string& root, const Item& item) {
  if (root.empty() || item.path.empty()) return "";
  try {
    const MappedFile file(fs::path(root) / item.path);
    const cv::Mat picture =
        DecodeImage(file.bytes(), {.min_side_px = kThumbnailPx}, item.path).pixels;
    const double scale = static_cast<double>(kThumbnailPx) / std::max(picture.cols, picture.rows);
    cv::Mat small, bgr;
    cv::resize(picture, small, {}, std::min(1.0, scale), std::min(1.0, scale), cv::INTER_AREA);
    cv::cvtColor(small, bgr, cv::COLOR_RGB2BGR);
    std::vector<unsigned char> jpeg;
    cv::imencode(".jpg", bgr, jpeg, {cv::IMWRITE_JPEG_QUALITY, 80});
    return {jpeg.begin(), jpeg.end()};
  } catch (const Error& error) {
    spdlog::warn("no picture: {}", error.what());
    return "";
  }
}

// Fills in what the vectors of one run show.
class RunViews {
 public:
  RunViews(const EvaluationData& data, const std::string& images)
      : data_(data), images_(images), labels_(data.labels()) {
    const SearchPlan plan(labels_);
    std::vector<bool> counts(labels_.queries.size());
    for (const SearchPlan::Query& query : plan.queries()) counts[query.row] = true;
    const int64_t width = data.gallery().dimension();
    const FlatSearch search(data.gallery().vectors(), width, fs::temp_directory_path());
    const BlockSearch block = [&](std::span<const int64_t> rows, int64_t k) {
      std::vector<float> queries;
      for (int64_t row : rows) {
        const auto vector = data.queries().vectors().subspan(row * width, width);
        queries.insert(queries.end(), vector.begin(), vector.end());
      }
      return search.Search(queries, k);
    };
    ForEachNeighbors(labels_, kCurve, block, [&](int64_t row, std::span<const Neighbor> neighbors) {
      if (counts[row] && !neighbors.empty()) View(row, neighbors);
    });
  }

  void Fill(LeaderboardRun* run) {
    FillCurve(run);
    const PairScores pairs = ScorePairs(data_.queries().vectors(), data_.gallery().vectors(),
                                        data_.gallery().dimension(), labels_, kMostRunPairs, 0);
    run->scores = MakeHistogram(pairs.same, pairs.different, kBins);
    FillConfusion(run);
    FillHardest(run);
  }

 private:
  void View(int64_t row, std::span<const Neighbor> neighbors) {
    QueryView& view = views_.emplace_back();
    view.row = row;
    for (size_t i = 0; i < neighbors.size() && view.place == 0; ++i) {
      if (labels_.gallery[neighbors[i].row] == labels_.queries[row]) {
        view.place = static_cast<int64_t>(i) + 1;
      }
    }
    const auto shown = neighbors.first(std::min(kFoundShown, neighbors.size()));
    view.first.assign(shown.begin(), shown.end());
  }

  void FillCurve(LeaderboardRun* run) const {
    run->recall_at.assign(kCurve, 0);
    for (const QueryView& view : views_) {
      for (int64_t k = view.place; k >= 1 && k <= kCurve; ++k) {
        run->recall_at[k - 1] += 1 / static_cast<double>(views_.size());
      }
    }
  }

  void FillConfusion(LeaderboardRun* run) const {
    std::map<std::pair<int64_t, int64_t>, int64_t> times;  // true, predicted
    std::map<int64_t, int64_t> mistakes;
    for (const QueryView& view : views_) {
      const int64_t truth = labels_.queries[view.row];
      const int64_t predicted = labels_.gallery[view.first[0].row];
      if (predicted < 0) continue;
      ++times[{truth, predicted}];
      if (truth == predicted) continue;
      ++mistakes[truth];
      ++mistakes[predicted];
    }
    std::vector<std::pair<int64_t, int64_t>> order;  // mistakes, individual
    for (const auto& [individual, count] : mistakes) order.emplace_back(-count, individual);
    std::sort(order.begin(), order.end());
    order.resize(std::min(order.size(), kConfusedShown));
    Confusion& confusion = run->confusion.emplace();
    for (const auto& [count, truth] : order) {
      confusion.individuals.push_back(data_.identities().Name(truth));
      for (const auto& [other_count, predicted] : order) {
        const auto found = times.find({truth, predicted});
        confusion.counts.push_back(found == times.end() ? 0 : found->second);
      }
    }
  }

  void FillHardest(LeaderboardRun* run) {
    std::vector<QueryView> wrong;
    for (const QueryView& view : views_) {
      if (view.place != 1) wrong.push_back(view);
    }
    const size_t count = std::min(kHardQueries, wrong.size());
    std::partial_sort(wrong.begin(), wrong.begin() + static_cast<std::ptrdiff_t>(count),
                      wrong.end(), IsHarder);
    wrong.resize(count);
    for (const QueryView& view : wrong) {
      HardQuery& hard = run->hardest.emplace_back();
      const Item query = data_.queries().items().item(view.row);
      hard.query = {.caption = query.identity + " (" + query.id + ")",
                    .jpeg = Thumbnail(images_, query)};
      for (const Neighbor& neighbor : view.first) {
        const Item item = data_.gallery().items().item(neighbor.row);
        hard.found.push_back(
            {.caption = absl::StrFormat("%.3f %s", neighbor.score, item.identity),
             .jpeg = Thumbnail(images_, item),
             .is_right = labels_.gallery[neighbor.row] == labels_.queries[view.row]});
      }
    }
  }

  const EvaluationData& data_;
  const std::string& images_;
  const SearchLabels labels_;
  std::vector<QueryView> views_;
};

bool IsEmbeddings(const fs::path& path) { return fs::exists(path / "embeddings.npy"); }

std::vector<fs::path> FindRuns(const std::string& folder) {
  if (!fs::is_directory(folder)) NotFound(folder, ": no such folder; expected one of runs");
  std::vector<fs::path> runs;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const bool is_per_query = entry.is_regular_file() && entry.path().extension() == ".csv";
    if (is_per_query || IsEmbeddings(entry.path())) runs.push_back(entry.path());
  }
  std::sort(runs.begin(), runs.end());
  if (runs.empty()) {
    NotFound(folder, ": no runs in it; expected embeddings folders or CSV files of --per-query");
  }
  return runs;
}

// The outcome's metrics by `names`; throws where it lacks one.
LeaderboardRun Summarise(const std::string& name, const Outcome& outcome,
                         const std::vector<std::string>& names, const BootstrapOptions& options) {
  const MetricReport& report = outcome.report;
  LeaderboardRun run{.name = name, .queries = report.queries, .cells = {}};
  std::vector<Interval> intervals;
  if (options.resamples > 0) {
    intervals =
        BootstrapMeans(report.values, static_cast<int64_t>(report.metrics.size()), {}, options);
  }
  for (const std::string& metric : names) {
    size_t m = 0;
    while (m < report.metrics.size() && report.metrics[m].name != metric) ++m;
    if (m == report.metrics.size()) InvalidArgument(name, ": no metric '", metric, "' in it");
    LeaderboardCell& cell = run.cells.emplace_back();
    cell.value = report.metrics[m].value;
    if (!intervals.empty()) cell.interval = intervals[m];
  }
  return run;
}

void TestAgainstBest(const std::map<std::string, Outcome>& outcomes, uint64_t seed,
                     Leaderboard* board) {
  const Outcome& best = outcomes.at(board->runs[0].name);
  for (LeaderboardRun& run : board->runs) {
    if (run.name == board->runs[0].name) continue;
    for (const ComparedMetric& metric :
         Compare(outcomes.at(run.name), best, {.resamples = kPairedResamples, .seed = seed})) {
      if (metric.name == board->metrics[0]) run.p_against_best = metric.test.p_randomisation;
    }
  }
}

}  // namespace

void RunLeaderboard(const LeaderboardArguments& arguments, const EvaluateArguments& evaluate) {
  Leaderboard board{.title = arguments.title, .metrics = evaluate.metrics, .runs = {}};
  std::map<std::string, Outcome> outcomes;
  for (const fs::path& path : FindRuns(arguments.folder)) {
    const bool is_embeddings = IsEmbeddings(path);
    const std::string name = (is_embeddings ? path.filename() : path.stem()).string();
    spdlog::info("{}", name);
    EvaluateArguments one = evaluate;
    one.embeddings = is_embeddings ? path.string() : "";
    Outcome outcome = is_embeddings ? EvaluateVectors(one) : ReadPerQuery(path.string());
    LeaderboardRun run = Summarise(name, outcome, board.metrics, evaluate.bootstrap);
    if (is_embeddings && !arguments.out.empty()) {
      const EvaluationData data(one.embeddings, "", one.query_embeddings, one.query_items,
                                one.protocol);
      RunViews(data, arguments.images).Fill(&run);
    }
    if (!outcomes.emplace(name, std::move(outcome)).second) {
      InvalidArgument(arguments.folder, ": two runs are called '", name, "'");
    }
    board.runs.push_back(std::move(run));
  }
  SortByFirstMetric(&board);
  TestAgainstBest(outcomes, evaluate.bootstrap.seed, &board);
  if (!arguments.out.empty()) {
    const fs::path out = arguments.out;
    MakeFolder(out);
    WriteFileAtomically(out / "leaderboard.md", LeaderboardMarkdown(board));
    WriteFileAtomically(out / "leaderboard.json", LeaderboardJson(board) + "\n");
    WriteFileAtomically(out / "leaderboard.html", LeaderboardPage(board));
  }
  std::cout << (evaluate.json ? LeaderboardJson(board) + "\n" : LeaderboardText(board));
}

}  // namespace fluke::cli
