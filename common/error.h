// The one exception type of fluke. Every room throws it; serve/ maps it to grpc::Status at one
// place and cli/ to an exit code at one place. A message says what was expected, what was found and
// where (file:line, path, step ...).
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "common/text.h"

namespace fluke {

class Error : public std::runtime_error {
 public:
  Error(absl::StatusCode code, std::string message)
      : std::runtime_error(std::move(message)), code_(code) {}
  absl::StatusCode code() const { return code_; }

 private:
  absl::StatusCode code_;
};

// Throws Error with the parts (see common/text.h) joined: Throw(absl::StatusCode::kNotFound, "no
// file ", path).
template <typename... Parts>
[[noreturn]] void Throw(absl::StatusCode code, const Parts&... parts) {
  throw Error(code, StrCat(parts...));
}

// The caller's input is wrong (usage, config, manifest, request).
template <typename... Parts>
[[noreturn]] void InvalidArgument(const Parts&... parts) {
  Throw(absl::StatusCode::kInvalidArgument, parts...);
}

// A file is damaged or not of the expected format.
template <typename... Parts>
[[noreturn]] void DataLoss(const Parts&... parts) {
  Throw(absl::StatusCode::kDataLoss, parts...);
}

template <typename... Parts>
[[noreturn]] void NotFound(const Parts&... parts) {
  Throw(absl::StatusCode::kNotFound, parts...);
}

}  // namespace fluke
