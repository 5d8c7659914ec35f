#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>

#include "cli/verbs.h"
#include "common/error.h"
#include "common/log.h"
#include "common/table.h"

namespace fluke::cli {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

// The program is built twice: without LibTorch, which takes longer to load than most verbs take,
// and with it. Where the first lacks a verb it becomes the second (ContinueWithTorch).
constexpr char kWithTorch[] = "fluke-torch";
#ifdef FLUKE_WITH_TORCH
constexpr bool kHasTorch = true;
#define FLUKE_TORCH(declare) declare
#else
constexpr bool kHasTorch = false;
#define FLUKE_TORCH(declare) nullptr
#endif

// In the order of the data.
constexpr Verb kVerbs[] = {
    {"data", DeclareData, "look at, clean and divide a manifest; draw synthetic flukes",
     "fluke data synth --out flukes"},
    {"train", FLUKE_TORCH(DeclareTrain), "train a model from a config",
     "fluke train train/presets/demo_a.yaml --run runs/a"},
    {"cv", FLUKE_TORCH(DeclareCv), "cross-validation: train on all folds but one, embed that one",
     "fluke cv whale.yaml --folds 5 --run runs/cv"},
    {"tune", FLUKE_TORCH(DeclareTune), "search for good values of a config's fields",
     "fluke tune whale.yaml --space space.yaml --study studies/whale --trials 40 --workers 2"},
    {"runs", FLUKE_TORCH(DeclareRuns), "what runs there are, how they differ, and the same again",
     "fluke runs list runs --by recall@1"},
    {"embed", FLUKE_TORCH(DeclareEmbed), "turn photographs into embeddings",
     "fluke embed --model runs/a,runs/b --data photos/ --out embeddings"},
    {"index", DeclareIndex, "make, change and check an index of embeddings",
     "fluke index build --embeddings gallery --out gallery.index"},
    {"search", DeclareSearch, "rank an index for each of many queries",
     "fluke search --index gallery.index --queries embeddings -k 20 --out ranking.csv"},
    {"pipeline", DeclarePipeline,
     "check a ranking pipeline, learn what its steps need, fuse rankings",
     "fluke pipeline check ranking.yaml --index gallery.index"},
    {"evaluate", DeclareEvaluate,
     "retrieval metrics of embeddings, rankings, trec runs and submissions; leaderboards",
     "fluke evaluate --embeddings embeddings --metrics recall@1,map@r --json\n"
     "  fluke evaluate --protocol market1501 --embeddings embeddings --bootstrap 1000\n"
     "  fluke evaluate --run results.txt --qrels qrels.txt --metrics all_trec --per-query -\n"
     "  fluke evaluate --leaderboard runs/ --bootstrap 1000 --out board/"},
    {"serve", FLUKE_TORCH(DeclareServe), "answer similarity queries over gRPC",
     "fluke serve --model runs/a,runs/b --index gallery --listen 127.0.0.1:50051"},
    {"key", DeclareKey, "make an API key for a server's clients", "fluke key"},
    {"query", DeclareQuery, "ask a running server",
     "fluke query --server 127.0.0.1:50051 --image whale.jpg -k 20\n"
     "  fluke query --like whale.jpg --like id:w_12/3.jpg --unlike id:w_77/1.jpg\n"
     "  fluke query --image whale.jpg --groups 5 --group-size 4"},
    {"identify", DeclareIdentify, "who is this, or is it somebody new? asks a running server",
     "fluke identify --server 127.0.0.1:50051 --image whale.jpg\n"
     "  fluke identify --id w_12/3.jpg --threshold 0.6 --json"},
    {"upsert", DeclareUpsert,
     "put items into a running server's gallery, or new ones in their place",
     "fluke upsert --server 127.0.0.1:50051 --data new_photos/"},
    {"update", DeclareUpdate, "change what a running server's gallery says of items",
     "fluke update --server 127.0.0.1:50051 --items items.csv"},
    {"delete", DeclareDelete, "take items out of a running server's gallery",
     "fluke delete --server 127.0.0.1:50051 --filter 'quality = \"blurred\"'"},
    {"get", DeclareGet, "items of a running server's gallery, by their ids",
     "fluke get --server 127.0.0.1:50051 --ids a.jpg,b.jpg"},
    {"scroll", DeclareScroll, "all items of a running server's gallery, or those that match",
     "fluke scroll --server 127.0.0.1:50051 --filter 'year >= 2019' > items.csv"},
    {"count", DeclareCount, "how many items a running server's gallery holds",
     "fluke count --server 127.0.0.1:50051 --filter 'exists(identity)'"},
    {"facet", DeclareFacet, "the values of a field in a running server's gallery",
     "fluke facet --server 127.0.0.1:50051 identity"},
    {"collections", DeclareCollections,
     "the collections of a running server: list, create, describe, drop, alias, snapshot, reload",
     "fluke collections create north --dimension 256 --server 127.0.0.1:50051"},
    {"jobs", DeclareJobs, "train on a running server, and publish what came out",
     "fluke jobs submit whale.yaml --server 127.0.0.1:50051 --watch"},
    {"health", DeclareHealth, "ask a running server whether it serves (for probes)",
     "fluke health --server 127.0.0.1:50051"},
    {"list", FLUKE_TORCH(DeclareList), "the names that configs and options may use",
     "fluke list metrics"},
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

// Is all that the arguments can be about in this program? What lists the verbs is not.
bool IsAllHere(int argc, char** argv) {
  if (kHasTorch) return true;
  if (argc < 2) return false;
  if (std::strcmp(argv[1], "--version") == 0) return true;
  return std::any_of(std::begin(kVerbs), std::end(kVerbs), [&](const Verb& verb) {
    return verb.name == argv[1] && verb.declare != nullptr;
  });
}

// Runs the program that has every verb in this one's place. Returns where it cannot be started.
int ContinueWithTorch(char** argv) {
  std::error_code error;
  const auto path =
      std::filesystem::read_symlink("/proc/self/exe", error).replace_filename(kWithTorch);
  if (!error) execv(path.c_str(), argv);
  std::cerr << "fluke: cannot start " << path.string() << ": "
            << (error ? error.message() : std::strerror(errno))
            << "; it has the verbs that need LibTorch and lies beside fluke\n";
  return kExitFailed;
}

int Main(int argc, char** argv) {
  if (!IsAllHere(argc, argv)) return ContinueWithTorch(argv);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is an error, not an end
  LogToStderr();
  CLI::App app("fluke: learns visual embeddings, indexes them and answers similarity queries",
               "fluke");
  app.require_subcommand(1);
  app.set_version_flag("--version", "fluke 0.1.0");
  for (const Verb& verb : kVerbs) {
    if (verb.declare == nullptr) continue;
    CLI::App* sub = app.add_subcommand(std::string(verb.name), std::string(verb.help));
    sub->footer("Example:\n  " + std::string(verb.example));
    verb.declare(*sub);
  }
  try {
    if (argc > 1 && argv[1][0] != '-') Find(kVerbs, "verb", argv[1]);  // suggests one for a typo
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
