#include "index/row_codes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include <faiss/VectorTransform.h>

#include "common/error.h"
#include "common/random.h"
#include "index/parallel_loop.h"

// BLAS, column-major: c = alpha op(a) op(b) + beta c.
extern "C" int dgemm_(const char* trans_a, const char* trans_b, const int* m, const int* n,
                      const int* k, const double* alpha, const double* a, const int* lda,
                      const double* b, const int* ldb, const double* beta, double* c,
                      const int* ldc);

namespace fluke {
namespace {

constexpr char kMagic[8] = {'F', 'L', 'K', 'C', 'O', 'D', 'E', '1'};
constexpr int64_t kLine = 64;                   // chunks and what is in them begin on cache lines
constexpr int64_t kWorthwhileFloats = 1 << 22;  // below, a plain scan takes a millisecond
constexpr int64_t kMinDimension = 32;
constexpr int64_t kPcaRows = 16384, kTrialRows = 8192, kTrialQueries = 32;
// Of 8-bit codes, both sides together, relative to the product of the lengths.
constexpr double kTypicalRounding = 0.01;
constexpr int64_t kTypicalK = 20;
// Lengths whose squares, and sums of them, stay far inside float32's range.
constexpr double kMinNorm = 1e-12, kMaxNorm = 1e12;

// What the doubles of this file may have lost by rounding, relative to the square of a length.
constexpr double kDoubleSlack = 1e-10;

struct Header {
  char magic[8];
  int64_t rows, dimension, head, l2;
  uint8_t reserved[24];
};
static_assert(sizeof(Header) == kLine);

int64_t RoundedUp(int64_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

int64_t ChunkBytes(int64_t head, bool l2) {
  return kLine + (l2 ? 4 : 3) * kCodeChunkRows * 4 + kCodeChunkRows * head;
}

int64_t ChunksBegin(int64_t head, int64_t dimension) {
  return RoundedUp(kLine + (dimension + head * dimension) * static_cast<int64_t>(sizeof(double)));
}

// The next float above, with room for the few roundings on the way here.
float Up(double value) {
  return std::nextafter(static_cast<float>(value * (1 + 1e-6)),
                        std::numeric_limits<float>::infinity());
}

double Dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

double Norm(const double* a, int64_t n) { return std::sqrt(Dot(a, a, n)); }

// Row-major: out (m x n) = a b^T; a and b have k of `width` columns.
void MultiplyTransposed(const double* a, const double* b, int64_t m, int64_t n, int64_t k,
                        int64_t width, double* out) {
  const int im = static_cast<int>(m), in = static_cast<int>(n), ik = static_cast<int>(k);
  const int iw = static_cast<int>(width);
  const double one = 1, zero = 0;
  dgemm_("T", "N", &in, &im, &ik, &one, b, &iw, a, &iw, &zero, out, &in);
}

struct Projection {
  int64_t head = 0;
  std::vector<double> mean;        // dimension
  std::vector<double> directions;  // head x dimension, orthonormal
};

// `count` different rows, or all of them, the same ones every time.
std::vector<int64_t> SampleRows(int64_t rows, int64_t count) {
  std::vector<int64_t> sample;
  const int64_t n = std::min(rows, count);
  for (int64_t i = 0; i < n; ++i) {
    // One of each of n equal stretches, somewhere in it.
    const int64_t begin = i * rows / n, end = (i + 1) * rows / n;
    Random random(RandomKey({static_cast<uint64_t>(i), 0x636f646573}));
    sample.push_back(begin +
                     static_cast<int64_t>(random.Below(static_cast<uint64_t>(end - begin))));
  }
  return sample;
}

std::vector<double> MeanOf(std::span<const float> rows, const std::vector<int64_t>& sample,
                           int64_t dimension) {
  std::vector<double> mean(static_cast<size_t>(dimension));
  for (const int64_t row : sample) {
    for (int64_t j = 0; j < dimension; ++j) mean[j] += rows[row * dimension + j];
  }
  for (double& value : mean) value /= static_cast<double>(sample.size());
  return mean;
}

// Gram-Schmidt, twice: FAISS's float32 directions made orthonormal to double precision. A direction
// that vanishes (the rows span fewer dimensions) ends the list.
std::vector<double> Orthonormal(const std::vector<float>& directions, int64_t dimension) {
  std::vector<double> out;
  std::vector<double> v(static_cast<size_t>(dimension));
  const int64_t count = static_cast<int64_t>(directions.size()) / dimension;
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(directions.begin() + i * dimension, dimension, v.begin());
    for (int pass = 0; pass < 2; ++pass) {
      const int64_t found = static_cast<int64_t>(out.size()) / dimension;
      for (int64_t k = 0; k < found; ++k) {
        const double* other = out.data() + k * dimension;
        const double along = Dot(v.data(), other, dimension);
        for (int64_t j = 0; j < dimension; ++j) v[j] -= along * other[j];
      }
      const double norm = Norm(v.data(), dimension);
      if (!(norm > 1e-3)) return out;
      for (double& value : v) value /= norm;
    }
    out.insert(out.end(), v.begin(), v.end());
  }
  return out;
}

// All directions, by falling variance.
Projection LearnDirections(std::span<const float> rows, int64_t dimension) {
  const std::vector<int64_t> sample =
      SampleRows(static_cast<int64_t>(rows.size()) / dimension, kPcaRows);
  Projection projection;
  projection.mean = MeanOf(rows, sample, dimension);
  std::vector<float> centred;
  for (const int64_t row : sample) {
    for (int64_t j = 0; j < dimension; ++j) {
      centred.push_back(static_cast<float>(rows[row * dimension + j] - projection.mean[j]));
    }
  }
  faiss::PCAMatrix pca(static_cast<int>(dimension), static_cast<int>(dimension));
  pca.train(static_cast<int64_t>(sample.size()), centred.data());
  projection.directions = Orthonormal(pca.A, dimension);
  projection.head = static_cast<int64_t>(projection.directions.size()) / dimension;
  return projection;
}

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
          .code_error = Up(std::sqrt(error + kDoubleSlack * squares)),
          .tail = Up(std::sqrt(tail)),
          .offset = static_cast<float>(-squares),
          .norm = std::max(std::sqrt(squares), row_norm),
          .code_norm = scale * std::sqrt(code_squares)};
}

