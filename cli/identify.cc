// fluke identify: asks a running server which individual a photograph shows, or whether it is a new
// one.
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "cli/server_arguments.h"
#include "cli/verbs.h"
#include "common/error.h"
#include "common/files.h"
#include "serve/client/client.h"

namespace fluke::cli {
namespace {

struct IdentifyArguments : ServerArguments {
  std::string image;
  std::string id;
  std::vector<float> crop;
  std::string filter;
  uint32_t k = 5;
  std::optional<float> threshold;
  bool json = false;

  const std::string& name() const { return image.empty() ? id : image; }
};

v1::IdentifyRequest RequestOf(const IdentifyArguments& arguments) {
  v1::IdentifyRequest request;
  v1::SearchRequest& search = *request.mutable_search();
  if (arguments.image.empty()) {
    search.set_item_id(arguments.id);
    search.set_exclude_self(true);  // that it is the photograph it is, is no news
  } else {
    search.set_image(ReadFile(arguments.image, kMaxImageBytes));
  }
  if (!arguments.crop.empty()) {
    search.mutable_crop()->set_x(arguments.crop[0]);
    search.mutable_crop()->set_y(arguments.crop[1]);
    search.mutable_crop()->set_w(arguments.crop[2]);
    search.mutable_crop()->set_h(arguments.crop[3]);
  }
  search.set_collection(arguments.collection);
  search.set_filter(arguments.filter);
  request.set_k(arguments.k);
  if (arguments.threshold) request.set_threshold(*arguments.threshold);
  return request;
}

nlohmann::json ToJson(const std::string& name, const v1::IdentifyResponse& response) {
  nlohmann::json document{{"query", name},
                          {"is_new", response.is_new()},
                          {"threshold", response.threshold()},
                          {"candidates", nlohmann::json::array()}};
  for (const v1::Candidate& candidate : response.candidates()) {
    document["candidates"].push_back({{"identity", candidate.identity()},
                                      {"score", candidate.best().score()},
                                      {"id", candidate.best().id()},
                                      {"path", candidate.best().path()}});
    if (response.has_calibration()) {
      document["candidates"].back()["probability"] = candidate.probability();
    }
  }
  if (response.has_calibration()) {
    const v1::Calibration& calibration = response.calibration();
    document["calibration"] = {{"photographs", calibration.photographs()},
                               {"threshold", calibration.threshold()},
                               {"known_recognised", calibration.known_recognised()},
                               {"new_recognised", calibration.new_recognised()},
                               {"snapshot", calibration.snapshot()}};
  }
  return document;
}

void PrintTable(const std::string& name, const v1::IdentifyResponse& response) {
  const bool is_calibrated = response.has_calibration();
  std::cout << name << ": "
            << (response.is_new() ? "a new individual" : response.candidates(0).identity())
            << absl::StreamFormat(" (threshold %.4f)\n", response.threshold());
  std::cout << absl::StreamFormat("%4s  %8s  %11s  %-24s  %s\n", "rank", "score", "probability",
                                  "identity", "nearest photograph");
  int rank = 0;
  for (const v1::Candidate& candidate : response.candidates()) {
    const std::string probability =
        is_calibrated ? absl::StrFormat("%.3f", candidate.probability()) : "?";
    std::cout << absl::StreamFormat("%4d  %8.4f  %11s  %-24s  %s\n", ++rank,
                                    candidate.best().score(), probability, candidate.identity(),
                                    candidate.best().id());
  }
  if (!is_calibrated) return;
  const v1::Calibration& calibration = response.calibration();
  std::cout << absl::StreamFormat(
      "calibrated on %d photographs of the gallery: threshold %.4f recognises %.1f %% of known and "
      "%.1f %% of new individuals\n",
      calibration.photographs(), calibration.threshold(), 100 * calibration.known_recognised(),
      100 * calibration.new_recognised());
}

void RunIdentify(const IdentifyArguments& arguments) {
  const serve::RetrievalClient client = arguments.Connect();
  const v1::IdentifyResponse response = client.Identify(RequestOf(arguments));
  if (arguments.json) {
    // Names of files may be in any encoding; the document stays JSON.
    std::cout << ToJson(arguments.name(), response)
                     .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
              << "\n";
  } else {
    PrintTable(arguments.name(), response);
  }
}

}  // namespace

void DeclareIdentify(CLI::App& verb) {
  auto arguments = std::make_shared<IdentifyArguments>();
  arguments->timeout_s = 60;  // the first call calibrates the gallery
  DeclareGallery(verb, *arguments);
  auto* what = verb.add_option_group("who is to be identified");
  what->add_option("--image", arguments->image, "photograph");
  what->add_option("--id", arguments->id, "item of the index, which is itself left out");
  what->require_option(1);
  verb.add_option("--crop", arguments->crop, "with --image: X,Y,W,H in pixels")
      ->delimiter(',')
      ->expected(4);
  verb.add_option("--filter", arguments->filter, "only among items that match");
  verb.add_option("-k", arguments->k, "individuals shown")->capture_default_str();
  verb.add_option("--threshold", arguments->threshold,
                  "least score of a known individual; default: as calibrated on the gallery");
  verb.add_flag("--json", arguments->json, "print one JSON document");
  verb.callback([arguments] { RunIdentify(*arguments); });
}

}  // namespace fluke::cli
