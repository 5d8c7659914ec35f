// TLS and mTLS, with certificates of the tests' own; and files that are none.
#include "serve/access/tls.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files.h"
#include "serve/client/client.h"
#include "tests/common/scratch.h"
#include "tests/serve/certificates.h"
#include "tests/serve/logged_lines.h"
#include "tests/serve/running_server.h"

namespace fluke::serve {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Tls : public ::testing::Test {
 protected:
  Tls() {
    Write("ca.pem", authority_.CertificatePem());
    Write("server.pem", server_.CertificatePem());
    Write("server.key", server_.KeyPem());
    Write("client.pem", client_.CertificatePem());
    Write("client.key", client_.KeyPem());
    Write("other_ca.pem", other_authority_.CertificatePem());
    const Identity stranger = MakeIdentity("stranger", &other_authority_);
    Write("stranger.pem", stranger.CertificatePem());
    Write("stranger.key", stranger.KeyPem());
  }
  void Write(const std::string& name, const std::string& text) {
    WriteFileAtomically(folder_ / name, text);
  }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  v1::ServeConfig Config(bool mutual = false) const {
    v1::ServeConfig config = LoopbackConfig();
    config.mutable_access()->set_certificate(Path("server.pem"));
    config.mutable_access()->set_private_key(Path("server.key"));
    if (mutual) config.mutable_access()->set_client_ca(Path("ca.pem"));
    return config;
  }
  // The code of a search by such a client.
  static absl::StatusCode Ask(const std::string& address, ClientOptions options) {
    options.timeout = std::chrono::seconds(10);
    try {
      RetrievalClient(address, options).Search(VectorRequest({1, 0, 0}));
      return absl::StatusCode::kOk;
    } catch (const Error& error) {
      return error.code();
    }
  }

