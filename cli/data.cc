// fluke data: looks at, cleans and divides a manifest; draws synthetic flukes.
#include "cli/data.h"

#include <string>

#include "cli/verbs.h"
#include "common/error.h"

namespace fluke::cli {
namespace {

namespace fs = std::filesystem;

constexpr Verb kParts[] = {
    {"check", DeclareCheck, "open every photograph and list what cannot be used",
     "fluke data check photos/manifest.csv --report bad.csv"},
    {"stats", DeclareStats, "count photographs, identities, sizes, splits and boxes",
     "fluke data stats photos/manifest.csv --html stats.html"},
    {"split", DeclareSplit, "divide into train, val and test, or into folds",
     "fluke data split photos/manifest.csv --out photos/split.csv --fraction .2\n"
     "  fluke data split photos/ --out folds.csv --by group --group encounter --folds 5\n"
     "  fluke data split photos/ --out open.csv --by open --ratios .7,.1,.2 --seed 1"},
    {"duplicates", DeclareDuplicates,
     "find photographs that are the same or nearly, also across splits",
     "fluke data duplicates photos.csv --out duplicates.csv --clean clean.csv"},
    {"suspects", DeclareSuspects, "find photographs whose identity their neighbours contradict",
     "fluke data suspects photos.csv --embeddings vectors --out suspects.csv"},
    {"pseudo-labels", DeclarePseudoLabels,
     "name photographs without an identity by confident neighbours or classes",
     "fluke data pseudo-labels photos.csv --embeddings vectors --out more.csv --min-score .7"},
    {"adversarial", DeclareAdversarial,
     "tell train from test, and by what; weights and a validation split that is like test",
     "fluke data adversarial photos.csv --embeddings vectors --out weighted.csv --validation .1"},
    {"crop", DeclareCrop, "cut photographs down to their boxes",
     "fluke data crop photos.csv --out cropped --margin .05 --max-side 620"},
    {"synth", DeclareSynth, "draw synthetic whale flukes with known boxes and identities",
     "fluke data synth --out flukes --identities 80 --photos 8"},
};

// The folder that a manifest's paths are relative to.
fs::path PhotoFolder(const fs::path& manifest) {
  if (fs::is_directory(manifest)) return manifest;
  if (manifest.extension() == ".csv") return manifest.parent_path();
  InvalidArgument(manifest, ": a CSV can name photographs in folders only; unpack it first");
}

}  // namespace

fs::path FolderOfPhotographs(const Manifest& manifest) {
  const fs::path path = manifest.name;
  return fs::is_directory(path) ? path : path.extension() == ".csv" ? path.parent_path() : "";
}

nlohmann::json BadRowsJson(const std::vector<BadRow>& bad) {
  nlohmann::json rows = nlohmann::json::array();
  for (const BadRow& row : bad) {
    rows.push_back({{"path", row.path}, {"line", row.line}, {"reason", row.reason}});
  }
  return rows;
}

std::vector<ManifestItem> ItemsForManifestAt(const fs::path& out, const Manifest& manifest) {
  const fs::path from = fs::absolute(PhotoFolder(manifest.name)).lexically_normal();
  const fs::path to = fs::absolute(out).parent_path().lexically_normal();
  if (fs::exists(out) && fs::equivalent(out, manifest.name))
    InvalidArgument("--out ", out, " is the manifest itself; name another file");
  std::vector<ManifestItem> items = manifest.items;
  const auto moved = [&](const std::string& path) {
    return path.empty() || fs::path(path).is_absolute()
               ? path
               : (from / path).lexically_normal().lexically_relative(to).string();
  };
  for (ManifestItem& item : items) {
    item.path = moved(item.path);
    item.mask = moved(item.mask);
  }
  return items;
}

void DeclareData(CLI::App& verb) {
  verb.require_subcommand(1);
  for (const Verb& part : kParts) {
    CLI::App* sub = verb.add_subcommand(std::string(part.name), std::string(part.help));
    sub->footer("Example:\n  " + std::string(part.example));
    part.declare(*sub);
  }
}

}  // namespace fluke::cli
