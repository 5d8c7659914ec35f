// fluke health: does a server serve? For the probes of containers and service units.
#include <chrono>
#include <iostream>
#include <memory>
#include <string>

#include "cli/verbs.h"
#include "common/error.h"
#include "serve/health_client.h"

namespace fluke::cli {

void DeclareHealth(CLI::App& verb) {
  struct Arguments {
    std::string server = "127.0.0.1:50051";
    std::string service;
    double timeout_s = 5;
  };
  auto arguments = std::make_shared<Arguments>();
  verb.add_option("--server", arguments->server, "HOST:PORT")->capture_default_str();
  verb.add_option("--service", arguments->service,
                  "e.g. fluke.v1.Retrieval; without it the server as a whole");
  verb.add_option("--timeout-s", arguments->timeout_s, "how long to wait for the answer")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb.callback([arguments] {
    const std::chrono::milliseconds timeout(static_cast<int64_t>(arguments->timeout_s * 1000));
    if (!serve::IsServing(arguments->server, arguments->service, timeout)) {
      Throw(absl::StatusCode::kUnavailable, "server ", arguments->server, ": NOT_SERVING");
    }
    std::cout << "SERVING\n";
  });
}

}  // namespace fluke::cli
