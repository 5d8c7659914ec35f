#include "index/column.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <utility>

namespace fluke {
namespace {

// Bit i of the result: is byte i of `bytes` 1? Each is 0 or 1.
uint64_t PackBits(const std::array<uint8_t, 64>& bytes) {
  uint64_t bits = 0;
  for (size_t i = 0; i < 64; i += 8) {
    uint64_t eight = 0;
    std::memcpy(&eight, bytes.data() + i, 8);
    bits |= (eight * 0x0102040810204080u >> 56) << i;
  }
  return bits;
}

// Sets the bits i < count of `set`, which is empty, for which test(i) holds. Whole words by way of
// bytes, which the compiler makes SIMD instructions of where the test is simple.
template <typename Test>
void Select(int64_t count, const Test& test, RowSet& set) {
  const int64_t whole_words = count / 64;
  std::array<uint8_t, 64> bytes;
  for (int64_t word = 0; word < whole_words; ++word) {
    for (int64_t i = 0; i < 64; ++i) {
      bytes[static_cast<size_t>(i)] = test(static_cast<size_t>(word * 64 + i)) ? 1 : 0;
    }
    set.words()[static_cast<size_t>(word)] = PackBits(bytes);
  }
  for (int64_t i = whole_words * 64; i < count; ++i) {
    if (test(static_cast<size_t>(i))) set.Insert(i);
  }
}

// Rows whose code is one of `values`, a set of dictionary entries.
template <typename Code>
RowSet RowsWithCodes(const std::vector<Code>& codes, const RowSet& values) {
  const auto rows = static_cast<int64_t>(codes.size());
  RowSet set(rows);
  const int64_t matching = values.Count();
  if (matching == 0) return set;
  int64_t first = std::numeric_limits<int64_t>::max(), last = 0;
  values.ForEach([&](int64_t value) {
    first = std::min(first, value);
    last = value;
  });
  if (last - first + 1 == matching) {
    const Code low = static_cast<Code>(first + 1), width = static_cast<Code>(matching - 1);
    Select(
        rows, [&](size_t row) { return static_cast<Code>(codes[row] - low) <= width; }, set);
    return set;
  }
  std::vector<uint8_t> matches(static_cast<size_t>(values.rows()) + 1);  // by code
  values.ForEach([&](int64_t value) { matches[static_cast<size_t>(value) + 1] = 1; });
  Select(
      rows, [&](size_t row) { return matches[codes[row]] != 0; }, set);
  return set;
}

// Calls `select` with the relation that the comparison is.
template <typename Use>
RowSet WithRelation(Filter::Kind comparison, const Use& select) {
  switch (comparison) {
    case Filter::Kind::kLess:
      return select(std::less<>());
    case Filter::Kind::kLessEqual:
      return select(std::less_equal<>());
    case Filter::Kind::kGreater:
      return select(std::greater<>());
    case Filter::Kind::kGreaterEqual:
      return select(std::greater_equal<>());
    default:
      return select(std::equal_to<>());
  }
}

template <typename Key>
bool IsIn(const std::vector<Key>& sorted, Key key) {
  return std::binary_search(sorted.begin(), sorted.end(), key);
}

}  // namespace

Column::Column(StringArena distinct, std::vector<double> numbers, Codes codes)
    : values_(std::move(distinct)), numbers_(std::move(numbers)), codes_(std::move(codes)) {}

Column::Column(StringArena values, std::vector<double> numbers)
    : values_(std::move(values)), numbers_(std::move(numbers)) {}

std::string_view Column::value(int64_t row) const {
  if (!codes_) return values_[static_cast<size_t>(row)];
  const uint32_t held = code(row);
  return held == 0 ? std::string_view() : values_[held - 1];
}

uint32_t Column::code(int64_t row) const {
  return std::visit([&](const auto& codes) -> uint32_t { return codes[static_cast<size_t>(row)]; },
                    *codes_);
}

std::optional<uint32_t> Column::FindCode(std::string_view value) const {
  const std::optional<double> number = NumberIn(value);
  size_t low = 0;
  for (size_t high = values_.size(); low < high;) {
    const size_t middle = (low + high) / 2;
    const bool is_number = middle < numbers_.size();
    if (ValueLess(values_[middle], is_number ? std::optional(numbers_[middle]) : std::nullopt,
                  value, number)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == values_.size() || values_[low] != value) return {};
  return static_cast<uint32_t>(low + 1);
}

RowSet Column::Matching(const Filter& condition) const {
  return codes_ ? RowsOf(MatchingValues(condition)) : MatchingValues(condition);
}

uint64_t Column::memory_bytes() const {
  const uint64_t code_bytes =
      codes_ ? std::visit([](const auto& codes) { return codes.capacity() * sizeof(codes[0]); },
                          *codes_)
             : 0;
  return values_.memory_bytes() + numbers_.capacity() * sizeof(double) + code_bytes;
}

bool Column::ValueLess(std::string_view a, std::optional<double> a_number, std::string_view b,
                       std::optional<double> b_number) {
  if (a_number.has_value() != b_number.has_value()) return a_number.has_value();
  if (a_number != b_number) return *a_number < *b_number;
  return a < b;
}

// One pass for the texts asked for, one for the numbers.
RowSet Column::MatchingValues(const Filter& condition) const {
  if (condition.kind == Filter::Kind::kExists) {
    return ValuesWhoseText([](std::string_view) { return true; });
  }
  if (condition.kind != Filter::Kind::kIn) {
    return WithRelation(condition.kind, [&](const auto& holds) {
      if (const auto* text = std::get_if<std::string>(&condition.values.front())) {
        return ValuesWhoseText([&holds, wanted = std::string_view(*text)](std::string_view value) {
          return holds(value, wanted);
        });
      }
      const double wanted = std::get<double>(condition.values.front());
      return ValuesWhoseNumber([&holds, wanted](double number) { return holds(number, wanted); });
    });
  }
  std::vector<std::string_view> texts;
  std::vector<double> numbers;
  for (const Filter::Value& value : condition.values) {
    if (const auto* text = std::get_if<std::string>(&value)) {
      texts.push_back(*text);
    } else if (const double number = std::get<double>(value); !std::isnan(number)) {
      numbers.push_back(number);
    }
  }
  std::sort(texts.begin(), texts.end());
  std::sort(numbers.begin(), numbers.end());
  RowSet values(size());
  if (!texts.empty()) {
    values.UniteWith(ValuesWhoseText([&](std::string_view value) { return IsIn(texts, value); }));
  }
  if (!numbers.empty()) {
    values.UniteWith(ValuesWhoseNumber(
        [&](double number) { return !std::isnan(number) && IsIn(numbers, number); }));
  }
  return values;
}

// Of those that are not empty.
template <typename Test>
RowSet Column::ValuesWhoseText(const Test& test) const {
  RowSet values(size());
  Select(
      size(),
      [&](size_t i) {
        const std::string_view value = values_[i];
        return !value.empty() && test(value);
      },
      values);
  return values;
}

// test(NaN) must be false.
template <typename Test>
RowSet Column::ValuesWhoseNumber(const Test& test) const {
  RowSet values(size());
  if (codes_ || !numbers_.empty()) {
    Select(
        static_cast<int64_t>(numbers_.size()), [&](size_t i) { return test(numbers_[i]); }, values);
  } else {
    Select(
        size(),
        [&](size_t i) {
          const std::optional<double> number = NumberIn(values_[i]);
          return number && test(*number);
        },
        values);
  }
  return values;
}

RowSet Column::RowsOf(const RowSet& values) const {
  return std::visit([&](const auto& codes) { return RowsWithCodes(codes, values); }, *codes_);
}

void Column::CountValues(const RowSet& rows, ValueCounts& counts) const {
  if (!codes_) {
    rows.ForEach([&](int64_t row) {
      const std::string_view text = value(row);
      if (!text.empty()) ++counts[std::string(text)];
    });
    return;
  }
  std::vector<int64_t> by_code(values_.size() + 1);
  rows.ForEach([&](int64_t row) { ++by_code[code(row)]; });
  for (size_t c = 1; c < by_code.size(); ++c) {
    if (by_code[c] > 0) counts[std::string(values_[c - 1])] += by_code[c];
  }
}

}  // namespace fluke
