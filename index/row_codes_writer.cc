#include "index/row_codes_writer.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <vector>

#include "common/files.h"
#include "index/parallel_loop.h"
#include "index/principal_directions.h"
#include "index/row_codes_format.h"
#include "index/row_encoder.h"
#include "index/row_lists.h"

namespace fluke {
namespace {

constexpr int64_t kWorthwhileFloats = 1 << 22;  // below, a plain scan takes a millisecond
constexpr int64_t kMinDimension = 32;
constexpr int64_t kMaxHead = 1024;
constexpr int64_t kTrialRows = 8192, kTrialQueries = 32;
constexpr int64_t kTypicalK = 20;
// Of 8-bit codes, both sides together, relative to the product of the lengths.
constexpr double kTypicalRounding = 0.01;
constexpr double kVisitedShare = 1.0 / 32;  // of an approximate search

// How many rows a search would have to score for queries like the rows, found on a sample.
class Trial {
 public:
  // sample: of `total` rows.
  Trial(const PrincipalDirections& learned, std::span<const float> sample, int64_t total,
        int64_t dimension, bool l2)
      : full_(learned.count), factor_(l2 ? 2 : 1) {
    n_ = static_cast<int64_t>(sample.size()) / dimension;
    queries_ = std::min(kTrialQueries, n_);
    k_ = std::clamp<int64_t>(std::llround(static_cast<double>(kTypicalK * n_) / total), 1,
                             std::max<int64_t>(1, n_ - 1));
    std::vector<double> centred(static_cast<size_t>(n_ * dimension));
    for (int64_t i = 0; i < n_; ++i) {
      double* row = centred.data() + i * dimension;
      for (int64_t j = 0; j < dimension; ++j) {
        row[j] = sample[i * dimension + j] - learned.mean[j];
      }
      squares_.push_back(Dot(row, row, dimension));
    }
    y_.resize(static_cast<size_t>(n_ * full_));
    MultiplyTransposed(centred.data(), learned.directions.data(), n_, full_, dimension, dimension,
                       y_.data());
    // The first rows of the sample are the queries.
    std::vector<double> scores(static_cast<size_t>(queries_ * n_));
    MultiplyTransposed(centred.data(), centred.data(), queries_, n_, dimension, dimension,
                       scores.data());
    for (int64_t q = 0; q < queries_; ++q) {
      std::vector<double> ranked;
      for (int64_t i = 0; i < n_; ++i) {
        if (i == q) continue;
        ranked.push_back(factor_ * scores[q * n_ + i] - (l2 ? squares_[i] : 0));
      }
      ranked.resize(std::max<size_t>(ranked.size(), static_cast<size_t>(k_)), -1e300);
      std::nth_element(ranked.begin(), ranked.begin() + (k_ - 1), ranked.end(), std::greater<>());
      thresholds_.push_back(ranked[k_ - 1]);
    }
  }

  int64_t full() const { return full_; }

  // Share of the rows that `head` directions leave over: by bounds that hold always, or by three
  // standard deviations of tails that point anywhere in the dimensions that they fill.
  double ShareLeft(int64_t head, bool always) const {
    const double spread = always ? 1.0 : std::min(1.0, 3 / std::sqrt(TailDimensions(head)));
    const double rounding = always ? kTypicalRounding : 0.3 * kTypicalRounding;
    std::vector<double> tails;
    for (int64_t i = 0; i < n_; ++i) {
      tails.push_back(std::sqrt(std::max(0.0, squares_[i] - Dot(row(i), row(i), head))));
    }
    std::vector<double> products(static_cast<size_t>(queries_ * n_));
    MultiplyTransposed(row(0), row(0), queries_, n_, head, full_, products.data());
    int64_t left = 0;
    for (int64_t q = 0; q < queries_; ++q) {
      for (int64_t i = 0; i < n_; ++i) {
        const double offset = factor_ == 2 ? -squares_[i] : 0;
        const double length = std::sqrt(squares_[q] * squares_[i]);
        const double bound =
            factor_ * (products[q * n_ + i] + spread * tails[q] * tails[i] + rounding * length) +
            offset;
        left += i != q && bound >= thresholds_[q] ? 1 : 0;
      }
    }
    return static_cast<double>(left) / static_cast<double>(queries_ * n_);
  }

 private:
  const double* row(int64_t i) const { return y_.data() + i * full_; }

  // How many dimensions the rows fill beyond `head`: (sum of variances)^2 / sum of their squares.
  double TailDimensions(int64_t head) const {
    double sum = 0, squares = 0;
    for (int64_t j = head; j < full_; ++j) {
      double variance = 0;
      for (int64_t i = 0; i < n_; ++i) variance += y_[i * full_ + j] * y_[i * full_ + j];
      sum += variance;
      squares += variance * variance;
    }
    return squares > 0 ? std::max(1.0, sum * sum / squares) : 1.0;
  }

