#include "serve/http/http_server.h"

#include <algorithm>
#include <charconv>
#include <exception>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "common/error.h"
#include "fluke/v1/retrieval.pb.h"
#include "serve/http/http_listener.h"
#include "serve/http/http_target.h"
#include "serve/http/json_gateway.h"
#include "serve/http/thumbnails.h"
#include "serve/http/web_files.h"
#include "serve/metrics.h"
#include "serve/services.h"
#include "serve/status.h"

namespace fluke::serve {
namespace {

using httplib::Request;
using httplib::Response;

constexpr char kVersion[] = "0.1.0";
constexpr std::string_view kApi = "/api/";
constexpr int kDefaultTimeoutMs = 30000, kMaxTimeoutMs = 300000;
constexpr int kDefaultPhotoPx = 512, kMaxPhotoPx = 2048;

void AnswerError(Response& response, int http_status, std::string_view code,
                 std::string_view message) {
  response.status = http_status;
  response.set_content(JsonOfError(code, message), "application/json");
}

void AnswerError(Response& response, grpc::StatusCode code, std::string_view message) {
  AnswerError(response, HttpStatusOf(code), CodeName(code), message);
  if (code == grpc::StatusCode::UNAUTHENTICATED) response.set_header("WWW-Authenticate", "Bearer");
  if (code == grpc::StatusCode::RESOURCE_EXHAUSTED) response.set_header("Retry-After", "1");
}

void Answer(Response& response, const std::string& body, const char* content_type) {
  response.status = 200;
  response.set_content(body, content_type);
}

// For what a browser may keep as long as it asks whether it still holds.
void AnswerTagged(const Request& request, Response& response, std::string_view body,
                  const char* content_type, std::string_view etag, const char* cache_control) {
  response.set_header("ETag", std::string(etag));
  response.set_header("Cache-Control", cache_control);
  const std::string known = request.get_header_value("If-None-Match");
  if (known == "*" || absl::StrContains(known, AbslView(etag))) {
    response.status = 304;
    return;
  }
  response.status = 200;
  response.set_content(body.data(), body.size(), content_type);
}

const char* ContentTypeOf(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "application/octet-stream";
}

bool IsJson(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  return absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(AbslView(type)), "application/json");
}

std::optional<int> IntegerWithin(std::string_view text, int least, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    return std::nullopt;
  }
  return value;
}

// Nothing, with the answer filled, where a header is not what it must be.
std::optional<HttpCaller> CallerOf(const Request& request, Response& response) {
  const std::string timeout = request.get_header_value("X-Timeout-Ms");
  const auto timeout_ms =
      timeout.empty() ? kDefaultTimeoutMs : IntegerWithin(timeout, 1, kMaxTimeoutMs);
  if (!timeout_ms) {
    AnswerError(response, grpc::StatusCode::INVALID_ARGUMENT,
                StrCat("header x-timeout-ms: expected 1 to ", kMaxTimeoutMs));
    return std::nullopt;
  }
  return HttpCaller{.authorization = request.get_header_value("Authorization"),
                    .api_key = request.get_header_value("Api-Key"),
                    .request_id = request.get_header_value("X-Request-Id"),
                    .address = request.remote_addr,
                    .timeout = std::chrono::milliseconds(*timeout_ms)};
}

bool IsGet(const Request& request) { return request.method == "GET" || request.method == "HEAD"; }

HttpListenerOptions ListenerOptionsOf(const v1::ServeConfig& config) {
  const auto address = ParseHostAndPort(config.http_listen());
  if (!address) {
    InvalidArgument("http_listen is '", config.http_listen(), "', expected HOST:PORT");
  }
  const v1::Access& access = config.access();
  const bool is_loopback = IsLoopback(address->host);
  if (access.has_certificate() && !HttpCanTls() && !is_loopback) {
    InvalidArgument(
        "http_listen: TLS is asked for (access.certificate), but the HTTP library of "
        "this build has none; listen on 127.0.0.1 alone");
  }
  HttpListenerOptions options;
  options.host = address->host;
  options.port = address->port;
  if (access.has_certificate() && HttpCanTls()) {
    options.certificate = access.certificate();
    options.private_key = access.private_key();
    options.client_ca = access.client_ca();
  }
  // Photographs come as base64.
  options.limits.body_bytes =
      (static_cast<size_t>(config.max_request_mb()) << 20) / 3 * 4 + (64 << 10);
  return options;
}

}  // namespace

