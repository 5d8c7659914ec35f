#include "cli/run_record.h"

#include <algorithm>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "common/csv.h"
#include "common/curation/columns.h"
#include "common/error.h"
#include "common/files.h"
#include "common/sha1.h"
#include "common/yaml_tree.h"
#include "train/run_folder.h"

namespace fluke::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr char kRecordFile[] = "record.json";

std::string Stripped(const fs::path& file) {
  std::string text = ReadFile(file, uint64_t{1} << 20);
  absl::StripAsciiWhitespace(&text);
  return text;
}

// .git of the repository around `folder`; of a worktree, the folder that its .git file names.
fs::path GitFolder(fs::path folder) {
  for (folder = fs::absolute(folder);; folder = folder.parent_path()) {
    const fs::path git = folder / ".git";
    if (fs::is_directory(git)) return git;
    if (fs::is_regular_file(git)) {
      const std::string text = Stripped(git);
      return text.starts_with("gitdir: ") ? folder / text.substr(8) : fs::path();
    }
    if (folder == folder.root_path()) return "";
  }
}

std::string PackedRef(const fs::path& file, const std::string& name) {
  if (!fs::exists(file)) return "";
  const std::string text = ReadFile(file, uint64_t{1} << 28);
  const size_t at = text.find(" " + name + "\n");
  return at == std::string::npos || at < 40 ? "" : text.substr(at - 40, 40);
}

void Flatten(const YamlNode& node, const std::string& path,
             std::map<std::string, std::string>* values) {
  switch (node.kind) {
    case YamlNode::Kind::kMap:
      for (const YamlEntry& entry : node.entries)
        Flatten(entry.value, path.empty() ? entry.key : StrCat(path, ".", entry.key), values);
      return;
    case YamlNode::Kind::kList:
      for (size_t i = 0; i < node.items.size(); ++i)
        Flatten(node.items[i], StrCat(path, "[", i, "]"), values);
      return;
    case YamlNode::Kind::kScalar:
      (*values)[path] = node.text;
      return;
    case YamlNode::Kind::kNull:
      return;
  }
}

void ReadMetrics(const fs::path& file, RunSummary* summary) {
  if (!fs::exists(file)) return;
  const CsvTable table = ReadCsv(file);
  summary->epochs = static_cast<int>(table.rows.size());
  for (size_t column = 0; column < table.header.size(); ++column) {
    const std::string& name = table.header[column];
    if (name == "epoch" || name == "step" || name == "lr") continue;
    for (const CsvRow& row : table.rows) {
      double value = 0;
      if (!absl::SimpleAtod(row.fields[column], &value)) continue;
      const auto [found, fresh] = summary->best.emplace(name, value);
      if (!fresh)
        found->second =
            name == "loss" ? std::min(found->second, value) : std::max(found->second, value);
    }
  }
}

}  // namespace

std::string DataFingerprint(const Manifest& manifest) {
  std::vector<std::string> lines;
  for (const ManifestItem& item : manifest.items)
    lines.push_back(CsvLine({ItemKey(item), item.identity, item.split}));
  std::sort(lines.begin(), lines.end());
  return Sha1Hex(StrJoin(lines, ""));
}

std::string DataFingerprint(const v1::TrainConfig& config) {
  std::vector<BadRow> bad;
  const std::string& manifest = config.data().manifest();
  return DataFingerprint(config.data().skip_bad() ? ReadManifestSkippingBad(manifest, &bad)
                                                  : ReadManifest(manifest));
}

std::string GitCommit(const fs::path& folder) {
  const fs::path git = GitFolder(folder);
  if (git.empty() || !fs::exists(git / "HEAD")) return "";
  const std::string head = Stripped(git / "HEAD");
  if (!head.starts_with("ref: ")) return head;
  const std::string name = head.substr(5);
  const fs::path common = fs::exists(git / "commondir") ? git / Stripped(git / "commondir") : git;
  for (const fs::path& root : {git, common}) {
    if (fs::exists(root / name)) return Stripped(root / name);
  }
  return PackedRef(common / "packed-refs", name);
}

std::vector<std::string> CommandWords() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
  return words;
}

RunRecord RecordOf(const v1::TrainConfig& config) {
  const fs::path folder = fs::current_path();
  return {.command = CommandWords(),
          .folder = folder.string(),
          .git_commit = GitCommit(folder),
          .data_fingerprint = DataFingerprint(config)};
}

void WriteRunRecord(const fs::path& run, const RunRecord& record) {
  const ordered_json json = {{"command", record.command},
                             {"folder", record.folder},
                             {"git_commit", record.git_commit},
                             {"data_fingerprint", record.data_fingerprint}};
  constexpr auto kReplace = ordered_json::error_handler_t::replace;  // paths may be no UTF-8
  WriteFileAtomically(run / kRecordFile, json.dump(2, ' ', false, kReplace) + "\n");
}

RunRecord ReadRunRecord(const fs::path& run) {
  const fs::path file = run / kRecordFile;
  if (!fs::exists(file)) return {};
  try {
    const ordered_json json = ordered_json::parse(ReadFile(file, uint64_t{1} << 24));
    return {.command = json.at("command").get<std::vector<std::string>>(),
            .folder = json.at("folder").get<std::string>(),
            .git_commit = json.at("git_commit").get<std::string>(),
            .data_fingerprint = json.at("data_fingerprint").get<std::string>()};
  } catch (const ordered_json::exception& error) {
    DataLoss(file, ": ", error.what());
  }
}

RunSummary ReadRun(const fs::path& run) {
  const train::RunFolder folder{run};
  if (!fs::exists(folder.config())) NotFound(run, ": no run here (no ", folder.config(), ")");
  RunSummary summary{.run = run};
  const std::string name = folder.config().string();
  Flatten(ParseYaml(ReadFile(folder.config()), name), "", &summary.config);
  summary.record = ReadRunRecord(run);
  ReadMetrics(folder.metrics(), &summary);
  summary.finished = fs::exists(folder.model());
  return summary;
}

std::vector<RunSummary> ReadRunsBelow(const fs::path& folder) {
  if (!fs::is_directory(folder)) NotFound(folder, ": no such folder");
  std::set<fs::path> runs;
  const std::string config = train::RunFolder{}.config().filename().string();
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().filename() == config) runs.insert(entry.path().parent_path());
  }
  std::vector<RunSummary> summaries;
  for (const fs::path& run : runs) summaries.push_back(ReadRun(run));
  return summaries;
}

std::map<std::string, std::vector<std::string>> ConfigDifference(
    const std::vector<RunSummary>& runs) {
  std::set<std::string> fields;
  for (const RunSummary& run : runs) {
    for (const auto& [field, value] : run.config) fields.insert(field);
  }
  std::map<std::string, std::vector<std::string>> difference;
  for (const std::string& field : fields) {
    std::vector<std::string> values;
    for (const RunSummary& run : runs) {
      const auto found = run.config.find(field);
      values.push_back(found == run.config.end() ? "" : found->second);
    }
    if (std::set<std::string>(values.begin(), values.end()).size() > 1)
      difference.emplace(field, std::move(values));
  }
  return difference;
}

}  // namespace fluke::cli
