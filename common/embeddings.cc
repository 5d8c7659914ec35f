#include "common/embeddings.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/files.h"

namespace fluke {
namespace {

constexpr char kVectorsFile[] = "embeddings.npy";
constexpr char kItemsFile[] = "items.csv";
constexpr char kInfoFile[] = "embeddings.json";
constexpr uint64_t kMaxInfoBytes = 16 << 20;

void CheckPresent(const std::filesystem::path& folder) {
  for (const char* file : {kVectorsFile, kItemsFile}) {
    std::error_code ignored;
    if (!std::filesystem::exists(folder / file, ignored)) {
      NotFound(folder / file, ": no such file; an embeddings folder holds ", kVectorsFile, " and ",
               kItemsFile);
    }
  }
}

void CheckFinite(const Embeddings& embeddings, const std::filesystem::path& folder) {
  for (int64_t i = 0; i < embeddings.vectors.rows; ++i) {
    for (float value : embeddings.vectors.row(i)) {
      if (!std::isfinite(value)) {
        InvalidArgument(folder / kVectorsFile, ": row ", i, " (item '",
                        embeddings.items[static_cast<size_t>(i)].id, "') holds ", value,
                        ", expected finite numbers");
      }
    }
  }
}

// The fingerprint, after a check that the file speaks of these vectors.
std::string ReadFingerprint(const std::filesystem::path& path, int64_t dimension) {
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
  CheckPresent(folder);
  Embeddings embeddings{.vectors = ReadNpy(folder / kVectorsFile),
                        .items = ReadItems(folder / kItemsFile),
                        .fingerprint = ""};
  if (embeddings.vectors.rows != static_cast<int64_t>(embeddings.items.size())) {
    DataLoss(folder, ": ", kVectorsFile, " has ", embeddings.vectors.rows, " rows, ", kItemsFile,
             " has ", embeddings.items.size());
  }
  CheckFinite(embeddings, folder);
  if (std::filesystem::exists(folder / kInfoFile)) {
    embeddings.fingerprint = ReadFingerprint(folder / kInfoFile, embeddings.vectors.cols);
  }
  return embeddings;
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
