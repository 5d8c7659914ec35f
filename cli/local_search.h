// The local half of `fluke search`: photographs against the local evidence of an index folder.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "index/local/local_index.h"

namespace fluke::cli {

struct LocalSearchArguments {
  std::string manifest;  // of the queries; "": a local search is not asked for
  std::string split;
  LocalSearchOptions options;
  std::string sheet;    // PNG to write; "": none
  std::string gallery;  // manifest of the gallery's photographs, for the sheet; "": the queries'
  int sheet_rows = 8;   // queries on it, their best neighbour each
  bool json = false;    // a summary on stdout
  int shortlist = 100;  // with embeddings: of the nearest by them, so many get a local score

  // What both halves have, set by `fluke search`.
  std::string index, queries, out;
  int k = 20;
  bool one_per_identity = false, exclude_self = false;
};

// Options of `fluke search`.
void DeclareLocalSearch(CLI::App& verb, LocalSearchArguments& arguments);

void SearchLocal(const LocalSearchArguments& arguments);

}  // namespace fluke::cli
