# Shared build rules: warnings, sanitizers, ccache, precompiled headers, and two functions:
#   towpath_library(name SOURCES... LINK targets... PCH headers...)
#   towpath_test(name SOURCES... LINK targets...)     a gtest program, found by ctest
find_program(CCACHE ccache)
if(CCACHE)
  # Precompiled headers and ccache agree only when time macros and PCH defines are forgiven. Paths count from the top of the
  # tree, so that what one clone or worktree has compiled serves the others.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
endif()

add_library(towpath_options INTERFACE)
target_include_directories(towpath_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)
target_compile_options(towpath_options INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror -fno-strict-aliasing
  $<$<CXX_COMPILER_ID:GNU>:-fcoroutines -fpch-preprocess>
  # g++ 12 finds overlaps and overruns in std::string's own code, now and then and wrongly (GCC bugs 105329, 105651).
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict -Wno-array-bounds -Wno-stringop-overflow
  -Wno-stringop-overread>)
target_compile_definitions(towpath_options INTERFACE TOWPATH_VERSION="${PROJECT_VERSION}")
if(TOWPATH_SANITIZE)
  target_compile_options(towpath_options INTERFACE -fsanitize=${TOWPATH_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  # g++ says so itself: with sanitizers it takes members of an optional for uninitialized that are not. The plain build warns.
  target_compile_options(towpath_options INTERFACE -Wno-maybe-uninitialized)
  target_link_options(towpath_options INTERFACE -fsanitize=${TOWPATH_SANITIZE})
endif()
if(TOWPATH_FUZZ)
  target_compile_options(towpath_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(towpath_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;PCH" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC towpath_options ${ARG_LINK})
  if(ARG_PCH)
    target_precompile_headers(${name} PRIVATE ${ARG_PCH})
  endif()
endfunction()

function(towpath_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE towpath_options towpath_test_support ${ARG_LINK} GTest::gtest GTest::gmock GTest::gtest_main)
  target_precompile_headers(${name} REUSE_FROM towpath_test_support)
  add_test(NAME ${TOWPATH_TEST_PREFIX}${name} COMMAND ${name})
  set_tests_properties(${TOWPATH_TEST_PREFIX}${name} PROPERTIES TIMEOUT 120 LABELS "${ARG_LABELS}")
endfunction()
