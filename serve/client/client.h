// A client of a server's galleries and collections, for the program's verbs and for tests.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "fluke/v1/collections.pb.h"
#include "fluke/v1/retrieval.pb.h"
#include "serve/client/client_options.h"

namespace fluke::serve {

// Thread-safe. Every call throws fluke::Error with the code and message of the server's status;
// UNAVAILABLE names the address.
class RetrievalClient {
 public:
  // Connects on the first call. Throws for certificates, keys and API keys that cannot be used.
  RetrievalClient(const std::string& address, const ClientOptions& options);
  // Plain, without a key.
  RetrievalClient(const std::string& address, std::chrono::milliseconds timeout);
  ~RetrievalClient();
  RetrievalClient(const RetrievalClient&) = delete;
  RetrievalClient& operator=(const RetrievalClient&) = delete;

  v1::SearchResponse Search(const v1::SearchRequest& request) const;
  v1::SearchBatchResponse SearchBatch(const v1::SearchBatchRequest& request) const;
  v1::SearchGroupsResponse SearchGroups(const v1::SearchGroupsRequest& request) const;
  v1::IdentifyResponse Identify(const v1::IdentifyRequest& request) const;
  v1::MatchResponse Match(const v1::MatchRequest& request) const;
  v1::EmbedResponse Embed(const v1::EmbedRequest& request) const;
  v1::UpsertResponse Upsert(const v1::UpsertRequest& request) const;
  v1::UpdateResponse Update(const v1::UpdateRequest& request) const;
  v1::DeleteResponse Delete(const v1::DeleteRequest& request) const;
  v1::GetResponse Get(const v1::GetRequest& request) const;
  v1::ScrollResponse Scroll(const v1::ScrollRequest& request) const;
  v1::CountResponse Count(const v1::CountRequest& request) const;
  v1::FacetResponse Facet(const v1::FacetRequest& request) const;
  v1::DescribeResponse Describe(const std::string& collection = "") const;

  v1::Collection CreateCollection(const v1::CreateCollectionRequest& request) const;
  v1::Collection DescribeCollection(const std::string& name) const;
  v1::ListCollectionsResponse ListCollections(const v1::ListCollectionsRequest& request) const;
  void DropCollection(const std::string& name) const;
  v1::UpdateAliasesResponse UpdateAliases(const v1::UpdateAliasesRequest& request) const;
  v1::SnapshotCollectionResponse SnapshotCollection(const std::string& name) const;
  v1::Collection ReloadCollection(const std::string& name) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace fluke::serve
