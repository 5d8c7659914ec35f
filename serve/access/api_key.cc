#include "serve/access/api_key.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include <cerrno>
#include <charconv>

#include "absl/strings/escaping.h"
#include "common/error.h"

namespace fluke::serve {

std::string NewApiKey() {
  KeyHash bits;
  ssize_t got = -1;
  do {
    got = getrandom(bits.data(), bits.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(bits.size())) {
    Throw(absl::StatusCode::kUnavailable, "the system gives no random numbers");
  }
  return "fluke_" + HexOf(bits);
}

KeyHash HashOfKey(std::string_view key) {
  KeyHash hash;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), hash.data());
  return hash;
}

std::string HexOf(const KeyHash& hash) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

std::optional<KeyHash> HashFromHex(std::string_view hex) {
  KeyHash hash;
  if (hex.size() != 2 * hash.size()) return std::nullopt;
  for (size_t i = 0; i < hash.size(); ++i) {
    const char* byte = hex.data() + 2 * i;
    const auto read = std::from_chars(byte, byte + 2, hash[i], 16);
    if (read.ec != std::errc() || read.ptr != byte + 2) return std::nullopt;
  }
  return hash;
}

bool AreEqual(const KeyHash& a, const KeyHash& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace fluke::serve
