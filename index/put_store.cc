#include "index/put_store.h"

#include <cstring>
#include <string_view>
#include <utility>

namespace fluke {
namespace {

void AppendNumber(uint64_t number, std::string& bytes) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

void AppendText(const std::string& text, std::string& bytes) {
  AppendNumber(text.size(), bytes);
  bytes.append(text);
}

void AppendItem(const Item& item, std::string& bytes) {
  for (const std::string* text : {&item.id, &item.identity, &item.path}) AppendText(*text, bytes);
  AppendNumber(item.metadata.size(), bytes);
  for (const auto& [name, value] : item.metadata) {
    AppendText(name, bytes);
    AppendText(value, bytes);
  }
}

uint64_t TakeNumber(std::string_view& bytes) {
  uint64_t number;
  std::memcpy(&number, bytes.data(), sizeof(number));
  bytes.remove_prefix(sizeof(number));
  return number;
}

std::string TakeText(std::string_view& bytes) {
  const uint64_t size = TakeNumber(bytes);
  std::string text(bytes.substr(0, size));
  bytes.remove_prefix(size);
  return text;
}

Item ItemIn(std::string_view bytes) {
  Item item;
  for (std::string* text : {&item.id, &item.identity, &item.path}) *text = TakeText(bytes);
  for (uint64_t left = TakeNumber(bytes); left > 0; --left) {
    std::string name = TakeText(bytes);
    item.metadata.emplace(std::move(name), TakeText(bytes));
  }
  return item;
}

}  // namespace

PutStore::PutStore(int64_t dimension, PutMemory memory)
    : dimension_(static_cast<size_t>(dimension)), memory_(std::move(memory)) {}

void PutStore::Add(const Item& item, std::span<const float> vector) {
  if (items_.size() + sizeof(float) * vectors_.size() >= memory_.most_bytes) Spill();
  item_begins_.push_back(spilled_item_bytes() + items_.size());
  AppendItem(item, items_);
  vectors_.insert(vectors_.end(), vector.begin(), vector.end());
}

Item PutStore::item(size_t i) const {
  const uint64_t begin = item_begins_[i];
  if (i < spilled_count_) return ItemIn(spilled_->mapped_items.text().substr(begin));
  return ItemIn(std::string_view(items_).substr(begin - spilled_item_bytes()));
}

std::span<const float> PutStore::vector(size_t i) const {
  if (i >= spilled_count_) {
    return std::span(vectors_).subspan((i - spilled_count_) * dimension_, dimension_);
  }
  const auto* values = reinterpret_cast<const float*>(spilled_->mapped_vectors.bytes().data());
  return {values + i * dimension_, dimension_};
}

void PutStore::Release() const {
  if (!spilled_) return;
  spilled_->mapped_items.Release();
  spilled_->mapped_vectors.Release();
}

// Ends with the count, so that one that fails midway may be tried again.
void PutStore::Spill() {
  if (!spilled_) {
    spilled_.emplace(Spilled{.items = ScratchFile(memory_.spill_file),
                             .vectors = ScratchFile(memory_.spill_file)});
  }
  spilled_->items.WriteAt(spilled_item_bytes(), items_.data(), items_.size());
  spilled_->vectors.WriteAt(spilled_->mapped_vectors.bytes().size(), vectors_.data(),
                            sizeof(float) * vectors_.size());
  MappedFile items = spilled_->items.Map(), vectors = spilled_->vectors.Map();
  spilled_->mapped_items = std::move(items);
  spilled_->mapped_vectors = std::move(vectors);
  spilled_count_ = item_begins_.size();
  items_.clear();
  vectors_.clear();
}

}  // namespace fluke
