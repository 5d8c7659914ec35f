#include "common/metrics/protocol.h"

namespace fluke {
namespace {

using enum ProtocolInput;

constexpr Protocol kProtocols[] = {
    {"kaggle-whale", kEmbeddings, "kaggle_map@5,top@1,top@5", false, "", false, false, 5, true,
     "new_whale",
     "Kaggle's humpback identification: MAP@5 of five different labels, the first hit alone "
     "counts, new_whale is a label like others"},
    {"gdsc-top20", kEmbeddings, "recall@1,recall@5,recall@20,precision@20,map@20", false, "-1",
     false, false, 20, false, "",
     "Global Data Science Challenge 2020: twenty most similar photographs, identity -1 left out; "
     "its own point score is not published"},
    {"landmark", kEmbeddings, "map@100,recall@1,precision@10", false, "", false, false, 100, false,
     "", "Google Landmarks: mAP@100 divided by min(relevant, 100); GAP of the best match"},
    {"roxford", kJudgedRun, "mAP,mP@1,mP@5,mP@10", false, "", false, false, 0, false, "",
     "Oxford and Paris, revisited: --run and --qrels with grades 2 easy, 1 hard, -1 junk; easy, "
     "medium and hard, trapezoidal AP"},
    {"market1501", kEmbeddings, "cmc@1,cmc@5,cmc@10,map,minp", true, "-1", false, false, 0, false,
     "",
     "person re-identification: the query's own identity on its own camera and identity -1 are "
     "left out"},
    {"wildlife-closed", kEmbeddings, "top@1,top@5,map@r", false, "", false, true, 5, true, "",
     "all individuals are in the gallery: top-k accuracy, over photographs and over individuals"},
    {"wildlife-open", kEmbeddings, "top@1,top@5", false, "", true, true, 5, true, "new_individual",
     "some individuals are new: BAKS, BAUS, the threshold that balances them, DIR@FAR, AUROC"},
    {"trec", kJudgedRun, "official", false, "", false, false, 0, false, "",
     "trec_eval's measures of --run and --qrels, printed as it prints them"},
};

}  // namespace

std::span<const Protocol> Protocols() { return kProtocols; }

std::vector<std::string> MetricsOf(const Protocol& protocol) {
  std::vector<std::string> names;
  std::string_view rest = protocol.metrics;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    names.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
  }
  return names;
}

}  // namespace fluke
