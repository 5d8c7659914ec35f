// CRC-32C (Castagnoli, RFC 3720 B.4), with SSE4.2 where the machine has it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fluke {

// Extends `crc` (0 to begin) by `bytes`: Crc32c("123456789") == 0xE3069283.
uint32_t Crc32c(const void* data, size_t bytes, uint32_t crc = 0);
inline uint32_t Crc32c(std::string_view bytes, uint32_t crc = 0) {
  return Crc32c(bytes.data(), bytes.size(), crc);
}

// The same by look-up tables, what machines without SSE4.2 run.
uint32_t Crc32cPortable(const void* data, size_t bytes, uint32_t crc = 0);

// The masked form that TFRecord (TensorBoard event files) and LevelDB store.
inline uint32_t MaskedCrc32c(std::string_view bytes) {
  const uint32_t crc = Crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

}  // namespace fluke
