// Identify: the nearest individuals, and whether any of them is near enough.
#include <cmath>
#include <memory>
#include <utility>

#include "common/error.h"
#include "serve/retrieval/retrieval_call.h"
#include "serve/retrieval/search_request.h"

namespace fluke::serve {
namespace {

constexpr uint32_t kDefaultCandidates = 5;

}  // namespace

class RetrievalService::IdentifyCall final : public RetrievalCall {
 public:
  using RetrievalCall::RetrievalCall;

  void Start(const Bytes& bytes) {
    if (!Begin(bytes, &request_, [&] { return Check(); })) return;
    service_.stages_.calibrator.Find(served_, version_, [this](const Calibrator::Made& made) {
      if (made.ok()) {
        calibration_ = *made;
        Look();
      } else {
        Fail(made.status());
      }
    });
  }

 private:
  absl::Status Check() {
    v1::SearchRequest& search = *request_.mutable_search();
    if (search.k() != 0 || search.one_per_identity()) {
      InvalidArgument("search: k and one_per_identity are not set here; the request's own k is");
    }
    if (request_.has_threshold() && std::isnan(request_.threshold())) {
      InvalidArgument("threshold is not a number");
    }
    search.set_k(request_.k() == 0 ? kDefaultCandidates : request_.k());
    search.set_one_per_identity(true);
    Choose(search.collection());
    auto query = QueryFromRequest(search, version_, service_.limits_.max_k);
    if (!query.ok()) return query.status();
    query_ = *std::move(query);
    AddCondition({.kind = Filter::Kind::kExists, .field = "identity"}, query_.get());
    // Whether the photograph is of a new individual does not hang on what is shown.
    min_score_ = std::exchange(query_->options.min_score, SearchOptions().min_score);
    return absl::OkStatus();
  }

  void Look() {
    if (calibration_ == nullptr && !request_.has_threshold()) {
      Fail(absl::FailedPreconditionError(
          StrCat("the gallery has fewer than ", kLeastIndividualsToCalibrate,
                 " individuals with two photographs: too few to calibrate a threshold; give one in "
                 "the request")));
      return;
    }
    if (!IsWanted()) return;
    Watch(*query_);
    query_->done = [this](const absl::StatusOr<Neighbors>& found) {
      if (found.ok()) {
        Send([&] { return AnswerOf(*found); });
      } else {
        Fail(found.status());
      }
    };
    SubmitQuery(std::move(query_), &service_.stages_.pipeline);
  }

  v1::IdentifyResponse AnswerOf(const Neighbors& best) const {
    v1::IdentifyResponse answer;
    answer.set_threshold(request_.has_threshold() ? request_.threshold() : calibration_->threshold);
    answer.set_is_new(best.empty() || !(best.front().score >= answer.threshold()));
    double still_open = 1;  // that it is none of those before
    for (const Neighbor& neighbor : best) {
      if (neighbor.score < min_score_) break;
      v1::Candidate& candidate = *answer.add_candidates();
      google::protobuf::RepeatedPtrField<v1::Hit> hits;
      FillHits({neighbor}, *version_->index, &hits);
      candidate.mutable_best()->Swap(&hits[0]);
      candidate.set_identity(candidate.best().identity());
      if (calibration_ == nullptr) continue;
      // Among those who are left it is the best, and as such it was calibrated.
      const double probability = still_open * calibration_->ProbabilityAt(neighbor.score);
      candidate.set_probability(static_cast<float>(probability));
      still_open -= probability;
    }
    if (calibration_ != nullptr) {
      v1::Calibration& calibration = *answer.mutable_calibration();
      calibration.set_photographs(calibration_->photographs);
      calibration.set_threshold(calibration_->threshold);
      calibration.set_known_recognised(static_cast<float>(calibration_->known_recognised));
      calibration.set_new_recognised(static_cast<float>(calibration_->new_recognised));
      calibration.set_snapshot(calibration_->snapshot);
    }
    return answer;
  }

  v1::IdentifyRequest request_;  // the query views its images
  std::unique_ptr<Query> query_;
  float min_score_ = 0;
  std::shared_ptr<const ScoreCalibration> calibration_;
};

grpc::ServerUnaryReactor* RetrievalService::Identify(Context* context, const Bytes* request,
                                                     Bytes* response) {
  auto* call = new IdentifyCall(this, {"Retrieval/Identify", Right::kRead}, context, response);
  call->Start(*request);
  return call;
}

}  // namespace fluke::serve
