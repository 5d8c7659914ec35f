// Work in a process of its own, that may be killed.
#pragma once

#include <omp.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <functional>
#include <string>
#include <string_view>

namespace fluke::faults {

constexpr unsigned kChildSeconds = 60;

struct ChildOutcome {
  std::string said;  // through `say`
  int status = 0;    // as waitpid's

  bool killed() const { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }
  bool well() const { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }
};

using Say = std::function<void(std::string_view)>;

// The caller must have no threads. An exception that leaves `work` is said and is exit code 1.
inline ChildOutcome InChild(const std::function<void(const Say& say)>& work) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("no pipe");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no process");
  if (child == 0) {
    alarm(kChildSeconds);
    omp_set_num_threads(1);                 // waiting threads would take the time of other tests
    spdlog::set_level(spdlog::level::off);  // damage that is expected here is logged
    const Say say = [&](std::string_view text) {
      if (write(ends[1], text.data(), text.size()) < 0) _exit(2);
    };
    try {
      work(say);
      _exit(0);
    } catch (const std::exception& error) {
      say(error.what());
      _exit(1);
    }
  }
  close(ends[1]);
  ChildOutcome outcome;
  char buffer[4096];
  for (ssize_t count; (count = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    outcome.said.append(buffer, static_cast<size_t>(count));
  }
  close(ends[0]);
  waitpid(child, &outcome.status, 0);
  return outcome;
}

}  // namespace fluke::faults
