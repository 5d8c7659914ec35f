// fluke data crop: photographs cut down to their boxes, as a folder of its own.
#include <iostream>
#include <memory>

#include <spdlog/spdlog.h>

#include "cli/data.h"
#include "common/curation/crop.h"
#include "common/error.h"
#include "common/parallel.h"

namespace fluke::cli {
namespace {

struct CropArguments {
  std::string manifest;
  std::string out;
  CropOptions options;
  int threads = HardwareThreads();
};

void Crop(const CropArguments& arguments) {
  const Manifest manifest = ReadManifest(arguments.manifest);
  const std::vector<BadRow> bad =
      CropPhotographs(manifest, arguments.out, arguments.options, arguments.threads);
  for (const BadRow& row : bad)
    spdlog::warn("left out {} (line {}): {}", row.path, row.line, row.reason);
  std::cout << (std::filesystem::path(arguments.out) / "manifest.csv").string() << ": "
            << manifest.items.size() - bad.size() << " photographs\n";
}

}  // namespace

void DeclareCrop(CLI::App& verb) {
  const auto arguments = std::make_shared<CropArguments>();
  CropOptions& options = arguments->options;
  verb.add_option("manifest", arguments->manifest, "CSV, folder of folders or zip, with boxes")
      ->required();
  verb.add_option("--out", arguments->out, "Folder to write: images/ and manifest.csv")->required();
  verb.add_option("--margin", options.margin, "Added on every side, as a share of the longer side")
      ->check(CLI::Range(0.0, 10.0))
      ->capture_default_str();
  verb.add_option("--max-side", options.max_side_px,
                  "Larger crops are scaled down to this; 0: none")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb.add_flag("--png", options.png, "Lossless PNG rather than JPEG");
  verb.add_option("--quality", options.jpeg_quality, "Of JPEG")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  verb.add_flag("--skip-bad", options.skip_bad, "Leave out what cannot be read, and list it");
  verb.add_option("--threads", arguments->threads, "Photographs opened at a time")
      ->check(CLI::PositiveNumber);
  verb.callback([arguments] { Crop(*arguments); });
}

}  // namespace fluke::cli
