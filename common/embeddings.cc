#include "common/embeddings.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "common/error.h"

namespace fluke {
namespace {

constexpr char kVectorsFile[] = "embeddings.npy";
constexpr char kItemsFile[] = "items.csv";
constexpr char kInfoFile[] = "embeddings.json";
constexpr uint64_t kMaxInfoBytes = 16 << 20;

constexpr int64_t kBlockFloats = 1 << 20;

// The folder, if it holds what it must.
const std::filesystem::path& Checked(const std::filesystem::path& folder) {
  for (const char* file : {kVectorsFile, kItemsFile}) {
    std::error_code ignored;
    if (!std::filesystem::exists(folder / file, ignored)) {
      NotFound(folder / file, ": no such file; an embeddings folder holds ", kVectorsFile, " and ",
               kItemsFile);
    }
  }
  return folder;
}

void CheckCounts(const std::filesystem::path& folder, int64_t vectors, int64_t items) {
  if (vectors == items) return;
  DataLoss(folder, ": ", kVectorsFile, " has ", vectors, " rows, ", kItemsFile, " has ", items);
}

// vectors: items.size() x dimension, the rows from number `first` on.
void CheckFinite(const std::filesystem::path& folder, int64_t first, const std::vector<Item>& items,
                 std::span<const float> vectors) {
  for (size_t i = 0; i < vectors.size(); ++i) {
    if (std::isfinite(vectors[i])) continue;
    const size_t row = i / (vectors.size() / items.size());
    InvalidArgument(folder / kVectorsFile, ": row ", first + static_cast<int64_t>(row), " (item '",
                    items[row].id, "') holds ", vectors[i], ", expected finite numbers");
  }
}

// How many items there are, after a check that no id repeats. Holds a hash of each, not the ids.
int64_t CountItems(const std::filesystem::path& csv, std::string_view text) {
  const std::string name = csv.string();
  ItemReader reader(text, name);
  std::vector<size_t> hashes;
  for (Item item; reader.Next(&item);) hashes.push_back(std::hash<std::string>()(item.id));
  const auto count = static_cast<int64_t>(hashes.size());
  std::sort(hashes.begin(), hashes.end());
  const bool all_differ = std::adjacent_find(hashes.begin(), hashes.end()) == hashes.end();
  if (!all_differ) ReadItems(csv);  // says which, if it is not the hashes alone
  return count;
}

// The fingerprint, after a check that the file speaks of these vectors; "" where there is none.
std::string ReadFingerprint(const std::filesystem::path& path, int64_t dimension) {
  if (!std::filesystem::exists(path)) return "";
  const nlohmann::json info = nlohmann::json::parse(ReadFile(path, kMaxInfoBytes), nullptr, false);
  if (!info.is_object()) DataLoss(path, ": damaged; expected a JSON object");
  if (const auto stored = info.find("dimension"); stored != info.end() && *stored != dimension) {
    DataLoss(path, ": dimension ", stored->dump(), ", but ", kVectorsFile, " has ", dimension,
             " columns");
  }
  const auto fingerprint = info.find("fingerprint");
  if (fingerprint == info.end()) return "";
  if (!fingerprint->is_string()) DataLoss(path, ": expected a string as fingerprint");
  return fingerprint->get<std::string>();
}

}  // namespace

Embeddings ReadEmbeddings(const std::filesystem::path& folder) {
  Embeddings embeddings{.vectors = ReadNpy(Checked(folder) / kVectorsFile),
                        .items = ReadItems(folder / kItemsFile),
                        .fingerprint = ""};
  CheckCounts(folder, embeddings.vectors.rows, static_cast<int64_t>(embeddings.items.size()));
  CheckFinite(folder, 0, embeddings.items, embeddings.vectors.values);
  embeddings.fingerprint = ReadFingerprint(folder / kInfoFile, embeddings.vectors.cols);
  return embeddings;
}

MappedEmbeddings::MappedEmbeddings(const std::filesystem::path& folder)
    : folder_(folder),
      vectors_(Checked(folder) / kVectorsFile),
      items_(folder / kItemsFile),
      fingerprint_(ReadFingerprint(folder / kInfoFile, vectors_.cols())) {
  CheckCounts(folder, vectors_.rows(), CountItems(folder / kItemsFile, items_.text()));
}

void MappedEmbeddings::ForEachBlock(const Visitor& visit) const {
  const std::string name = (folder_ / kItemsFile).string();
  ItemReader reader(items_.text(), name);
  const int64_t block_rows = std::max<int64_t>(1, kBlockFloats / dimension());
  std::vector<float> vectors;
  for (int64_t first = 0; first < rows(); first += block_rows) {
    const int64_t count = std::min(block_rows, rows() - first);
    std::vector<Item> items(static_cast<size_t>(count));
    for (Item& item : items) reader.Next(&item);
    vectors.resize(static_cast<size_t>(count * dimension()));
    vectors_.Read(first, vectors);
    CheckFinite(folder_, first, items, vectors);
    visit(items, vectors);
  }
}

void WriteEmbeddingsInfo(const std::filesystem::path& folder, const std::vector<Item>& items,
                         int64_t dimension, const std::string& fingerprint,
                         const std::vector<std::string>& models, const std::string& data) {
  const MappedNpy vectors(folder / kVectorsFile);
  if (vectors.rows() != static_cast<int64_t>(items.size()) || vectors.cols() != dimension) {
    InvalidArgument(folder / kVectorsFile, ": ", vectors.rows(), " x ", vectors.cols(),
                    ", expected ", items.size(), " x ", dimension, " for the items");
  }
  WriteFileAtomically(folder / kItemsFile, ItemsToCsv(items));
  const nlohmann::ordered_json info = {
      {"fingerprint", fingerprint}, {"dimension", dimension}, {"models", models}, {"data", data}};
  // Paths may hold bytes that are no UTF-8, which JSON cannot: they are shown as U+FFFD.
  constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
  WriteFileAtomically(folder / kInfoFile, info.dump(2, ' ', false, kReplace) + "\n");
}

}  // namespace fluke
