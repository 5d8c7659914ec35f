#include "cli/served_pipelines.h"

#include <utility>

#include "common/error.h"
#include "common/text.h"
#include "index/ranking/pipeline.h"

namespace fluke::cli {
namespace {

v1::Embedding EmbeddingIn(const std::string& file) {
  return file.empty() ? v1::Embedding() : ranking::LoadPipeline(file).config.embedding();
}

}  // namespace

void SetEmbedding(const v1::Embedding& embedding, train::EmbedderOptions* options) {
  options->tta = {embedding.tta().begin(), embedding.tta().end()};
  options->tta_merge = embedding.tta_merge();
  options->weights = {embedding.weights().begin(), embedding.weights().end()};
}

ServedPipelines::ServedPipelines(const v1::ServeConfig& config) {
  if (config.has_pipeline() && !config.has_index()) {
    InvalidArgument("config: `pipeline` goes with `index`, which is missing");
  }
  if (config.has_index()) {
    AddCollection(config.pipeline(), config.index(),
                  {config.model().begin(), config.model().end()});
  }
  for (const v1::ServedCollection& served : config.collection()) {
    AddCollection(served.pipeline(), served.index(),
                  {served.model().begin(), served.model().end()});
  }
  for (const v1::ServedModel& model : config.models()) {
    const std::vector<std::string> runs(model.run().begin(), model.run().end());
    if (!model.pipeline().empty()) ranking::LoadPipeline(model.pipeline());
    const auto [known, is_new] = model_files_.try_emplace(runs, model.pipeline());
    if (!is_new && known->second != model.pipeline()) {
      InvalidArgument("config: model '", model.name(), "' has the runs of another in `models`, ",
                      StrJoin(runs, ","), ", but not its pipeline");
    }
    AddEmbedding(model.pipeline(), runs);
  }
}

void ServedPipelines::AddCollection(const std::string& pipeline, const std::string& index,
                                    const std::vector<std::string>& runs) {
  if (!pipeline.empty()) {
    ranking::LoadPipeline(pipeline);  // says what is wrong before anything is opened
  }
  files_[std::filesystem::path(index).lexically_normal()] = pipeline;
  if (!runs.empty()) AddEmbedding(pipeline, runs);
}

void ServedPipelines::AddEmbedding(const std::string& pipeline,
                                   const std::vector<std::string>& runs) {
  const auto [known, is_new] = embedding_files_.try_emplace(runs, pipeline);
  if (is_new) return;
  if (EmbeddingIn(known->second).SerializeAsString() != EmbeddingIn(pipeline).SerializeAsString()) {
    InvalidArgument("config: two collections use the model ", StrJoin(runs, ","),
                    ", but their pipelines' `embedding` differs");
  }
}

std::string ServedPipelines::FileOf(const std::filesystem::path& folder,
                                    const std::vector<std::string>& runs) const {
  const auto found = files_.find(folder.lexically_normal());
  if (found != files_.end()) return found->second;
  const auto of_model = model_files_.find(runs);
  return of_model == model_files_.end() ? "" : of_model->second;
}

std::shared_ptr<LiveIndex> ServedPipelines::Rank(std::shared_ptr<LiveIndex> index,
                                                 const std::filesystem::path& folder,
                                                 const std::vector<std::string>& runs) const {
  const std::string file = FileOf(folder, runs);
  if (file.empty() || index == nullptr) return index;
  return ranking::RankLiveWith(ranking::LoadPipeline(file), std::move(index), folder);
}

std::shared_ptr<const VectorIndex> ServedPipelines::Rank(
    std::shared_ptr<const VectorIndex> index, const std::filesystem::path& folder,
    const std::vector<std::string>& runs) const {
  const std::string file = FileOf(folder, runs);
  if (file.empty()) return index;
  return ranking::RankWith(ranking::LoadPipeline(file), std::move(index), folder);
}

v1::Embedding ServedPipelines::EmbeddingOf(const std::vector<std::string>& runs) const {
  const auto found = embedding_files_.find(runs);
  return found == embedding_files_.end() ? v1::Embedding() : EmbeddingIn(found->second);
}

}  // namespace fluke::cli