  int64_t full_, n_ = 0, queries_ = 0, k_ = 1;
  double factor_;
  std::vector<double> y_, squares_;  // n_ x full_; n_
  std::vector<double> thresholds_;   // the k_-th score of each query
};

// The number of directions that reads the fewest bytes a query. A row that is left over costs its
// vector from a random place: as much as three from the next. 0 where a plain scan reads less.
int64_t ChooseHead(const Trial& trial, int64_t dimension, bool lists) {
  const auto plain = static_cast<double>(4 * dimension);
  const double share = lists ? kVisitedShare : 1;
  double best_bytes = lists ? std::numeric_limits<double>::infinity() : 0.7 * plain;
  int64_t best = 0;
  for (int64_t head : {lists ? 64 : 32, 64, 128, 192, 256, 384, 512, 768, 1024}) {
    head = std::min(head, trial.full() / 4 * 4);
    const double bytes =
        share * static_cast<double>(head + 16) + 3 * trial.ShareLeft(head, !lists) * (plain + 256);
    if (bytes < best_bytes) {
      best_bytes = bytes;
      best = head;
    }
  }
  return best;
}

double Length(std::span<const float> row) {
  double squares = 0;
  for (const double value : row) squares += value * value;
  return std::sqrt(squares);
}

// The rows, in order, in parts of as many as a chunk holds.
class Parts {
 public:
  Parts(std::span<const float> rows, int64_t dimension)
      : rows_(rows), dimension_(dimension), total_(static_cast<int64_t>(rows.size()) / dimension) {}

  int64_t count() const { return (total_ + kCodeChunkRows - 1) / kCodeChunkRows; }
  int64_t begin(int64_t part) const { return part * kCodeChunkRows; }
  int64_t end(int64_t part) const { return std::min(begin(part) + kCodeChunkRows, total_); }
  std::span<const float> rows(int64_t part) const {
    return rows_.subspan(static_cast<size_t>(begin(part) * dimension_),
                         static_cast<size_t>((end(part) - begin(part)) * dimension_));
  }

