// fluke key: makes an API key and its hash.
#include <iostream>
#include <memory>
#include <string>

#include "cli/verbs.h"
#include "common/error.h"
#include "serve/access/api_key.h"

namespace fluke::cli {
namespace {

struct KeyArguments {
  bool hash = false;
};

std::string HashText(const std::string& key) { return serve::HexOf(serve::HashOfKey(key)); }

// The key on the first line of stdin.
std::string ReadKey() {
  std::string key;
  std::getline(std::cin, key);
  if (key.ends_with('\r')) key.pop_back();
  if (key.empty()) InvalidArgument("key --hash: expected a key on stdin, found none");
  return key;
}

void RunKey(const KeyArguments& arguments) {
  if (arguments.hash) {
    std::cout << HashText(ReadKey()) << "\n";
    return;
  }
  const std::string key = serve::NewApiKey();
  std::cerr
      << "The key is for the client (FLUKE_API_KEY) and is shown this once; its sha256 is for the\n"
         "server's config: access: {key: [{name: NAME, sha256: SHA256, role: read}]}\n";
  std::cout << "key     " << key << "\nsha256  " << HashText(key) << "\n";
}

}  // namespace

void DeclareKey(CLI::App& verb) {
  auto arguments = std::make_shared<KeyArguments>();
  verb.add_flag("--hash", arguments->hash, "print the sha256 of the key on stdin instead");
  verb.callback([arguments] { RunKey(*arguments); });
}

}  // namespace fluke::cli