  const Identity authority_ = MakeIdentity("authority");
  const Identity other_authority_ = MakeIdentity("other authority");
  const Identity server_ = MakeIdentity("server", &authority_, "DNS:whales.test,IP:127.0.0.1");
  const Identity client_ = MakeIdentity("client", &authority_);
  const Scratch folder_;
};

TEST_F(Tls, AClientThatBelievesTheAuthorityIsAnswered) {
  RunningServer running(Config());
  EXPECT_EQ(Ask(running.server.address(), {.ca = Path("ca.pem")}), absl::StatusCode::kOk);
  EXPECT_EQ(Ask(running.server.address(), {.ca = Path("ca.pem"), .server_name = "whales.test"}),
            absl::StatusCode::kOk);
}

TEST_F(Tls, AClientThatDoesNotBelieveTheServerHangsUp) {
  RunningServer running(Config());
  const std::string& address = running.server.address();
  const auto unavailable = absl::StatusCode::kUnavailable;
  EXPECT_EQ(Ask(address, {.ca = Path("other_ca.pem")}), unavailable);
  EXPECT_EQ(Ask(address, {.ca = Path("ca.pem"), .server_name = "squids.test"}), unavailable);
  EXPECT_EQ(Ask(address, {.tls = true}), unavailable);  // the system knows no such authority
  EXPECT_EQ(Ask(address, {}), unavailable);             // not TLS at all
}

TEST_F(Tls, MutualTlsWantsACertificateOfTheAuthority) {
  RunningServer running(Config(/*mutual=*/true));
  const std::string& address = running.server.address();
  const auto unavailable = absl::StatusCode::kUnavailable;
  EXPECT_EQ(Ask(address, {.ca = Path("ca.pem"),
                          .certificate = Path("client.pem"),
                          .private_key = Path("client.key")}),
            absl::StatusCode::kOk);
  EXPECT_EQ(Ask(address, {.ca = Path("ca.pem")}), unavailable);
  EXPECT_EQ(Ask(address, {.ca = Path("ca.pem"),
                          .certificate = Path("stranger.pem"),
                          .private_key = Path("stranger.key")}),
            unavailable);
}

TEST_F(Tls, KeysAreWantedBehindTlsAsWell) {
  v1::ServeConfig config = Config();
  v1::ApiKey& key = *config.mutable_access()->add_key();
  key.set_name("looker");
  // printf reader | sha256sum
  key.set_sha256("3d0941964aa3ebdcb00ccef58b1bb399f9f898465e9886d5aec7f31090a0fb30");
  RunningServer running(config);
  EXPECT_EQ(Ask(running.server.address(), {.ca = Path("ca.pem")}),
            absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Ask(running.server.address(), {.api_key = "reader", .ca = Path("ca.pem")}),
            absl::StatusCode::kOk);
}

TEST_F(Tls, WhatIsWrongWithTheServersFilesIsSaidAtItsStart) {
  Write("empty.pem", "");
  Write("text.pem", "not a certificate\n");
  std::string damaged = server_.CertificatePem();
  damaged[damaged.size() / 2] = '!';
  Write("damaged.pem", damaged);
  Write("encrypted.key", server_.KeyPem("secret"));
  const auto refusal = [&](const std::function<void(v1::Access*)>& spoil) {
    v1::Access config = Config(/*mutual=*/true).access();
    spoil(&config);
    return std::string(ErrorOf([&] { MakeServerCredentials(config); }).what());
  };
  for (const std::string file : {"missing.pem", "empty.pem", "text.pem", "damaged.pem"}) {
    EXPECT_THAT(refusal([&](v1::Access* access) { access->set_certificate(Path(file)); }),
                AllOf(HasSubstr("access.certificate"), HasSubstr(file)));
    EXPECT_THAT(refusal([&](v1::Access* access) { access->set_private_key(Path(file)); }),
                AllOf(HasSubstr("access.private_key"), HasSubstr(file)));
    EXPECT_THAT(refusal([&](v1::Access* access) { access->set_client_ca(Path(file)); }),
                AllOf(HasSubstr("access.client_ca"), HasSubstr(file)));
  }
  EXPECT_THAT(
      refusal([&](v1::Access* access) { access->set_private_key(Path("client.key")); }),
      AllOf(HasSubstr("client.key"), HasSubstr("is not the key of"), HasSubstr("server.pem")));
  EXPECT_THAT(refusal([&](v1::Access* access) { access->set_private_key(Path("encrypted.key")); }),
              HasSubstr("without a passphrase"));
  EXPECT_THAT(refusal([&](v1::Access* access) { access->clear_private_key(); }),
              HasSubstr("access.certificate is given without access.private_key"));
  EXPECT_THAT(refusal([&](v1::Access* access) { access->clear_certificate(); }),
              HasSubstr("access.private_key is given without access.certificate"));
  EXPECT_THAT(refusal([&](v1::Access* access) {
                access->clear_certificate();
                access->clear_private_key();
              }),
              HasSubstr("access.client_ca is given without access.certificate"));
}

TEST_F(Tls, AnExpiredCertificateIsWarnedOf) {
  Write("old.pem", MakeIdentity("old", nullptr, "", -3600).CertificatePem());
  v1::Access config = Config().access();
  config.set_client_ca(Path("old.pem"));
  LoggedLines lines;
  MakeServerCredentials(config);
  EXPECT_THAT(lines.Take(), AllOf(HasSubstr("old.pem"), HasSubstr("has expired")));
}

TEST_F(Tls, WhatIsWrongWithTheClientsFilesIsSaidBeforeItConnects) {
  const auto refusal = [&](const ClientOptions& options) {
    return std::string(ErrorOf([&] { RetrievalClient("127.0.0.1:1", options); }).what());
  };
  EXPECT_THAT(refusal({.ca = Path("missing.pem")}), HasSubstr("missing.pem"));
  EXPECT_THAT(refusal({.certificate = Path("client.pem")}), HasSubstr("without its key"));
  EXPECT_THAT(refusal({.certificate = Path("client.pem"), .private_key = Path("server.key")}),
              HasSubstr("is not the key of"));
}

}  // namespace
}  // namespace fluke::serve
