// API keys: made once, handed to a client, kept by the server as their SHA-256 only.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace fluke::serve {

using KeyHash = std::array<unsigned char, 32>;

// "fluke_" and 256 random bits in hex digits. The prefix lets scanners for leaked secrets find it.
// Throws when the system has no randomness.
std::string NewApiKey();

// SHA-256 of the key's characters. A plain hash will do: 256 random bits cannot be guessed.
KeyHash HashOfKey(std::string_view key);

std::string HexOf(const KeyHash& hash);
// None when `hex` is not 64 hex digits.
std::optional<KeyHash> HashFromHex(std::string_view hex);

// In constant time.
bool AreEqual(const KeyHash& a, const KeyHash& b);

}  // namespace fluke::serve
