#include "common/image_header.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <optional>

#include "common/error.h"

namespace fluke {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::string_view kKnownFormats = "JPEG, PNG, BMP, TIFF, WebP, PNM";
constexpr int64_t kMaxSide = int64_t{1} << 30;

// Bounds-checked numbers at an offset; nothing past the end is ever read.
class Reader {
 public:
  Reader(Bytes bytes, std::string_view name, bool big_endian)
      : bytes_(bytes), name_(name), big_endian_(big_endian) {}

  bool Has(uint64_t offset, uint64_t count) const {
    return offset <= bytes_.size() && count <= bytes_.size() - offset;
  }
  uint64_t Number(uint64_t offset, int width) const {
    if (!Has(offset, width)) {
      InvalidArgument(name_, ": truncated image: the header ends after ", bytes_.size(), " bytes");
    }
    uint64_t value = 0;
    for (int i = 0; i < width; ++i) {
      const int at = big_endian_ ? i : width - 1 - i;
      value = value << 8 | std::to_integer<uint64_t>(bytes_[offset + at]);
    }
    return value;
  }
  uint32_t U8(uint64_t offset) const { return static_cast<uint32_t>(Number(offset, 1)); }
  uint32_t U16(uint64_t offset) const { return static_cast<uint32_t>(Number(offset, 2)); }
  uint32_t U32(uint64_t offset) const { return static_cast<uint32_t>(Number(offset, 4)); }
  size_t size() const { return bytes_.size(); }

 private:
  Bytes bytes_;
  std::string_view name_;
  bool big_endian_;
};

std::string_view Text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool StartsWith(Bytes bytes, std::string_view magic) { return Text(bytes).starts_with(magic); }

struct TiffFacts {
  std::optional<int64_t> width, height;
  int orientation = 1;
};

// The first directory of a TIFF structure, which is also what EXIF is. TIFF 6.0, section 2.
TiffFacts ReadTiffDirectory(Bytes tiff, std::string_view name) {
  TiffFacts facts;
  if (!StartsWith(tiff, {"II*\0", 4}) && !StartsWith(tiff, {"MM\0*", 4})) return facts;
  const Reader in(tiff, name, StartsWith(tiff, "MM"));
  const uint64_t directory = in.U32(4);
  const uint32_t entries = in.U16(directory);
  for (uint32_t i = 0; i < entries; ++i) {
    const uint64_t entry = directory + 2 + uint64_t{12} * i;
    if (!in.Has(entry, 12)) break;
    const uint32_t type = in.U16(entry + 2);  // 1 byte, 3 short, 4 long
    if (type != 1 && type != 3 && type != 4) continue;
    const int64_t value = type == 4   ? in.U32(entry + 8)
                          : type == 3 ? in.U16(entry + 8)
                                      : in.U8(entry + 8);
    switch (in.U16(entry)) {
      case 256:
        facts.width = value;
        break;
      case 257:
        facts.height = value;
        break;
      case 274:
        if (value >= 1 && value <= 8) facts.orientation = static_cast<int>(value);
        break;
      default:
        break;
    }
  }
  return facts;
}

// A damaged EXIF block does not make a photograph unreadable: it is upright then.
int ExifOrientation(Bytes exif, std::string_view name) {
  try {
    return ReadTiffDirectory(exif, name).orientation;
  } catch (const Error&) {
    return 1;
  }
}

constexpr uint32_t kJpegStartOfScan = 0xDA;
constexpr uint32_t kJpegEnd = 0xD9;

// Markers without a segment behind them: TEM, RST0..7, SOI.
bool IsBareMarker(uint32_t marker) { return marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8); }