// Encodes rows in chunks; bytes as they stand in the file.
class Encoder {
 public:
  Encoder(const Projection& projection, int64_t head, int64_t dimension, bool l2)
      : projection_(projection), head_(head), dimension_(dimension), l2_(l2) {}

  // At most kCodeChunkRows rows.
  std::vector<char> Chunk(std::span<const float> rows) const {
    const int64_t n = static_cast<int64_t>(rows.size()) / dimension_;
    std::vector<double> centred(static_cast<size_t>(n * dimension_));
    std::vector<double> norms(static_cast<size_t>(n));
    for (int64_t r = 0; r < n; ++r) {
      double squares = 0;
      for (int64_t j = 0; j < dimension_; ++j) {
        const double value = rows[r * dimension_ + j];
        squares += value * value;
        centred[r * dimension_ + j] = value - projection_.mean[j];
      }
      norms[r] = std::sqrt(squares);
    }
    std::vector<double> y(static_cast<size_t>(n * head_));
    MultiplyTransposed(centred.data(), projection_.directions.data(), n, head_, dimension_,
                       dimension_, y.data());
    std::vector<char> bytes(static_cast<size_t>(ChunkBytes(head_, l2_)));
    auto* params = reinterpret_cast<float*>(bytes.data() + kLine);
    auto* blocks =
        reinterpret_cast<uint8_t*>(bytes.data() + kLine + (l2_ ? 4 : 3) * kCodeChunkRows * 4);
    std::memset(blocks, 128, static_cast<size_t>(kCodeChunkRows * head_));
    std::vector<int8_t> codes(static_cast<size_t>(head_));
    double norm = 0, code_norm = 0;
    for (int64_t r = 0; r < n; ++r) {
      const EncodedRow row = EncodeRow(centred.data() + r * dimension_, norms[r],
                                       y.data() + r * head_, head_, dimension_, codes.data());
      params[r] = row.scale;
      params[kCodeChunkRows + r] = row.code_error;
      params[2 * kCodeChunkRows + r] = row.tail;
      if (l2_) params[3 * kCodeChunkRows + r] = row.offset;
      norm = std::max(norm, row.norm);
      code_norm = std::max(code_norm, row.code_norm);
      uint8_t* block = blocks + r / kCodeBlockRows * kCodeBlockRows * head_;
      for (int64_t i = 0; i < head_; ++i) {
        block[i / 4 * kCodeLineBytes + r % kCodeBlockRows * 4 + i % 4] =
            static_cast<uint8_t>(codes[i] + 128);
      }
    }
    const float norms_up[2] = {Up(norm), Up(code_norm)};
    std::memcpy(bytes.data(), norms_up, sizeof(norms_up));
    return bytes;
  }

