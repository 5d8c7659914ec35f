// A set of rows of one index version, one bit a row: what a filter matches, what is deleted.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fluke {

class RowSet {
 public:
  // Of rows [0, rows): none of them, or all.
  explicit RowSet(int64_t rows, bool all = false)
      : rows_(rows), words_(static_cast<size_t>((rows + 63) / 64), all ? ~uint64_t{0} : 0) {
    ClearBeyondEnd();
  }
  static RowSet All(int64_t rows) { return RowSet(rows, true); }

  int64_t rows() const { return rows_; }
  int64_t Count() const {
    int64_t count = 0;
    for (const uint64_t word : words_) count += std::popcount(word);
    return count;
  }

  bool Contains(int64_t row) const { return (words_[Word(row)] >> (row & 63) & 1) != 0; }
  void Insert(int64_t row) { words_[Word(row)] |= uint64_t{1} << (row & 63); }
  void Erase(int64_t row) { words_[Word(row)] &= ~(uint64_t{1} << (row & 63)); }

  // Is any of rows [begin, end) in it? begin: a multiple of 64.
  bool AnyIn(int64_t begin, int64_t end) const {
    for (size_t i = Word(begin); i < static_cast<size_t>((end + 63) / 64); ++i) {
      if (words_[i] != 0) return true;
    }
    return false;
  }

  // Rows [begin, begin + count) as a set of their own. begin: a multiple of 64.
  RowSet Slice(int64_t begin, int64_t count) const {
    RowSet slice(count);
    std::copy_n(words_.begin() + begin / 64, slice.words_.size(), slice.words_.begin());
    slice.ClearBeyondEnd();
    return slice;
  }

  // `other` is of as many rows.
  void IntersectWith(const RowSet& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
  }
  void UniteWith(const RowSet& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  void Subtract(const RowSet& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] &= ~other.words_[i];
  }
  void Invert() {
    for (uint64_t& word : words_) word = ~word;
    ClearBeyondEnd();
  }

  // In ascending order.
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      for (uint64_t word = words_[i]; word != 0; word &= word - 1) {
        visit(static_cast<int64_t>(i * 64) + std::countr_zero(word));
      }
    }
  }

  // Bit r % 64 of word r / 64 is row r; bits beyond the end are 0.
  std::span<uint64_t> words() { return words_; }
  std::span<const uint64_t> words() const { return words_; }

 private:
  static size_t Word(int64_t row) { return static_cast<size_t>(row >> 6); }
  void ClearBeyondEnd() {
    if (rows_ % 64 != 0) words_.back() &= (uint64_t{1} << (rows_ % 64)) - 1;
  }

  int64_t rows_;
  std::vector<uint64_t> words_;
};

}  // namespace fluke
