#include "serve/access/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <string_view>
#include <vector>

#include <spdlog/spdlog.h>

#include "absl/strings/match.h"
#include "common/error.h"
#include "common/files.h"

namespace fluke::serve {
namespace {

constexpr uint64_t kMaxPemBytes = 4 << 20;

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

// A file that an option names, in errors "access.certificate (/etc/fluke/tls.crt)".
struct PemFile {
  PemFile(std::string_view option, const std::string& path)
      : name(StrCat(option, " (", path, ")")) {
    try {
      text = ReadFile(path, kMaxPemBytes);
    } catch (const Error& error) {
      Throw(error.code(), option, ": ", error.what());
    }
  }
  Owned<BIO> Open() const {
    return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  }

  std::string name, text;
};

// At least one.
std::vector<Owned<X509>> CertificatesIn(const PemFile& file) {
  const Owned<BIO> bio = file.Open();
  std::vector<Owned<X509>> certificates;
  ERR_clear_error();
  for (;;) {
    Owned<X509> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (certificate == nullptr) break;
    certificates.push_back(std::move(certificate));
  }
  // The end of the file is an error, too.
  const bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!is_end) InvalidArgument(file.name, ": damaged, expected certificates in PEM");
  if (certificates.empty()) {
    InvalidArgument(file.name, ": expected certificates in PEM (BEGIN CERTIFICATE), found none");
  }
  return certificates;
}

Owned<EVP_PKEY> PrivateKeyIn(const PemFile& file) {
  const Owned<BIO> bio = file.Open();
  // Nobody is there to be asked for a passphrase.
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (key != nullptr) return key;
  if (absl::StrContains(file.text, "ENCRYPTED")) {
    InvalidArgument(file.name, ": is encrypted, expected a private key without a passphrase");
  }
  InvalidArgument(file.name, ": expected a private key in PEM, found none that can be read");
}

void WarnOfDates(const PemFile& file, const X509& certificate) {
  if (X509_cmp_current_time(X509_get0_notAfter(&certificate)) < 0) {
    spdlog::warn("{}: has expired", file.name);
  } else if (X509_cmp_current_time(X509_get0_notBefore(&certificate)) > 0) {
    spdlog::warn("{}: is not valid yet", file.name);
  }
}

struct Pair {
  std::string certificate, private_key;  // PEM
};

// The names are of options: "access.certificate".
Pair ReadPair(std::string_view certificate_option, const std::string& certificate_path,
              std::string_view key_option, const std::string& key_path) {
  if (certificate_path.empty() != key_path.empty()) {
    const bool has_certificate = key_path.empty();
    InvalidArgument(has_certificate ? certificate_option : key_option, " is given without ",
                    has_certificate ? key_option : certificate_option);
  }
  if (certificate_path.empty()) return {};
  const PemFile certificate_file(certificate_option, certificate_path);
  const PemFile key_file(key_option, key_path);
  const auto certificates = CertificatesIn(certificate_file);
  const auto key = PrivateKeyIn(key_file);
  const bool match = X509_check_private_key(certificates.front().get(), key.get()) == 1;
  ERR_clear_error();
  if (!match) InvalidArgument(key_file.name, ": is not the key of ", certificate_file.name);
  WarnOfDates(certificate_file, *certificates.front());
  return {.certificate = certificate_file.text, .private_key = key_file.text};
}

// PEM of authorities.
std::string ReadAuthorities(std::string_view option, const std::string& path) {
  PemFile file(option, path);
  for (const auto& certificate : CertificatesIn(file)) WarnOfDates(file, *certificate);
  return std::move(file.text);
}

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const v1::Access& config) {
  Pair pair = ReadPair("access.certificate", config.certificate(), "access.private_key",
                       config.private_key());
  if (pair.certificate.empty()) {
    if (config.has_client_ca()) {
      InvalidArgument("access.client_ca is given without access.certificate");
    }
    return grpc::InsecureServerCredentials();
  }
  grpc::SslServerCredentialsOptions options(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  options.pem_key_cert_pairs.push_back({std::move(pair.private_key), std::move(pair.certificate)});
  if (config.has_client_ca()) {
    options.pem_root_certs = ReadAuthorities("access.client_ca", config.client_ca());
    options.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> MakeChannelCredentials(const ClientOptions& options) {
  Pair pair =
      ReadPair("the client's certificate", options.certificate, "its key", options.private_key);
  if (!options.tls && options.ca.empty() && pair.certificate.empty()) {
    return grpc::InsecureChannelCredentials();
  }
  grpc::SslCredentialsOptions ssl;
  if (!options.ca.empty()) ssl.pem_root_certs = ReadAuthorities("the ca", options.ca);
  ssl.pem_cert_chain = std::move(pair.certificate);
  ssl.pem_private_key = std::move(pair.private_key);
  return grpc::SslCredentials(ssl);
}

}  // namespace fluke::serve
