# spate_module(<name> SOURCES <file>... [LIBS <target>...] [PRIVATE_LIBS <target>...])
#   A static library spate_<name> with the alias spate::<name>. Sources by name, no globbing.
function(spate_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS;PRIVATE_LIBS")
  add_library(spate_${name} STATIC ${arg_SOURCES})
  add_library(spate::${name} ALIAS spate_${name})
  target_include_directories(spate_${name} PUBLIC "${PROJECT_SOURCE_DIR}/src")
  target_link_libraries(spate_${name} PUBLIC ${arg_LIBS} PRIVATE spate_build_flags ${arg_PRIVATE_LIBS})
endfunction()

# spate_hot(<target>...): what the simulator runs for every request. GCC does not inline a function of
#   position-independent code that another library might replace at run time, unless it is told
#   that none does.
function(spate_hot)
  foreach(target ${ARGN})
    target_compile_options(${target} PRIVATE
      $<$<AND:$<CONFIG:Release>,$<CXX_COMPILER_ID:GNU>>:-fno-semantic-interposition>)
  endforeach()
endfunction()

# spate_plugin(<name> SOURCES <file>... [LIBS <target>...])
#   A shared module lib/libspate_<name>.so next to the binary, loaded with dlopen at run time
#   by `spate worker` and `spate model` only (design 2: the gateway never maps a model runtime).
function(spate_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS")
  add_library(spate_${name} MODULE ${arg_SOURCES})
  target_include_directories(spate_${name} PRIVATE "${PROJECT_SOURCE_DIR}/src")
  target_link_libraries(spate_${name} PRIVATE ${arg_LIBS} spate_build_flags)
  set_target_properties(spate_${name} PROPERTIES PREFIX "lib")
  # The module has its own copies of our static libraries; only its entry points are exported.
  target_link_options(spate_${name} PRIVATE -Wl,--exclude-libs,ALL)
endfunction()

# spate_test(<kind> <file>... NAME <name> [LIBS <target>...] [TIMEOUT <seconds>])
#   kind: unit | component | e2e. It is also the CTest label. Files may be several: they
#   become one executable <kind>_<name> (linking is dear, so one per module).
function(spate_test kind)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "NAME;TIMEOUT" "FILES;LIBS")
  if(NOT kind MATCHES "^(unit|component|e2e)$")
    message(FATAL_ERROR "spate_test: unknown kind '${kind}'")
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  set(target ${kind}_${arg_NAME})
  add_executable(${target} ${arg_FILES})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  target_compile_definitions(${target} PRIVATE
    SPATE_SOURCE_DIR="${PROJECT_SOURCE_DIR}" SPATE_BINARY_DIR="${PROJECT_BINARY_DIR}")
  target_link_libraries(${target} PRIVATE ${arg_LIBS} spate_build_flags
    spate_leak_suppressions GTest::gmock GTest::gtest_main)
  set(serial "")
  if(NOT kind STREQUAL "unit")
    set(serial RUN_SERIAL TRUE)  # real processes on a small machine: one at a time
  endif()
  gtest_discover_tests(${target}
    TEST_PREFIX "${kind}/" DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS ${kind} TIMEOUT ${arg_TIMEOUT} ${serial})
endfunction()

# spate_fuzz(<name> <file> [LIBS <target>...])
#   A libFuzzer target <name>_fuzz under the fuzz preset. The corpus in
#   tests/fuzz/corpus/<name>/ is replayed by a unit test under every compiler. All of them: the
#   target `fuzzers`.
add_custom_target(fuzzers)
function(spate_fuzz name file)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "LIBS")
  if(SPATE_FUZZ)
    add_executable(${name}_fuzz "${file}")
    target_compile_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
    target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name}_fuzz "${file}" "${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc")
    add_test(NAME unit/fuzz_corpus/${name}
      COMMAND ${name}_fuzz "${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name}")
    set_tests_properties(unit/fuzz_corpus/${name} PROPERTIES LABELS unit TIMEOUT 60)
  endif()
  add_dependencies(fuzzers ${name}_fuzz)
  target_include_directories(${name}_fuzz PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  target_link_libraries(${name}_fuzz PRIVATE ${arg_LIBS} spate_build_flags)
endfunction()
