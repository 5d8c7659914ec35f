// Diffusion: Iscen, Tolias, Avrithis, Furon and Chum, Efficient Diffusion on Region Manifolds:
// Recovering Small Objects with Compact CNN Representations, CVPR 2017.
//
// A: cosines^gamma of mutual neighbours; S = D^-1/2 A D^-1/2; f solves (I - alpha S) f = y, y: the
// query's cosines^gamma with its kq nearest. Truncated: the rows and columns of a shortlist,
// degrees D as in the whole graph.
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

constexpr int kMaxIterations = 200;
constexpr double kTolerance = 1e-9;  // of the residual, relative

struct Edge {
  int32_t to = 0;
  double weight = 0;
};
using Graph = std::vector<std::vector<Edge>>;  // a node's edges, both ways

double DotOf(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// (I - alpha S) x
std::vector<double> Laplacian(const Graph& s, double alpha, const std::vector<double>& x) {
  std::vector<double> out = x;
  for (size_t i = 0; i < s.size(); ++i) {
    for (const Edge& edge : s[i]) {
      out[i] -= alpha * edge.weight * x[static_cast<size_t>(edge.to)];
    }
  }
  return out;
}

// Conjugate gradients; the matrix is positive definite for alpha < 1.
std::vector<double> Solve(const Graph& s, double alpha, const std::vector<double>& y) {
  std::vector<double> x(y.size()), residual = y, direction = y;
  double squares = DotOf(residual, residual);
  const double enough = squares * kTolerance * kTolerance;
  for (int i = 0; i < kMaxIterations && squares > enough; ++i) {
    const std::vector<double> product = Laplacian(s, alpha, direction);
    const double step = squares / DotOf(direction, product);
    for (size_t j = 0; j < x.size(); ++j) {
      x[j] += step * direction[j];
      residual[j] -= step * product[j];
    }
    const double next = DotOf(residual, residual);
    for (size_t j = 0; j < x.size(); ++j) {
      direction[j] = residual[j] + next / squares * direction[j];
    }
    squares = next;
  }
  return x;
}

class DiffusionStep : public Step {
 public:
  DiffusionStep(const v1::Diffusion& settings, const Gallery& gallery)
      : kq_(settings.kq()),
        kd_(settings.kd()),
        gamma_(settings.gamma()),
        alpha_(settings.alpha()),
        shortlist_(settings.shortlist()),
        lists_(gallery, settings.kd() + 1) {}  // one to take the place of a row that is left out

  int64_t DepthFor(int64_t k) const override {
    return std::max({k, int64_t{shortlist_}, int64_t{kq_}});
  }

  void Apply(const StepScope& scope, std::span<QueryState> queries) const override {
    ParallelLoop(static_cast<int64_t>(queries.size()), omp_get_max_threads(),
                 [&](int64_t i, int) { Rank(scope.gallery, queries[static_cast<size_t>(i)]); });
  }

 private:
  void Rank(const Gallery& gallery, QueryState& query) const {
    std::vector<Neighbor>& ranking = query.ranking;
    std::vector<float> vector(query.vector.size());
    for (Neighbor& neighbor : ranking) {
      gallery.CopyVector(neighbor.row, query.without, vector.data());
      neighbor.score = Cosine(query.vector.data(), vector.data(), gallery.dimension());
    }
    std::ranges::sort(ranking, Better);
    std::vector<double> y(ranking.size());
    for (size_t i = 0; i < std::min(y.size(), static_cast<size_t>(kq_)); ++i) {
      y[i] = Affinity(ranking[i].score);
    }
    const std::vector<double> f = Solve(GraphOf(ranking, query.without), alpha_, y);
    for (size_t i = 0; i < f.size(); ++i) {
      // What the query does not reach follows, by its cosine.
      float& score = ranking[i].score;
      score = f[i] > 0 ? static_cast<float>(f[i]) : score - 1;
    }
    std::ranges::sort(ranking, Better);
  }

  double Affinity(float cosine) const { return std::pow(std::max(cosine, 0.0f), gamma_); }

  // The kd nearest of `row`.
  std::vector<NearRow> Nearest(int64_t row, int64_t without) const {
    std::vector<NearRow> nearest;
    for (const NearRow& near : lists_.Of(row)) {
      if (near.row == without || static_cast<int>(nearest.size()) == kd_) continue;
      nearest.push_back(near);
    }
    return nearest;
  }

  // Neighbours that have `row` among theirs, too.
  std::vector<NearRow> Mutual(int64_t row, int64_t without) const {
    std::vector<NearRow> mutual;
    for (const NearRow& near : Nearest(row, without)) {
      int place = 0;
      for (const NearRow& back : lists_.Of(near.row)) {
        if (back.row == without) continue;
        if (place++ == kd_) break;
        if (back.row != row) continue;
        mutual.push_back(near);
        break;
      }
    }
    return mutual;
  }

  Graph GraphOf(std::span<const Neighbor> shortlist, int64_t without) const {
    absl::flat_hash_map<int32_t, int32_t> place;
    for (size_t i = 0; i < shortlist.size(); ++i) {
      place[static_cast<int32_t>(shortlist[i].row)] = static_cast<int32_t>(i);
    }
    Graph graph(shortlist.size());
    std::vector<double> degrees(shortlist.size());
    for (size_t i = 0; i < shortlist.size(); ++i) {
      for (const NearRow& near : Mutual(shortlist[i].row, without)) {
        const double weight = Affinity(near.score);
        degrees[i] += weight;
        const auto to = place.find(near.row);
        if (to != place.end()) graph[i].push_back({.to = to->second, .weight = weight});
      }
    }
    for (size_t i = 0; i < graph.size(); ++i) {
      for (Edge& edge : graph[i]) {
        const double product = degrees[i] * degrees[static_cast<size_t>(edge.to)];
        edge.weight = product > 0 ? edge.weight / std::sqrt(product) : 0;
      }
    }
    return graph;
  }

  int kq_;
  int kd_;
  double gamma_;
  double alpha_;
  int shortlist_;
  NeighborLists lists_;
};

}  // namespace

StepPtr MakeDiffusion(const v1::RankingStep& settings, GalleryPtr gallery,
                      const StepContext& /*context*/) {
  return std::make_unique<const DiffusionStep>(settings.diffusion(), *gallery);
}

}  // namespace fluke::ranking
