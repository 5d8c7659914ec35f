// How the program's allocator, jemalloc, treats memory that is free: a server gives it back to the
// system after some seconds, so that what it holds is what it uses; training reuses it every step.
#pragma once

namespace fluke::cli {

// For verbs that end when their work is done: freed memory stays in the process, and is not given
// back and faulted in again, page by page, on the next step. Call before other threads begin.
void KeepFreedMemory();

}  // namespace fluke::cli
