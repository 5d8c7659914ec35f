#include "common/curation/timestamp.h"

#include <charconv>
#include <chrono>

namespace fluke {
namespace {

constexpr int64_t kDaySeconds = 86400;
constexpr size_t kFewestDigitsOfSeconds = 6;

// Takes pieces off the front of a text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool AtEnd() const { return text_.empty(); }
  bool Take(std::string_view any_of) {
    if (text_.empty() || any_of.find(text_.front()) == std::string_view::npos) return false;
    text_.remove_prefix(1);
    return true;
  }
  // Exactly so many digits, as a number within [low, high].
  bool TakeNumber(size_t digits, int low, int high, int* value) {
    if (text_.size() < digits) return false;
    const char* end = text_.data() + digits;
    for (const char* at = text_.data(); at != end; ++at) {
      if (*at < '0' || *at > '9') return false;
    }
    std::from_chars(text_.data(), end, *value);
    text_.remove_prefix(digits);
    return *value >= low && *value <= high;
  }
  void SkipDigits() {
    while (Take("0123456789")) {
    }
  }
  char front() const { return text_.empty() ? '\0' : text_.front(); }

 private:
  std::string_view text_;
};

std::optional<int64_t> ParseSeconds(std::string_view text) {
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return seconds;
}

// "", "Z", "+02:00" or "-0330": seconds east of UTC.
std::optional<int64_t> ParseZone(Scanner* scanner) {
  if (scanner->AtEnd()) return 0;
  if (scanner->Take("Zz")) return scanner->AtEnd() ? std::optional<int64_t>(0) : std::nullopt;
  const int sign = scanner->front() == '-' ? -1 : 1;
  int hours = 0, minutes = 0;
  if (!scanner->Take("+-") || !scanner->TakeNumber(2, 0, 14, &hours)) return std::nullopt;
  scanner->Take(":");
  if (!scanner->AtEnd() && !scanner->TakeNumber(2, 0, 59, &minutes)) return std::nullopt;
  if (!scanner->AtEnd()) return std::nullopt;
  return sign * (hours * 3600 + minutes * 60);
}

// "08:30", "08:30:15", "08:30:15.25" and a zone: seconds from midnight UTC.
std::optional<int64_t> ParseTime(Scanner* scanner) {
  int hour = 0, minute = 0, second = 0;
  if (!scanner->TakeNumber(2, 0, 23, &hour) || !scanner->Take(":") ||
      !scanner->TakeNumber(2, 0, 59, &minute))
    return std::nullopt;
  if (scanner->Take(":")) {
    if (!scanner->TakeNumber(2, 0, 60, &second)) return std::nullopt;
    if (scanner->Take(".")) scanner->SkipDigits();
  }
  const std::optional<int64_t> zone = ParseZone(scanner);
  if (!zone) return std::nullopt;
  return hour * 3600 + minute * 60 + second - *zone;
}

std::optional<int64_t> SecondsOfDay(int year, int month, int day) {
  using namespace std::chrono;
  const year_month_day date{std::chrono::year(year),
                            std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  return sys_days(date).time_since_epoch().count() * kDaySeconds;
}

}  // namespace

std::optional<int64_t> ParseTimestamp(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  if (text.size() >= kFewestDigitsOfSeconds) {
    if (const auto seconds = ParseSeconds(text)) return seconds;
  }
  Scanner scanner(text);
  int year = 0, month = 1, day = 1;
  if (!scanner.TakeNumber(4, 0, 9999, &year)) return std::nullopt;
  if (scanner.AtEnd()) return SecondsOfDay(year, month, day);
  if (!scanner.Take("-:/") || !scanner.TakeNumber(2, 1, 12, &month)) return std::nullopt;
  if (scanner.AtEnd()) return SecondsOfDay(year, month, day);
  if (!scanner.Take("-:/") || !scanner.TakeNumber(2, 1, 31, &day)) return std::nullopt;
  const std::optional<int64_t> midnight = SecondsOfDay(year, month, day);
  if (!midnight || scanner.AtEnd()) return midnight;
  if (!scanner.Take(" T")) return std::nullopt;
  const std::optional<int64_t> time = ParseTime(&scanner);
  return time ? std::optional<int64_t>(*midnight + *time) : std::nullopt;
}

int64_t DayOf(int64_t seconds) {
  return seconds >= 0 ? seconds / kDaySeconds : (seconds + 1) / kDaySeconds - 1;
}

}  // namespace fluke
