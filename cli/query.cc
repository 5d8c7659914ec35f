// fluke query: asks a running server for the nearest neighbours of photographs, vectors or known
// items.
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "cli/server_arguments.h"
#include "cli/verbs.h"
#include "common/error.h"
#include "common/files.h"
#include "common/local/matched_regions.h"
#include "common/manifest.h"
#include "common/npy.h"
#include "common/sheet.h"

namespace fluke::cli {
namespace {

constexpr int kQueryPicturePx = 256, kMatchPicturePx = 420;

struct QueryArguments : ServerArguments {
  std::vector<std::string> images;
  std::string vectors;
  std::vector<std::string> ids;
  std::vector<std::string> like, unlike;  // files, or "id:" and an item
  uint32_t k = 20;
  uint32_t groups = 0;  // 0: neighbours without grouping
  uint32_t group_size = 3;
  bool exclude_self = false;
  std::string exclude_id;
  std::string filter;
  std::optional<float> min_score;
  bool one_per_identity = false;
  std::vector<float> crop;
  uint32_t nprobe = 0;
  uint32_t ef_search = 0;
  std::vector<std::string> manifests;
  std::string sheet;
  std::string match_sheet;
  bool json = false;
};

// Manifests in which boxes, identities and pictures are looked up.
class KnownPhotos {
 public:
  explicit KnownPhotos(const std::vector<std::string>& paths) {
    for (const std::string& path : paths) manifests_.push_back(ReadManifest(path));
    for (const Manifest& manifest : manifests_) {
      const std::filesystem::path root = std::filesystem::is_directory(manifest.name)
                                             ? std::filesystem::path(manifest.name)
                                             : std::filesystem::path(manifest.name).parent_path();
      for (const ManifestItem& item : manifest.items) {
        const auto id = item.metadata.find("id");
        by_id_.emplace(id == item.metadata.end() ? item.path : id->second, Photo{&manifest, &item});
        by_file_.emplace(Normal(root / item.path), Photo{&manifest, &item});
      }
    }
  }

  struct Photo {
    const Manifest* manifest = nullptr;
    const ManifestItem* item = nullptr;  // null: not in any manifest
    explicit operator bool() const { return item != nullptr; }
    std::string identity() const { return item ? item->identity : ""; }
    cv::Mat Picture() const {
      if (item == nullptr) return {};
      DecodeOptions options;
      options.min_side_px = kQueryPicturePx;
      return LoadCropped(*manifest, *item, options);
    }
    // Without regard to its box.
    cv::Mat WholePicture() const {
      if (item == nullptr) return {};
      return manifest->images->Load(*item, {.min_side_px = kMatchPicturePx}).pixels;
    }
  };
  Photo WithId(const std::string& id) const { return Look(by_id_, id); }
  Photo OfFile(const std::filesystem::path& file) const { return Look(by_file_, Normal(file)); }

