#include "serve/access/access.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "common/error.h"
#include "common/table.h"
#include "common/text.h"
#include "serve/http/http_target.h"

namespace fluke::serve {
namespace {

struct Role {
  std::string_view name;
  Right right;
  std::string_view help;
};
constexpr Role kRoles[] = {
    {"read", Right::kRead, "searches and looks at galleries"},
    {"write", Right::kWrite, "changes galleries as well"},
    {"admin", Right::kAdmin, "makes collections and jobs as well"},
};

std::string_view RoleWith(Right right) {
  return std::ranges::find(kRoles, right, &Role::right)->name;
}

constexpr size_t kMaxKeyNameBytes = 100;
constexpr size_t kMaxAddressBytes = 64;

bool IsPrintableAscii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

// The key that a call shows; empty: none.
std::string_view PresentedKey(const CallHeaders& headers) {
  if (!headers.api_key.empty()) return headers.api_key;
  constexpr std::string_view kScheme = "bearer ";
  std::string_view key = headers.authorization;
  if (!absl::StartsWithIgnoreCase(AbslView(key), AbslView(kScheme))) return {};
  key.remove_prefix(kScheme.size());
  while (key.starts_with(' ')) key.remove_prefix(1);
  return key;
}

// gRPC 1.51 calls the other end of an in-process channel "unknown", newer ones "inproc". No
// connection from outside is called so.
bool IsOwnGateway(std::string_view peer) { return peer == "unknown" || peer.starts_with("inproc"); }

}  // namespace

Access::Access(const v1::Access& config, RateLimiter::Clock clock)
    : rate_{.per_second = config.requests_per_second(), .burst = config.burst()},
      limiter_(65536, std::move(clock)) {
  std::set<std::string> names;
  std::set<KeyHash> hashes;
  for (const v1::ApiKey& key : config.key()) {
    const std::string& name = key.name();
    if (name.empty() || name.size() > kMaxKeyNameBytes || !IsPrintableAscii(name)) {
      InvalidArgument("access.key: expected a name of 1 to ", kMaxKeyNameBytes,
                      " printable ASCII characters, found '", name.substr(0, kMaxKeyNameBytes),
                      "'");
    }
    const std::string where = StrCat("access.key '", name, "'");
    if (!names.insert(name).second) InvalidArgument(where, ": two keys have this name");
    const auto hash = HashFromHex(key.sha256());
    if (!hash) {
      InvalidArgument(where, ": sha256 must be 64 hex digits, as `fluke key` prints them; found ",
                      key.sha256().size(), " characters");
    }
    if (!hashes.insert(*hash).second) InvalidArgument(where, ": another key has the same sha256");
    Rate rate = rate_;
    if (key.requests_per_second() > 0) rate.per_second = key.requests_per_second();
    keys_.push_back({.name = name,
                     .hash = *hash,
                     .right = fluke::Find(kRoles, "role", key.role(), where).right,
                     .rate = rate});
  }
}

const Access::Key* Access::Find(std::string_view presented) const {
  const KeyHash hash = HashOfKey(presented);
  // All of them, so that the time tells nothing of which one it is.
  const Key* found = nullptr;
  for (const Key& key : keys_) found = AreEqual(key.hash, hash) ? &key : found;
  return found;
}

Admission Access::Admit(const Method& method, const CallHeaders& headers) {
  Admission admission;
  const Key* key = nullptr;
  if (has_keys()) {
    const std::string_view presented = PresentedKey(headers);
    if (presented.empty()) {
      admission.status = absl::UnauthenticatedError(
          "this server wants an API key, as `authorization: Bearer KEY` or `api-key: KEY`");
      return admission;
    }
    key = Find(presented);
    if (key == nullptr) {
      admission.status = absl::UnauthenticatedError("the API key is unknown");
      return admission;
    }
    admission.caller = {.name = key->name, .rate = key->rate};
  } else {
    admission.caller = {.name = AddressOf(headers), .rate = rate_};
  }
  admission.retry_after = Count(admission.caller);
  if (admission.retry_after.count() > 0) {
    admission.status = TooManyRequests(admission.retry_after);
  } else if (key != nullptr && key->right < method.right) {
    admission.status = absl::PermissionDeniedError(StrCat(method.name, " needs a key of the role ",
                                                          RoleWith(method.right), "; '", key->name,
                                                          "' has the role ", RoleWith(key->right)));
  }
  return admission;
}

std::chrono::milliseconds Access::Count(const Caller& caller) {
  return limiter_.Take(caller.name, caller.rate);
}

absl::Status TooManyRequests(std::chrono::milliseconds retry_after) {
  return absl::ResourceExhaustedError(
      absl::StrFormat("too many requests; try again in %.3f s",
                      std::chrono::duration<double>(retry_after).count()));
}

std::string AddressOf(const CallHeaders& headers) {
  std::string_view peer = headers.peer;
  if (IsOwnGateway(peer)) {
    const std::string_view from = headers.forwarded_for;
    const bool is_usable =
        !from.empty() && from.size() <= kMaxAddressBytes && IsPrintableAscii(from);
    return std::string(is_usable ? from : "in-process");
  }
  if (peer.starts_with("unix")) return "unix";
  // "ipv4:10.0.0.7:41234", "ipv6:%5B::1%5D:41234", "ipv6:[::1]:41234"
  if (const size_t kind = peer.find(':'); kind != std::string_view::npos) {
    peer.remove_prefix(kind + 1);
  }
  peer = peer.substr(0, peer.rfind(':'));
  for (const std::string_view bracket : {"[", "%5B"}) {
    if (peer.starts_with(bracket)) peer.remove_prefix(bracket.size());
  }
  for (const std::string_view bracket : {"]", "%5D"}) {
    if (peer.ends_with(bracket)) peer.remove_suffix(bracket.size());
  }
  return std::string(peer.substr(0, kMaxAddressBytes));
}

bool ListensOnLoopback(std::string_view listen) {
  if (listen.starts_with("unix:") || listen.starts_with("unix-abstract:")) return true;
  for (const std::string_view scheme : {"dns:///", "dns:", "ipv4:", "ipv6:"}) {
    if (listen.starts_with(scheme)) {
      listen.remove_prefix(scheme.size());
      break;
    }
  }
  const std::string_view host = listen.substr(0, listen.rfind(':'));
  return host == "[::1]" || IsLoopback(host);
}

std::vector<std::string> ExposureWarnings(std::string_view listen, const v1::Access& config) {
  std::vector<std::string> warnings;
  if (ListensOnLoopback(listen)) return warnings;
  if (config.certificate().empty()) {
    warnings.push_back(StrCat(listen,
                              " can be reached from other machines, without TLS: whoever is in "
                              "between can read and change all that is sent (access.certificate)"));
  }
  if (config.key().empty() && !config.has_client_ca()) {
    warnings.push_back(StrCat(listen,
                              " can be reached from other machines, without API keys: whoever "
                              "reaches it may search and change galleries (access.key)"));
  }
  return warnings;
}

}  // namespace fluke::serve