 private:
  const Projection& projection_;
  int64_t head_, dimension_;
  bool l2_;
};

// How many rows the bounds would leave over for queries like the rows, found on a sample.
class Trial {
 public:
  Trial(const Projection& projection, std::span<const float> rows, int64_t dimension, bool l2)
      : full_(projection.head), factor_(l2 ? 2 : 1) {
    const int64_t total = static_cast<int64_t>(rows.size()) / dimension;
    const std::vector<int64_t> sample = SampleRows(total, kTrialRows);
    n_ = static_cast<int64_t>(sample.size());
    k_ = std::clamp<int64_t>(std::llround(static_cast<double>(kTypicalK * n_) / total), 1, n_ - 1);
    std::vector<double> centred(static_cast<size_t>(n_ * dimension));
    for (int64_t i = 0; i < n_; ++i) {
      for (int64_t j = 0; j < dimension; ++j) {
        centred[i * dimension + j] = rows[sample[i] * dimension + j] - projection.mean[j];
      }
    }
    y_.resize(static_cast<size_t>(n_ * full_));
    MultiplyTransposed(centred.data(), projection.directions.data(), n_, full_, dimension,
                       dimension, y_.data());
    for (int64_t i = 0; i < n_; ++i) squares_.push_back(Dot(row(i), row(i), full_));
    // The first rows of the sample are the queries.
    for (int64_t q = 0; q < kTrialQueries; ++q) {
      for (int64_t i = 0; i < n_; ++i) {
        scores_.push_back(i == q ? -std::numeric_limits<double>::infinity()
                                 : factor_ * Dot(row(q), row(i), full_) - (l2 ? squares_[i] : 0));
      }
      std::vector<double> ranked(scores_.end() - n_, scores_.end());
      std::nth_element(ranked.begin(), ranked.begin() + (k_ - 1), ranked.end(), std::greater<>());
      thresholds_.push_back(ranked[k_ - 1]);
    }
  }

  int64_t full() const { return full_; }

  // Share of the rows that `head` directions leave over.
  double ShareLeft(int64_t head) const {
    std::vector<double> tails;
    for (int64_t i = 0; i < n_; ++i) {
      tails.push_back(std::sqrt(std::max(0.0, squares_[i] - Dot(row(i), row(i), head))));
    }
    std::vector<double> products(static_cast<size_t>(kTrialQueries * n_));
    MultiplyTransposed(row(0), row(0), kTrialQueries, n_, head, full_, products.data());
    int64_t left = 0;
    for (int64_t q = 0; q < kTrialQueries; ++q) {
      for (int64_t i = 0; i < n_; ++i) {
        const double offset = factor_ == 2 ? -squares_[i] : 0;
        const double length = std::sqrt(squares_[q] * squares_[i]);
        const double bound =
            factor_ * (products[q * n_ + i] + tails[q] * tails[i] + kTypicalRounding * length) +
            offset;
        left += i != q && bound >= thresholds_[q] ? 1 : 0;
      }
    }
    return static_cast<double>(left) / static_cast<double>(kTrialQueries * n_);
  }

