// HTTP over TLS, with the certificate that gRPC has.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/http/http_listener.h"
#include "tests/serve/http_server_fixture.h"

namespace fluke::serve {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

// A folder with a key and a certificate for "localhost" that it signed itself.
class SelfSigned {
 public:
  SelfSigned() {
    std::string folder = (fs::temp_directory_path() / "fluke_tls_XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no scratch folder");
    folder_ = folder;
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_sign(certificate, key, EVP_sha256());
    std::FILE* file = std::fopen(certificate_file().c_str(), "w");
    PEM_write_X509(file, certificate);
    std::fclose(file);
    file = std::fopen(key_file().c_str(), "w");
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  ~SelfSigned() { fs::remove_all(folder_); }

  std::string certificate_file() const { return folder_ / "certificate.pem"; }
  std::string key_file() const { return folder_ / "key.pem"; }

 private:
  fs::path folder_;
};

struct TlsListener {
  explicit TlsListener(const std::string& client_ca = "")
      : listener(
            OptionsOf(files, client_ca),
            [](const httplib::Request&, httplib::Response&) { return false; },
            [](const httplib::Request& request, httplib::Response& response) {
              response.set_content(request.body.empty() ? "hello" : request.body, "text/plain");
            }) {}

  static HttpListenerOptions OptionsOf(const SelfSigned& files, const std::string& client_ca) {
    HttpListenerOptions options;
    options.host = "127.0.0.1";
    options.threads = 1;
    options.certificate = files.certificate_file();
    options.private_key = files.key_file();
    options.client_ca = client_ca == "self" ? files.certificate_file() : client_ca;
    options.limits.headers = seconds(2);
    return options;
  }

  SelfSigned files;
  HttpListener listener;
};

TEST(HttpTls, AnswersThoseWhoTrustItsCertificate) {
  TlsListener tls;
  httplib::SSLClient client("127.0.0.1", tls.listener.port());
  client.set_keep_alive(true);
  client.enable_server_certificate_verification(false);
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.Get("/");
    ASSERT_TRUE(answer) << httplib::to_string(answer.error());
    EXPECT_EQ(answer->body, "hello");
  }
  const std::string large(1 << 20, 'a');
  const auto echoed = client.Post("/", large, "text/plain");
  ASSERT_TRUE(echoed);
  EXPECT_EQ(echoed->body, large);
  httplib::SSLClient stranger("127.0.0.1", tls.listener.port());
  stranger.enable_server_certificate_verification(true);
  EXPECT_FALSE(stranger.Get("/"));
}

TEST(HttpTls, TakesOnlyClientsOfItsCa) {
  TlsListener tls("self");
  httplib::SSLClient known("127.0.0.1", tls.listener.port(), tls.files.certificate_file(),
                           tls.files.key_file());
  known.enable_server_certificate_verification(false);
  ASSERT_TRUE(known.Get("/"));
  httplib::SSLClient unknown("127.0.0.1", tls.listener.port());
  unknown.enable_server_certificate_verification(false);
  EXPECT_FALSE(unknown.Get("/"));
}

TEST(HttpTls, GivesUpOnHandshakesThatDoNotEnd) {
  TlsListener tls;
  RawConnection silent(tls.listener.port());
  EXPECT_EQ(silent.Receive(), "");
  RawConnection plain(tls.listener.port());
  plain.Send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(plain.Receive(), ::testing::Not(::testing::HasSubstr("HTTP/1.1 200")));
}

TEST(HttpTls, RefusesACertificateThatCannotBeUsed) {
  const SelfSigned files, others;
  HttpListenerOptions options = TlsListener::OptionsOf(files, "");
  options.private_key = others.key_file();
  const auto nothing = [](const httplib::Request&, httplib::Response&) { return false; };
  EXPECT_THROW(HttpListener(options, nothing, nothing), Error);
  options.certificate = "/nonexistent";
  EXPECT_THROW(HttpListener(options, nothing, nothing), Error);
}

}  // namespace
}  // namespace fluke::serve
