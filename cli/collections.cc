// fluke collections: the collections of a running server.
#include <chrono>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "cli/server_arguments.h"
#include "cli/verbs.h"
#include "common/error.h"
#include "common/text.h"
#include "serve/client/client.h"

namespace fluke::cli {
namespace {

struct CollectionsArguments : ServerArguments {
  bool json = false;
  std::string name;
  v1::CreateCollectionRequest create;
  std::vector<std::string> set;     // ALIAS=COLLECTION
  std::vector<std::string> remove;  // aliases
};

nlohmann::json ToJson(const v1::Collection& c) {
  return {{"name", c.name()},
          {"aliases", std::vector<std::string>(c.aliases().begin(), c.aliases().end())},
          {"model", c.model()},
          {"model_fingerprint", c.model_fingerprint()},
          {"accepts_images", c.accepts_images()},
          {"read_only", c.read_only()},
          {"from_config", c.from_config()},
          {"size", c.size()},
          {"dimension", c.dimension()},
          {"metric", c.metric()},
          {"index_type", c.index_type()},
          {"snapshot", c.snapshot()},
          {"changed", c.changed()},
          {"memory_bytes", c.memory_bytes()},
          {"disk_bytes", c.disk_bytes()},
          {"has_photos", c.has_photos()}};
}

void Print(const v1::Collection& collection, bool json) {
  const nlohmann::json document = ToJson(collection);
  if (json) {
    std::cout << document.dump(2) << "\n";
    return;
  }
  for (const auto& [key, value] : document.items()) {
    std::cout << absl::StreamFormat("%-18s ", key)
              << (value.is_string() ? value.get<std::string>() : value.dump()) << "\n";
  }
}

std::vector<v1::Collection> AllCollections(const serve::RetrievalClient& client) {
  std::vector<v1::Collection> all;
  v1::ListCollectionsRequest request;
  do {
    const v1::ListCollectionsResponse page = client.ListCollections(request);
    all.insert(all.end(), page.collections().begin(), page.collections().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

void ListAll(const serve::RetrievalClient& client, const CollectionsArguments& arguments) {
  const std::vector<v1::Collection> all = AllCollections(client);
  if (arguments.json) {
    nlohmann::json document = nlohmann::json::array();
    for (const v1::Collection& collection : all) document.push_back(ToJson(collection));
    std::cout << nlohmann::json{{"collections", document}}.dump(2) << "\n";
    return;
  }
  std::cout << absl::StreamFormat("%-24s %10s %5s  %-12s %s\n", "name", "items", "dim", "type",
                                  "aliases");
  for (const v1::Collection& collection : all) {
    std::cout << absl::StreamFormat("%-24s %10d %5d  %-12s %s\n", collection.name(),
                                    collection.size(), collection.dimension(),
                                    collection.index_type(), StrJoin(collection.aliases(), ","));
  }
}

void Alias(const serve::RetrievalClient& client, const CollectionsArguments& arguments) {
  v1::UpdateAliasesRequest request;
  for (const std::string& set : arguments.set) {
    const size_t equals = set.find('=');
    if (equals == std::string::npos) InvalidArgument("'", set, "': expected ALIAS=COLLECTION");
    (*request.mutable_set())[set.substr(0, equals)] = set.substr(equals + 1);
  }
  for (const std::string& alias : arguments.remove) request.add_remove(alias);
  const v1::UpdateAliasesResponse response = client.UpdateAliases(request);
  if (arguments.json) {
    nlohmann::json aliases = nlohmann::json::object();
    for (const auto& [alias, collection] : response.aliases()) aliases[alias] = collection;
    std::cout << nlohmann::json{{"aliases", aliases}}.dump(2) << "\n";
    return;
  }
  const std::map<std::string, std::string> sorted(response.aliases().begin(),
                                                  response.aliases().end());
  for (const auto& [alias, collection] : sorted) std::cout << alias << "=" << collection << "\n";
}

using Arguments = std::shared_ptr<CollectionsArguments>;
using Run = std::function<void(const serve::RetrievalClient&, const CollectionsArguments&)>;

CLI::App* Declare(CLI::App& verb, const Arguments& arguments, const std::string& name,
                  const std::string& help, const std::string& example, const Run& run) {
  CLI::App* sub = verb.add_subcommand(name, help);
  arguments->timeout_s = 600;
  DeclareServer(*sub, *arguments);
  sub->add_flag("--json", arguments->json, "print one JSON document");
  sub->footer("Example:\n  fluke collections " + example);
  sub->callback([arguments, run] { run(arguments->Connect(), *arguments); });
  return sub;
}

// `name` of what is there already.
void DeclareName(CLI::App* sub, const Arguments& arguments) {
  sub->add_option("name", arguments->name, "or an alias; default: the server's default collection");
}

void DeclareCreate(CLI::App& verb, const Arguments& arguments) {
  CLI::App* sub =
      Declare(verb, arguments, "create", "make an empty collection", "create north --model whales",
              [](const serve::RetrievalClient& client, const CollectionsArguments& a) {
                v1::CreateCollectionRequest request = a.create;
                request.set_name(a.name);
                Print(client.CreateCollection(request), a.json);
              });
  sub->add_option("name", arguments->name, "letters, digits, '-', '_' and '.'")->required();
  sub->add_option_function<std::string>(
      "--model", [arguments](const std::string& value) { arguments->create.set_model(value); },
      "one of the server's `models`; none: it takes vectors only");
  sub->add_option_function<uint32_t>(
      "--dimension", [arguments](uint32_t value) { arguments->create.set_dimension(value); },
      "of its vectors, without a model");
  sub->add_option_function<std::string>(
      "--metric", [arguments](const std::string& value) { arguments->create.set_metric(value); },
      "cosine (default), ip or l2");
  sub->add_option_function<std::string>(
      "--index-type",
      [arguments](const std::string& value) { arguments->create.set_index_type(value); },
      "exact (default), fast, or a factory string that needs no training");
}

}  // namespace

void DeclareCollections(CLI::App& verb) {
  verb.require_subcommand(1);
  const auto arguments = std::make_shared<CollectionsArguments>();
  Declare(verb, arguments, "list", "all collections, by name", "list", ListAll);
  DeclareCreate(verb, arguments);
  DeclareName(Declare(verb, arguments, "describe", "what a collection holds", "describe north",
                      [](const serve::RetrievalClient& client, const CollectionsArguments& a) {
                        Print(client.DescribeCollection(a.name), a.json);
                      }),
              arguments);
  Declare(verb, arguments, "drop", "take a collection and its data away for good", "drop north",
          [](const serve::RetrievalClient& client, const CollectionsArguments& a) {
            client.DropCollection(a.name);
          })
      ->add_option("name", arguments->name, "no alias")
      ->required();
  CLI::App* alias = Declare(verb, arguments, "alias",
                            "set and remove aliases, all at the same moment; shows those there are",
                            "alias whales=whales-2026 --remove old", Alias);
  alias->add_option("set", arguments->set, "ALIAS=COLLECTION");
  alias->add_option("--remove", arguments->remove, "aliases, separated by commas")->delimiter(',');
  DeclareName(Declare(verb, arguments, "snapshot",
                      "fold the changes of a collection into a new snapshot", "snapshot north",
                      [](const serve::RetrievalClient& client, const CollectionsArguments& a) {
                        std::cout << client.SnapshotCollection(a.name).snapshot() << "\n";
                      }),
              arguments);
  DeclareName(Declare(verb, arguments, "reload", "open index and model of a collection anew",
                      "reload north",
                      [](const serve::RetrievalClient& client, const CollectionsArguments& a) {
                        Print(client.ReloadCollection(a.name), a.json);
                      }),
              arguments);
}

}  // namespace fluke::cli
