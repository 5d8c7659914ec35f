// SHA-1 (RFC 3174). For names that must sort the same everywhere, never for security.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace fluke {

std::array<uint8_t, 20> Sha1(std::string_view bytes);

// 40 lower-case hex digits: Sha1Hex("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d".
std::string Sha1Hex(std::string_view bytes);

}  // namespace fluke
