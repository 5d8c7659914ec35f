#include "index/row_codes_writer.h"

#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/files.h"
#include "index/faiss_errors.h"
#include "index/parallel_loop.h"
#include "index/principal_directions.h"
#include "index/row_codes_format.h"
#include "index/score_kernels.h"

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
constexpr int64_t kClusterSampleRows = 64;  // to learn a list from
constexpr int kClusterIterations = 10;
constexpr int64_t kAssignRows = 256;  // at a time: their distances stay in the cache

// One row's code and bounds.
struct EncodedRow {
  float scale, code_error, tail, offset;
  double norm, code_norm;
};

// centred: dimension values of x - m; y: its head projections; codes: head values from -127 to 127.
EncodedRow EncodeRow(const double* centred, double row_norm, const double* y, int64_t head,
                     int64_t dimension, int8_t* codes) {
  double largest = 0;
  for (int64_t i = 0; i < head; ++i) largest = std::max(largest, std::abs(y[i]));
  const auto scale = static_cast<float>(largest / 127);
  double error = 0, y_squares = 0, code_squares = 0;
  for (int64_t i = 0; i < head; ++i) {
    const double code = scale > 0 ? std::clamp(std::rint(y[i] / scale), -127.0, 127.0) : 0;
    codes[i] = static_cast<int8_t>(code);
    const double left = y[i] - scale * code;
    error += left * left;
    y_squares += y[i] * y[i];
    code_squares += code * code;
  }
  const double squares = Dot(centred, centred, dimension);
  const double tail = std::max(0.0, squares - y_squares) + kDoubleSlack * squares;
  return {.scale = scale,
          .code_error = RoundedUp(std::sqrt(error + kDoubleSlack * squares)),
          .tail = RoundedUp(std::sqrt(tail)),
          .offset = static_cast<float>(-squares),
          .norm = std::max(std::sqrt(squares), row_norm),
          .code_norm = scale * std::sqrt(code_squares)};
}

// Encodes rows in chunks; bytes as they stand in the file.
class Encoder {
 public:
  Encoder(const PrincipalDirections& learned, int64_t head, int64_t dimension, bool l2)
      : learned_(learned), head_(head), dimension_(dimension), l2_(l2) {}

  // order: the row in each position, at most kCodeChunkRows of them.
  std::vector<char> Chunk(std::span<const uint32_t> order, std::span<const float> rows) const {
    const auto n = static_cast<int64_t>(order.size());
    std::vector<double> centred(static_cast<size_t>(n * dimension_));
    std::vector<double> norms(static_cast<size_t>(n));
    for (int64_t p = 0; p < n; ++p) {
      if (order[p] == kNoRow) continue;
      const float* row = rows.data() + order[p] * dimension_;
      double squares = 0;
      for (int64_t j = 0; j < dimension_; ++j) {
        const double value = row[j];
        squares += value * value;
        centred[p * dimension_ + j] = value - learned_.mean[j];
      }
      norms[p] = std::sqrt(squares);
    }
    std::vector<double> y(static_cast<size_t>(n * head_));
    MultiplyTransposed(centred.data(), learned_.directions.data(), n, head_, dimension_, dimension_,
                       y.data());
    std::vector<char> bytes(static_cast<size_t>(ChunkBytes(head_, l2_)));
    auto* parameters = reinterpret_cast<float*>(bytes.data() + 64);
    auto* blocks = reinterpret_cast<uint8_t*>(parameters + ChunkParameters(l2_) * kCodeChunkRows);
    std::memset(blocks, 128, static_cast<size_t>(kCodeChunkRows * head_));
    std::vector<int8_t> codes(static_cast<size_t>(head_));
    double norm = 0, code_norm = 0;
    for (int64_t p = 0; p < n; ++p) {
      if (order[p] == kNoRow) continue;
      const EncodedRow row = EncodeRow(centred.data() + p * dimension_, norms[p],
                                       y.data() + p * head_, head_, dimension_, codes.data());
      parameters[p] = row.scale;
      parameters[kCodeChunkRows + p] = row.code_error;
      parameters[2 * kCodeChunkRows + p] = row.tail;
      if (l2_) parameters[3 * kCodeChunkRows + p] = row.offset;
      norm = std::max(norm, row.norm);
      code_norm = std::max(code_norm, row.code_norm);
      uint8_t* block = blocks + p / kCodeBlockRows * kCodeBlockRows * head_;
      for (int64_t i = 0; i < head_; ++i) {
        block[i / 4 * kCodeLineBytes + p % kCodeBlockRows * 4 + i % 4] =
            static_cast<uint8_t>(codes[i] + 128);
      }
    }
    const float norms_up[2] = {RoundedUp(norm), RoundedUp(code_norm)};
    std::memcpy(bytes.data(), norms_up, sizeof(norms_up));
    return bytes;
  }

 private:
  const PrincipalDirections& learned_;
  int64_t head_, dimension_;
  bool l2_;
};

