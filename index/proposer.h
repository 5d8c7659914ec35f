// Another engine that proposes rows for a query, faster than it could be trusted with their scores.
#pragma once

#include <cstdint>
#include <span>

namespace fluke {

// Thread-safe.
class Proposer {
 public:
  virtual ~Proposer() = default;

  // The most rows that a query can be proposed.
  virtual int64_t most() const = 0;
  // queries: n x dimension, normalised (similarity.h). rows, scores: n x count, best first, row -1
  // where fewer were found. nprobe: for lists; 0 = the index's default.
  virtual void Propose(std::span<const float> queries, int64_t count, int nprobe,
                       std::span<int64_t> rows, std::span<float> scores) const = 0;
  // How far the proposed scores of this query lie from those of score_kernels.h, at most, whatever
  // the row. Of those that look at every row.
  virtual double ScoreError(std::span<const float> query) const = 0;
};

}  // namespace fluke
