// Loops over pixels are plain C++ that the compiler vectorises; a function marked FLUKE_SIMD is
// compiled once for AVX2 and once for the baseline, and the machine picks. Results are the same: no
// fused multiply-add is used in either.
#pragma once

// Sanitizers initialise after the resolvers of cloned functions have run, so their builds take the
// baseline alone.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define FLUKE_SIMD __attribute__((target_clones("avx2", "default")))
#else
#define FLUKE_SIMD
#endif
