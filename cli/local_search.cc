#include "cli/local_search.h"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "cli/manifest_split.h"
#include "cli/ranking_sink.h"
#include "common/embeddings.h"
#include "common/error.h"
#include "common/local/extract_manifest.h"
#include "common/local/matched_regions.h"
#include "common/manifest.h"
#include "index/local/evidence_calibration.h"
#include "index/reader.h"

namespace fluke::cli {
namespace {

constexpr int kSheetPicturePx = 420;

// Photographs by id, for pictures of them.
class Photographs {
 public:
  explicit Photographs(const Manifest& manifest) : manifest_(manifest) {
    for (const ManifestItem& item : manifest_.items) by_id_.emplace(ItemOf(item).id, &item);
  }
  // Empty where there is none of that id.
  cv::Mat Picture(const std::string& id) const {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return {};
    return LoadCropped(manifest_, *found->second, {.min_side_px = kSheetPicturePx});
  }

 private:
  const Manifest& manifest_;
  std::map<std::string, const ManifestItem*> by_id_;
};

// An answer: a photograph of the local evidence, or of the embeddings' index.
struct Answer {
  Item item;
  double score = 0;
};

// The best k of them, of each individual the best alone where that is asked for.
class AnswerList {
 public:
  explicit AnswerList(const LocalSearchArguments& arguments) : arguments_(arguments) {}
  bool full() const { return answers_.size() == static_cast<size_t>(arguments_.k); }
  void Add(Item item, double score) {
    if (full()) return;
    if (arguments_.one_per_identity && !item.identity.empty() &&
        !seen_.insert(item.identity).second) {
      return;
    }
    answers_.push_back({.item = std::move(item), .score = score});
  }
  std::vector<Answer> Take() { return std::move(answers_); }

 private:
  const LocalSearchArguments& arguments_;
  std::set<std::string> seen_;
  std::vector<Answer> answers_;
};

// By key points alone.
class LocalRanker {
 public:
  LocalRanker(const LocalSearchArguments& arguments, const LocalIndex& index)
      : arguments_(arguments), index_(index) {}
  std::vector<Answer> Rank(const Item& query, const LocalFeatures& features) const {
    const int64_t own = arguments_.exclude_self ? index_.FindPhoto(query.id).value_or(-1) : -1;
    AnswerList answers(arguments_);
    for (const LocalHit& hit : index_.Search(features, arguments_.options, own)) {
      if (answers.full()) break;
      answers.Add(index_.item(hit.photo), hit.score);
    }
    return answers.Take();
  }

 private:
  const LocalSearchArguments& arguments_;
  const LocalIndex& index_;
};

// Embeddings give a shortlist; its score is the mean of what both kinds of scores say.
class CombinedRanker {
 public:
  CombinedRanker(const LocalSearchArguments& arguments, const LocalIndex& local)
      : arguments_(arguments),
        local_(local),
        global_(OpenIndex(arguments.index)),
        embeddings_(ReadEmbeddings(arguments.queries)),
        calibration_(ReadEvidenceCalibration(arguments.index)) {
    const IndexInfo info = global_->Describe();
    CheckFingerprint(info, embeddings_.fingerprint, "the queries " + arguments.queries);
    CheckCalibrationFits(calibration_, local.manifest(), info);
    if (embeddings_.vectors.cols != info.dimension) {
      InvalidArgument("the queries ", arguments.queries, " have ", embeddings_.vectors.cols,
                      " dimensions, the index ", arguments.index, " has ", info.dimension);
    }
    for (size_t row = 0; row < embeddings_.items.size(); ++row) {
      row_of_.emplace(embeddings_.items[row].id, static_cast<int64_t>(row));
    }
  }

