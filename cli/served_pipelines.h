// Which collection of a server ranks by which pipeline, and which models embed as one says.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/vector_index.h"
#include "fluke/v1/config.pb.h"
#include "train/embedder.h"

namespace fluke::cli {

void SetEmbedding(const v1::Embedding& embedding, train::EmbedderOptions* options);

// Of a config with absolute paths. A pipeline is read each time that its collection is opened, so
// that a reload takes a new one.
class ServedPipelines {
 public:
  // Reads each once. Throws InvalidArgument for what is wrong with one, and where the same runs
  // would have to embed in two ways.
  explicit ServedPipelines(const v1::ServeConfig& config);

  // The index of that folder behind its pipeline, of one that a client made that of its model of
  // those runs; itself where it has none.
  std::shared_ptr<LiveIndex> Rank(std::shared_ptr<LiveIndex> index,
                                  const std::filesystem::path& folder,
                                  const std::vector<std::string>& runs) const;
  std::shared_ptr<const VectorIndex> Rank(std::shared_ptr<const VectorIndex> index,
                                          const std::filesystem::path& folder,
                                          const std::vector<std::string>& runs) const;

  // As the pipeline of a collection with those runs says; the defaults where none has one.
  v1::Embedding EmbeddingOf(const std::vector<std::string>& runs) const;

 private:
  void AddCollection(const std::string& pipeline, const std::string& index,
                     const std::vector<std::string>& runs);
  void AddEmbedding(const std::string& pipeline, const std::vector<std::string>& runs);
  std::string FileOf(const std::filesystem::path& folder,
                     const std::vector<std::string>& runs) const;  // "": none

  std::map<std::filesystem::path, std::string> files_;           // by the config's index folders
  std::map<std::vector<std::string>, std::string> model_files_;  // of the others, by runs
  std::map<std::vector<std::string>, std::string> embedding_files_;  // by runs; "": the defaults
};

}  // namespace fluke::cli
