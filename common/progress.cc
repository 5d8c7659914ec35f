#include "common/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "common/log.h"
#include "common/text.h"

namespace fluke {
namespace {

constexpr auto kBarEvery = std::chrono::milliseconds(100);
constexpr auto kLineEvery = std::chrono::seconds(10);
constexpr int kBarCells = 20;

template <typename... Values>
std::string Format(const char* format, Values... values) {
  char text[64];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

// 0:06, 12:34, 1:02:03
std::string ClockTime(double seconds) {
  const auto s = static_cast<long long>(std::llround(std::min(seconds, 1e9)));
  if (s < 3600) return Format("%lld:%02lld", s / 60, s % 60);
  return Format("%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
}

std::string Numbers(const ProgressState& state) {
  std::string text = StrCat(state.done);
  if (state.total > 0) text += StrCat("/", state.total);
  text += " " + state.unit;
  if (state.done > 0 && state.elapsed_s > 0) {
    const double rate = static_cast<double>(state.done) / state.elapsed_s;
    text += Format(rate < 10 ? ", %.2f " : ", %.1f ", rate) + state.unit + "/s";
    if (state.total > state.done) {
      text += ", ETA " + ClockTime(static_cast<double>(state.total - state.done) / rate);
    } else {
      text += " in " + ClockTime(state.elapsed_s);
    }
  }
  if (!state.note.empty()) text += ", " + state.note;
  return text;
}

int StderrColumns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

// Cuts without splitting a UTF-8 sequence; `columns` counts code points.
void CutTo(int columns, std::string* text) {
  int seen = 0;
  for (size_t i = 0; i < text->size(); ++i) {
    const bool starts = (static_cast<unsigned char>((*text)[i]) & 0xc0) != 0x80;
    if (starts && seen++ == columns) {
      text->resize(i);
      return;
    }
  }
}

}  // namespace

std::string PlainProgress(const ProgressState& state) {
  return StrCat(state.label, " ", Numbers(state));
}

std::string ProgressBar(const ProgressState& state, int columns, bool colour) {
  if (state.total <= 0) {
    std::string line = PlainProgress(state);
    CutTo(columns, &line);
    return line;
  }
  const double share =
      std::clamp(static_cast<double>(state.done) / static_cast<double>(state.total), 0.0, 1.0);
  const auto full = static_cast<size_t>(share * kBarCells);
  const std::string begin = state.label + Format(" %3d%% [", static_cast<int>(share * 100));
  const std::string cells = std::string(full, '#') + std::string(kBarCells - full, '.');
  std::string line = begin + cells + "] " + Numbers(state);
  CutTo(columns, &line);
  if (colour && line.size() > begin.size() + full) {
    line.insert(begin.size() + full, "\x1b[0m");
    line.insert(begin.size(), "\x1b[32m");
  }
  return line;
}

Progress::Progress(std::string label, int64_t total, std::string unit)
    : terminal_(StderrIsTerminal()), begin_(Clock::now()), drawn_(begin_) {
  state_.label = std::move(label);
  state_.unit = std::move(unit);
  state_.total = total;
}

Progress::~Progress() {
  const std::lock_guard lock(mutex_);
  Draw(Clock::now(), true);
}

void Progress::Advance(int64_t count) {
  const std::lock_guard lock(mutex_);
  state_.done += count;
  DrawIfDue();
}

void Progress::SetNote(std::string note) {
  const std::lock_guard lock(mutex_);
  state_.note = std::move(note);
  DrawIfDue();
}

void Progress::DrawIfDue() {
  const Clock::time_point now = Clock::now();
  if (now - drawn_ >= (terminal_ ? Clock::duration(kBarEvery) : Clock::duration(kLineEvery))) {
    Draw(now, false);
  }
}

void Progress::Draw(Clock::time_point now, bool last) {
  drawn_ = now;
  state_.elapsed_s = std::chrono::duration<double>(now - begin_).count();
  const std::string text =
      terminal_ ? StrCat("\r", ProgressBar(state_, StderrColumns() - 1, StderrHasColour()),
                         "\x1b[K", last ? "\n" : "")
                : PlainProgress(state_) + "\n";
  std::fputs(text.c_str(), stderr);  // one call, so that lines of other threads do not cut in
}

}  // namespace fluke