// SOF0..15 without DHT, JPG and DAC, which share the range. ITU-T T.81, table B.1.
bool IsFrameMarker(uint32_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

// Offset of the code byte of the next marker at or after `from`, or bytes.size(). Skips what is no
// marker: FF fill bytes, stuffed zeros, entropy-coded data and stray bytes.
size_t NextJpegMarker(Bytes bytes, size_t from) {
  while (from + 1 < bytes.size()) {
    const void* found = std::memchr(bytes.data() + from, 0xFF, bytes.size() - 1 - from);
    if (found == nullptr) break;
    from = static_cast<const std::byte*>(found) - bytes.data() + 1;
    const auto code = std::to_integer<uint32_t>(bytes[from]);
    if (code != 0x00 && code != 0xFF) return from;
  }
  return bytes.size();
}

ImageHeader ParseJpeg(Bytes bytes, std::string_view name) {
  const Reader in(bytes, name, true);
  ImageHeader header{.format = ImageFormat::kJpeg};
  size_t at = 2;
  while (true) {
    at = NextJpegMarker(bytes, at);
    if (at >= bytes.size()) InvalidArgument(name, ": truncated JPEG: ends inside its header");
    const uint32_t marker = in.U8(at++);
    if (IsBareMarker(marker)) continue;
    if (marker == kJpegStartOfScan || marker == kJpegEnd) break;
    const uint32_t length = in.U16(at);
    if (IsFrameMarker(marker)) {
      header.height = in.U16(at + 3);
      header.width = in.U16(at + 5);
    }
    constexpr std::string_view kExif("Exif\0\0", 6);
    if (marker == 0xE1 && length > 2 + kExif.size() && in.Has(at, length)) {
      const Bytes segment = bytes.subspan(at + 2, length - 2);
      if (StartsWith(segment, kExif)) {
        header.orientation = ExifOrientation(segment.subspan(kExif.size()), name);
      }
    }
    at += std::max<size_t>(length, 2);
  }
  if (header.width == 0) InvalidArgument(name, ": damaged JPEG: no frame header before its data");
  return header;
}

void CheckJpegIsComplete(Bytes bytes, std::string_view name) {
  const Reader in(bytes, name, true);
  size_t at = 2;
  while ((at = NextJpegMarker(bytes, at)) < bytes.size()) {
    const uint32_t marker = in.U8(at++);
    if (marker == kJpegEnd) return;
    if (!IsBareMarker(marker)) at += in.Has(at, 2) ? std::max(in.U16(at), 2u) : 2;
  }
  InvalidArgument(name, ": truncated JPEG: no end-of-image marker in its ", bytes.size(), " bytes");
}

// Calls visit(type, data) for every chunk up to and including IEND; false when the file ends
// before.
template <typename Visit>
bool WalkPngChunks(Bytes bytes, std::string_view name, Visit visit) {
  const Reader in(bytes, name, true);
  uint64_t at = 8;
  while (in.Has(at, 12)) {
    const uint64_t length = in.U32(at);
    if (!in.Has(at + 8, length + 4)) return false;
    const std::string_view type = Text(bytes.subspan(at + 4, 4));
    visit(type, bytes.subspan(at + 8, length));
    if (type == "IEND") return true;
    at += length + 12;
  }
  return false;
}

ImageHeader ParsePng(Bytes bytes, std::string_view name) {
  const Reader in(bytes, name, true);
  if (in.U32(8) != 13 || Text(bytes).substr(12, 4) != "IHDR") {
    InvalidArgument(name, ": damaged PNG: its first chunk is no IHDR");
  }
  ImageHeader header{.format = ImageFormat::kPng, .width = in.U32(16), .height = in.U32(20)};
  WalkPngChunks(bytes, name, [&](std::string_view type, Bytes data) {
    if (type == "eXIf") header.orientation = ExifOrientation(data, name);
  });
  return header;
}

void CheckPngIsComplete(Bytes bytes, std::string_view name) {
  if (WalkPngChunks(bytes, name, [](std::string_view, Bytes) {})) return;
  InvalidArgument(name, ": truncated PNG: no IEND chunk in its ", bytes.size(), " bytes");
}

ImageHeader ParseBmp(Bytes bytes, std::string_view name) {
  const Reader in(bytes, name, false);
  ImageHeader header{.format = ImageFormat::kBmp};
  if (in.U32(14) == 12) {  // BITMAPCOREHEADER
    header.width = in.U16(18);
    header.height = in.U16(20);
  } else {
    header.width = static_cast<int32_t>(in.U32(18));
    const int64_t height = static_cast<int32_t>(in.U32(22));
    header.height = height < 0 ? -height : height;  // negative: top row first
  }
  return header;
}

void CheckBmpIsComplete(Bytes bytes, const ImageHeader& header, std::string_view name) {
  const Reader in(bytes, name, false);
  const bool core = in.U32(14) == 12;
  const uint64_t bits = in.U16(core ? 24 : 28);
  const uint32_t compression = core ? 0 : in.U32(30);
  if (compression != 0 && compression != 3) return;
  const uint64_t row_bytes = (static_cast<uint64_t>(header.width) * bits + 31) / 32 * 4;
  const uint64_t needed = row_bytes * static_cast<uint64_t>(header.height);
  if (!in.Has(in.U32(10), needed)) {
    InvalidArgument(name, ": truncated BMP: needs ", needed, " bytes of pixels at ", in.U32(10),
                    " but has ", bytes.size(), " bytes in all");
  }
}

ImageHeader ParseTiff(Bytes bytes, std::string_view name) {
  const TiffFacts facts = ReadTiffDirectory(bytes, name);
  if (!facts.width || !facts.height) {
    InvalidArgument(name, ": damaged TIFF: its first directory gives no size");
  }
  return {.format = ImageFormat::kTiff,
          .width = *facts.width,
          .height = *facts.height,
          .orientation = facts.orientation};
}

// RIFF container; RFC 9649, sections 2.3 to 2.7.
ImageHeader ParseWebp(Bytes bytes, std::string_view name) {
  const Reader in(bytes, name, false);
  ImageHeader header{.format = ImageFormat::kWebp};
  const std::string_view kind = Text(bytes).substr(12, 4);
  if (kind == "VP8 ") {
    header.width = in.U16(26) & 0x3fff;
    header.height = in.U16(28) & 0x3fff;
  } else if (kind == "VP8L") {
    const uint32_t packed = in.U32(21);
    header.width = (packed & 0x3fff) + 1;
    header.height = (packed >> 14 & 0x3fff) + 1;
  } else if (kind == "VP8X") {
    header.width = static_cast<int64_t>(in.Number(24, 3)) + 1;
    header.height = static_cast<int64_t>(in.Number(27, 3)) + 1;
    for (uint64_t at = 12; in.Has(at, 8);) {
      const uint64_t length = in.U32(at + 4);
      if (!in.Has(at + 8, length)) break;
      if (Text(bytes).substr(at, 4) == "EXIF") {
        Bytes exif = bytes.subspan(at + 8, length);
        if (StartsWith(exif, {"Exif\0\0", 6})) exif = exif.subspan(6);
        header.orientation = ExifOrientation(exif, name);
      }
      at += 8 + length + (length & 1);
    }
  } else {
    InvalidArgument(name, ": damaged WebP: no VP8, VP8L or VP8X chunk first");
  }
  return header;
}

void CheckWebpIsComplete(Bytes bytes, std::string_view name) {
  const uint64_t needed = uint64_t{8} + Reader(bytes, name, false).U32(4);
  if (bytes.size() < needed) {
    InvalidArgument(name, ": truncated WebP: says ", needed, " bytes but has ", bytes.size());
  }
}

struct PnmFacts {
  char kind = 0;  // '1'..'6'
  int64_t width = 0, height = 0, max_value = 1;
  size_t data_offset = 0;
};

PnmFacts ReadPnm(Bytes bytes, std::string_view name) {
  const std::string_view text = Text(bytes);
  PnmFacts facts{.kind = text[1]};
  size_t at = 2;
  const auto next_number = [&]() -> int64_t {
    while (at < text.size() &&
           (std::isspace(static_cast<unsigned char>(text[at])) || text[at] == '#')) {
      if (text[at] == '#') at = std::min(text.find('\n', at), text.size() - 1);
      ++at;
    }
    int64_t value = 0;
    const size_t begin = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9' && value <= kMaxSide) {
      value = value * 10 + (text[at++] - '0');
    }
    if (at == begin) InvalidArgument(name, ": damaged PNM: a number is missing in its header");
    return value;
  };
  facts.width = next_number();
  facts.height = next_number();
  if (facts.kind != '1' && facts.kind != '4') facts.max_value = next_number();
  facts.data_offset = at + 1;  // one white space ends the header
  return facts;
}

