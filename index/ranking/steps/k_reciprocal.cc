// k-reciprocal re-ranking: Zhong, Zheng, Cao and Li, Re-ranking Person Re-identification with
// k-reciprocal Encoding, CVPR 2017; distances scaled as in the authors' code.
//
// The paper ranks all queries and the gallery together. Here each query joins the gallery alone:
// its neighbour lists are merged with the query at its place, which costs no more than the lists
// that the query's neighbourhood touches. For one query the outcome is the paper's.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "index/best_k.h"
#include "index/parallel_loop.h"
#include "index/ranking/neighbor_lists.h"
#include "index/ranking/steps/factories.h"

namespace fluke::ranking {
namespace {

using Node = int32_t;        // a row of the gallery
constexpr Node kQuery = -1;  // or the query itself

struct Weighted {
  Node node = 0;
  float weight = 0;
};

// Squared Euclidean distance of unit vectors.
double Distance(double cosine) { return 2 - 2 * cosine; }

// From every row of the gallery to the one farthest from it.
std::vector<float> FarthestDistances(const Gallery& gallery) {
  constexpr size_t kRowsAtOnce = 1024;
  const std::vector<int64_t> rows = RowsOf(gallery.index());
  const auto width = static_cast<size_t>(gallery.dimension());
  std::vector<float> farthest(static_cast<size_t>(RowLimit(gallery.index())));
  for (size_t begin = 0; begin < rows.size(); begin += kRowsAtOnce) {
    const auto some = std::span(rows).subspan(begin, std::min(kRowsAtOnce, rows.size() - begin));
    std::vector<float> opposite(some.size() * width);
    for (size_t i = 0; i < some.size(); ++i) {
      gallery.CopyVector(some[i], -1, opposite.data() + i * width);
    }
    for (float& value : opposite) value = -value;
    const Rankings found = gallery.Search(opposite, {.k = 1}, {});
    for (size_t i = 0; i < some.size(); ++i) {
      farthest[static_cast<size_t>(some[i])] =
          static_cast<float>(Distance(-double{found[i].front().score}));
    }
  }
  return farthest;
}

struct Settings {
  int64_t k1 = 0;
  int64_t k2 = 0;
  double lambda = 0;
  int64_t half() const { return std::lrint(static_cast<double>(k1) / 2); }  // numpy's around
  int64_t list_length() const { return std::max(k1 + 1, k2); }              // with the item itself
};

// The gallery with one query in it.
class Neighborhood {
 public:
  Neighborhood(const Gallery& gallery, const NeighborLists& lists, std::span<const float> farthest,
               const QueryState& query, const Settings& settings,
               std::span<const Neighbor> nearest_to_query,
               std::span<const Neighbor> nearest_to_opposite)
      : gallery_(gallery),
        lists_(lists),
        farthest_(farthest),
        query_(query),
        settings_(settings),
        vector_(query.vector.size()) {
    AddQuery(nearest_to_query, nearest_to_opposite);
  }

  // 1 - final distance of each of the ranking.
  std::vector<Neighbor> Ranked() {
    const std::vector<Weighted> own = Expanded(kQuery);
    absl::flat_hash_map<Node, size_t> place;
    for (size_t i = 0; i < own.size(); ++i) place[own[i].node] = i;
    std::vector<Neighbor> ranked;
    std::vector<double> others(own.size());
    for (const Neighbor& neighbor : query_.ranking) {
      const auto node = static_cast<Node>(neighbor.row);
      const std::span<const Node> nearest = Nearest(node, settings_.k2);
      const std::vector<Node> near(nearest.begin(), nearest.end());  // nodes_ may move
      std::ranges::fill(others, 0);
      for (const Node member : near) {
        for (const Weighted& one : Encoding(member)) {
          if (const auto found = place.find(one.node); found != place.end()) {
            others[found->second] += double{one.weight} / static_cast<double>(near.size());
          }
        }
      }
      double shared = 0;
      for (size_t i = 0; i < own.size(); ++i) shared += std::min(double{own[i].weight}, others[i]);
      const double jaccard = 1 - shared / (2 - shared);
      const double distance = Distance(CosineWithQuery(node)) / farthest_from_query_;
      const double final_distance = (1 - settings_.lambda) * jaccard + settings_.lambda * distance;
      ranked.push_back({.row = neighbor.row, .score = static_cast<float>(1 - final_distance)});
    }
    std::ranges::sort(ranked, Better);
    return ranked;
  }

 private:
  struct List {
    size_t begin = 0;  // in nodes_
    size_t size = 0;
  };

