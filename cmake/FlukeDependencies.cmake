# Finds every third party once, under one name each. deploy/setup installs all of them.
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)  # before FAISS, whose targets name it
# The compiler's own -fopenmp instead of a path to its libgomp: which one is loaded is the run path's business, see below.
set_target_properties(OpenMP::OpenMP_CXX PROPERTIES INTERFACE_LINK_LIBRARIES "" INTERFACE_LINK_OPTIONS -fopenmp)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(OpenCV 4 REQUIRED COMPONENTS core imgproc imgcodecs flann features2d calib3d)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json 3 REQUIRED)
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(ZLIB REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBZIP REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
# By pkg-config, which knows what Debian's library was compiled with (cpp-httplib: the layout of its classes depends on that), and
# asks for no library that only the rest of prometheus-cpp uses.
pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
pkg_check_modules(PROMETHEUS REQUIRED IMPORTED_TARGET prometheus-cpp-core)
find_package(OpenSSL REQUIRED COMPONENTS SSL)

# The per-user cache that deploy/setup fills.
if(DEFINED ENV{FLUKE_CACHE})
  set(_fluke_cache $ENV{FLUKE_CACHE})
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(_fluke_cache $ENV{XDG_CACHE_HOME}/fluke)
else()
  set(_fluke_cache $ENV{HOME}/.cache/fluke)
endif()
set(FLUKE_CACHE_DIR ${_fluke_cache} CACHE PATH "Folder that deploy/setup fills")

# FAISS: the cache's AVX2 build first, the system's otherwise. FAISS's own export names no include folder for faiss_avx2.
if(FLUKE_CUDA)
  find_package(CUDAToolkit REQUIRED)  # before FAISS, whose GPU half names its targets
  if(NOT EXISTS ${FLUKE_CACHE_DIR}/faiss-cuda)
    message(FATAL_ERROR "FAISS's GPU half not found in ${FLUKE_CACHE_DIR}; run FLUKE_CUDA=1 deploy/setup")
  endif()
  list(PREPEND CMAKE_PREFIX_PATH ${FLUKE_CACHE_DIR}/faiss-cuda)
else()
  list(PREPEND CMAKE_PREFIX_PATH ${FLUKE_CACHE_DIR}/faiss)
endif()
unset(faiss_DIR CACHE)  # FLUKE_CUDA may have been another when it was found
find_package(faiss 1.7.3 CONFIG REQUIRED)
cmake_path(IS_PREFIX FLUKE_CACHE_DIR ${faiss_DIR} NORMALIZE _faiss_is_ours)
get_target_property(_faiss_includes faiss INTERFACE_INCLUDE_DIRECTORIES)
add_library(fluke_faiss INTERFACE)
add_library(fluke::faiss ALIAS fluke_faiss)
target_include_directories(fluke_faiss SYSTEM INTERFACE ${_faiss_includes})
if(FLUKE_CUDA)
  target_compile_definitions(fluke_faiss INTERFACE FLUKE_CUDA=1)
  target_link_libraries(fluke_faiss INTERFACE CUDA::cudart CUDA::cublas)
  # Its device code is linked already; fluke itself has none, and no CUDA compiler to link with.
  set_target_properties(faiss PROPERTIES IMPORTED_LINK_INTERFACE_LANGUAGES_RELEASE CXX)
else()
  # Enough to compile what uses the GPU half, not to link it.
  find_package(CUDAToolkit QUIET)
  if(CUDAToolkit_FOUND AND EXISTS ${FLUKE_CACHE_DIR}/faiss/include/faiss/gpu/GpuCloner.h)
    set(FLUKE_FAISS_GPU_HEADERS TRUE)
  else()
    message(STATUS "No CUDA toolkit: index/gpu_index.cc is compiled without its GPU half")
  endif()
endif()
if(TARGET faiss_avx2)
  target_link_libraries(fluke_faiss INTERFACE faiss_avx2)
else()
  target_link_libraries(fluke_faiss INTERFACE faiss)
  if(NOT _faiss_is_ours)
    message(WARNING "FAISS of the system (${faiss_DIR}) may lack AVX2: searches will be several times slower; "
                    "run deploy/setup")
  endif()
endif()

# LibTorch: a small target of our own, because the wheel's TorchConfig.cmake asks for CUDA.
set(FLUKE_TORCH_DIR ${FLUKE_CACHE_DIR}/torch CACHE PATH "Unpacked torch wheel: include/ and lib/")
if(NOT EXISTS ${FLUKE_TORCH_DIR}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "LibTorch not found in ${FLUKE_TORCH_DIR}; run deploy/setup")
endif()
add_library(fluke_torch INTERFACE)
add_library(fluke::torch ALIAS fluke_torch)
target_include_directories(fluke_torch SYSTEM INTERFACE ${FLUKE_TORCH_DIR}/include
                           ${FLUKE_TORCH_DIR}/include/torch/csrc/api/include)
target_link_directories(fluke_torch INTERFACE ${FLUKE_TORCH_DIR}/lib)
target_link_libraries(fluke_torch INTERFACE ${FLUKE_TORCH_DIR}/lib/libtorch_cpu.so ${FLUKE_TORCH_DIR}/lib/libc10.so)
# LibTorch's folder stands first in the run path, so that Torch, FAISS and OpenBLAS share its libgomp.
target_link_options(fluke_torch INTERFACE -Wl,--disable-new-dtags,-rpath,${FLUKE_TORCH_DIR}/lib
                    -Wl,-rpath-link,${FLUKE_TORCH_DIR}/lib)
if(FLUKE_CUDA)
  if(NOT EXISTS ${FLUKE_TORCH_DIR}/lib/libtorch_cuda.so)
    message(FATAL_ERROR "LibTorch's CUDA half not found in ${FLUKE_TORCH_DIR}; run FLUKE_CUDA=1 deploy/setup")
  endif()
  target_compile_definitions(fluke_torch INTERFACE FLUKE_CUDA=1)
  # Registers its backends from static initialisers: keep it although nothing names its symbols.
  target_link_libraries(fluke_torch INTERFACE -Wl,--no-as-needed ${FLUKE_TORCH_DIR}/lib/libtorch_cuda.so
                        ${FLUKE_TORCH_DIR}/lib/libc10_cuda.so -Wl,--as-needed)
endif()

if(FLUKE_TESTS)
  find_package(GTest REQUIRED)
endif()
