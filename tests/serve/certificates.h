// Certificates for one test, made by OpenSSL.
#pragma once

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace fluke::serve {

struct FreeOpenSsl {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

// A certificate and its key.
struct Identity {
  std::unique_ptr<X509, FreeOpenSsl> certificate;
  std::unique_ptr<EVP_PKEY, FreeOpenSsl> key;

  std::string CertificatePem() const {
    return Pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); });
  }
  // Encrypted where there is a passphrase.
  std::string KeyPem(const char* passphrase = nullptr) const {
    return Pem([&](BIO* bio) {
      return PEM_write_bio_PKCS8PrivateKey(bio, key.get(),
                                           passphrase != nullptr ? EVP_aes_256_cbc() : nullptr,
                                           nullptr, 0, nullptr, const_cast<char*>(passphrase));
    });
  }

 private:
  template <typename Write>
  static std::string Pem(const Write& write) {
    const std::unique_ptr<BIO, FreeOpenSsl> bio(BIO_new(BIO_s_mem()));
    if (write(bio.get()) != 1) throw std::runtime_error("cannot write PEM");
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<size_t>(size)};
  }
};

// Of P-256, valid from yesterday; `signer` null: an authority that signs itself. `host`: of the
// subjectAltName, e.g. "DNS:localhost,IP:127.0.0.1".
inline Identity MakeIdentity(const std::string& name, const Identity* signer = nullptr,
                             const std::string& host = "", long valid_until_s = 86400) {
  Identity made{.certificate = std::unique_ptr<X509, FreeOpenSsl>(X509_new()),
                .key = std::unique_ptr<EVP_PKEY, FreeOpenSsl>(EVP_EC_gen("P-256"))};
  X509* x509 = made.certificate.get();
  static long serial = 1000;
  X509_set_version(x509, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(x509), -86400);
  X509_gmtime_adj(X509_getm_notAfter(x509), valid_until_s);
  X509_set_pubkey(x509, made.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509* issuer = signer != nullptr ? signer->certificate.get() : x509;
  X509_set_issuer_name(x509, X509_get_subject_name(issuer));
  const auto extend = [&](int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x509, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    if (extension == nullptr) throw std::runtime_error("cannot make the extension " + value);
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
  };
  extend(NID_basic_constraints, signer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  if (!host.empty()) extend(NID_subject_alt_name, host);
  EVP_PKEY* signing_key = signer != nullptr ? signer->key.get() : made.key.get();
  if (X509_sign(x509, signing_key, EVP_sha256()) == 0) throw std::runtime_error("cannot sign");
  return made;
}

}  // namespace fluke::serve
