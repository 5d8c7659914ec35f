#include "serve/access/request_id.h"

#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_format.h"

namespace fluke::serve {
namespace {

constexpr size_t kMaxRequestIdBytes = 128;

}  // namespace

std::string_view UsableRequestId(std::string_view request_id) {
  const bool is_usable =
      request_id.size() <= kMaxRequestIdBytes &&
      std::ranges::all_of(request_id, [](char c) { return c >= 0x20 && c < 0x7f; });
  return is_usable ? request_id : std::string_view();
}

std::string NewRequestId() {
  uint64_t bits = 0;
  if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != sizeof(bits)) {
    timespec now = {};  // early at boot; unlikely to be another call's
    clock_gettime(CLOCK_MONOTONIC, &now);
    bits = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
  }
  return absl::StrFormat("%016x", bits);
}

}  // namespace fluke::serve
