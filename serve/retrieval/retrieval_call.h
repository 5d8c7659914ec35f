// What calls of the retrieval service share beyond what every call does. For serve/'s own files.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/text.h"
#include "serve/retrieval/many_queries.h"
#include "serve/retrieval/retrieval_service.h"

namespace fluke::serve {

// A call that finds its collection and its version once, and keeps both to its end.
class RetrievalService::RetrievalCall : public Call {
 public:
  RetrievalCall(RetrievalService* service, const Method& method, Context* context, Bytes* response)
      : Call(&service->gate_, method, context, response), service_(*service) {}

 protected:
  // Throws NotFound.
  void Choose(std::string_view collection) {
    served_ = service_.catalogue_.Find(collection);
    version_ = served_->Current();
  }

  RetrievalService& service_;
  std::shared_ptr<const ServedIndex> served_;
  std::shared_ptr<const ServedVersion> version_;
};

// A call of several searches or photographs, each a query of its own, some at a time.
class RetrievalService::ManyCall : public RetrievalCall {
 public:
  using RetrievalCall::RetrievalCall;

 protected:
  using Made = ManyQueries::Made;

  // make(place): its query, but for whom to tell; finish: all have been answered. Where one fails
  // the call fails and names it: "search 3: ...".
  void Run(std::string_view what, size_t count, size_t at_once,
           const std::function<Made(size_t)>& make, const std::function<void()>& finish) {
    queries_.Start(
        count, at_once, &service_.stages_.pipeline,
        [this, make](size_t place) {
          Made query = make(place);
          if (query.ok()) Watch(**query);
          return query;
        },
        [what](size_t place) { return StrCat(what, " ", place); },
        [this, finish](const absl::Status& status) {
          if (status.ok()) {
            finish();
          } else {
            Fail(status);
          }
        });
  }

  void Done(size_t place, const absl::Status& status) { queries_.Done(place, status); }

 private:
  ManyQueries queries_;
};

}  // namespace fluke::serve