void CheckPnmIsComplete(Bytes bytes, std::string_view name) {
  const PnmFacts facts = ReadPnm(bytes, name);
  if (facts.kind < '4') return;  // plain text: its decoder notices
  const int64_t row_bytes = facts.kind == '4' ? (facts.width + 7) / 8
                                              : facts.width * (facts.kind == '6' ? 3 : 1) *
                                                    (facts.max_value > 255 ? 2 : 1);
  const uint64_t needed = static_cast<uint64_t>(row_bytes * facts.height);
  if (facts.data_offset > bytes.size() || bytes.size() - facts.data_offset < needed) {
    InvalidArgument(name, ": truncated PNM: needs ", facts.data_offset + needed, " bytes but has ",
                    bytes.size());
  }
}

bool IsPnm(Bytes bytes) {
  const std::string_view text = Text(bytes);
  return text.size() > 2 && text[0] == 'P' && text[1] >= '1' && text[1] <= '6' &&
         (std::isspace(static_cast<unsigned char>(text[2])) || text[2] == '#');
}

ImageHeader ParseByMagic(Bytes bytes, std::string_view name) {
  if (StartsWith(bytes, "\xff\xd8\xff")) return ParseJpeg(bytes, name);
  if (StartsWith(bytes, "\x89PNG\r\n\x1a\n")) return ParsePng(bytes, name);
  if (StartsWith(bytes, {"II*\0", 4}) || StartsWith(bytes, {"MM\0*", 4})) {
    return ParseTiff(bytes, name);
  }
  if (StartsWith(bytes, "RIFF") && bytes.size() >= 16 && Text(bytes).substr(8, 4) == "WEBP") {
    return ParseWebp(bytes, name);
  }
  if (StartsWith(bytes, "BM") && bytes.size() >= 26) return ParseBmp(bytes, name);
  if (IsPnm(bytes)) {
    const PnmFacts facts = ReadPnm(bytes, name);
    return {.format = ImageFormat::kPnm, .width = facts.width, .height = facts.height};
  }
  if (bytes.empty()) InvalidArgument(name, ": not an image: the file is empty");
  InvalidArgument(name, ": not an image of a known format (", kKnownFormats, ")");
}

}  // namespace

