// Keys, roles and rates: the rules themselves, then a running server that obeys them.
#include "serve/access/access.h"

#include <fstream>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "serve/access/request_id.h"
#include "serve/client/client.h"
#include "tests/common/scratch.h"
#include "tests/serve/logged_lines.h"
#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;

// printf abc | sha256sum; FIPS 180-2, appendix B.1.
constexpr char kAbcHash[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
// printf KEY | sha256sum
constexpr char kReaderHash[] = "3d0941964aa3ebdcb00ccef58b1bb399f9f898465e9886d5aec7f31090a0fb30";

void AddKey(v1::Access* config, const std::string& name, const std::string& key,
            const std::string& role) {
  v1::ApiKey& added = *config->add_key();
  added.set_name(name);
  added.set_sha256(HexOf(HashOfKey(key)));
  added.set_role(role);
}

v1::Access ThreeKeys() {
  v1::Access config;
  AddKey(&config, "looker", "reader", "read");
  AddKey(&config, "curator", "writer", "write");
  AddKey(&config, "owner", "boss", "admin");
  return config;
}

constexpr Method kSearch{"Retrieval/Search", Right::kRead};
constexpr Method kUpsert{"Retrieval/Upsert", Right::kWrite};
constexpr Method kDrop{"Collections/DropCollection", Right::kAdmin};

CallHeaders WithKey(std::string_view key) {
  return {.api_key = key, .peer = "ipv4:10.0.0.7:41234"};
}

TEST(ApiKey, HashIsSha256) {
  EXPECT_EQ(HexOf(HashOfKey("abc")), kAbcHash);
  EXPECT_EQ(HexOf(HashOfKey("reader")), kReaderHash);
  EXPECT_EQ(HashFromHex(kAbcHash), HashOfKey("abc"));
  EXPECT_FALSE(HashFromHex("abc").has_value());
  EXPECT_FALSE(HashFromHex(std::string(63, 'a') + "g").has_value());
  EXPECT_FALSE(HashFromHex(std::string(66, 'a')).has_value());
}

TEST(ApiKey, NewOnesAre256BitsEachAnother) {
  const std::string key = NewApiKey();
  EXPECT_THAT(key, MatchesRegex("fluke_[0-9a-f]+"));
  EXPECT_THAT(key, SizeIs(6 + 64));
  EXPECT_NE(key, NewApiKey());
}

TEST(Access, EachRoleMayDoWhatThoseBelowItMay) {
  Access access(ThreeKeys());
  const auto code = [&](const Method& method, std::string_view key) {
    return access.Admit(method, WithKey(key)).status.code();
  };
  const auto ok = absl::StatusCode::kOk, denied = absl::StatusCode::kPermissionDenied;
  EXPECT_EQ(code(kSearch, "reader"), ok);
  EXPECT_EQ(code(kUpsert, "reader"), denied);
  EXPECT_EQ(code(kDrop, "reader"), denied);
  EXPECT_EQ(code(kSearch, "writer"), ok);
  EXPECT_EQ(code(kUpsert, "writer"), ok);
  EXPECT_EQ(code(kDrop, "writer"), denied);
  EXPECT_EQ(code(kSearch, "boss"), ok);
  EXPECT_EQ(code(kUpsert, "boss"), ok);
  EXPECT_EQ(code(kDrop, "boss"), ok);
}

TEST(Access, ADenialNamesTheRoleThatIsNeeded) {
  Access access(ThreeKeys());
  const Admission denied = access.Admit(kDrop, WithKey("writer"));
  EXPECT_EQ(denied.status.message(),
            "Collections/DropCollection needs a key of the role admin; 'curator' has the role "
            "write");
  EXPECT_EQ(denied.caller.name, "curator");
}

TEST(Access, TakesTheKeyFromEitherHeader) {
  Access access(ThreeKeys());
  for (const std::string header : {"Bearer reader", "bearer reader", "BEARER  reader"}) {
    const Admission admission = access.Admit(kSearch, {.authorization = header});
    EXPECT_TRUE(admission.status.ok()) << header;
    EXPECT_EQ(admission.caller.name, "looker");
  }
  // A proxy's own credentials do not hide it.
  EXPECT_TRUE(
      access.Admit(kSearch, {.authorization = "Basic YTpi", .api_key = "reader"}).status.ok());
}

TEST(Access, WithoutAKnownKeyACallIsUnauthenticated) {
  Access access(ThreeKeys());
  const std::string hash(kReaderHash);
  for (const CallHeaders& headers :
       {CallHeaders{}, CallHeaders{.authorization = "reader"},
        CallHeaders{.authorization = "Bearer"}, CallHeaders{.authorization = "Bearer "},
        CallHeaders{.authorization = "Basic reader"}, CallHeaders{.api_key = "Reader"},
        CallHeaders{.api_key = "reader "}, CallHeaders{.api_key = hash},
        CallHeaders{.api_key = "looker"}}) {
    const Admission admission = access.Admit(kSearch, headers);
    EXPECT_EQ(admission.status.code(), absl::StatusCode::kUnauthenticated)
        << headers.authorization << headers.api_key;
    EXPECT_EQ(admission.caller.name, "");
  }
}

TEST(Access, WithoutKeysEverybodyMayDoEverything) {
  Access access(v1::Access{});
  const Admission admission = access.Admit(kDrop, {.peer = "ipv4:10.0.0.7:41234"});
  EXPECT_TRUE(admission.status.ok());
  EXPECT_EQ(admission.caller.name, "10.0.0.7");
}

TEST(Access, RefusesKeysThatAreNone) {
  const auto refusal = [](const std::function<void(v1::Access*)>& spoil) {
    v1::Access config = ThreeKeys();
    spoil(&config);
    const Error error = ErrorOf([&] { Access access(config); });
    EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
    return std::string(error.what());
  };
  EXPECT_THAT(refusal([](v1::Access* config) { config->mutable_key(1)->set_sha256("12ab"); }),
              AllOf(HasSubstr("'curator'"), HasSubstr("64 hex digits")));
  EXPECT_THAT(
      refusal([](v1::Access* config) { config->mutable_key(1)->set_sha256(std::string(64, 'x')); }),
      HasSubstr("'curator'"));
  EXPECT_THAT(refusal([](v1::Access* config) { config->mutable_key(2)->set_name("looker"); }),
              AllOf(HasSubstr("'looker'"), HasSubstr("two keys")));
  EXPECT_THAT(refusal([](v1::Access* config) {
                config->mutable_key(2)->set_sha256(config->key(0).sha256());
              }),
              AllOf(HasSubstr("'owner'"), HasSubstr("same sha256")));
  EXPECT_THAT(refusal([](v1::Access* config) { config->mutable_key(0)->set_role("wirte"); }),
              AllOf(HasSubstr("'looker'"), HasSubstr("did you mean 'write'")));
  EXPECT_THAT(refusal([](v1::Access* config) { config->mutable_key(0)->set_name("a\nb"); }),
              HasSubstr("printable"));
}

TEST(Access, RatesAreOfEachKeyAndAKeyMayHaveItsOwn) {
  v1::Access config = ThreeKeys();
  config.set_requests_per_second(1);
  config.set_burst(2);
  config.mutable_key(1)->set_requests_per_second(4);
  std::chrono::steady_clock::time_point now{std::chrono::hours(1)};
  Access access(config, [&] { return now; });
  const auto wait_ms = [&](std::string_view key) {
    return access.Admit(kSearch, WithKey(key)).retry_after.count();
  };
  EXPECT_EQ(wait_ms("reader"), 0);
  EXPECT_EQ(wait_ms("reader"), 0);
  EXPECT_EQ(wait_ms("reader"), 1000);
  EXPECT_EQ(wait_ms("writer"), 0);
  EXPECT_EQ(wait_ms("writer"), 0);
  EXPECT_EQ(wait_ms("writer"), 250);
  const Admission over = access.Admit(kSearch, WithKey("reader"));
  EXPECT_EQ(over.status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(over.status.message(), "too many requests; try again in 1.000 s");
  now += std::chrono::seconds(1);
  EXPECT_EQ(wait_ms("reader"), 0);
}

TEST(Access, WithoutKeysRatesAreOfAddresses) {
  v1::Access config;
  config.set_requests_per_second(1);
  Access access(config);
  EXPECT_TRUE(access.Admit(kSearch, {.peer = "ipv4:10.0.0.7:1"}).status.ok());
  EXPECT_FALSE(access.Admit(kSearch, {.peer = "ipv4:10.0.0.7:2"}).status.ok());
  EXPECT_TRUE(access.Admit(kSearch, {.peer = "ipv4:10.0.0.8:1"}).status.ok());
}

TEST(AddressOf, IsThatOfTheConnection) {
  const auto address = [](std::string_view peer) {
    return AddressOf({.forwarded_for = "6.6.6.6", .peer = peer});
  };
  EXPECT_EQ(address("ipv4:10.0.0.7:41234"), "10.0.0.7");
  EXPECT_EQ(address("ipv6:%5B2001:db8::1%5D:41234"), "2001:db8::1");
  EXPECT_EQ(address("ipv6:[::1]:41234"), "::1");
  EXPECT_EQ(address("unix:/run/fluke.sock"), "unix");
  EXPECT_EQ(address("unix:"), "unix");
}

TEST(AddressOf, BelievesTheServersOwnGatewayAlone) {
  EXPECT_EQ(AddressOf({.forwarded_for = "10.0.0.9", .peer = "unknown"}), "10.0.0.9");
  EXPECT_EQ(AddressOf({.forwarded_for = "10.0.0.9", .peer = "inproc"}), "10.0.0.9");
  EXPECT_EQ(AddressOf({.peer = "unknown"}), "in-process");
  EXPECT_EQ(AddressOf({.forwarded_for = "a\nb", .peer = "unknown"}), "in-process");
  EXPECT_EQ(AddressOf({.forwarded_for = std::string(1000, 'a'), .peer = "unknown"}), "in-process");
}

TEST(ListensOnLoopback, KnowsTheWaysToSayIt) {
  for (const char* listen : {"127.0.0.1:50051", "127.1.2.3:0", "localhost:1", "[::1]:1",
                             "unix:/run/fluke.sock", "ipv4:127.0.0.1:1"}) {
    EXPECT_TRUE(ListensOnLoopback(listen)) << listen;
  }
  for (const char* listen : {"0.0.0.0:50051", "[::]:50051", ":50051", "10.0.0.7:1", "whales.org:1",
                             "localhost.whales.org:1", "1127.0.0.1:1"}) {
    EXPECT_FALSE(ListensOnLoopback(listen)) << listen;
  }
}

TEST(ExposureWarnings, AreOfWhatOthersMayReach) {
  v1::Access open;
  EXPECT_THAT(ExposureWarnings("127.0.0.1:1", open), IsEmpty());
  EXPECT_THAT(ExposureWarnings("0.0.0.0:1", open),
              ElementsAre(HasSubstr("without TLS"), HasSubstr("without API keys")));
  v1::Access closed = ThreeKeys();
  closed.set_certificate("tls.crt");
  EXPECT_THAT(ExposureWarnings("0.0.0.0:1", closed), IsEmpty());
}

TEST(RequestId, IsTheCallersWhereItIsShortAndPrintable) {
  EXPECT_EQ(UsableRequestId("order 66/b"), "order 66/b");
  EXPECT_EQ(UsableRequestId(std::string(128, 'a')), std::string(128, 'a'));
  EXPECT_EQ(UsableRequestId(std::string(129, 'a')), "");
  EXPECT_EQ(UsableRequestId("a\nb"), "");
  EXPECT_EQ(UsableRequestId("Wal\xc3\xb6"), "");
  EXPECT_THAT(NewRequestId(), MatchesRegex("[0-9a-f]+"));
  EXPECT_THAT(NewRequestId(), SizeIs(16));
  EXPECT_NE(NewRequestId(), NewRequestId());
}

// ---- A running server

v1::ServeConfig KeyedConfig() {
  v1::ServeConfig config = LoopbackConfig();
  *config.mutable_access() = ThreeKeys();
  return config;
}

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Reply {
  grpc::Status status;
  std::string request_id;      // of the initial metadata
  std::string retry_after_ms;  // of the trailing metadata
};

// A call over any channel, with these headers.
template <typename Request, typename Response>
Reply Call(const std::shared_ptr<grpc::Channel>& channel,
           grpc::Status (v1::Retrieval::Stub::*method)(grpc::ClientContext*, const Request&,
                                                       Response*),
           const Request& request, const Headers& headers) {
  const auto stub = v1::Retrieval::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  for (const auto& [name, value] : headers) context.AddMetadata(name, value);
  Response response;
  Reply reply;
  reply.status = (stub.get()->*method)(&context, request, &response);
  const auto value = [](const auto& metadata, const char* name) {
    const auto found = metadata.find(name);
    return found == metadata.end() ? std::string()
                                   : std::string(found->second.data(), found->second.size());
  };
  reply.request_id = value(context.GetServerInitialMetadata(), "x-request-id");
  reply.retry_after_ms = value(context.GetServerTrailingMetadata(), "retry-after-ms");
  return reply;
}

Reply Search(const RunningServer& running, const Headers& headers) {
  return Call(running.channel, &v1::Retrieval::Stub::Search, VectorRequest({1, 0, 0}), headers);
}

TEST(KeyedServer, AnswersCallersWithAKey) {
  RunningServer running(KeyedConfig());
  EXPECT_TRUE(Search(running, {{"api-key", "reader"}}).status.ok());
  EXPECT_TRUE(Search(running, {{"authorization", "Bearer boss"}}).status.ok());
  EXPECT_EQ(Search(running, {}).status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Search(running, {{"api-key", "guess"}}).status.error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
}

TEST(KeyedServer, EveryMethodOfTheServiceWantsAKey) {
  RunningServer running(KeyedConfig());
  const auto* service = v1::SearchRequest::descriptor()->file()->service(0);
  ASSERT_EQ(service->full_name(), "fluke.v1.Retrieval");
  for (int i = 0; i < service->method_count(); ++i) {
    const auto* method = service->method(i);
    if (method->client_streaming()) continue;
    const grpc::Status status = running.CallRaw("/fluke.v1.Retrieval/" + method->name(), "");
    EXPECT_THAT(status.error_code(),
                testing::AnyOf(grpc::StatusCode::UNAUTHENTICATED, grpc::StatusCode::UNIMPLEMENTED))
        << method->name();
  }
}

TEST(KeyedServer, AReaderChangesNothing) {
  RunningServer running(KeyedConfig());
  const Headers reader{{"api-key", "reader"}};
  const Reply upsert =
      Call(running.channel, &v1::Retrieval::Stub::Upsert, v1::UpsertRequest(), reader);
  EXPECT_EQ(upsert.status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(upsert.status.error_message(), HasSubstr("role write"));
  EXPECT_EQ(Call(running.channel, &v1::Retrieval::Stub::Delete, v1::DeleteRequest(), reader)
                .status.error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST(KeyedServer, HealthStaysOpenAndReflectionDoesNot) {
  RunningServer running(KeyedConfig());
  EXPECT_TRUE(running.CallRaw("/grpc.health.v1.Health/Check", "").ok());
  const std::string reflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  EXPECT_EQ(running.CallRaw(reflection, "").error_code(), grpc::StatusCode::UNIMPLEMENTED);
  v1::ServeConfig config = KeyedConfig();
  config.set_reflection(true);
  RunningServer reflecting(config);
  EXPECT_NE(reflecting.CallRaw(reflection, "").error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST(KeyedServer, TheClientShowsItsKey) {
  RunningServer running(KeyedConfig());
  const RetrievalClient client(running.server.address(), {.api_key = "reader"});
  EXPECT_EQ(client.Search(VectorRequest({1, 0, 0})).hits(0).id(), "north");
  EXPECT_EQ(client.Describe().size(), 4);
  EXPECT_EQ(ErrorOf([&] { client.Delete(v1::DeleteRequest()); }).code(),
            absl::StatusCode::kPermissionDenied);
  const RetrievalClient stranger(running.server.address(), ClientOptions());
  EXPECT_EQ(ErrorOf([&] { stranger.Describe(); }).code(), absl::StatusCode::kUnauthenticated);
}

TEST(Client, RefusesAKeyThatNoHeaderCanCarry) {
  for (const std::string key : {"a b", "a\n", "schl\xc3\xbcssel"}) {
    EXPECT_EQ(ErrorOf([&] { RetrievalClient("127.0.0.1:1", {.api_key = key}); }).code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(LimitedServer, SaysHowLongToWait) {
  v1::ServeConfig config = LoopbackConfig();
  config.mutable_access()->set_requests_per_second(0.01);
  RunningServer running(config);
  EXPECT_TRUE(Search(running, {}).status.ok());
  const Reply over = Search(running, {});
  EXPECT_EQ(over.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(over.status.error_message(), HasSubstr("try again in"));
  const int wait_ms = std::stoi(over.retry_after_ms);
  EXPECT_GT(wait_ms, 60'000);
  EXPECT_LE(wait_ms, 100'000);
  // Health is asked by machines, as often as they like.
  EXPECT_TRUE(running.CallRaw("/grpc.health.v1.Health/Check", "").ok());
}

TEST(LimitedServer, AForwardedAddressCountsFromTheProcessItselfAlone) {
  v1::ServeConfig config = LoopbackConfig();
  config.mutable_access()->set_requests_per_second(0.01);
  RunningServer running(config);
  const auto search = [&](const std::shared_ptr<grpc::Channel>& channel, const std::string& from) {
    return Call(channel, &v1::Retrieval::Stub::Search, VectorRequest({1, 0, 0}),
                {{"x-forwarded-for", from}})
        .status.ok();
  };
  EXPECT_TRUE(search(running.channel, "10.0.0.1"));
  EXPECT_FALSE(search(running.channel, "10.0.0.2"));
  const auto gateway = running.server.InProcessChannel();
  EXPECT_TRUE(search(gateway, "10.0.0.1"));
  EXPECT_TRUE(search(gateway, "10.0.0.2"));
  EXPECT_FALSE(search(gateway, "10.0.0.1"));
}

TEST(RequestIds, ComeBackOrAreMade) {
  RunningServer running(KeyedConfig());
  EXPECT_EQ(Search(running, {{"api-key", "reader"}, {"x-request-id", "order 66"}}).request_id,
            "order 66");
  EXPECT_EQ(Search(running, {{"x-request-id", "refused"}}).request_id, "refused");
  const std::string made = Search(running, {{"api-key", "reader"}}).request_id;
  EXPECT_THAT(made, SizeIs(16));
  EXPECT_NE(
      Search(running, {{"api-key", "reader"}, {"x-request-id", std::string(200, 'a')}}).request_id,
      std::string(200, 'a'));
}

TEST(CallLog, HasALineForEachCallAtDebugLevel) {
  LoggedLines lines(spdlog::level::debug);
  RunningServer running(KeyedConfig());
  Search(running, {{"api-key", "reader"}, {"x-request-id", "r1"}});
  Search(running, {{"x-request-id", "r2"}});
  running.server.Stop(std::chrono::seconds(10));  // no call is left
  const std::string text = lines.Take();
  EXPECT_THAT(text, HasSubstr("call request=\"r1\" method=Retrieval/Search caller=\"looker\" "
                              "code=OK ms="));
  EXPECT_THAT(text, HasSubstr("request=\"r2\" method=Retrieval/Search caller=\"127.0.0.1\" "
                              "code=UNAUTHENTICATED"));
  EXPECT_THAT(text, Not(HasSubstr("reader")));  // the key itself
}

TEST(CallLog, AFaultIsToldWithTheRequestIdThatTheCallerGot) {
  LoggedLines lines;
  RunningServer running;
  running.index->fault = [](std::span<const float>) { DataLoss("/srv/index/x.npy: damaged"); };
  const Reply reply = Search(running, {{"x-request-id", "r7"}});
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(reply.status.error_message(), "search failed; the server's log says why (request r7)");
  running.server.Stop(std::chrono::seconds(10));
  EXPECT_THAT(lines.Take(), HasSubstr("call request=\"r7\" method=Retrieval/Search "
                                      "caller=\"127.0.0.1\" code=INTERNAL ms="));
}

TEST(AuditedServer, WritesOfCallsThatChangeSomething) {
  const Scratch folder;
  const std::string path = (folder / "audit.jsonl").string();
  v1::ServeConfig config = KeyedConfig();
  config.mutable_access()->set_audit_log(path);
  {
    const auto live = std::make_shared<FakeLiveIndex>();
    RetrievalServer server(live, nullptr, config);
    const auto channel = grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials());
    const auto remove = [&](const std::string& id, const Headers& headers) {
      v1::DeleteRequest request;
      request.add_ids(id);
      return Call(channel, &v1::Retrieval::Stub::Delete, request, headers).status.error_code();
    };
    EXPECT_EQ(remove("up", {{"api-key", "writer"}, {"x-request-id", "r1"}}), grpc::StatusCode::OK);
    EXPECT_EQ(remove("up", {{"api-key", "reader"}, {"x-request-id", "r2"}}),
              grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_EQ(remove("up", {{"x-request-id", "r3"}}), grpc::StatusCode::UNAUTHENTICATED);
    Call(channel, &v1::Retrieval::Stub::Search, VectorRequest({1, 0, 0}),
         {{"api-key", "writer"}, {"x-request-id", "r4"}});
    v1::DeleteRequest elsewhere;
    elsewhere.add_ids("up");
    elsewhere.set_collection("south");
    Call(channel, &v1::Retrieval::Stub::Delete, elsewhere,
         {{"api-key", "boss"}, {"x-request-id", "r5"}});
    server.Stop(std::chrono::seconds(10));
  }
  std::ifstream file(path);
  std::vector<std::string> told;
  for (std::string line; std::getline(file, line);) {
    const auto entry = nlohmann::json::parse(line);
    told.push_back(
        StrCat(entry["request"].get<std::string>(), " ", entry["caller"].get<std::string>(), " ",
               entry["method"].get<std::string>(), " ", entry["collection"].get<std::string>(), " ",
               entry["code"].get<std::string>()));
  }
  EXPECT_THAT(told, testing::UnorderedElementsAre("r1 curator Retrieval/Delete  OK",
                                                  "r2 looker Retrieval/Delete  PERMISSION_DENIED",
                                                  "r5 owner Retrieval/Delete south NOT_FOUND"));
}

TEST(AuditedServer, DoesNotStartWithoutItsAuditLog) {
  const Scratch folder;
  v1::ServeConfig config = LoopbackConfig();
  config.mutable_access()->set_audit_log((folder / "missing/audit.jsonl").string());
  const Error error =
      ErrorOf([&] { RetrievalServer server(std::make_shared<FakeIndex>(), nullptr, config); });
  EXPECT_THAT(error.what(), HasSubstr("missing/audit.jsonl"));
}

TEST(Connections, HeadersBeyondTheLimitAreRefusedAndOtherClientsDoNotNotice) {
  RunningServer running;
  const RetrievalClient other(running.server.address(), ClientOptions());  // has its own connection
  EXPECT_EQ(other.Describe().size(), 4);
  EXPECT_FALSE(Search(running, {{"x-junk", std::string(100'000, 'a')}}).status.ok());
  EXPECT_EQ(other.Describe().size(), 4);
  EXPECT_EQ(running.index->calls, 0);
}

}  // namespace
}  // namespace fluke::serve
