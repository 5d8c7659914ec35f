// fluke health: does a server serve? For the probes of containers and service units.
#include <iostream>
#include <memory>
#include <string>

#include "cli/server_arguments.h"
#include "cli/verbs.h"
#include "common/error.h"
#include "serve/client/health_client.h"

namespace fluke::cli {

void DeclareHealth(CLI::App& verb) {
  struct Arguments : ServerArguments {
    std::string service;
  };
  auto arguments = std::make_shared<Arguments>();
  arguments->timeout_s = 5;
  DeclareServer(verb, *arguments);
  verb.add_option("--service", arguments->service,
                  "e.g. fluke.v1.Retrieval; without it the server as a whole");
  verb.callback([arguments] {
    if (!serve::IsServing(arguments->server, arguments->service, arguments->Options())) {
      Throw(absl::StatusCode::kUnavailable, "server ", arguments->server, ": NOT_SERVING");
    }
    std::cout << "SERVING\n";
  });
}

}  // namespace fluke::cli
