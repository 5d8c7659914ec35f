#include "serve/retrieval/submit_query.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/text.h"
#include "serve/retrieval/many_queries.h"

namespace fluke::serve {
namespace {

void Fail(const Query& query, const absl::Status& status) {
  if (query.embedded) {
    query.embedded(status);
  } else {
    query.done(status);
  }
}

void SubmitVector(std::unique_ptr<Query> query, Pipeline* pipeline) {
  if (query->embedded) {
    query->embedded(std::move(query->vector));
  } else {
    pipeline->Submit(std::move(query));
  }
}

// A query whose examples become its vector. Deletes itself.
class ExamplesQuery {
 public:
  ExamplesQuery(std::unique_ptr<Query> query, Pipeline* pipeline)
      : query_(std::move(query)), pipeline_(*pipeline) {
    NoteImages("like", query_->like);
    NoteImages("unlike", query_->unlike);
  }

  void Start() {
    embedding_.Start(
        images_.size(), kImagesAtOnce, &pipeline_, [this](size_t place) { return QueryOf(place); },
        [this](size_t place) { return images_[place].name; },
        [this](const absl::Status& status) { Finish(status); });
  }

 private:
  struct Image {
    Example* example = nullptr;
    std::string name;  // "like 3"
  };

  void NoteImages(std::string_view list, std::vector<Example>& examples) {
    for (size_t i = 0; i < examples.size(); ++i) {
      if (!examples[i].image.empty()) images_.push_back({&examples[i], StrCat(list, " ", i)});
    }
  }

  std::unique_ptr<Query> QueryOf(size_t place) {
    auto query = std::make_unique<Query>();
    query->version = query_->version;
    query->image = images_[place].example->image;
    query->crop = images_[place].example->crop;
    query->deadline = query_->deadline;
    query->cancelled = query_->cancelled;
    query->embedded = [this, place](absl::StatusOr<std::vector<float>> vector) {
      if (vector.ok()) images_[place].example->vector = *std::move(vector);
      embedding_.Done(place, vector.status());
    };
    return query;
  }

  void Finish(absl::Status status) {
    const std::unique_ptr<ExamplesQuery> self(this);
    if (status.ok()) {
      auto combined =
          CombineExamples(query_->like, query_->unlike, query_->version->info.metric == "cosine");
      status = combined.status();
      if (status.ok()) query_->vector = *std::move(combined);
    }
    if (!status.ok()) {
      Fail(*query_, status);
      return;
    }
    query_->like.clear();
    query_->unlike.clear();
    SubmitVector(std::move(query_), &pipeline_);
  }

  std::unique_ptr<Query> query_;
  Pipeline& pipeline_;
  std::vector<Image> images_;
  ManyQueries embedding_;
};

}  // namespace

void SubmitQuery(std::unique_ptr<Query> query, Pipeline* pipeline) {
  if (!query->like.empty()) {
    (new ExamplesQuery(std::move(query), pipeline))->Start();
  } else if (!query->image.empty()) {
    pipeline->Submit(std::move(query));
  } else {
    SubmitVector(std::move(query), pipeline);
  }
}

}  // namespace fluke::serve
