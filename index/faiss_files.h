// FAISS indexes as files of ours: read from checked bytes, written atomically.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace faiss {
struct Index;
}

namespace fluke {

// As WriteFaissIndex left it; `name` stands in errors. Throws DataLoss.
std::unique_ptr<faiss::Index> ReadFaissIndex(std::string_view bytes, const std::string& name);

void WriteFaissIndex(const faiss::Index& index, const std::filesystem::path& path);

}  // namespace fluke