// How many rows a search would have to score for queries like the rows, found on a sample.
class Trial {
 public:
  Trial(const PrincipalDirections& learned, std::span<const float> rows, int64_t dimension, bool l2)
      : full_(learned.count), factor_(l2 ? 2 : 1) {
    const int64_t total = static_cast<int64_t>(rows.size()) / dimension;
    const std::vector<int64_t> sample = SampleRows(total, kTrialRows);
    n_ = static_cast<int64_t>(sample.size());
    queries_ = std::min(kTrialQueries, n_);
    k_ = std::clamp<int64_t>(std::llround(static_cast<double>(kTypicalK * n_) / total), 1,
                             std::max<int64_t>(1, n_ - 1));
    std::vector<double> centred(static_cast<size_t>(n_ * dimension));
    for (int64_t i = 0; i < n_; ++i) {
      double* row = centred.data() + i * dimension;
      for (int64_t j = 0; j < dimension; ++j) {
        row[j] = rows[sample[i] * dimension + j] - learned.mean[j];
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
int64_t ChooseHead(const PrincipalDirections& learned, std::span<const float> rows,
                   int64_t dimension, bool l2, bool lists) {
  const Trial trial(learned, rows, dimension, l2);
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

// Can the bounds be computed in float32 without leaving its range?
bool LengthsAreOrdinary(std::span<const float> rows, int64_t dimension) {
  const int64_t n = static_cast<int64_t>(rows.size()) / dimension;
  bool ordinary = true;
#pragma omp parallel for reduction(&& : ordinary)
  for (int64_t r = 0; r < n; ++r) {
    double squares = 0;
    for (int64_t j = 0; j < dimension; ++j) {
      const double value = rows[r * dimension + j];
      squares += value * value;
    }
    const double norm = std::sqrt(squares);
    ordinary = ordinary && IsOrdinaryLength(norm);
  }
  return ordinary;
}

double MeanLength(std::span<const float> rows, int64_t dimension) {
  const std::vector<int64_t> sample =
      SampleRows(static_cast<int64_t>(rows.size()) / dimension, kTrialRows);
  double sum = 0;
  for (const int64_t row : sample) {
    double squares = 0;
    for (int64_t j = 0; j < dimension; ++j) {
      const double value = rows[row * dimension + j];
      squares += value * value;
    }
    sum += std::sqrt(squares);
  }
  return sum / static_cast<double>(sample.size());
}

// Rows in groups by k-means in the space of the directions.
class Lists {
 public:
  Lists(const PrincipalDirections& learned, int64_t head, int64_t lists,
        std::span<const float> rows, int64_t dimension)
      : learned_(learned), head_(head), count_(lists), rows_(rows), dimension_(dimension) {
    const int64_t total = static_cast<int64_t>(rows.size()) / dimension;
    Learn(SampleRows(total, std::max(kClusterSampleRows * lists, int64_t{1000})));
    Assign(total);
  }

  std::vector<float> centroids;     // count x head
  std::vector<uint32_t> list_ends;  // count, in blocks
  std::vector<uint32_t> order;      // positions

 private:
  // y = P (x - m) of these rows.
  std::vector<float> Projected(std::span<const int64_t> numbers) const {
    const auto n = static_cast<int64_t>(numbers.size());
    std::vector<double> centred(static_cast<size_t>(n * dimension_));
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < dimension_; ++j) {
        centred[i * dimension_ + j] = rows_[numbers[i] * dimension_ + j] - learned_.mean[j];
      }
    }
    std::vector<double> y(static_cast<size_t>(n * head_));
    MultiplyTransposed(centred.data(), learned_.directions.data(), n, head_, dimension_, dimension_,
                       y.data());
    return {y.begin(), y.end()};
  }

  void Learn(const std::vector<int64_t>& sample) {
    std::vector<float> y(sample.size() * static_cast<size_t>(head_));
    const auto n = static_cast<int64_t>(sample.size());
    ParallelLoop((n + kAssignRows - 1) / kAssignRows, omp_get_max_threads(), [&](int64_t i, int) {
      const auto part = std::span(sample).subspan(
          static_cast<size_t>(i * kAssignRows),
          static_cast<size_t>(std::min(kAssignRows, n - i * kAssignRows)));
      const std::vector<float> projected = Projected(part);
      std::copy(projected.begin(), projected.end(), y.begin() + i * kAssignRows * head_);
    });
    faiss::ClusteringParameters parameters;
    parameters.niter = kClusterIterations;
    parameters.min_points_per_centroid = 1;
    parameters.max_points_per_centroid = static_cast<int>(kClusterSampleRows);
    faiss::Clustering clustering(static_cast<int>(head_), static_cast<int>(count_), parameters);
    faiss::IndexFlatL2 nearest(head_);
    WithFaiss(absl::StatusCode::kInvalidArgument,
              StrCat("cannot divide the rows into ", count_, " lists"),
              [&] { clustering.train(n, y.data(), nearest); });
    centroids = clustering.centroids;
  }

  void Assign(int64_t total) {
    std::vector<uint32_t> list_of(static_cast<size_t>(total));
    const ScoreFunction score = BestScoreKernel().negative_l2;
    ParallelLoop((total + kAssignRows - 1) / kAssignRows, omp_get_max_threads(),
                 [&](int64_t part, int) {
                   const int64_t begin = part * kAssignRows;
                   const int64_t n = std::min(kAssignRows, total - begin);
                   std::vector<int64_t> numbers;
                   for (int64_t i = 0; i < n; ++i) numbers.push_back(begin + i);
                   const std::vector<float> y = Projected(numbers);
                   std::vector<float> scores(static_cast<size_t>(n * count_));
                   score(y.data(), n, centroids.data(), count_, head_, scores.data());
                   for (int64_t i = 0; i < n; ++i) {
                     const auto first = scores.begin() + i * count_;
                     list_of[static_cast<size_t>(begin + i)] =
                         static_cast<uint32_t>(std::max_element(first, first + count_) - first);
                   }
                 });
    std::vector<int64_t> sizes(static_cast<size_t>(count_));
    for (const uint32_t list : list_of) ++sizes[list];
    std::vector<int64_t> next;  // free position of each list
    int64_t blocks = 0;
    for (const int64_t size : sizes) {
      next.push_back(blocks * kCodeBlockRows);
      blocks += (size + kCodeBlockRows - 1) / kCodeBlockRows;
      list_ends.push_back(static_cast<uint32_t>(blocks));
    }
    order.assign(static_cast<size_t>(blocks * kCodeBlockRows), kNoRow);
    for (int64_t row = 0; row < total; ++row) {
      order[static_cast<size_t>(next[list_of[static_cast<size_t>(row)]]++)] =
          static_cast<uint32_t>(row);
    }
  }

  const PrincipalDirections& learned_;
  int64_t head_, count_;
  std::span<const float> rows_;
  int64_t dimension_;
};

// Appends at a place that the plan names, zeros before it.
template <typename T>
void AppendAt(AtomicFile& file, int64_t place, std::span<const T> values) {
  const std::vector<char> padding(static_cast<size_t>(place) - file.size());
  file.Append(padding.data(), padding.size());
  file.Append(values.data(), values.size_bytes());
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
  if (total >= kNoRow || !LengthsAreOrdinary(rows, dimension)) return false;
  const bool l2 = similarity == Similarity::kL2;
  const PrincipalDirections learned = LearnDirections(rows, dimension, kMaxHead);
  int64_t head = options.head;
  // Lists are estimated by what bounds would need, where bounds can be had at all.
  if (head == 0) head = ChooseHead(learned, rows, dimension, l2, false);
  if (head == 0 && options.lists > 0) head = ChooseHead(learned, rows, dimension, l2, true);
  head = std::min(head, learned.count / 4 * 4);
  if (head == 0) return false;

  RowCodesHeader header{};
  std::memcpy(header.magic, RowCodesHeader::kMagic, sizeof(header.magic));
  header.rows = header.positions = total;
  header.dimension = dimension;
  header.head = head;
  header.l2 = l2 ? 1 : 0;
  header.lists = options.lists;
  std::vector<float> centroids;
  std::vector<uint32_t> list_ends, order;
  if (options.lists > 0) {
    Lists lists(learned, head, options.lists, rows, dimension);
    centroids = std::move(lists.centroids);
    list_ends = std::move(lists.list_ends);
    order = std::move(lists.order);
    header.positions = static_cast<int64_t>(order.size());
    header.row_length = MeanLength(rows, dimension);
  }
  const RowCodesPlan plan(header);
  AtomicFile file(path);
  file.Append(&header, sizeof(header));
  AppendAt(file, plan.mean, std::span(learned.mean));
  AppendAt(file, plan.directions,
           std::span(learned.directions).first(static_cast<size_t>(head * dimension)));
  AppendAt(file, plan.centroids, std::span<const float>(centroids));
  AppendAt(file, plan.list_ends, std::span<const uint32_t>(list_ends));
  AppendAt(file, plan.order, std::span<const uint32_t>(order));
  AppendAt(file, plan.chunks, std::span<const char>());
  const Encoder encoder(learned, head, dimension, l2);
  const int64_t chunks = (header.positions + kCodeChunkRows - 1) / kCodeChunkRows;
  std::vector<std::vector<char>> encoded(static_cast<size_t>(omp_get_max_threads()));
  for (int64_t begin = 0; begin < chunks; begin += static_cast<int64_t>(encoded.size())) {
    const int64_t count = std::min(static_cast<int64_t>(encoded.size()), chunks - begin);
    ParallelLoop(count, omp_get_max_threads(), [&](int64_t i, int) {
      const int64_t first = (begin + i) * kCodeChunkRows;
      const int64_t end = std::min(first + kCodeChunkRows, header.positions);
      std::vector<uint32_t> part;
      for (int64_t p = first; p < end; ++p) {
        part.push_back(order.empty() ? static_cast<uint32_t>(p) : order[static_cast<size_t>(p)]);
      }
      encoded[static_cast<size_t>(i)] = encoder.Chunk(part, rows);
    });
    for (int64_t i = 0; i < count; ++i) {
      file.Append(encoded[static_cast<size_t>(i)].data(), encoded[static_cast<size_t>(i)].size());
    }
  }
  file.Commit();
  return true;
}

}  // namespace fluke