 private:
  std::span<const float> rows_;
  int64_t dimension_, total_;
};

// Can the bounds be computed in float32 without leaving its range?
bool LengthsAreOrdinary(std::span<const float> rows, int64_t dimension, const RowsDone& done) {
  const Parts parts(rows, dimension);
  std::atomic<bool> ordinary = true;
  ParallelLoop(parts.count(), omp_get_max_threads(), [&](int64_t part, int) {
    const auto some = parts.rows(part);
    for (size_t begin = 0; begin < some.size(); begin += static_cast<size_t>(dimension)) {
      const double length = Length(some.subspan(begin, static_cast<size_t>(dimension)));
      if (!IsOrdinaryLength(length)) ordinary = false;
    }
    done(parts.begin(part), parts.end(part));
  });
  return ordinary;
}

double MeanLength(std::span<const float> rows, int64_t dimension) {
  const auto width = static_cast<size_t>(dimension);
  double sum = 0;
  for (size_t at = 0; at < rows.size(); at += width) sum += Length(rows.subspan(at, width));
  return sum * static_cast<double>(width) / static_cast<double>(rows.size());
}

// Appends at a place that the plan names, zeros before it.
template <typename T>
void AppendAt(AtomicFile& file, int64_t place, std::span<const T> values) {
  const std::vector<char> padding(static_cast<size_t>(place) - file.size());
  file.Append(padding.data(), padding.size());
  file.Append(values.data(), values.size_bytes());
}

// Calls make(i) for every i in [0, count) on all threads, then use(i, what it made) in order; only
// some results are held at a time.
template <typename Make, typename Use>
void MakeInOrder(int64_t count, const Make& make, const Use& use) {
  std::vector<std::vector<char>> made(static_cast<size_t>(4 * omp_get_max_threads()));
  const auto most = static_cast<int64_t>(made.size());
  for (int64_t begin = 0; begin < count; begin += most) {
    const int64_t n = std::min(most, count - begin);
    ParallelLoop(n, omp_get_max_threads(),
                 [&](int64_t i, int) { made[static_cast<size_t>(i)] = make(begin + i); });
    for (int64_t i = 0; i < n; ++i) use(begin + i, made[static_cast<size_t>(i)]);
  }
}

// Chunks of the rows in their own order.
void WriteChunks(const RowEncoder& encoder, const Parts& parts, const RowsDone& done,
                 AtomicFile& file) {
  const auto make = [&](int64_t part) {
    const std::vector<char> records = encoder.Records(encoder.Project(parts.rows(part)));
    done(parts.begin(part), parts.end(part));
    return encoder.Chunk(parts.end(part) - parts.begin(part),
                         [&](int64_t p) { return records.data() + p * encoder.record_bytes(); });
  };
  MakeInOrder(parts.count(), make, [&](int64_t, const std::vector<char>& bytes) {
    file.Append(bytes.data(), bytes.size());
  });
}

// The list of each row; their records go to `records`, in the rows' order.
std::vector<uint32_t> WriteRecords(const RowEncoder& encoder, const Parts& parts,
                                   std::span<const float> centroids, int64_t head,
                                   const RowsDone& done, ScratchFile& records) {
  std::vector<uint32_t> list_of_row(static_cast<size_t>(parts.end(parts.count() - 1)));
  const auto make = [&](int64_t part) {
    const ProjectedRows projected = encoder.Project(parts.rows(part));
    done(parts.begin(part), parts.end(part));
    const std::vector<uint32_t> lists = NearestLists(projected.y, centroids, head);
    std::copy(lists.begin(), lists.end(), list_of_row.begin() + parts.begin(part));
    return encoder.Records(projected);
  };
  MakeInOrder(parts.count(), make, [&](int64_t part, const std::vector<char>& bytes) {
    records.WriteAt(static_cast<uint64_t>(parts.begin(part) * encoder.record_bytes()), bytes.data(),
                    bytes.size());
  });
  return list_of_row;
}

// Chunks of the rows in the order of their lists.
void WriteOrderedChunks(const RowEncoder& encoder, std::span<const uint32_t> order,
                        const ScratchFile& records, AtomicFile& file) {
  const MappedFile mapped = records.Map();
  const auto positions = static_cast<int64_t>(order.size());
  const auto make = [&](int64_t chunk) {
    const int64_t first = chunk * kCodeChunkRows;
    return encoder.Chunk(std::min(kCodeChunkRows, positions - first), [&](int64_t p) {
      const uint32_t row = order[static_cast<size_t>(first + p)];
      return row == kNoRow ? nullptr : mapped.text().data() + row * encoder.record_bytes();
    });
  };
  MakeInOrder(
      (positions + kCodeChunkRows - 1) / kCodeChunkRows, make,
      [&](int64_t, const std::vector<char>& bytes) { file.Append(bytes.data(), bytes.size()); });
}

}  // namespace

float RoundedUp(double value) {
  return std::nextafter(static_cast<float>(value * (1 + 1e-6)),
                        std::numeric_limits<float>::infinity());
}

bool WriteRowCodes(const std::filesystem::path& path, Similarity similarity,
                   std::span<const float> rows, int64_t dimension, const RowCodesOptions& options) {
  const int64_t total = static_cast<int64_t>(rows.size()) / dimension;
  if (options.head == 0 && options.lists == 0 &&
      (total * dimension < kWorthwhileFloats || dimension < kMinDimension)) {
    return false;
  }
  if (total >= kNoRow || !LengthsAreOrdinary(rows, dimension, options.done)) return false;
  const bool l2 = similarity == Similarity::kL2;
  const PrincipalDirections learned = LearnDirections(rows, dimension, kMaxHead, options.done);
  const std::vector<float> sample =
      GatherRows(rows, dimension, SampleRows(total, kTrialRows), options.done);
  int64_t head = options.head;
  if (head == 0) {
    // Lists are estimated by what bounds would need, where bounds can be had at all.
    const Trial trial(learned, sample, total, dimension, l2);
    head = ChooseHead(trial, dimension, false);
    if (head == 0 && options.lists > 0) head = ChooseHead(trial, dimension, true);
  }
  head = std::min(head, learned.count / 4 * 4);
  if (head == 0) return false;

  RowCodesHeader header{};
  std::memcpy(header.magic, RowCodesHeader::kMagic, sizeof(header.magic));
  header.rows = header.positions = total;
  header.dimension = dimension;
  header.head = head;
  header.l2 = l2 ? 1 : 0;
  header.lists = options.lists;
  const RowEncoder encoder(learned, head, dimension, l2);
  const Parts parts(rows, dimension);
  std::vector<float> centroids;
  ListOrder order;
  std::optional<ScratchFile> records;
  if (options.lists > 0) {
    header.row_length = MeanLength(sample, dimension);
    centroids = LearnCentroids(encoder, head, options.lists, rows, dimension, options.done);
    records.emplace(path);
    order = OrderByList(WriteRecords(encoder, parts, centroids, head, options.done, *records),
                        options.lists);
    header.positions = static_cast<int64_t>(order.rows.size());
  }
  const RowCodesPlan plan(header);
  AtomicFile file(path);
  file.Append(&header, sizeof(header));
  AppendAt(file, plan.mean, std::span(learned.mean));
  AppendAt(file, plan.directions,
           std::span(learned.directions).first(static_cast<size_t>(head * dimension)));
  AppendAt(file, plan.centroids, std::span<const float>(centroids));
  AppendAt(file, plan.list_ends, std::span<const uint32_t>(order.list_ends));
  AppendAt(file, plan.order, std::span<const uint32_t>(order.rows));
  AppendAt(file, plan.chunks, std::span<const char>());
  if (records) {
    WriteOrderedChunks(encoder, order.rows, *records, file);
  } else {
    WriteChunks(encoder, parts, options.done, file);
  }
  file.Commit();
  return true;
}

}  // namespace fluke
