# Compiler settings: one interface target, linked PRIVATE by every target of ours.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")

option(SPATE_WERROR "Treat warnings as errors" OFF)
option(SPATE_TESTS "Build the tests" ON)
option(SPATE_UNIT_TESTS "Build the unit and component tests, not only the end-to-end scripts" ON)
option(SPATE_BENCH "Build the benchmarks" ON)
option(SPATE_FUZZ "Build the libFuzzer targets (clang only)" OFF)
set(SPATE_SANITIZE "" CACHE STRING "Value for -fsanitize=, or empty")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_C_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM AND NOT SPATE_FUZZ)
  add_link_options(-fuse-ld=mold)
endif()

add_library(spate_build_flags INTERFACE)
target_compile_options(spate_build_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  $<$<BOOL:${SPATE_WERROR}>:-Werror>
  # GCC 12 reports false positives of these two from inlined library code at -O2.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds>)
if(SPATE_SANITIZE)
  # Boost.Asio has fences, which GCC's TSan does not model; its queues lock mutexes, which it does.
  if(SPATE_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(spate_build_flags INTERFACE -Wno-tsan)
  endif()
  add_compile_options(-fsanitize=${SPATE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SPATE_SANITIZE})
  # Debug with sanitizers but without the slowest of -O0. Measured with GCC 12 on the four dearest
  # sources: -O1 takes 1.5 times as long to compile as -Og, most of it for inlined, instrumented code.
  add_compile_options($<$<CONFIG:Debug>:-Og>)
  # Debug info of the heavy header libraries dominates build time; line tables suffice.
  add_compile_options($<$<CONFIG:Debug>:-g1>)
endif()
# Linked into every program and test: what LeakSanitizer is not to report.
if(SPATE_SANITIZE MATCHES address)
  add_library(spate_leak_suppressions OBJECT "${CMAKE_CURRENT_LIST_DIR}/leak_suppressions.cc")
else()
  add_library(spate_leak_suppressions INTERFACE)
endif()
