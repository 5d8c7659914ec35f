// The verbs of the command line, one short file each. A verb declares its options on its subcommand
// and sets a callback that does the job: reads arguments, calls a room, prints results to stdout.
// Errors are thrown; main.cc maps them.
#pragma once

#include <string_view>

#include <CLI/CLI.hpp>

namespace fluke::cli {

inline constexpr int kExitInterrupted = 130;  // by a signal, as shells have it

struct Verb {
  std::string_view name;
  void (*declare)(CLI::App& verb);  // null: another program has the verb (main.cc)
  std::string_view help;
  std::string_view example;
};

void DeclareData(CLI::App& verb);
void DeclareTrain(CLI::App& verb);
void DeclareCv(CLI::App& verb);
void DeclareTune(CLI::App& verb);
void DeclareRuns(CLI::App& verb);
void DeclareEmbed(CLI::App& verb);
void DeclareIndex(CLI::App& verb);
void DeclareSearch(CLI::App& verb);
void DeclarePipeline(CLI::App& verb);
void DeclareEvaluate(CLI::App& verb);
void DeclareServe(CLI::App& verb);
void DeclareKey(CLI::App& verb);
void DeclareQuery(CLI::App& verb);
void DeclareIdentify(CLI::App& verb);
void DeclareUpsert(CLI::App& verb);
void DeclareUpdate(CLI::App& verb);
void DeclareDelete(CLI::App& verb);
void DeclareGet(CLI::App& verb);
void DeclareScroll(CLI::App& verb);
void DeclareCount(CLI::App& verb);
void DeclareFacet(CLI::App& verb);
void DeclareCollections(CLI::App& verb);
void DeclareJobs(CLI::App& verb);
void DeclareHealth(CLI::App& verb);
void DeclareList(CLI::App& verb);

}  // namespace fluke::cli
