#include <csignal>
#include <exception>
#include <iostream>
#include <string>

#include "cli/verbs.h"
#include "common/error.h"

namespace fluke::cli {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitInterrupted = 130;

// In the order of the data.
constexpr Verb kVerbs[] = {
    {"", nullptr, "", ""},
};

int ExitCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return kExitUsage;
    case absl::StatusCode::kCancelled:
      return kExitInterrupted;
    default:
      return kExitFailed;
  }
}

int Main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app("fluke: learns visual embeddings, indexes them and answers similarity queries", "fluke");
  app.require_subcommand(1);
  app.set_version_flag("--version", "fluke 0.1.0");
  for (const Verb& verb : kVerbs) {
    if (verb.declare == nullptr) continue;
    CLI::App* sub = app.add_subcommand(std::string(verb.name), std::string(verb.help));
    sub->footer("Example:\n  " + std::string(verb.example));
    verb.declare(*sub);
  }
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  } catch (const Error& error) {
    std::cerr << "fluke: " << error.what() << "\n";
    return ExitCode(error.code());
  } catch (const std::exception& error) {
    std::cerr << "fluke: " << error.what() << "\n";
    return kExitFailed;
  }
}

}  // namespace
}  // namespace fluke::cli

int main(int argc, char** argv) { return fluke::cli::Main(argc, argv); }