 private:
  const double* row(int64_t i) const { return y_.data() + i * full_; }

  int64_t full_, n_ = 0, k_ = 1;
  double factor_;
  std::vector<double> y_, squares_;  // n_ x full_; n_
  std::vector<double> scores_;       // kTrialQueries x n_
  std::vector<double> thresholds_;   // the k_-th score of each query
};

// The number of directions that reads the fewest bytes a query, or 0 where a plain scan does. A row
// that is left over costs its vector from a random place: as much as three from the next.
int64_t ChooseHead(const Projection& projection, std::span<const float> rows, int64_t dimension,
                   bool l2) {
  const Trial trial(projection, rows, dimension, l2);
  const auto plain = static_cast<double>(4 * dimension);
  double best_bytes = 0.7 * plain;
  int64_t best = 0;
  for (const int64_t head : {32, 64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048}) {
    if (head > trial.full()) break;
    const double bytes = static_cast<double>(head + 16) + 3 * trial.ShareLeft(head) * (plain + 256);
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
    ordinary = ordinary && (norm == 0 || norm >= kMinNorm) && norm <= kMaxNorm;
  }
  return ordinary;
}

template <typename T>
std::string_view BytesOf(const std::vector<T>& values, int64_t count) {
  return {reinterpret_cast<const char*>(values.data()), static_cast<size_t>(count) * sizeof(T)};
}

}  // namespace

bool WriteRowCodes(const std::filesystem::path& path, Similarity similarity,
                   std::span<const float> rows, int64_t dimension, int64_t head) {
  if (head == 0 &&
      (static_cast<int64_t>(rows.size()) < kWorthwhileFloats || dimension < kMinDimension)) {
    return false;
  }
  if (!LengthsAreOrdinary(rows, dimension)) return false;
  const bool l2 = similarity == Similarity::kL2;
  const Projection projection = LearnDirections(rows, dimension);
  if (head == 0) head = ChooseHead(projection, rows, dimension, l2);
  head = std::min(head, projection.head / 4 * 4);
  if (head == 0) return false;

  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.rows = static_cast<int64_t>(rows.size()) / dimension;
  header.dimension = dimension;
  header.head = head;
  header.l2 = l2 ? 1 : 0;
  AtomicFile file(path);
  file.Append(&header, sizeof(header));
  file.Append(BytesOf(projection.mean, dimension));
  file.Append(BytesOf(projection.directions, head * dimension));
  const std::vector<char> padding(static_cast<size_t>(ChunksBegin(head, dimension)) - file.size());
  file.Append(padding.data(), padding.size());
  const Encoder encoder(projection, head, dimension, l2);
  const int64_t chunks = (header.rows + kCodeChunkRows - 1) / kCodeChunkRows;
  std::vector<std::vector<char>> encoded(static_cast<size_t>(omp_get_max_threads()));
  for (int64_t begin = 0; begin < chunks; begin += static_cast<int64_t>(encoded.size())) {
    const int64_t count = std::min(static_cast<int64_t>(encoded.size()), chunks - begin);
    ParallelLoop(count, omp_get_max_threads(), [&](int64_t i, int) {
      const int64_t first = (begin + i) * kCodeChunkRows;
      const int64_t n = std::min(kCodeChunkRows, header.rows - first);
      encoded[static_cast<size_t>(i)] = encoder.Chunk(
          rows.subspan(static_cast<size_t>(first * dimension), static_cast<size_t>(n * dimension)));
    });
    for (int64_t i = 0; i < count; ++i) {
      const std::vector<char>& chunk = encoded[static_cast<size_t>(i)];
      file.Append(chunk.data(), chunk.size());
    }
  }
  file.Commit();
  return true;
}

