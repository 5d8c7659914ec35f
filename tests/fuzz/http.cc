// HTTP: addresses, and bodies on their way from JSON to a message and back.
#include <google/protobuf/util/message_differencer.h>

#include "serve/http/http_target.h"
#include "serve/http/json_gateway.h"
#include "serve/services.h"
#include "tests/fuzz/fuzz.h"

namespace fluke::fuzz {

std::vector<std::string> Seeds() {
  return {
      "/photo?collection=a%2Bb&id=x+y%20z&size=512#end",
      "/api/fluke.v1.Retrieval/Search",
      "[::1]:8080",
      "localhost:80",
      R"({"vector": {"values": [1, -0.5, 1e-3, "NaN"]}, "k": 20, "filter": "year >= 2019"})",
      R"({"image": "/9j/4AAQSkZJRgABAQ==", "crop": {"x": 1, "y": 2.5, "w": 3, "h": 4}})",
      R"({"like": [{"item_id": "a\u00e9\ud83d\udc0b"}], "min_score": -0.25, "knobs": {"nprobe": 8}})",
      R"({"items": [{"item": {"id": "a", "metadata": {"k": "v", "": ""}}, "vector": {"values": []}}]})",
      R"({"name": "j", "config_yaml": "a: 1\n", "set": ["a=b"], "publish": {"alias": "x"}})"};
}

// Any string as a percent-encoded part of an address.
std::string Encoded(const std::string& text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    encoded += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return encoded;
}

void CheckTarget(std::string_view bytes) {
  if (const auto address = serve::ParseHostAndPort(bytes)) {
    Require(!address->host.empty() && address->port >= 0 && address->port <= 65535, "an address");
  }
  serve::HostHeaderIsLoopback(bytes);
  serve::FindMethod(bytes);
  const auto target = serve::ParseHttpTarget(bytes);
  if (!target) return;
  Require(target->path.starts_with('/'), "a path");
  std::string again = "/" + Encoded(target->path.substr(1));
  char separator = '?';
  for (const auto& [name, value] : target->query) {
    again += separator + Encoded(name) + "=" + Encoded(value);
    separator = '&';
  }
  const auto parsed = serve::ParseHttpTarget(again);
  Require(parsed && parsed->path == target->path && parsed->query == target->query,
          "the same address when it is written again");
}

void CheckBody(const google::protobuf::Descriptor& type, std::string_view json) {
  const auto message = serve::MessageFromJson(type, json);
  if (!message.ok()) return;
  const auto written = serve::JsonOfMessage(**message);
  Require(written.ok(), "JSON of what JSON said");
  const auto again = serve::MessageFromJson(type, *written);
  Require(again.ok(), "a message of our own JSON");
  google::protobuf::util::MessageDifferencer differencer;
  google::protobuf::util::DefaultFieldComparator comparator;
  comparator.set_treat_nan_as_equal(true);
  differencer.set_field_comparator(&comparator);
  Require(differencer.Compare(**message, **again), "the same message");
}

}  // namespace fluke::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fluke;  // NOLINT: a harness
  const std::string_view bytes = fuzz::Text(data, size);
  fuzz::CheckTarget(bytes);
  for (const char* method :
       {"fluke.v1.Retrieval/Search", "fluke.v1.Retrieval/Upsert", "fluke.v1.Training/SubmitJob"}) {
    fuzz::CheckBody(*serve::FindMethod(method)->input_type(), bytes);
  }
  return 0;
}
