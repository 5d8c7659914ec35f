#include "serve/api_key.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "common/error.h"
#include "common/text.h"

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
  const bool is_hex = std::ranges::all_of(
      hex, [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); });
  if (hex.size() != 2 * hash.size() || !is_hex) return std::nullopt;
  const std::string bytes = absl::HexStringToBytes(AbslView(hex));
  std::copy(bytes.begin(), bytes.end(), hash.begin());
  return hash;
}

bool AreEqual(const KeyHash& a, const KeyHash& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace fluke::serve
