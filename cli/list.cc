// fluke list: what names a config or an option may use, out of the constant tables that the program
// itself reads.
#include <algorithm>
#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/verbs.h"
#include "common/curation/split_kinds.h"
#include "common/local/geometry.h"
#include "common/metrics/protocol.h"
#include "common/metrics/retrieval.h"
#include "common/metrics/trec.h"
#include "common/table.h"
#include "index/factory.h"
#include "index/local/score_calibration.h"
#include "index/ranking/fusion.h"
#include "index/ranking/step.h"
#include "train/tables.h"

namespace fluke::cli {
namespace {

struct NameAndHelp {
  std::string_view name;
  std::string_view help;
};

template <typename Table>
std::vector<NameAndHelp> Rows(const Table& table) {
  std::vector<NameAndHelp> rows;
  for (const auto& row : table) rows.push_back({row.name, row.help});
  return rows;
}

struct NamedList {
  std::string_view name;
  std::string_view help;
  std::vector<NameAndHelp> rows;
};

std::vector<NamedList> Lists() {
  std::vector<NamedList> lists;
  for (const train::ChoiceTable& table : train::ChoiceTables()) {
    lists.push_back({table.name, table.help, Rows(table.rows())});
  }
  lists.push_back({"splits", "data split --by", Rows(SplitKinds())});
  lists.push_back({"metrics", "evaluate --metrics, validation.metrics", Rows(RetrievalMetrics())});
  lists.push_back({"trec-metrics", "evaluate --run --metrics", Rows(TrecMeasures())});
  lists.push_back({"protocols", "evaluate --protocol", Rows(Protocols())});
  lists.push_back({"index-presets", "index build --preset", Rows(IndexPresets())});
  lists.push_back({"geometry", "search --local --geometry", Rows(GeometryModels())});
  lists.push_back({"calibration", "index calibrate --method", Rows(CalibrationMethods())});
  lists.push_back({"steps", "search --pipeline, serve's pipeline", Rows(ranking::Steps())});
  lists.push_back({"fusion-methods", "steps.fusion.method, pipeline fuse --method",
                   Rows(ranking::FusionMethods())});
  return lists;
}

void Print(const std::vector<NameAndHelp>& rows, bool json) {
  if (json) {
    nlohmann::ordered_json document = nlohmann::ordered_json::array();
    for (const NameAndHelp& row : rows) {
      document.push_back({{"name", std::string(row.name)}, {"help", std::string(row.help)}});
    }
    std::cout << document.dump() << "\n";
    return;
  }
  size_t width = 0;
  for (const NameAndHelp& row : rows) width = std::max(width, row.name.size());
  for (const NameAndHelp& row : rows) {
    std::cout << row.name << std::string(width - row.name.size() + 2, ' ') << row.help << "\n";
  }
}

}  // namespace

void DeclareList(CLI::App& verb) {
  struct Arguments {
    std::string list;
    bool json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  verb.add_option("what", arguments->list,
                  "one of: " + StrJoin(Names(Lists()), ", ") + "; nothing: names the lists");
  verb.add_flag("--json", arguments->json, "one JSON document");
  verb.callback([arguments] {
    const std::vector<NamedList> lists = Lists();
    Print(arguments->list.empty() ? Rows(lists) : Find(lists, "list", arguments->list).rows,
          arguments->json);
  });
}

}  // namespace fluke::cli
