#include "index/row_codes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "common/error.h"
#include "index/principal_directions.h"
#include "index/row_codes_writer.h"
#include "index/score_kernels.h"

namespace fluke {

RowCodes::RowCodes(MappedFile file, Similarity similarity, int64_t rows, int64_t dimension,
                   const std::string& name)
    : file_(std::move(file)) {
  const auto bytes = file_.bytes();
  const int64_t size = static_cast<int64_t>(bytes.size());
  if (bytes.size() < sizeof(header_)) DataLoss(name, ": too short for row codes");
  std::memcpy(&header_, bytes.data(), sizeof(header_));
  if (std::memcmp(header_.magic, RowCodesHeader::kMagic, sizeof(header_.magic)) != 0) {
    DataLoss(name, ": not row codes");
  }
  const int64_t l2 = similarity == Similarity::kL2 ? 1 : 0;
  if (header_.rows != rows || header_.dimension != dimension || header_.l2 != l2 ||
      header_.head < 4 || header_.head > dimension || header_.head % 4 != 0) {
    DataLoss(name, ": codes of ", header_.rows, " x ", header_.dimension, ", ", header_.head,
             " directions; expected ", rows, " x ", dimension);
  }
  // No list needs more than one block that is not full.
  if (header_.lists < 0 || header_.lists > rows || header_.positions < rows ||
      header_.positions > rows + header_.lists * kCodeBlockRows ||
      (header_.lists > 0 && header_.positions % kCodeBlockRows != 0)) {
    DataLoss(name, ": ", header_.positions, " positions in ", header_.lists, " lists for ", rows,
             " rows");
  }
  const RowCodesPlan plan(header_);
  if (size != plan.end) DataLoss(name, ": ", size, " bytes, expected ", plan.end);
  mean_ = reinterpret_cast<const double*>(bytes.data() + plan.mean);
  directions_ = reinterpret_cast<const double*>(bytes.data() + plan.directions);
  chunks_ = bytes.data() + plan.chunks;
  chunk_bytes_ = plan.chunk_bytes;
  if (header_.lists > 0) {
    centroids_ = {reinterpret_cast<const float*>(bytes.data() + plan.centroids),
                  static_cast<size_t>(header_.lists * header_.head)};
    list_ends_ = reinterpret_cast<const uint32_t*>(bytes.data() + plan.list_ends);
    order_ = reinterpret_cast<const uint32_t*>(bytes.data() + plan.order);
    CheckLists(name);
    float_mean_.assign(mean_, mean_ + dimension);
    float_directions_.assign(directions_, directions_ + header_.head * dimension);
    for (int64_t i = 0; i < head(); ++i) {
      mean_head_.push_back(static_cast<float>(Dot(directions_ + i * dimension, mean_, dimension)));
    }
    if (!std::isfinite(header_.row_length) || header_.row_length < 0) {
      DataLoss(name, ": rows of length ", header_.row_length);
    }
  }
}

void RowCodes::CheckLists(const std::string& name) const {
  int64_t end = 0;
  for (int64_t i = 0; i < lists(); ++i) {
    if (list_ends_[i] < end) DataLoss(name, ": list ", i, " ends before it begins");
    end = list_ends_[i];
  }
  if (end * kCodeBlockRows != positions()) {
    DataLoss(name, ": lists of ", end, " blocks for ", positions(), " positions");
  }
  std::vector<bool> seen(static_cast<size_t>(rows()));
  int64_t found = 0;
  for (int64_t p = 0; p < positions(); ++p) {
    const uint32_t row = order_[p];
    if (row == kNoRow) continue;
    if (row >= rows() || seen[row]) DataLoss(name, ": position ", p, " holds row ", row);
    seen[row] = true;
    ++found;
  }
  if (found != rows()) DataLoss(name, ": ", found, " rows in lists, expected ", rows());
}

CodeChunk RowCodes::chunk(int64_t i) const {
  const std::byte* begin = chunks_ + i * chunk_bytes_;
  const auto* parameters = reinterpret_cast<const float*>(begin + 64);
  const bool l2 = header_.l2 != 0;
  CodeChunk chunk;
  std::memcpy(&chunk.norm, begin, sizeof(float));
  std::memcpy(&chunk.code_norm, begin + sizeof(float), sizeof(float));
  chunk.scales = parameters;
  chunk.code_errors = parameters + kCodeChunkRows;
  chunk.tails = parameters + 2 * kCodeChunkRows;
  chunk.offsets = l2 ? parameters + 3 * kCodeChunkRows : nullptr;
  chunk.codes = reinterpret_cast<const uint8_t*>(parameters + ChunkParameters(l2) * kCodeChunkRows);
  return chunk;
}

std::vector<QueryCodes> RowCodes::Encode(std::span<const float> queries, int limit) const {
  const int64_t d = header_.dimension, n = static_cast<int64_t>(queries.size()) / d;
  const bool l2 = header_.l2 != 0;
  std::vector<double> values(queries.begin(), queries.end());
  std::vector<QueryCodes> out(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    double* q = values.data() + i * d;
    if (l2) {
      for (int64_t j = 0; j < d; ++j) q[j] -= mean_[j];
    } else {
      out[i].constant = Dot(q, mean_, d);
    }
  }
  std::vector<double> heads(static_cast<size_t>(n * head()));
  MultiplyTransposed(values.data(), directions_, n, head(), d, d, heads.data());
  for (int64_t i = 0; i < n; ++i) {
    const double* q = values.data() + i * d;
    const double* a = heads.data() + i * head();
    QueryCodes& codes = out[static_cast<size_t>(i)];
    EncodeHead(a, limit, codes);
    const double squares = Dot(q, q, d), head_squares = Dot(a, a, head());
    const double slack = kDoubleSlack * squares, factor = l2 ? 2 : 1;
    double error = 0;
    for (int64_t j = 0; j < head(); ++j) {
      const double left = a[j] - codes.scale / factor * codes.codes[static_cast<size_t>(j)];
      error += left * left;
    }
    if (l2) codes.constant = -squares;
    codes.norm = std::sqrt(squares);
    codes.head_norm = RoundedUp(factor * std::sqrt(head_squares));
    codes.tail_norm = RoundedUp(factor * std::sqrt(std::max(0.0, squares - head_squares) + slack));
    codes.code_error = RoundedUp(factor * std::sqrt(error + slack));
  }
  return out;
}

void RowCodes::Project(std::span<const float> query, std::span<float> a,
                       std::span<float> place) const {
  const int64_t d = header_.dimension;
  const auto project = [&](const float* q) {
    BestScoreKernel().inner_product(q, 1, float_directions_.data(), head(), d, a.data());
  };
  if (header_.l2 != 0) {
    std::vector<float> centred(query.begin(), query.end());
    for (size_t j = 0; j < centred.size(); ++j) centred[j] -= float_mean_[j];
    project(centred.data());
    std::copy(a.begin(), a.end(), place.begin());
    return;
  }
  project(query.data());
  double squares = 0;
  for (const float value : query) squares += static_cast<double>(value) * value;
  const auto stretch =
      static_cast<float>(squares > 0 ? header_.row_length / std::sqrt(squares) : 0);
  for (size_t i = 0; i < place.size(); ++i) place[i] = stretch * a[i] - mean_head_[i];
}

QueryCodes RowCodes::EncodeProjected(std::span<const float> head_values, int limit) const {
  QueryCodes out;
  const std::vector<double> a(head_values.begin(), head_values.end());
  EncodeHead(a.data(), limit, out);
  return out;
}

void RowCodes::EncodeHead(const double* a, int limit, QueryCodes& out) const {
  double largest = 0;
  for (int64_t i = 0; i < head(); ++i) largest = std::max(largest, std::abs(a[i]));
  const auto scale = static_cast<float>(largest / limit);
  out.codes.resize(static_cast<size_t>(head()));
  for (int64_t i = 0; i < head(); ++i) {
    // Directions of a forged file may be anything.
    const double scaled = scale > 0 ? a[i] / scale : 0;
    const double code =
        std::isfinite(scaled) ? std::clamp(std::rint(scaled), -1.0 * limit, 1.0 * limit) : 0;
    out.codes[static_cast<size_t>(i)] = static_cast<int8_t>(code);
    out.code_sum += static_cast<int32_t>(code);
  }
  out.scale = header_.l2 != 0 ? 2 * scale : scale;
}

}  // namespace fluke