// Answers requests; immutable but for its caches. Thread-safe.
class HttpServer::Routes {
 public:
  Routes(const v1::ServeConfig& config, bool is_loopback, HttpSources sources)
      : sources_(std::move(sources)),
        calls_(sources_.channel),
        is_loopback_(is_loopback),
        thumbnails_(
            {.max_image_pixels = config.max_image_pixels(),
             .at_once = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()))}) {
    page_json_ = nlohmann::json({{"version", kVersion},
                                 {"has_keys", config.access().key_size() > 0},
                                 {"jobs", config.has_data() && config.jobs().has_data()}})
                     .dump();
  }

  // Before a body is read. True: answered.
  bool Refuse(const Request& request, Response& response) const {
    SetHeaders(response);
    const bool is_post = request.method == "POST";
    const bool is_api = request.target.starts_with(kApi);
    if (is_loopback_ && !HostHeaderIsLoopback(request.get_header_value("Host"))) {
      AnswerError(response, 403, "PERMISSION_DENIED",
                  "header Host: this server is for its own machine alone");
    } else if (is_api ? !is_post : !IsGet(request)) {
      response.set_header("Allow", is_api ? "POST" : "GET, HEAD");
      AnswerError(response, 405, "UNIMPLEMENTED",
                  StrCat("expected ", is_api ? "POST" : "GET", ", found ", request.method));
    } else if (request.get_header_value_count("Content-Length") > 1 ||
               (request.has_header("Content-Length") && request.has_header("Transfer-Encoding"))) {
      AnswerError(response, 400, "INVALID_ARGUMENT", "two lengths of one body");
    } else if (is_post && !IsJson(request.get_header_value("Content-Type"))) {
      // Also so that no page of another origin can send a form: JSON makes browsers ask first.
      AnswerError(response, 415, "INVALID_ARGUMENT",
                  "header Content-Type: expected application/json");
    } else if (is_post && request.has_header("Content-Encoding")) {
      AnswerError(response, 415, "INVALID_ARGUMENT", "header Content-Encoding: expected none");
    } else if (is_post && UnaryMethod(request) == nullptr) {
      AnswerError(response, 404, "NOT_FOUND",
                  "no such method; expected /api/fluke.v1.SERVICE/METHOD of one that answers once");
    } else {
      return false;
    }
    return true;
  }

  void Handle(const Request& request, Response& response) {
    SetHeaders(response);
    try {
      const auto target = ParseHttpTarget(request.target);
      if (!target) {
        AnswerError(response, grpc::StatusCode::INVALID_ARGUMENT, "the address is damaged");
      } else if (request.method == "POST") {
        Api(request, response);
      } else {
        Get(request, *target, response);
      }
    } catch (...) {
      const absl::Status status = StatusOf(std::current_exception(), "the request");
      AnswerError(response, static_cast<grpc::StatusCode>(status.code()),
                  {status.message().data(), status.message().size()});
    }
  }

 private:
  static void SetHeaders(Response& response) {
    for (const auto& [name, value] :
         {std::pair("Content-Security-Policy", "default-src 'self'; img-src 'self' blob: data:"),
          std::pair("X-Content-Type-Options", "nosniff"),
          std::pair("Referrer-Policy", "no-referrer"), std::pair("X-Frame-Options", "DENY")}) {
      if (!response.has_header(name)) response.set_header(name, value);
    }
  }

  // Of an /api/ address; null where there is none.
  static const google::protobuf::MethodDescriptor* UnaryMethod(const Request& request) {
    const auto* method = FindMethod(std::string_view(request.target).substr(kApi.size()));
    const bool is_unary =
        method != nullptr && !method->client_streaming() && !method->server_streaming();
    return is_unary ? method : nullptr;
  }

  void Api(const Request& request, Response& response) {
    const auto caller = CallerOf(request, response);
    if (!caller) return;
    const JsonAnswer answer = CallWithJson(calls_, *UnaryMethod(request), request.body, *caller);
    response.status = answer.http_status;
    if (!answer.request_id.empty()) response.set_header("X-Request-Id", answer.request_id);
    if (answer.http_status == 401) response.set_header("WWW-Authenticate", "Bearer");
    if (answer.http_status == 429) response.set_header("Retry-After", "1");
    response.set_header("Cache-Control", "no-store");
    response.set_content(answer.body, "application/json");
  }

  void Get(const Request& request, const HttpTarget& target, Response& response) {
    const std::string& path = target.path;
    if (path == "/healthz") {
      Answer(response, "ok\n", "text/plain; charset=utf-8");
    } else if (path == "/readyz") {
      const bool is_ready = sources_.is_ready();
      Answer(response, is_ready ? "ready\n" : "not ready\n", "text/plain; charset=utf-8");
      if (!is_ready) response.status = 503;
    } else if (path == "/metrics") {
      Answer(response, sources_.metrics(), "text/plain; version=0.0.4; charset=utf-8");
    } else if (path == "/page.json") {
      response.set_header("Cache-Control", "no-cache");
      Answer(response, page_json_, "application/json");
    } else if (path == "/photo") {
      Photo(request, target, response);
    } else if (const WebFile* file = FileOf(path); file != nullptr) {
      AnswerTagged(request, response, file->bytes, ContentTypeOf(file->name), file->etag,
                   "no-cache");
    } else {
      AnswerError(response, grpc::StatusCode::NOT_FOUND, "no such page");
    }
  }

  static const WebFile* FileOf(std::string_view path) {
    const std::string_view name = path == "/" ? "index.html" : path.substr(1);
    const auto files = WebFiles();
    const auto found = std::ranges::find(files, name, &WebFile::name);
    return found == files.end() ? nullptr : &*found;
  }

  void Photo(const Request& request, const HttpTarget& target, Response& response) {
    const auto value = [&](const std::string& name) {
      const auto found = target.query.find(name);
      return found == target.query.end() ? std::string() : found->second;
    };
    const std::string size = value("size"), id = value("id"), collection = value("collection");
    const auto longest = size.empty() ? 0 : IntegerWithin(size, 0, kMaxPhotoPx);
    if (id.empty() || !longest) {
      AnswerError(
          response, grpc::StatusCode::INVALID_ARGUMENT,
          StrCat("expected id=ITEM and, where given, size=PIXELS of at most ", kMaxPhotoPx));
      return;
    }
    const auto caller = CallerOf(request, response);
    if (!caller) return;
    // Whether the caller may read, and what the item's photograph is called.
    v1::GetRequest get;
    get.add_ids(id);
    get.set_collection(collection);
    v1::GetResponse got;
    const OwnCalls::Result result =
        calls_.Call(*FindMethod("fluke.v1.Retrieval/Get"), get, *caller, &got);
    if (!result.status.ok()) {
      AnswerError(response, result.status.error_code(), result.status.error_message());
      return;
    }
    if (got.entries_size() == 0) NotFound("no item of this id");
    const std::string folder = sources_.photos_folder(collection);
    if (folder.empty()) NotFound("the server has no photographs of this collection");
    const Thumbnail thumbnail = thumbnails_.Find(folder, got.entries(0).item().path(),
                                                 *longest == 0 ? kDefaultPhotoPx : *longest);
    AnswerTagged(request, response, thumbnail.jpeg, "image/jpeg", thumbnail.etag,
                 "private, max-age=60");
  }

  const HttpSources sources_;
  OwnCalls calls_;
  const bool is_loopback_;
  Thumbnails thumbnails_;
  std::string page_json_;
};

struct HttpServer::Listening {
  Listening(const HttpListenerOptions& options, Routes* routes)
      : listener(
            options,
            [routes](const Request& request, Response& response) {
              return routes->Refuse(request, response);
            },
            [routes](const Request& request, Response& response) {
              routes->Handle(request, response);
            }) {
    const bool is_v6 = options.host.find(':') != std::string::npos;
    url = StrCat(options.certificate.empty() ? "http://" : "https://", is_v6 ? "[" : "",
                 options.host, is_v6 ? "]" : "", ":", listener.port(), "/");
  }

  std::string url;
  HttpListener listener;
};

HttpServer::HttpServer(const v1::ServeConfig& config, HttpSources sources) {
  const HttpListenerOptions options = ListenerOptionsOf(config);
  routes_ = std::make_unique<Routes>(config, IsLoopback(options.host), std::move(sources));
  listening_ = std::make_unique<Listening>(options, routes_.get());
}

HttpServer::~HttpServer() { Stop(); }

int HttpServer::port() const { return listening_->listener.port(); }

const std::string& HttpServer::url() const { return listening_->url; }

void HttpServer::Stop() { listening_->listener.Stop(); }

}  // namespace fluke::serve
