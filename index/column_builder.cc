#include "index/column_builder.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

namespace fluke {
namespace {

// A dictionary is small while it has no more values than this, however many rows differ.
constexpr size_t kSmallDictionary = 1 << 16;

// A row's number is kept beside its text where so large a share of the rows has one.
constexpr double kNumericShare = 0.5;

template <typename Code>
std::vector<Code> Recoded(const std::vector<uint32_t>& codes, const std::vector<uint32_t>& recode) {
  std::vector<Code> recoded(codes.size());
  std::transform(codes.begin(), codes.end(), recoded.begin(),
                 [&](uint32_t code) { return static_cast<Code>(recode[code]); });
  return recoded;
}

// As narrow as the largest code allows.
Column::Codes Narrowed(const std::vector<uint32_t>& codes, const std::vector<uint32_t>& recode) {
  const size_t largest = recode.size() - 1;
  if (largest <= std::numeric_limits<uint8_t>::max()) return Recoded<uint8_t>(codes, recode);
  if (largest <= std::numeric_limits<uint16_t>::max()) return Recoded<uint16_t>(codes, recode);
  return Recoded<uint32_t>(codes, recode);
}

}  // namespace

void ColumnBuilder::Set(int64_t row, std::string_view value) {
  if (value.empty()) return;
  if (laid_out_) {
    while (static_cast<int64_t>(values_.size()) < row) values_.Append("");
    values_.Append(value);
    return;
  }
  codes_.resize(static_cast<size_t>(row) + 1);
  codes_.back() = number_of_value_.FindOrAppend(values_, value) + 1;
  if (values_.size() > kSmallDictionary && MostRowsDiffer(row + 1)) LayOut();
}

Column ColumnBuilder::Finish(int64_t rows) && {
  if (!laid_out_ && MostRowsDiffer(rows)) LayOut();
  return laid_out_ ? std::move(*this).FinishLaidOut(rows) : std::move(*this).FinishDictionary(rows);
}

bool ColumnBuilder::MostRowsDiffer(int64_t rows) const {
  return dictionary_ == Dictionary::kUnlessMostDiffer &&
         2 * static_cast<int64_t>(values_.size()) > rows;
}

void ColumnBuilder::LayOut() {
  StringArena by_row;
  for (const uint32_t code : codes_) by_row.Append(code == 0 ? "" : values_[code - 1]);
  values_ = std::move(by_row);
  number_of_value_ = {};
  codes_ = std::vector<uint32_t>();  // `= {}` would keep its memory
  laid_out_ = true;
}

Column ColumnBuilder::FinishDictionary(int64_t rows) && {
  number_of_value_ = {};
  codes_.resize(static_cast<size_t>(rows));
  std::vector<std::optional<double>> number_of(values_.size());
  for (size_t i = 0; i < values_.size(); ++i) number_of[i] = NumberIn(values_[i]);
  std::vector<uint32_t> order(values_.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return Column::ValueLess(values_[a], number_of[a], values_[b], number_of[b]);
  });
  StringArena distinct;
  std::vector<double> numbers;
  std::vector<uint32_t> recode(values_.size() + 1);
  for (const uint32_t value : order) {
    distinct.Append(values_[value]);
    recode[value + 1] = static_cast<uint32_t>(distinct.size());
    if (number_of[value]) numbers.push_back(*number_of[value]);
  }
  distinct.ShrinkToFit();
  numbers.shrink_to_fit();
  return Column(std::move(distinct), std::move(numbers), Narrowed(codes_, recode));
}

Column ColumnBuilder::FinishLaidOut(int64_t rows) && {
  while (static_cast<int64_t>(values_.size()) < rows) values_.Append("");
  values_.ShrinkToFit();
  std::vector<double> numbers(values_.size(), std::numeric_limits<double>::quiet_NaN());
  int64_t numeric_rows = 0;
  for (size_t row = 0; row < numbers.size(); ++row) {
    if (const std::optional<double> number = NumberIn(values_[row])) {
      numbers[row] = *number;
      ++numeric_rows;
    }
  }
  if (static_cast<double>(numeric_rows) < kNumericShare * static_cast<double>(rows)) {
    numbers = std::vector<double>();
  }
  return Column(std::move(values_), std::move(numbers));
}

}  // namespace fluke
