// SearchGroups: the most similar individuals, then the best photographs of each.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/error.h"
#include "serve/retrieval/retrieval_call.h"
#include "serve/retrieval/search_request.h"

namespace fluke::serve {
namespace {

constexpr uint64_t kDefaultGroups = 20, kDefaultGroupSize = 3;

Filter IdentityIs(const std::string& identity) {
  return {.kind = Filter::Kind::kEqual, .field = "identity", .values = {identity}};
}

}  // namespace

// First the query's vector is made, then the individuals are found, then the photographs of each:
// in a search of its own, so that none is missing however many others lie nearer.
class RetrievalService::SearchGroupsCall final : public RetrievalCall {
 public:
  using RetrievalCall::RetrievalCall;

  void Start(const Bytes& bytes) {
    if (!Begin(bytes, &request_, [&] { return Check(); })) return;
    auto query = std::make_unique<Query>(plan_);
    query->embedded = [this](absl::StatusOr<std::vector<float>> vector) {
      if (vector.ok()) {
        plan_.vector = *std::move(vector);
        FindGroups();
      } else {
        Fail(vector.status());
      }
    };
    plan_.image = {};
    plan_.like.clear();
    plan_.unlike.clear();
    SubmitQuery(std::move(query), &service_.stages_.pipeline);
  }

 private:
  absl::Status Check() {
    v1::SearchRequest& search = *request_.mutable_search();
    if (search.k() != 0 || search.one_per_identity()) {
      InvalidArgument("search: k and one_per_identity are not set here; groups and group_size are");
    }
    const uint64_t groups = request_.groups() == 0 ? kDefaultGroups : request_.groups();
    group_size_ = request_.group_size() == 0 ? kDefaultGroupSize : request_.group_size();
    const auto most = static_cast<uint64_t>(service_.limits_.max_k);
    if (groups * group_size_ > most) {
      InvalidArgument(groups, " groups of ", group_size_, ", at most ", most,
                      " neighbours are given");
    }
    search.set_k(static_cast<uint32_t>(groups));
    search.set_one_per_identity(true);
    Choose(search.collection());
    auto query = QueryFromRequest(search, version_, service_.limits_.max_k);
    if (!query.ok()) return query.status();
    plan_ = **query;
    Watch(plan_);
    return absl::OkStatus();
  }

  void FindGroups() {
    auto query = std::make_unique<Query>(plan_);
    query->done = [this](const absl::StatusOr<Neighbors>& best) {
      if (best.ok()) {
        FillGroups(*best);
      } else {
        Fail(best.status());
      }
    };
    SubmitQuery(std::move(query), &service_.stages_.pipeline);
  }

  void FillGroups(const Neighbors& best) {
    for (const Neighbor& neighbor : best) {
      v1::Group& group = *answer_.add_groups();
      FillHits({neighbor}, *version_->index, group.mutable_hits());
      group.set_identity(group.hits(0).identity());
      if (!group.identity().empty() && group_size_ > 1) to_fill_.push_back(&group);
    }
    queries_.Start(
        to_fill_.size(), kSearchesAtOnce, &service_.stages_.pipeline,
        [this](size_t place) { return QueryOf(place); },
        [this](size_t place) { return "individual " + to_fill_[place]->identity(); },
        [this](const absl::Status& status) {
          if (status.ok()) {
            Finish();
          } else {
            Fail(status);
          }
        });
  }

  std::unique_ptr<Query> QueryOf(size_t place) {
    auto query = std::make_unique<Query>(plan_);
    query->options.k =
        static_cast<int>(std::clamp<int64_t>(version_->info.size, 1, int64_t(group_size_)));
    query->options.one_per_identity = false;
    AddCondition(IdentityIs(to_fill_[place]->identity()), query.get());
    query->done = [this, place](const absl::StatusOr<Neighbors>& found) {
      absl::Status status = found.status();
      if (status.ok() && !found->empty()) {
        auto& hits = *to_fill_[place]->mutable_hits();
        hits.Clear();
        try {
          FillHits(*found, *version_->index, &hits);
        } catch (...) {
          status = StatusOf(std::current_exception(), "writing the answer");
        }
      }
      queries_.Done(place, status);
    };
    return query;
  }

  void Finish() {
    // An approximate index may find a nearer photograph where it looks at one individual alone.
    std::stable_sort(answer_.mutable_groups()->begin(), answer_.mutable_groups()->end(),
                     [](const v1::Group& a, const v1::Group& b) {
                       return a.hits(0).score() > b.hits(0).score();
                     });
    Send([&]() -> const v1::SearchGroupsResponse& { return answer_; });
  }

  v1::SearchGroupsRequest request_;
  uint64_t group_size_ = 0;
  Query plan_;  // what all of its searches share
  v1::SearchGroupsResponse answer_;
  std::vector<v1::Group*> to_fill_;
  ManyQueries queries_;
};

grpc::ServerUnaryReactor* RetrievalService::SearchGroups(Context* context, const Bytes* request,
                                                         Bytes* response) {
  auto* call =
      new SearchGroupsCall(this, {"Retrieval/SearchGroups", Right::kRead}, context, response);
  call->Start(*request);
  return call;
}

}  // namespace fluke::serve
