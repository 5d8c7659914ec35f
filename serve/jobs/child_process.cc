#include "serve/jobs/child_process.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "common/error.h"
#include "common/files.h"

namespace fluke::serve {
namespace {

// Where the child finds its lock and, until the program has begun, where it tells what failed.
constexpr int kLockPlace = 3, kFailurePlace = 4;
// Files that are handed to the child lie above its places, so that none overwrites another.
constexpr int kFirstFree = 10;

FileDescriptor Checked(int fd, std::string_view doing) {
  if (fd < 0) {
    Throw(absl::StatusCode::kUnavailable, "cannot start a process: ", doing, ": ",
          std::strerror(errno));
  }
  return FileDescriptor(fd);
}

FileDescriptor AboveThePlaces(const FileDescriptor& fd) {
  return Checked(fcntl(fd.get(), F_DUPFD_CLOEXEC, kFirstFree), "fcntl");
}

std::pair<FileDescriptor, FileDescriptor> Pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) Checked(-1, "pipe");
  return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

// All that the child needs, made before it is: between vfork and exec it shares the memory of a
// server with many threads, where any of them may hold any lock.
struct Plan {
  std::vector<char*> argv;
  const char* folder;
  int input, output, lock, failure;  // above the places
  int64_t max_data_bytes;
  int niceness;
  pid_t parent;
};

[[noreturn]] void FailInChild() {
  const int error = errno;
  const ssize_t written = write(kFailurePlace, &error, sizeof(error));
  _exit(written == sizeof(error) ? 127 : 126);
}

// Async-signal-safe calls only.
[[noreturn]] void BecomeTheProgram(const Plan& plan) {
  if (dup3(plan.failure, kFailurePlace, O_CLOEXEC) < 0) _exit(126);
  // The server may be gone already, before its end could be noticed.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) FailInChild();
  if (getppid() != plan.parent) _exit(126);
  if (setpgid(0, 0) != 0) FailInChild();
  struct sigaction by_default = {};
  by_default.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &by_default, nullptr);
  if (dup2(plan.input, STDIN_FILENO) < 0 || dup2(plan.output, STDOUT_FILENO) < 0 ||
      dup2(plan.output, STDERR_FILENO) < 0 || dup2(plan.lock, kLockPlace) < 0) {
    FailInChild();
  }
  if (close_range(kFailurePlace + 1, ~0U, 0) != 0) FailInChild();
  if (chdir(plan.folder) != 0) FailInChild();
  if (plan.max_data_bytes > 0) {
    const rlimit limit{static_cast<rlim_t>(plan.max_data_bytes),
                       static_cast<rlim_t>(plan.max_data_bytes)};
    if (setrlimit(RLIMIT_DATA, &limit) != 0) FailInChild();
  }
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  errno = 0;
  if (plan.niceness != 0 && nice(plan.niceness) == -1 && errno != 0) FailInChild();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(plan.argv[0], plan.argv.data(), environ);
  FailInChild();
}

// vfork, because a fork copies the page tables of all that the server has in memory, and fails
// where the system does not promise that much again.
__attribute__((noinline)) pid_t Launch(const Plan& plan) {
  const pid_t pid = vfork();
  if (pid == 0) BecomeTheProgram(plan);
  return pid;
}

pid_t LaunchWithoutSignals(const Plan& plan) {
  // A handler of the server must not run in the child.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = Launch(plan);
  const int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return pid;
}

int WaitFor(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) close(fd_);
}

std::optional<FileDescriptor> TryLock(const std::filesystem::path& file) {
  FileDescriptor fd(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (fd.get() < 0) ThrowErrno(errno, "cannot open", file);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) ThrowErrno(errno, "cannot lock", file);
  return std::nullopt;
}

ChildProcess::ChildProcess(const ChildOptions& options, FileDescriptor lock) {
  auto [output, child_output] = Pipe();
  auto [failure, child_failure] = Pipe();
  fcntl(output.get(), F_SETFL, O_NONBLOCK);
  {
    const FileDescriptor no_input = Checked(open("/dev/null", O_RDONLY | O_CLOEXEC), "/dev/null");
    const FileDescriptor in = AboveThePlaces(no_input), out = AboveThePlaces(child_output),
                         locked = AboveThePlaces(lock), failed = AboveThePlaces(child_failure);
    Plan plan{.argv = {},
              .folder = options.folder.c_str(),
              .input = in.get(),
              .output = out.get(),
              .lock = locked.get(),
              .failure = failed.get(),
              .max_data_bytes = options.max_data_bytes,
              .niceness = options.niceness,
              .parent = getpid()};
    for (const std::string& word : options.argv)
      plan.argv.push_back(const_cast<char*>(word.c_str()));
    plan.argv.push_back(nullptr);
    pid_ = LaunchWithoutSignals(plan);
    if (pid_ < 0) Checked(-1, "vfork");
  }
  child_failure = FileDescriptor();
  // The end of the file: the program has begun.
  int error = 0;
  ssize_t count = 0;
  while ((count = read(failure.get(), &error, sizeof(error))) < 0 && errno == EINTR) {
  }
  if (count == sizeof(error)) {
    WaitFor(pid_);
    Throw(absl::StatusCode::kUnavailable, "cannot start ", options.argv[0], ": ",
          std::strerror(error));
  }
  output_ = std::move(output);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), output_(std::move(other.output_)) {}

ChildProcess::~ChildProcess() {
  if (pid_ < 0) return;
  Signal(SIGKILL);
  WaitFor(pid_);
}

void ChildProcess::Signal(int signal) const {
  if (pid_ > 0) kill(-pid_, signal);
}

std::optional<int> ChildProcess::TryWait() {
  // Looked at first without taking it away: as long as it is there, its number is nobody else's.
  siginfo_t info = {};
  if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid == 0) {
    return std::nullopt;
  }
  Signal(SIGKILL);
  return WaitFor(std::exchange(pid_, -1));
}

}  // namespace fluke::serve