  std::vector<Answer> Rank(const Item& query, const LocalFeatures& features) const {
    const auto row = row_of_.find(query.id);
    if (row == row_of_.end()) {
      NotFound("the queries ", arguments_.queries, " have no embedding of ", query.id);
    }
    const auto own = [&](std::optional<int64_t> found) {
      return arguments_.exclude_self ? found.value_or(-1) : -1;
    };
    const std::vector<int64_t> without = {own(global_->FindItem(query.id))};
    const std::vector<Neighbor> neighbors =
        global_
            ->Search(embeddings_.vectors.row(row->second),
                     {.k = std::max(arguments_.k, arguments_.shortlist)}, without)
            .at(0);
    const std::vector<double> scores = LocalScores(
        local_, *global_, features, neighbors, arguments_.options, own(local_.FindPhoto(query.id)));
    AnswerList answers(arguments_);
    for (const Neighbor& neighbor : CombinedRanking(neighbors, scores, calibration_)) {
      answers.Add(global_->item(neighbor.row), neighbor.score);
    }
    return answers.Take();
  }

 private:
  const LocalSearchArguments& arguments_;
  const LocalIndex& local_;
  std::unique_ptr<const VectorIndex> global_;
  Embeddings embeddings_;
  EvidenceCalibration calibration_;
  std::map<std::string, int64_t> row_of_;
};

std::string NameOf(const Item& item) {
  return item.identity.empty() ? item.id : item.identity + "   " + item.id;
}

// Without the photographs themselves.
MatchPicture PictureOf(const LocalIndex& index, const Item& query, const LocalFeatures& features,
                       const Answer& answer, const LocalSearchOptions& options) {
  const Item& found = answer.item;
  const std::string judged = query.identity.empty() || found.identity.empty() ? ""
                             : query.identity == found.identity               ? "same individual, "
                                                                : "another individual, ";
  MatchPicture picture{.query_rgb = {},
                       .gallery_rgb = {},
                       .query_name = NameOf(query),
                       .gallery_name = NameOf(found),
                       .verdict = {},
                       .regions = {}};
  const std::optional<int64_t> photo = index.FindPhoto(found.id);
  LocalHit hit;
  if (photo) {
    const std::vector<int64_t> alone = {*photo};
    hit = index.Score(features, alone, options, index.FindPhoto(query.id).value_or(-1)).at(0);
    picture.regions = RegionsOf(features, index.features(*photo), hit.pairs);
  }
  picture.verdict = absl::StrFormat("%s%d matched regions%s, score %.3f", judged, hit.pairs.size(),
                                    hit.verified ? " that move together" : "", answer.score);
  return picture;
}

// Which of all queries stand on the sheet: evenly spread.
bool OnSheet(int64_t number, int64_t total, int rows) {
  if (total <= rows) return true;
  return number * rows / total != (number + 1) * rows / total;
}

}  // namespace

void DeclareLocalSearch(CLI::App& verb, LocalSearchArguments& arguments) {
  CLI::Option* local = verb.add_option(
      "--local", arguments.manifest,
      "Manifest of query photographs: rank by the index's local evidence (key points); with "
      "--queries, whose ids are the same photographs, by embeddings and key points together "
      "(fluke index calibrate)");
  verb.add_option("--split", arguments.split, "With --local: only the rows of this split")
      ->needs(local);
  verb.add_option("--verify", arguments.options.verify,
                  "With --local: so many of the best photographs are verified geometrically")
      ->needs(local)
      ->capture_default_str();
  verb.add_option("--shortlist", arguments.shortlist,
                  "With --local and --queries: so many of the nearest get a local score")
      ->needs(local)
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  verb.add_option("--local-neighbors", arguments.options.neighbors,
                  "With --local: descriptors that a key point votes for")
      ->needs(local)
      ->capture_default_str();
  verb.add_flag("--by-individual", arguments.options.by_individual,
                "With --local: photographs score what their individual does, which gets the best "
                "match of each key point in any of its photographs")
      ->needs(local);
  verb.add_option("--geometry", arguments.options.geometry.model,
                  "With --local: similarity, or affine for slanted views")
      ->needs(local)
      ->capture_default_str();
  verb.add_flag("--json", arguments.json,
                "With --local and --out: print counts and milliseconds as one JSON document")
      ->needs(local)
      ->needs("--out");
  CLI::Option* sheet =
      verb.add_option("--sheet", arguments.sheet,
                      "With --local: PNG to write, queries and their best neighbours with lines "
                      "between matching regions")
          ->needs(local);
  verb.add_option("--sheet-rows", arguments.sheet_rows, "Queries on the sheet")
      ->needs(sheet)
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  verb.add_option("--manifest", arguments.gallery,
                  "Manifest of the gallery's photographs, for the sheet; default: the queries'")
      ->needs(sheet);
}

namespace {

// Rankings out, and what the sheet needs.
template <typename Ranker>
void RankPhotographs(const LocalSearchArguments& arguments, const LocalIndex& index,
                     const Ranker& ranker) {
  const Manifest all = ReadManifest(arguments.manifest);
  const Manifest queries = SplitOf(all, arguments.split);
  const auto total = static_cast<int64_t>(queries.items.size());
  RankingSink sink(arguments.out);
  std::vector<MatchPicture> pictures;
  std::vector<std::pair<std::string, std::string>> pictured;  // ids: query, neighbour
  double search_s = 0;
  int64_t number = 0;
  const auto rank = [&](const ManifestItem& photo, const LocalFeatures& features) {
    const Item query = ItemOf(photo);
    const auto begin = std::chrono::steady_clock::now();
    const std::vector<Answer> answers = ranker.Rank(query, features);
    search_s += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    for (size_t i = 0; i < answers.size(); ++i) {
      sink.Write(query, static_cast<int64_t>(i) + 1, answers[i].item,
                 static_cast<float>(answers[i].score));
    }
    if (!arguments.sheet.empty() && !answers.empty() &&
        OnSheet(number, total, arguments.sheet_rows)) {
      pictures.push_back(PictureOf(index, query, features, answers[0], arguments.options));
      pictured.emplace_back(query.id, answers[0].item.id);
    }
    ++number;
  };
  const Extraction extraction = ExtractManifest(
      queries, {.key_points = index.manifest().key_points, .threads = 0, .skip_bad = false}, rank);
  sink.Finish();
  const double count = static_cast<double>(std::max<int64_t>(1, extraction.photos));
  const double extract_ms = 1000 * extraction.extract_s / count;
  const double search_ms = 1000 * search_s / count;
  spdlog::info("{} photographs: key points {:.1f} ms each on one thread, search {:.1f} ms each",
               extraction.photos, extract_ms, search_ms);
  if (arguments.json) {
    std::cout << nlohmann::ordered_json{{"queries", extraction.photos},
                                        {"key_points", extraction.key_points},
                                        {"extract_ms_per_photo", extract_ms},
                                        {"search_ms_per_query", search_ms}}
                     .dump()
              << "\n";
  }
  if (arguments.sheet.empty()) return;
  const Manifest gallery = arguments.gallery.empty() ? all : ReadManifest(arguments.gallery);
  const Photographs query_photos(queries), gallery_photos(gallery);
  for (size_t i = 0; i < pictures.size(); ++i) {
    pictures[i].query_rgb = query_photos.Picture(pictured[i].first);
    pictures[i].gallery_rgb = gallery_photos.Picture(pictured[i].second);
  }
  WriteMatches(arguments.sheet, pictures);
}

}  // namespace

void SearchLocal(const LocalSearchArguments& arguments) {
  if (!arguments.queries.empty() && arguments.options.by_individual) {
    InvalidArgument("--by-individual ranks by key points alone: it does not go with --queries");
  }
  const LocalIndex index(arguments.index);
  if (arguments.queries.empty()) {
    RankPhotographs(arguments, index, LocalRanker(arguments, index));
  } else {
    RankPhotographs(arguments, index, CombinedRanker(arguments, index));
  }
}

}  // namespace fluke::cli
