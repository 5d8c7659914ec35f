// Openers that hand out the fakes, and a data folder of a test's own.
#pragma once

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "serve/collections/openers.h"
#include "tests/serve/fakes.h"

namespace fluke::serve {

// An empty folder, removed with the object.
class ScratchFolder {
 public:
  ScratchFolder() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string("fluke_") + test->test_suite_name() + "_" + test->name();
    std::ranges::replace(name, '/', '_');
    path_ = std::filesystem::path(::testing::TempDir()) / name;
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Any folder with a file INDEX in it is an index, of the fakes' four items. Thread-safe.
struct FakeOpeners {
  static void MakeIndex(const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "INDEX") << "fake";
  }

  Openers Get() {
    using Runs = std::vector<std::string>;
    return {.open_live = [this](const std::filesystem::path& folder,
                                const Runs&) { return OpenLive(folder); },
            .open_read_only = [this](const std::filesystem::path& folder,
                                     const Runs&) -> std::shared_ptr<const VectorIndex> {
              Check(folder);
              return std::make_shared<FakeIndex>();
            },
            .create_index =
                [this](const std::filesystem::path& folder, const NewIndex& index) {
                  if (index.type == "compact") InvalidArgument("'compact' cannot begin empty");
                  {
                    const std::lock_guard lock(mutex);
                    made.push_back(index);
                  }
                  MakeIndex(folder);
                },
            .open_embedder =
                [this](const std::vector<std::string>& runs) -> std::shared_ptr<const Embedder> {
              const std::lock_guard lock(mutex);
              ++models_opened;
              if (runs.front().ends_with("missing")) {
                NotFound("no run in /srv/models/", runs.front());
              }
              auto embedder = std::make_shared<FakeEmbedder>();
              embedder->fingerprint_ = fingerprint;
              last_model = embedder;
              return embedder;
            }};
  }

  std::shared_ptr<LiveIndex> OpenLive(const std::filesystem::path& folder) {
    opening.Wait();
    Check(folder);
    std::shared_ptr<FakeLiveIndex> index(new FakeLiveIndex, [this](FakeLiveIndex* gone) {
      {
        const std::lock_guard lock(mutex);
        ended_on.push_back(std::this_thread::get_id());
      }
      delete gone;
    });
    const std::lock_guard lock(mutex);
    niceness = getpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)));
    live[folder] = index;
    return index;
  }

  void Check(const std::filesystem::path& folder) {
    if (!std::filesystem::exists(folder / "INDEX")) {
      DataLoss(folder, ": damaged: there is no INDEX in it");
    }
  }

  std::shared_ptr<FakeLiveIndex> Live(const std::filesystem::path& folder) {
    const std::lock_guard lock(mutex);
    return live[folder].lock();
  }

  Gate opening;
  std::mutex mutex;
  std::map<std::filesystem::path, std::weak_ptr<FakeLiveIndex>> live;
  std::vector<NewIndex> made;
  int models_opened = 0;
  std::string fingerprint = "f1";
  std::weak_ptr<FakeEmbedder> last_model;
  int niceness = 0;                       // of the thread that opened the last live index
  std::vector<std::thread::id> ended_on;  // threads that live indexes were destroyed on
};

}  // namespace fluke::serve
