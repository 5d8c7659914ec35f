#include "serve/http/http_target.h"

#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "common/text.h"

namespace fluke::serve {
namespace {

constexpr size_t kMaxParameters = 64;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> Decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = HexDigit(text[i + 1]), low = HexDigit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) return std::nullopt;
    decoded.push_back(c);
  }
  return decoded;
}

}  // namespace

std::optional<HttpTarget> ParseHttpTarget(std::string_view target) {
  if (!target.starts_with('/')) return std::nullopt;
  target = target.substr(0, target.find('#'));
  const size_t question = target.find('?');
  auto path = Decode(target.substr(0, question), false);
  if (!path) return std::nullopt;
  HttpTarget parsed{.path = *std::move(path), .query = {}};
  std::string_view rest =
      question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(pair.size() == rest.size() ? rest.size() : pair.size() + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    auto name = Decode(pair.substr(0, equals), true);
    auto value = equals == std::string_view::npos ? std::optional<std::string>("")
                                                  : Decode(pair.substr(equals + 1), true);
    if (!name || !value || parsed.query.size() >= kMaxParameters) return std::nullopt;
    parsed.query.emplace(*std::move(name), *std::move(value));
  }
  return parsed;
}

std::optional<HostAndPort> ParseHostAndPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  int port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() || port < 0 ||
      port > 65535 || host.empty()) {
    return std::nullopt;
  }
  return HostAndPort{.host = std::string(host), .port = port};
}

bool IsLoopback(std::string_view host) {
  if (absl::EqualsIgnoreCase(AbslView(host), "localhost")) return true;
  if (host == "::1") return true;
  if (!host.starts_with("127.")) return false;
  int dots = 0;  // 127.evil.example is no address
  for (const char c : host) {
    if (c == '.') {
      ++dots;
    } else if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) {
      return false;
    }
  }
  return dots == 3;
}

bool HostHeaderIsLoopback(std::string_view header) {
  if (IsLoopback(header) || header == "[::1]") return true;
  const auto parsed = ParseHostAndPort(header);
  return parsed && IsLoopback(parsed->host);
}

}  // namespace fluke::serve