  void AddQuery(std::span<const Neighbor> nearest, std::span<const Neighbor> farthest) {
    nodes_.push_back(kQuery);
    for (const Neighbor& neighbor : nearest) {
      nodes_.push_back(static_cast<Node>(neighbor.row));
      cosines_[nodes_.back()] = neighbor.score;
    }
    lists_with_query_[kQuery] = {.begin = 0, .size = nodes_.size()};
    const double distance = farthest.empty() ? 0 : Distance(-double{farthest.front().score});
    if (distance > 0) farthest_from_query_ = distance;
  }

  float CosineWithQuery(Node node) {
    if (node == kQuery) return 1;
    const auto [place, is_new] = cosines_.try_emplace(node, 0.0f);
    if (is_new) {
      gallery_.CopyVector(node, query_.without, vector_.data());
      place->second = Cosine(query_.vector.data(), vector_.data(), gallery_.dimension());
    }
    return place->second;
  }

  // The node and its nearest, `count` together.
  std::span<const Node> Nearest(Node node, int64_t count) {
    auto found = lists_with_query_.find(node);
    if (found == lists_with_query_.end()) {
      found = lists_with_query_.emplace(node, MergedList(node)).first;
    }
    const List& list = found->second;
    return std::span(nodes_).subspan(list.begin, std::min(list.size, static_cast<size_t>(count)));
  }

  List MergedList(Node node) {
    const float to_query = CosineWithQuery(node);
    const auto length = static_cast<size_t>(settings_.list_length());
    const List list{.begin = nodes_.size(), .size = 0};
    const auto full = [&] { return nodes_.size() - list.begin == length; };
    nodes_.push_back(node);
    bool is_in = false;
    for (const NearRow& near : lists_.Of(node)) {
      if (near.row == query_.without) continue;
      if (!is_in && !full() && to_query > near.score) {
        nodes_.push_back(kQuery);
        is_in = true;
      }
      if (full()) break;
      nodes_.push_back(near.row);
    }
    if (!is_in && !full()) nodes_.push_back(kQuery);
    return {.begin = list.begin, .size = nodes_.size() - list.begin};
  }

  // R(node, k): those of the k nearest that have it among theirs. In `node`'s order.
  void Reciprocal(Node node, int64_t k, std::vector<Node>& out) {
    out.clear();
    const std::span<const Node> nearest = Nearest(node, k + 1);
    const std::vector<Node> forward(nearest.begin(), nearest.end());  // nodes_ may move
    for (const Node other : forward) {
      const std::span<const Node> back = Nearest(other, k + 1);
      if (std::ranges::find(back, node) != back.end()) out.push_back(other);
    }
  }

  // R(node, k1 / 2), kept: many neighbourhoods share it.
  const std::vector<Node>& HalfReciprocal(Node node) {
    const auto found = half_.find(node);
    if (found != half_.end()) return *found->second;
    auto made = std::make_unique<std::vector<Node>>();
    Reciprocal(node, settings_.half(), *made);
    return *half_.emplace(node, std::move(made)).first->second;
  }

  // V of the paper: R*(node, k1) with exp(-distance), summing to 1; sorted by node.
  const std::vector<Weighted>& Encoding(Node node) {
    const auto found = encodings_.find(node);
    if (found != encodings_.end()) return *found->second;
    std::vector<Node> members;
    Reciprocal(node, settings_.k1, members);
    std::vector<Node> sorted = members;
    std::ranges::sort(sorted);
    std::vector<Node> expanded = members;
    for (const Node candidate : members) {
      const std::vector<Node>& theirs = HalfReciprocal(candidate);
      const auto common = std::ranges::count_if(
          theirs, [&](Node one) { return std::ranges::binary_search(sorted, one); });
      if (3 * common > 2 * static_cast<int64_t>(theirs.size())) {
        expanded.insert(expanded.end(), theirs.begin(), theirs.end());
      }
    }
    std::ranges::sort(expanded);
    expanded.erase(std::unique(expanded.begin(), expanded.end()), expanded.end());
    auto encoding = std::make_unique<std::vector<Weighted>>(Weights(node, expanded));
    return *encodings_.emplace(node, std::move(encoding)).first->second;
  }

