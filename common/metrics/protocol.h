// Named ways to evaluate: which metrics, and who is left out.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fluke {

enum class ProtocolInput {
  kEmbeddings,  // or a ranking, or a submission
  kJudgedRun,   // a trec run and its qrels
};

struct Protocol {
  std::string_view name;
  ProtocolInput input;
  std::string_view metrics;  // comma-separated; of RetrievalMetrics(), or of TrecMeasures()
  // Gallery items of the query's own identity and camera are left out.
  bool by_camera;
  // Identities of this name are of nobody: they are in no gallery and no query ("" = none).
  std::string_view junk_identity;
  // Individuals that the gallery lacks are looked at too: BAKS, BAUS, DIR@FAR, AUROC ...
  bool open_set;
  bool per_identity;  // means over individuals are shown too
  // Of a submission file: answers a query, whether they are identities (else items), and the label
  // of new individuals ("" = none).
  int64_t answers;
  bool answers_identities;
  std::string_view new_label;
  std::string_view help;
};

std::span<const Protocol> Protocols();

// protocol.metrics as a list.
std::vector<std::string> MetricsOf(const Protocol& protocol);

}  // namespace fluke
