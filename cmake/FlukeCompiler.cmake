# Language level, warnings, sanitizers, ccache and mold: everything about the compiler that all rooms share.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness lets ccache hit where a precompiled header is used; the base folder makes a second clone hit as well.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE_PROGRAM})
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
endif()

find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

if(FLUKE_SANITIZE)
  # -O1: most of a sanitized build's time is its compilation. (GCC 12 sees overflows in plain strings at -O1.)
  add_compile_options(-fsanitize=${FLUKE_SANITIZE} -fno-omit-frame-pointer -g1 -O1 -Wno-array-bounds -Wno-stringop-overflow)
  # Checks of every member access, the half of a file's compilation. Using a null or a freed pointer still ends in
  # AddressSanitizer's report; and from GCC 13 on, with these, it takes no function's address for a constant (GCC bug 71962),
  # which Abseil's containers of 2024 want it to be.
  if(FLUKE_SANITIZE MATCHES "undefined" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fno-sanitize=null,nonnull-attribute,returns-nonnull-attribute,vptr)
  endif()
  # Under a sanitizer newer Abseils lay their containers out differently, which Debian's library does not know of; nor does it
  # take back the poison that their headers lay (allow_user_poisoning=0 in the asan test preset).
  add_compile_definitions(NDEBUG_SANITIZER)
  add_link_options(-fsanitize=${FLUKE_SANITIZE})
endif()

# Each room's target links this: warnings hold for our code only, third parties are SYSTEM includes.
# -Wno-restrict: GCC 12 sees overlapping copies in plain std::string concatenation (GCC bug 105651).
add_library(fluke_warnings INTERFACE)
target_compile_options(fluke_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wno-unused-parameter
                       $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
                       $<$<BOOL:${FLUKE_WARNINGS_AS_ERRORS}>:-Werror>)
target_include_directories(fluke_warnings INTERFACE ${CMAKE_SOURCE_DIR})

# fluke_unity(TARGET): with FLUKE_UNITY, several of the target's files are compiled as one, so that the gRPC, googletest and
# Torch headers are read once for all of them: deploy/build does so. Names at file scope must then differ within the target,
# and a file that is compiled alone (FLUKE_UNITY=OFF) must still include what it needs.
function(fluke_unity target)
  if(FLUKE_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()
