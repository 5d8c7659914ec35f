// fluke data synth: draws synthetic whale flukes.
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "cli/data.h"
#include "common/error.h"
#include "common/parallel.h"
#include "common/synth/dataset.h"

namespace fluke::cli {
namespace {

namespace fs = std::filesystem;

struct SynthArguments {
  std::string out;
  std::string photos = "8";
  SynthOptions options;
  int threads = HardwareThreads();
};

// "8" or "4-12".
void ParsePhotos(const std::string& text, SynthOptions* options) {
  const size_t dash = text.find('-');
  const std::string low = text.substr(0, dash),
                    high = dash == std::string::npos ? low : text.substr(dash + 1);
  if (!absl::SimpleAtoi(low, &options->min_photos) ||
      !absl::SimpleAtoi(high, &options->max_photos)) {
    InvalidArgument("--photos ", text, ": expected a number (8) or a range (4-12)");
  }
}

void Synth(const SynthArguments& arguments) {
  SynthOptions options = arguments.options;
  ParsePhotos(arguments.photos, &options);
  const int64_t photos = WriteSyntheticFlukes(arguments.out, options, arguments.threads);
  std::cout << (fs::path(arguments.out) / "manifest.csv").string() << ": " << photos
            << " photos of " << options.identities << " individuals\n";
}

}  // namespace

void DeclareSynth(CLI::App& verb) {
  const auto arguments = std::make_shared<SynthArguments>();
  SynthOptions& options = arguments->options;
  verb.add_option("--out", arguments->out, "Folder to write: images/ and manifest.csv")->required();
  verb.add_option("--identities", options.identities, "Individuals")->capture_default_str();
  verb.add_option("--photos", arguments->photos,
                  "Photographs of each, a number or a range such as 4-12")
      ->capture_default_str();
  verb.add_option("--size", options.size_px, "Width in pixels; the height is 3/4 of it")
      ->capture_default_str();
  verb.add_option("--difficulty", options.difficulty, "0 calm and frontal .. 1 stormy and oblique")
      ->capture_default_str();
  verb.add_option("--test-fraction", options.test_fraction,
                  "Share of the individuals whose split is 'test'")
      ->capture_default_str();
  verb.add_option("--seed", options.seed, "The same seed draws the same photographs")
      ->capture_default_str();
  verb.add_option("--threads", arguments->threads, "Individuals drawn at a time")
      ->check(CLI::PositiveNumber);
  verb.callback([arguments] { Synth(*arguments); });
}

}  // namespace fluke::cli
