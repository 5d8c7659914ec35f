// A layer between a program and its files that fails on purpose, at a chosen operation.
//
// Linked before libc (or named in LD_PRELOAD), it takes the place of open, write, fsync, rename,
// unlink, mkdir and their kin. Below one folder it counts what changes files; everything else is
// let through. Opening, reading and mapping for reading are never counted. stdio's own buffers
// (fwrite) are written behind its back; fluke has none of them in its files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fluke::faults {

enum class Fault {
  kNone,    // only counts
  kBefore,  // SIGKILL before the operation
  kIn,      // SIGKILL after half of the bytes; an operation without bytes is atomic: as kBefore
  kAfter,   // SIGKILL after the operation
  // The power fails before the operation. What was not fsync'ed is as it was at the last fsync of
  // its file, or of its folder for names (lost_writes.h).
  kLost,
  kLostData,    // as kLost, but names made it to the disk before the contents did
  kTorn,        // as kLostData, but sizes too, and of each write the first half: then come zeros
  kError,       // from the operation on, all fail with `error`
  kErrorOnce,   // the operation fails with `error`, later ones are well
  kShortWrite,  // the operation writes half of its bytes and says so, which is no error
};

struct FaultPlan {
  std::string folder;  // absolute, without links and dots
  Fault fault = Fault::kNone;
  int64_t at = 0;  // operation, counted from 1
  int error = 0;   // an errno. ENOSPC: the first write is a short one, removing goes on
};

struct Operation {
  std::string name;  // "create", "write", "fsync", "rename" ...
  std::string path;  // where it goes to
  bool has_bytes = false;
};

// Not thread-safe themselves; the operations may come from any thread. A program that is only
// preloaded with the layer says the same by FAULT_FOLDER, FAULT_KIND (before, in, after, lost,
// lost-data, torn, error, error-once, short-write), FAULT_AT and FAULT_ERROR (a number).
void BeginFaults(const FaultPlan& plan);
void EndFaults();

// Since BeginFaults.
std::vector<Operation> Operations();

// Counts as an operation that does nothing, so that a program can also die when all is done.
void ReachTheEnd();

}  // namespace fluke::faults
