// The options of every verb that asks a running server: where it is, and who asks.
#pragma once

#include <cstdint>
#include <string>

#include <CLI/CLI.hpp>

#include "serve/client/client.h"
#include "serve/client/client_options.h"

namespace fluke::cli {

inline constexpr uint64_t kMaxImageBytes = uint64_t{1} << 30;  // of a photograph that is sent

struct ServerArguments {
  std::string server = "127.0.0.1:50051";
  double timeout_s = 120;
  std::string collection = {};  // of verbs that DeclareGallery
  serve::ClientOptions client = {};

  serve::ClientOptions Options() const;
  serve::RetrievalClient Connect() const { return {server, Options()}; }
};

// `arguments` outlive the verb.
void DeclareServer(CLI::App& verb, ServerArguments& arguments);
// The same of a verb that asks for a gallery, with its collection.
void DeclareGallery(CLI::App& verb, ServerArguments& arguments);

}  // namespace fluke::cli