 private:
  static std::string Normal(const std::filesystem::path& path) {
    return std::filesystem::weakly_canonical(path).string();
  }
  static Photo Look(const std::map<std::string, Photo>& photos, const std::string& key) {
    const auto found = photos.find(key);
    return found == photos.end() ? Photo{} : found->second;
  }
  std::vector<Manifest> manifests_;
  std::map<std::string, Photo> by_id_;
  std::map<std::string, Photo> by_file_;
};

struct AskedQuery {
  std::string name;  // the file, "vectors.npy[3]" or the id
  v1::SearchRequest request;
  KnownPhotos::Photo photo;
  v1::SearchResponse response;  // of groups: all their hits
  std::optional<v1::SearchGroupsResponse> groups;
  std::optional<Error> error;
};

v1::CropBox CropOf(const Box& box) {
  v1::CropBox crop;
  crop.set_x(box.x);
  crop.set_y(box.y);
  crop.set_w(box.w);
  crop.set_h(box.h);
  return crop;
}

AskedQuery ImageQuery(const std::string& file, const std::vector<float>& crop,
                      const KnownPhotos& photos) {
  AskedQuery query{.name = file,
                   .request = {},
                   .photo = photos.OfFile(file),
                   .response = {},
                   .groups = {},
                   .error = {}};
  query.request.set_image(ReadFile(file, kMaxImageBytes));
  if (!crop.empty()) {
    *query.request.mutable_crop() =
        CropOf({.x = crop[0], .y = crop[1], .w = crop[2], .h = crop[3]});
  } else if (query.photo && query.photo.item->box) {
    *query.request.mutable_crop() = CropOf(*query.photo.item->box);
  }
  return query;
}

v1::Example ExampleOf(const std::string& named, const KnownPhotos& photos) {
  constexpr std::string_view kItem = "id:";
  v1::Example example;
  if (named.starts_with(kItem)) {
    example.set_item_id(named.substr(kItem.size()));
    return example;
  }
  example.set_image(ReadFile(named, kMaxImageBytes));
  const KnownPhotos::Photo photo = photos.OfFile(named);
  if (photo && photo.item->box) *example.mutable_crop() = CropOf(*photo.item->box);
  return example;
}

std::vector<AskedQuery> QueriesOf(const QueryArguments& arguments, const KnownPhotos& photos) {
  std::vector<AskedQuery> queries;
  for (const std::string& file : arguments.images) {
    queries.push_back(ImageQuery(file, arguments.crop, photos));
  }
  if (!arguments.vectors.empty()) {
    const Matrix vectors = ReadNpy(arguments.vectors);
    for (int64_t row = 0; row < vectors.rows; ++row) {
      AskedQuery& query = queries.emplace_back();
      query.name = StrCat(arguments.vectors, "[", row, "]");
      const std::span<const float> values = vectors.row(row);
      query.request.mutable_vector()->mutable_values()->Add(values.begin(), values.end());
    }
  }
  for (const std::string& id : arguments.ids) {
    AskedQuery& query = queries.emplace_back();
    query.name = id;
    query.photo = photos.WithId(id);
    query.request.set_item_id(id);
    query.request.set_exclude_self(arguments.exclude_self);
  }
  if (!arguments.like.empty() || !arguments.unlike.empty()) {
    AskedQuery& query = queries.emplace_back();
    query.name = "like " + StrJoin(arguments.like, ", ");
    if (!arguments.unlike.empty()) query.name += " unlike " + StrJoin(arguments.unlike, ", ");
    for (const std::string& example : arguments.like) {
      *query.request.add_like() = ExampleOf(example, photos);
    }
    for (const std::string& example : arguments.unlike) {
      *query.request.add_unlike() = ExampleOf(example, photos);
    }
  }
  for (AskedQuery& query : queries) {
    if (arguments.groups == 0) query.request.set_k(arguments.k);
    query.request.set_collection(arguments.collection);
    query.request.set_exclude_id(arguments.exclude_id);
    query.request.set_filter(arguments.filter);
    if (arguments.min_score) query.request.set_min_score(*arguments.min_score);
    query.request.set_one_per_identity(arguments.one_per_identity);
    if (arguments.nprobe > 0) query.request.mutable_knobs()->set_nprobe(arguments.nprobe);
    if (arguments.ef_search > 0) query.request.mutable_knobs()->set_ef_search(arguments.ef_search);
  }
  return queries;
}

nlohmann::json ToJson(const google::protobuf::RepeatedPtrField<v1::Hit>& hits) {
  nlohmann::json documents = nlohmann::json::array();
  for (const v1::Hit& hit : hits) {
    nlohmann::json metadata = nlohmann::json::object();
    for (const auto& [key, value] : hit.metadata()) metadata[key] = value;
    documents.push_back({{"rank", documents.size() + 1},
                         {"id", hit.id()},
                         {"score", hit.score()},
                         {"identity", hit.identity()},
                         {"path", hit.path()},
                         {"metadata", metadata}});
  }
  return documents;
}

nlohmann::json ToJson(const AskedQuery& query) {
  nlohmann::json document{{"query", query.name}};
  if (query.photo) document["identity"] = query.photo.identity();
  if (query.error) {
    document["error"] = {{"code", absl::StatusCodeToString(query.error->code())},
                         {"message", query.error->what()}};
    return document;
  }
  if (!query.groups) {
    document["hits"] = ToJson(query.response.hits());
    return document;
  }
  document["groups"] = nlohmann::json::array();
  for (const v1::Group& group : query.groups->groups()) {
    document["groups"].push_back({{"identity", group.identity()}, {"hits", ToJson(group.hits())}});
  }
  return document;
}

void PrintTable(const AskedQuery& query) {
  std::cout << "query " << query.name;
  if (!query.photo.identity().empty()) std::cout << " (" << query.photo.identity() << ")";
  std::cout << "\n";
  if (query.error) return;  // reported on stderr
  std::cout << absl::StreamFormat("%4s  %8s  %-24s  %s\n", "rank", "score", "identity", "id");
  int rank = 0;
  for (const v1::Hit& hit : query.response.hits()) {
    std::cout << absl::StreamFormat("%4d  %8.4f  %-24s  %s\n", ++rank, hit.score(),
                                    hit.identity().empty() ? "?" : hit.identity(), hit.id());
  }
}

// The photograph that was sent.
cv::Mat SentPicture(const AskedQuery& query, int min_side_px) {
  if (!query.request.has_image()) return {};
  DecodeOptions options;
  options.min_side_px = min_side_px;
  const std::string& image = query.request.image();
  return DecodeImage(std::as_bytes(std::span(image)), options, query.name).pixels;
}

cv::Mat QueryPicture(const AskedQuery& query) {
  return query.photo ? query.photo.Picture() : SentPicture(query, kQueryPicturePx);
}

void WriteSheet(const std::filesystem::path& path, const std::vector<AskedQuery>& queries,
                const KnownPhotos& photos) {
  ContactSheet sheet{.title = "fluke query", .subtitle = "", .rows = {}};
  for (const AskedQuery& query : queries) {
    if (query.error) continue;
    SheetRow& row = sheet.rows.emplace_back();
    row.query = {.rgb = QueryPicture(query), .identity = query.photo.identity()};
    for (const v1::Hit& hit : query.response.hits()) {
      if (row.neighbors.size() == kMaxSheetNeighbors) break;
      row.neighbors.push_back({.rgb = photos.WithId(hit.id()).Picture(),
                               .identity = hit.identity(),
                               .score = hit.score()});
    }
  }
  WriteContactSheet(path, sheet);
}

Region RegionOf(const v1::Region& region) {
  return {.x = region.x(), .y = region.y(), .diameter = region.diameter()};
}

// A query and its best neighbour.
MatchPicture PictureOf(const serve::RetrievalClient& client, const AskedQuery& query,
                       const KnownPhotos& photos) {
  const v1::Hit& best = query.response.hits(0);
  v1::MatchRequest request;
  if (query.request.has_image()) {
    request.set_image(query.request.image());
    if (query.request.has_crop()) *request.mutable_crop() = query.request.crop();
    request.set_exclude_id(query.request.exclude_id());
  } else {
    request.set_item_id(query.request.item_id());
  }
  request.add_ids(best.id());
  request.set_collection(query.request.collection());
  const v1::MatchResponse response = client.Match(request);
  const cv::Mat sent = SentPicture(query, kMatchPicturePx);
  MatchPicture picture{.query_rgb = sent.empty() ? query.photo.WholePicture() : sent,
                       .gallery_rgb = photos.WithId(best.id()).WholePicture(),
                       .query_name = query.name,
                       .gallery_name = best.identity() + "   " + best.id(),
                       .verdict = {},
                       .regions = {}};
  for (const v1::MatchedRegions& match : response.items(0).regions()) {
    picture.regions.push_back({.query = RegionOf(match.query()),
                               .gallery = RegionOf(match.item()),
                               .weight = match.weight()});
  }
  picture.verdict =
      absl::StrFormat("%d matched regions, score %.3f", picture.regions.size(), best.score());
  return picture;
}

void WriteMatchSheet(const serve::RetrievalClient& client, const std::filesystem::path& path,
                     const std::vector<AskedQuery>& queries, const KnownPhotos& photos) {
  std::vector<MatchPicture> pictures;
  for (const AskedQuery& query : queries) {
    const bool is_photograph = query.request.has_image() || query.request.has_item_id();
    if (query.error || !is_photograph || query.response.hits().empty()) continue;
    pictures.push_back(PictureOf(client, query, photos));
  }
  if (pictures.empty()) {
    InvalidArgument("--match-sheet: no query is a photograph or an item that has a neighbour");
  }
  WriteMatches(path, pictures);
}

void Ask(const serve::RetrievalClient& client, const QueryArguments& arguments, AskedQuery* query) {
  if (arguments.groups == 0) {
    query->response = client.Search(query->request);
    return;
  }
  v1::SearchGroupsRequest request;
  *request.mutable_search() = query->request;
  request.set_groups(arguments.groups);
  request.set_group_size(arguments.group_size);
  query->groups = client.SearchGroups(request);
  for (const v1::Group& group : query->groups->groups()) {
    query->response.mutable_hits()->MergeFrom(group.hits());
  }
}

void RunQuery(const QueryArguments& arguments) {
  const KnownPhotos photos(arguments.manifests);
  std::vector<AskedQuery> queries = QueriesOf(arguments, photos);
  if (queries.empty()) {
    InvalidArgument("query: one of --image, --vector, --id and --like is needed");
  }
  const serve::RetrievalClient client = arguments.Connect();
  std::vector<const AskedQuery*> failed;
  for (AskedQuery& query : queries) {
    try {
      Ask(client, arguments, &query);
    } catch (const Error& error) {
      // One bad photograph does not hide the others' answers; without a server there are none.
      if (error.code() == absl::StatusCode::kUnavailable) throw;
      query.error = error;
      failed.push_back(&query);
    }
  }
  if (arguments.json) {
    nlohmann::json document{{"server", arguments.server}, {"queries", nlohmann::json::array()}};
    for (const AskedQuery& query : queries) document["queries"].push_back(ToJson(query));
    // Names of files may be in any encoding; the document stays JSON.
    std::cout << document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  } else {
    for (const AskedQuery& query : queries) PrintTable(query);
  }
  if (!arguments.sheet.empty()) WriteSheet(arguments.sheet, queries, photos);
  if (!arguments.match_sheet.empty()) {
    WriteMatchSheet(client, arguments.match_sheet, queries, photos);
  }
  if (failed.empty()) return;
  std::vector<std::string> reasons;
  for (const AskedQuery* query : failed) {
    reasons.push_back(StrCat(query->name, ": ", query->error->what()));
  }
  Throw(failed.front()->error->code(), failed.size(), " of ", queries.size(),
        " queries failed: ", StrJoin(reasons, "; "));
}

}  // namespace

void DeclareQuery(CLI::App& verb) {
  auto arguments = std::make_shared<QueryArguments>();
  arguments->timeout_s = 30;
  DeclareGallery(verb, *arguments);
  verb.add_option("--image", arguments->images, "photograph; may be given several times");
  verb.add_option("--vector", arguments->vectors, ".npy file, one query a row");
  verb.add_option("--id", arguments->ids, "item of the index; may be given several times");
  verb.add_option("--like", arguments->like,
                  "photograph, or id:ID of an item: an example of what is looked for; all that are "
                  "given make one query");
  verb.add_option("--unlike", arguments->unlike, "with --like: an example of what it shall not be");
  auto* k = verb.add_option("-k", arguments->k, "neighbours wanted")->capture_default_str();
  auto* groups = verb.add_option("--groups", arguments->groups,
                                 "individuals wanted, each with its best photographs")
                     ->excludes(k);
  verb.add_option("--group-size", arguments->group_size, "photographs of each")
      ->needs(groups)
      ->capture_default_str();
  verb.add_flag("--exclude-self", arguments->exclude_self, "with --id: leave out that item itself");
  verb.add_option("--exclude-id", arguments->exclude_id, "leave out this item");
  verb.add_option("--filter", arguments->filter,
                  "only items that match, e.g. 'camera = \"north\" and year >= 2019'");
  verb.add_option("--min-score", arguments->min_score, "leave out neighbours that score below");
  verb.add_flag("--one-per-identity", arguments->one_per_identity,
                "the best photograph of each of k individuals")
      ->excludes(groups);
  verb.add_option("--crop", arguments->crop,
                  "X,Y,W,H in pixels of the upright photograph; default its manifest's box, or all "
                  "of it")
      ->delimiter(',')
      ->expected(4);
  verb.add_option("--nprobe", arguments->nprobe, "IVF lists visited; 0: the index's default");
  verb.add_option("--ef-search", arguments->ef_search, "HNSW candidates; 0: the index's default");
  verb.add_option("--manifest", arguments->manifests,
                  "CSV, folder or zip with the gallery's pictures (for --sheet) and the queries' "
                  "boxes and identities; may be given several times");
  verb.add_option("--sheet", arguments->sheet, "PNG to write: queries and their neighbours")
      ->needs("--manifest");
  verb.add_option(
          "--match-sheet", arguments->match_sheet,
          "PNG to write: photographs and their best neighbours, with lines between matching "
          "regions; the server's ranking needs local evidence")
      ->needs("--manifest");
  verb.add_flag("--json", arguments->json, "print one JSON document");
  verb.callback([arguments] { RunQuery(*arguments); });
}

}  // namespace fluke::cli