RowCodes::RowCodes(MappedFile file, Similarity similarity, int64_t rows, int64_t dimension,
                   const std::string& name)
    : file_(std::move(file)),
      l2_(similarity == Similarity::kL2),
      rows_(rows),
      dimension_(dimension) {
  const auto bytes = file_.bytes();
  Header header;
  if (bytes.size() < sizeof(header)) DataLoss(name, ": too short for row codes");
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) DataLoss(name, ": not row codes");
  head_ = header.head;
  if (header.rows != rows || header.dimension != dimension || header.l2 != (l2_ ? 1 : 0) ||
      head_ < 4 || head_ > dimension || head_ % 4 != 0) {
    DataLoss(name, ": codes of ", header.rows, " x ", header.dimension, ", ", head_,
             " directions; expected ", rows, " x ", dimension);
  }
  chunk_bytes_ = ChunkBytes(head_, l2_);
  const int64_t begin = ChunksBegin(head_, dimension);
  if (static_cast<int64_t>(bytes.size()) != begin + chunks() * chunk_bytes_) {
    DataLoss(name, ": ", bytes.size(), " bytes, expected ", begin + chunks() * chunk_bytes_);
  }
  mean_ = reinterpret_cast<const double*>(bytes.data() + sizeof(Header));
  projection_ = mean_ + dimension;
  chunks_ = bytes.data() + begin;
}

CodeChunk RowCodes::chunk(int64_t i) const {
  const std::byte* begin = chunks_ + i * chunk_bytes_;
  const auto* params = reinterpret_cast<const float*>(begin + kLine);
  CodeChunk chunk;
  std::memcpy(&chunk.norm, begin, sizeof(float));
  std::memcpy(&chunk.code_norm, begin + sizeof(float), sizeof(float));
  chunk.scales = params;
  chunk.code_errors = params + kCodeChunkRows;
  chunk.tails = params + 2 * kCodeChunkRows;
  chunk.offsets = l2_ ? params + 3 * kCodeChunkRows : nullptr;
  chunk.codes = reinterpret_cast<const uint8_t*>(params + (l2_ ? 4 : 3) * kCodeChunkRows);
  return chunk;
}

std::vector<QueryCodes> RowCodes::Encode(std::span<const float> queries, int limit) const {
  const int64_t n = static_cast<int64_t>(queries.size()) / dimension_;
  std::vector<double> values(queries.begin(), queries.end());
  std::vector<QueryCodes> out(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    double* q = values.data() + i * dimension_;
    if (l2_) {
      for (int64_t j = 0; j < dimension_; ++j) q[j] -= mean_[j];
    } else {
      out[i].constant = Dot(q, mean_, dimension_);
    }
  }
  std::vector<double> heads(static_cast<size_t>(n * head_));
  MultiplyTransposed(values.data(), projection_, n, head_, dimension_, dimension_, heads.data());
  for (int64_t i = 0; i < n; ++i) {
    const double* q = values.data() + i * dimension_;
    EncodeHead(heads.data() + i * head_, Dot(q, q, dimension_), limit, out[i]);
  }
  return out;
}

void RowCodes::EncodeHead(const double* a, double squares, int limit, QueryCodes& out) const {
  double largest = 0;
  for (int64_t i = 0; i < head_; ++i) largest = std::max(largest, std::abs(a[i]));
  const auto scale = static_cast<float>(largest / limit);
  double error = 0;
  for (int64_t i = 0; i < head_; ++i) {
    const double code =
        scale > 0 ? std::clamp(std::rint(a[i] / scale), -1.0 * limit, 1.0 * limit) : 0;
    out.codes.push_back(static_cast<int8_t>(code));
    out.code_sum += static_cast<int32_t>(code);
    error += (a[i] - scale * code) * (a[i] - scale * code);
  }
  const double head_squares = Dot(a, a, head_), slack = kDoubleSlack * squares;
  const double factor = l2_ ? 2 : 1;
  if (l2_) out.constant = -squares;
  out.norm = std::sqrt(squares);
  out.scale = static_cast<float>(factor * scale);
  out.head_norm = Up(factor * std::sqrt(head_squares));
  out.tail_norm = Up(factor * std::sqrt(std::max(0.0, squares - head_squares) + slack));
  out.code_error = Up(factor * std::sqrt(error + slack));
}

}  // namespace fluke