  std::vector<Weighted> Weights(Node node, std::span<const Node> members) {
    std::vector<float> own;
    if (node != kQuery) {
      own.resize(query_.vector.size());
      gallery_.CopyVector(node, query_.without, own.data());
    }
    const double farthest = FarthestFrom(node);
    std::vector<double> weights;
    double sum = 0;
    for (const Node member : members) {
      weights.push_back(std::exp(-Distance(CosineOf(node, own, member)) / farthest));
      sum += weights.back();
    }
    std::vector<Weighted> encoding;
    for (size_t i = 0; i < members.size(); ++i) {
      encoding.push_back({.node = members[i], .weight = static_cast<float>(weights[i] / sum)});
    }
    return encoding;
  }

  double FarthestFrom(Node node) {
    if (node == kQuery) return farthest_from_query_;
    const double farthest =
        std::max(double{farthest_[static_cast<size_t>(node)]}, Distance(CosineWithQuery(node)));
    return farthest > 0 ? farthest : 1;
  }

  // own: the vector of `node`, unless it is the query.
  double CosineOf(Node node, std::span<const float> own, Node member) {
    if (node == member) return 1;
    if (node == kQuery) return CosineWithQuery(member);
    if (member == kQuery) return CosineWithQuery(node);
    for (const NearRow& near : lists_.Of(node)) {
      if (near.row == member) return near.score;
    }
    gallery_.CopyVector(member, query_.without, vector_.data());
    return Cosine(own.data(), vector_.data(), gallery_.dimension());
  }

  // V after local query expansion: the mean over the k2 nearest.
  std::vector<Weighted> Expanded(Node node) {
    const std::span<const Node> span = Nearest(node, settings_.k2);
    const std::vector<Node> near(span.begin(), span.end());
    absl::flat_hash_map<Node, double> sums;
    for (const Node member : near) {
      for (const Weighted& one : Encoding(member)) sums[one.node] += one.weight;
    }
    std::vector<Weighted> expanded;
    for (const auto& [one, sum] : sums) {
      expanded.push_back(
          {.node = one, .weight = static_cast<float>(sum / static_cast<double>(near.size()))});
    }
    std::ranges::sort(expanded, {}, &Weighted::node);
    return expanded;
  }

  const Gallery& gallery_;
  const NeighborLists& lists_;
  std::span<const float> farthest_;
  const QueryState& query_;
  const Settings& settings_;
  std::vector<float> vector_;  // scratch
  double farthest_from_query_ = 1;
  std::vector<Node> nodes_;  // of all lists, end to end
  absl::flat_hash_map<Node, List> lists_with_query_;
  absl::flat_hash_map<Node, float> cosines_;  // with the query
  absl::flat_hash_map<Node, std::unique_ptr<std::vector<Node>>> half_;
  absl::flat_hash_map<Node, std::unique_ptr<std::vector<Weighted>>> encodings_;
};

class KReciprocalStep : public Step {
 public:
  KReciprocalStep(const v1::KReciprocal& settings, const Gallery& gallery)
      : settings_{.k1 = settings.k1(), .k2 = settings.k2(), .lambda = settings.lambda()},
        shortlist_(settings.shortlist()),
        // One more than the others of a list, for a row that is left out.
        lists_(gallery, settings_.list_length()),
        farthest_(FarthestDistances(gallery)) {}

  int64_t DepthFor(int64_t k) const override { return std::max<int64_t>(k, shortlist_); }

  void Apply(const StepScope& scope, std::span<QueryState> queries) const override {
    std::vector<float> vectors, opposite;
    std::vector<int64_t> without;
    for (const QueryState& query : queries) {
      vectors.insert(vectors.end(), query.vector.begin(), query.vector.end());
      without.push_back(query.without);
    }
    for (const float value : vectors) opposite.push_back(-value);
    const Rankings near = scope.gallery.Search(
        vectors, {.k = static_cast<int>(settings_.list_length() - 1)}, without);
    const Rankings far = scope.gallery.Search(opposite, {.k = 1}, without);
    ParallelLoop(static_cast<int64_t>(queries.size()), omp_get_max_threads(), [&](int64_t i, int) {
      const auto q = static_cast<size_t>(i);
      queries[q].ranking =
          Neighborhood(scope.gallery, lists_, farthest_, queries[q], settings_, near[q], far[q])
              .Ranked();
    });
  }

 private:
  Settings settings_;
  int64_t shortlist_;
  NeighborLists lists_;
  std::vector<float> farthest_;  // RowLimit: distance to the farthest
};

}  // namespace

StepPtr MakeKReciprocal(const v1::RankingStep& settings, GalleryPtr gallery,
                        const StepContext& /*context*/) {
  return std::make_unique<const KReciprocalStep>(settings.k_reciprocal(), *gallery);
}

}  // namespace fluke::ranking
