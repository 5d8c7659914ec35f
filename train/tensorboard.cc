#include "train/tensorboard.h"

#include <chrono>
#include <cstring>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include "common/crc32c.h"
#include "common/error.h"

namespace fluke::train {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;

// Field numbers of tensorflow/core/util/event.proto and framework/summary.proto.
constexpr int kEventWallTime = 1, kEventStep = 2, kEventFileVersion = 3, kEventSummary = 5;
constexpr int kSummaryValue = 1;
constexpr int kValueTag = 1, kValueSimple = 2;

template <typename Write>
std::string Encode(const Write& write) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    CodedOutputStream out(&stream);
    write(&out);
  }
  return bytes;
}

std::string Record(const std::string& payload) {
  const uint64_t length = payload.size();
  std::string record(reinterpret_cast<const char*>(&length), sizeof length);
  const uint32_t length_crc = MaskedCrc32c(record);
  const uint32_t payload_crc = MaskedCrc32c(payload);
  record.append(reinterpret_cast<const char*>(&length_crc), sizeof length_crc);
  record += payload;
  record.append(reinterpret_cast<const char*>(&payload_crc), sizeof payload_crc);
  return record;
}

double Now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::string EventRecord(double wall_time_s, int64_t step, std::string_view tag, float value) {
  const std::string scalar = Encode([&](CodedOutputStream* out) {
    WireFormatLite::WriteString(kValueTag, std::string(tag), out);
    WireFormatLite::WriteFloat(kValueSimple, value, out);
  });
  const std::string summary = Encode(
      [&](CodedOutputStream* out) { WireFormatLite::WriteBytes(kSummaryValue, scalar, out); });
  return Record(Encode([&](CodedOutputStream* out) {
    WireFormatLite::WriteDouble(kEventWallTime, wall_time_s, out);
    WireFormatLite::WriteInt64(kEventStep, step, out);
    WireFormatLite::WriteBytes(kEventSummary, summary, out);
  }));
}

TensorBoardWriter::TensorBoardWriter(const std::filesystem::path& folder) {
  const double now = Now();
  const auto path =
      folder / StrCat("events.out.tfevents.", static_cast<int64_t>(now * 1e3), ".fluke");
  file_.open(path, std::ios::binary);
  file_ << Record(Encode([&](CodedOutputStream* out) {
    WireFormatLite::WriteDouble(kEventWallTime, now, out);
    WireFormatLite::WriteString(kEventFileVersion, "brain.Event:2", out);
  })) << std::flush;
  if (!file_) Throw(absl::StatusCode::kUnavailable, path.string(), ": cannot write");
}

void TensorBoardWriter::Scalar(std::string_view tag, int64_t step, double value) {
  // A full disk must not end a training whose checkpoints are still safe: event files are for
  // watching only.
  file_ << EventRecord(Now(), step, tag, static_cast<float>(value)) << std::flush;
}

}  // namespace fluke::train
