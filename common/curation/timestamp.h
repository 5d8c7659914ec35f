// Points in time as manifests write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace fluke {

// Seconds since 1970-01-01 00:00 UTC of "2019", "2019-05", "2019-05-17", "2019-05-17 08:30[:15]"
// (a 'T' may stand for the space; fractions of a second are cut off; "Z" or "+02:00" at the end,
// UTC otherwise), of EXIF's "2019:05:17 08:30:15", or of seconds themselves ("1558081815", six
// digits or more). What is left out is the earliest it can be. Nothing for any other text.
std::optional<int64_t> ParseTimestamp(std::string_view text);

// Days since 1970-01-01 of such seconds, rounded down.
int64_t DayOf(int64_t seconds);

}  // namespace fluke