std::string_view ImageFormatName(ImageFormat format) {
  constexpr std::array<std::string_view, 6> kNames = {"JPEG", "PNG", "BMP", "TIFF", "WebP", "PNM"};
  return kNames[static_cast<size_t>(format)];
}

ImageHeader ParseImageHeader(std::span<const std::byte> bytes, std::string_view name) {
  const ImageHeader header = ParseByMagic(bytes, name);
  if (header.width <= 0 || header.height <= 0 || header.width > kMaxSide ||
      header.height > kMaxSide) {
    InvalidArgument(name, ": damaged ", ImageFormatName(header.format), ": its header says ",
                    header.width, "x", header.height, " pixels");
  }
  return header;
}

void CheckImageIsComplete(std::span<const std::byte> bytes, const ImageHeader& header,
                          std::string_view name) {
  switch (header.format) {
    case ImageFormat::kJpeg:
      return CheckJpegIsComplete(bytes, name);
    case ImageFormat::kPng:
      return CheckPngIsComplete(bytes, name);
    case ImageFormat::kBmp:
      return CheckBmpIsComplete(bytes, header, name);
    case ImageFormat::kWebp:
      return CheckWebpIsComplete(bytes, name);
    case ImageFormat::kPnm:
      return CheckPnmIsComplete(bytes, name);
    case ImageFormat::kTiff:
      return;
  }
}

}  // namespace fluke
