// fluke data check: opens every photograph and lists what cannot be used.
#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/data.h"
#include "common/csv.h"
#include "common/error.h"
#include "common/files.h"
#include "common/manifest.h"
#include "common/parallel.h"

namespace fluke::cli {
namespace {

struct CheckArguments {
  std::string manifest;
  std::string report;
  bool skip_bad = false;
  bool json = false;
  int threads = HardwareThreads();
};

std::string ReportCsv(const std::vector<BadRow>& bad) {
  std::string csv = CsvLine({"path", "line", "reason"});
  for (const BadRow& row : bad) csv += CsvLine({row.path, std::to_string(row.line), row.reason});
  return csv;
}

void Check(const CheckArguments& arguments) {
  std::vector<BadRow> bad;
  const Manifest manifest = ReadManifestSkippingBad(arguments.manifest, &bad);
  const size_t rows = manifest.items.size() + bad.size();
  const std::vector<BadRow> bad_images = CheckImages(manifest, arguments.threads);
  bad.insert(bad.end(), bad_images.begin(), bad_images.end());
  std::stable_sort(bad.begin(), bad.end(),
                   [](const BadRow& a, const BadRow& b) { return a.line < b.line; });

  if (!arguments.report.empty()) WriteFileAtomically(arguments.report, ReportCsv(bad));
  if (arguments.json) {
    std::cout << nlohmann::json{{"rows", rows},
                                {"good", rows - bad.size()},
                                {"bad", BadRowsJson(bad)}}
                     .dump()
              << "\n";
  } else {
    for (const BadRow& row : bad) std::cout << row.reason << "\n";
    std::cout << arguments.manifest << ": " << rows << " rows, " << rows - bad.size() << " good, "
              << bad.size() << " bad\n";
  }
  if (bad.empty() || arguments.skip_bad) return;
  DataLoss(arguments.manifest, ": ", bad.size(), " of ", rows,
           " rows cannot be used; --skip-bad accepts that");
}

}  // namespace

void DeclareCheck(CLI::App& verb) {
  const auto arguments = std::make_shared<CheckArguments>();
  verb.add_option("manifest", arguments->manifest, "CSV, folder of folders, idx.gz or zip")
      ->required();
  verb.add_option("--report", arguments->report,
                  "CSV to write: path, line and reason of every bad row");
  verb.add_flag("--skip-bad", arguments->skip_bad, "Bad rows are listed but are no failure");
  verb.add_flag("--json", arguments->json, "Print one JSON document");
  verb.add_option("--threads", arguments->threads, "Photographs opened at a time")
      ->check(CLI::PositiveNumber);
  verb.callback([arguments] { Check(*arguments); });
}

}  // namespace fluke::cli
