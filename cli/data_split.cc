// fluke data split: divides a manifest into train, val and test, or into folds.
#include <algorithm>
#include <iostream>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "cli/data.h"
#include "common/curation/split_kinds.h"
#include "common/curation/timestamp.h"
#include "common/error.h"
#include "common/table.h"

namespace fluke::cli {
namespace {

struct SplitArguments {
  std::string manifest;
  std::string out;
  std::string by = "identity";
  double fraction = .2;
  std::vector<double> ratios;
  int folds = 0;
  SplitRequest request;
  std::vector<std::string> at;
  std::string end;
  int queries = 0;
  bool json = false;
};

int64_t Seconds(const std::string& option, const std::string& text) {
  const std::optional<int64_t> seconds = ParseTimestamp(text);
  if (!seconds) InvalidArgument(option, " '", text, "'; expected a form of 2019-05-17 08:30");
  return *seconds;
}

// Ratios such as 7,1,2 are shares of their sum.
std::vector<double> Shares(const SplitArguments& arguments) {
  if (arguments.folds > 0) {
    return std::vector<double>(static_cast<size_t>(arguments.folds), 1.0 / arguments.folds);
  }
  if (arguments.ratios.empty()) return {1 - arguments.fraction, arguments.fraction};
  std::vector<double> shares = arguments.ratios;
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  if (!(sum > 0)) InvalidArgument("--ratios sum to ", sum, "; expected more than 0");
  for (double& share : shares) share /= sum;
  return shares;
}

SplitRequest RequestOf(const SplitArguments& arguments) {
  SplitRequest request = arguments.request;
  request.folds = arguments.folds > 0;
  request.shares = Shares(arguments);
  for (const std::string& text : arguments.at) request.cuts.push_back(Seconds("--at", text));
  if (!arguments.end.empty()) request.end = Seconds("--end", arguments.end);
  if (arguments.by != "time" && (!request.cuts.empty() || request.end))
    InvalidArgument("--at and --end are for --by time, not '", arguments.by, "'");
  return request;
}

struct PartCount {
  std::string name;
  int64_t photos = 0;
  std::set<std::string> identities;
  int64_t queries = 0;
};

// A row a part, photographs of none last.
std::vector<PartCount> CountParts(const std::vector<std::string>& names,
                                  const std::vector<ManifestItem>& items) {
  std::vector<PartCount> parts;
  for (const std::string& name : names) parts.push_back({.name = name, .identities = {}});
  parts.push_back({.name = "", .identities = {}});
  for (const ManifestItem& item : items) {
    PartCount& part = *std::find_if(parts.begin(), parts.end() - 1,
                                    [&](const PartCount& row) { return row.name == item.split; });
    ++part.photos;
    if (!item.identity.empty()) part.identities.insert(item.identity);
    part.queries += item.is_query.value_or(false);
  }
  return parts;
}

// Of the part's identities, those that no other part with a name has.
int64_t OwnIdentities(const std::vector<PartCount>& parts, size_t index) {
  int64_t own = 0;
  for (const std::string& identity : parts[index].identities) {
    bool elsewhere = false;
    for (size_t other = 0; other + 1 < parts.size(); ++other)
      elsewhere |= other != index && parts[other].identities.contains(identity);
    own += !elsewhere;
  }
  return own;
}

void PrintParts(const SplitArguments& arguments, const std::vector<PartCount>& parts) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  std::string text = absl::StrFormat("%-8s %10s %12s %14s %10s\n", "split", "photos", "identities",
                                     "its own alone", "queries");
  for (size_t i = 0; i < parts.size(); ++i) {
    const PartCount& part = parts[i];
    const bool none = i + 1 == parts.size();
    if (none && part.photos == 0) break;
    const auto identities = static_cast<int64_t>(part.identities.size());
    const int64_t own = OwnIdentities(parts, i);
    rows.push_back({{"split", part.name},
                    {"photos", part.photos},
                    {"identities", identities},
                    {"own_identities", own},
                    {"queries", part.queries}});
    text += absl::StrFormat("%-8s %10d %12d %14d %10d\n", none ? "(none)" : part.name, part.photos,
                            identities, own, part.queries);
  }
  if (arguments.json) {
    std::cout << nlohmann::ordered_json{{"out", arguments.out},
                                        {"by", arguments.by},
                                        {"splits", rows}}
                     .dump()
              << "\n";
  } else {
    std::cout << arguments.out << "\n" << text;
  }
}

void Split(const SplitArguments& arguments) {
  const SplitRequest request = RequestOf(arguments);
  const SplitKind& kind = Find(SplitKinds(), "split", arguments.by);
  Manifest manifest = ReadManifest(arguments.manifest);
  std::vector<ManifestItem> moved = ItemsForManifestAt(arguments.out, manifest);
  // Divided by the paths as they were, so that the split does not depend on where it is written.
  DivideItems(kind.name, request, &manifest.items);
  const std::vector<std::string> names = PartNames(request);
  if (arguments.queries > 0) {
    if (kind.train_is_gallery || request.folds)
      InvalidArgument("--queries is for identities that are held out, not '", arguments.by, "'",
                      request.folds ? " with --folds" : "");
    MarkQueries(names.back(), arguments.queries, request.seed, &manifest.items);
  }
  for (size_t i = 0; i < moved.size(); ++i) {
    moved[i].split = manifest.items[i].split;
    moved[i].is_query = manifest.items[i].is_query;
    moved[i].is_gallery = manifest.items[i].is_gallery;
  }
  WriteManifestCsv(arguments.out, moved);
  PrintParts(arguments, CountParts(names, moved));
}

}  // namespace

