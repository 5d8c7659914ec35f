#include "index/row_encoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "index/row_codes_format.h"
#include "index/row_codes_writer.h"

namespace fluke {
namespace {

// One row's bounds; its codes follow.
struct Record {
  float scale, code_error, tail, offset;
  double norm, code_norm;
};

// centred: dimension values of x - m; y: its head projections; codes: head values from -127 to 127.
Record EncodeRow(const double* centred, double row_norm, const double* y, int64_t head,
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

}  // namespace

ProjectedRows RowEncoder::Project(std::span<const float> rows) const {
  const int64_t n = static_cast<int64_t>(rows.size()) / dimension_;
  ProjectedRows projected{.count = n, .norms = {}, .centred = {}, .y = {}};
  projected.centred.reserve(rows.size());
  for (int64_t i = 0; i < n; ++i) {
    double squares = 0;
    for (int64_t j = 0; j < dimension_; ++j) {
      const double value = rows[i * dimension_ + j];
      squares += value * value;
      projected.centred.push_back(value - learned_.mean[j]);
    }
    projected.norms.push_back(std::sqrt(squares));
  }
  projected.y.resize(static_cast<size_t>(n * head_));
  MultiplyTransposed(projected.centred.data(), learned_.directions.data(), n, head_, dimension_,
                     dimension_, projected.y.data());
  return projected;
}

int64_t RowEncoder::record_bytes() const { return static_cast<int64_t>(sizeof(Record)) + head_; }

std::vector<char> RowEncoder::Records(const ProjectedRows& rows) const {
  std::vector<char> bytes(static_cast<size_t>(rows.count * record_bytes()));
  for (int64_t i = 0; i < rows.count; ++i) {
    char* at = bytes.data() + i * record_bytes();
    const Record record =
        EncodeRow(rows.centred.data() + i * dimension_, rows.norms[i], rows.y.data() + i * head_,
                  head_, dimension_, reinterpret_cast<int8_t*>(at + sizeof(Record)));
    std::memcpy(at, &record, sizeof(record));
  }
  return bytes;
}

std::vector<char> RowEncoder::Chunk(int64_t count,
                                    const std::function<const char*(int64_t)>& record_at) const {
  std::vector<char> bytes(static_cast<size_t>(ChunkBytes(head_, l2_)));
  auto* parameters = reinterpret_cast<float*>(bytes.data() + 64);
  auto* blocks = reinterpret_cast<uint8_t*>(parameters + ChunkParameters(l2_) * kCodeChunkRows);
  std::memset(blocks, 128, static_cast<size_t>(kCodeChunkRows * head_));
  double norm = 0, code_norm = 0;
  for (int64_t p = 0; p < count; ++p) {
    const char* at = record_at(p);
    if (at == nullptr) continue;
    Record row;
    std::memcpy(&row, at, sizeof(row));
    const auto* codes = reinterpret_cast<const int8_t*>(at + sizeof(row));
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

}  // namespace fluke
