#include "cli/server_arguments.h"

#include <chrono>
#include <cstdint>

namespace fluke::cli {

serve::ClientOptions ServerArguments::Options() const {
  serve::ClientOptions options = client;
  options.timeout = std::chrono::milliseconds(static_cast<int64_t>(timeout_s * 1000));
  return options;
}

void DeclareServer(CLI::App& verb, ServerArguments& arguments) {
  serve::ClientOptions& client = arguments.client;
  verb.add_option("--server", arguments.server, "HOST:PORT")->capture_default_str();
  verb.add_option("--timeout-s", arguments.timeout_s, "for each call")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  const std::string group = "a server with keys or TLS";
  // In the environment it shows in no list of processes.
  verb.add_option("--api-key", client.api_key, "better in the environment, as FLUKE_API_KEY")
      ->envname("FLUKE_API_KEY")
      ->group(group);
  verb.add_flag("--tls", client.tls, "TLS, believing whom this system believes")->group(group);
  verb.add_option("--ca", client.ca, "TLS, believing these certificates (PEM)")->group(group);
  verb.add_option("--cert", client.certificate, "client's certificate (PEM), for mTLS")
      ->group(group);
  verb.add_option("--key", client.private_key, "its private key (PEM)")->group(group);
  verb.add_option("--server-name", client.server_name,
                  "that the server's certificate is for, if not the address's")
      ->group(group);
}

void DeclareGallery(CLI::App& verb, ServerArguments& arguments) {
  DeclareServer(verb, arguments);
  verb.add_option("--collection", arguments.collection,
                  "or an alias of one; default: the server's default collection");
}

}  // namespace fluke::cli