void DeclareSplit(CLI::App& verb) {
  const auto arguments = std::make_shared<SplitArguments>();
  SplitRequest& request = arguments->request;
  verb.add_option("manifest", arguments->manifest, "CSV or folder of folders")->required();
  verb.add_option("--out", arguments->out, "CSV to write, paths relative to it")->required();
  verb.add_option(
          "--by", arguments->by,
          "How it is divided: " + StrJoin(Names(SplitKinds()), ", ") + " (fluke list splits)")
      ->capture_default_str();
  CLI::Option* fraction =
      verb.add_option("--fraction", arguments->fraction, "Share of 'test'; the rest is 'train'")
          ->check(CLI::Range(0.0, 1.0))
          ->capture_default_str();
  CLI::Option* ratios = verb.add_option("--ratios", arguments->ratios,
                                        "Shares of train,test or train,val,test instead: .7,.1,.2")
                            ->delimiter(',')
                            ->excludes(fraction);
  verb.add_option("--folds", arguments->folds, "As many folds instead; split is their number")
      ->check(CLI::Range(2, 1000))
      ->excludes(fraction)
      ->excludes(ratios);
  verb.add_option("--seed", request.seed,
                  "Drawn by a seed; otherwise names and paths are ordered by their SHA-1");
  verb.add_option("--label", request.label_column, "Column that stratified kinds spread evenly")
      ->capture_default_str();
  verb.add_option("--labels", request.label_columns, "Columns of labels, for multilabel: a,b,c")
      ->delimiter(',');
  verb.add_option("--group", request.group_column,
                  "Column of what stays together, for group kinds");
  verb.add_option("--new-identities", request.new_identity_share,
                  "Share of the photographs whose identities only test has, for open")
      ->capture_default_str();
  verb.add_option("--at", arguments->at, "Where train ends, for time; two: where val ends, too")
      ->delimiter(',');
  verb.add_option("--end", arguments->end, "Photographs from here on are of no split, for time");
  verb.add_option("--queries", arguments->queries,
                  "Photographs of each held-out identity that become queries against its others")
      ->check(CLI::PositiveNumber);
  verb.add_flag("--json", arguments->json, "Print one JSON document");
  verb.callback([arguments] { Split(*arguments); });
}

}  // namespace fluke::cli
