# Several files compiled as one take a third of the time, most of which goes into what they all include. So names within
# anonymous namespaces must differ between neighbours in a layer. Not in debug builds, nor for `make lint`, which goes by
# one: they see to it that each file includes what it uses.
function(millrace_compile_together TARGET FILES)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    # Nobody waits for a change of one file there, but everybody for the whole.
    if(MILLRACE_SANITIZER AND FILES LESS 10)
      set(FILES 10)
    endif()
    set_target_properties(${TARGET} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${FILES})
    # That a class has members of types without a name elsewhere: here "elsewhere" is the .cc itself.
    target_compile_options(${TARGET} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()

# Builds every layer's test program.
add_custom_target(unit_tests)

# millrace_layer(NAME USES layer... LINK target... TOGETHER files)
#
# Make the library `millrace_NAME` of every .cc in the folder, the test program `NAME_test` of its
# *_test.cc files (their helpers are *_testing.cc) and one program for each *_bench.cc, which ctest
# runs for an instant, so that no benchmark rots. TOGETHER: so many files are compiled as one, 6 unless
# said; fewer where each takes long, so that a change of one is compiled soon.
function(millrace_layer NAME)
  cmake_parse_arguments(ARG "" "TOGETHER" "USES;LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  file(GLOB tests CONFIGURE_DEPENDS *_test.cc)
  file(GLOB testing CONFIGURE_DEPENDS *_testing.cc)
  file(GLOB benches CONFIGURE_DEPENDS *_bench.cc)
  list(REMOVE_ITEM sources ${tests} ${testing} ${benches} ${CMAKE_CURRENT_SOURCE_DIR}/main.cc)

  if(NOT sources)
    return()
  endif()
  set(uses ${ARG_USES})
  list(TRANSFORM uses PREPEND millrace_)
  add_library(millrace_${NAME} STATIC ${sources})
  if(NOT ARG_TOGETHER)
    set(ARG_TOGETHER 6)
  endif()
  millrace_compile_together(millrace_${NAME} ${ARG_TOGETHER})
  target_include_directories(millrace_${NAME} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(millrace_${NAME} PUBLIC ${uses} ${ARG_LINK} Threads::Threads)

  # The helpers of a layer may use those of the layers below it.
  set(helpers "")
  foreach(layer ${ARG_USES})
    if(TARGET millrace_${layer}_testing)
      list(APPEND helpers millrace_${layer}_testing)
    endif()
  endforeach()
  if(testing)
    add_library(millrace_${NAME}_testing STATIC ${testing})
    target_link_libraries(millrace_${NAME}_testing PUBLIC millrace_${NAME} ${helpers} GTest::gtest)
    list(PREPEND helpers millrace_${NAME}_testing)
  endif()
  if(tests)
    add_executable(${NAME}_test ${tests})
    millrace_compile_together(${NAME}_test 8)
    target_link_libraries(${NAME}_test PRIVATE millrace_${NAME} ${helpers} GTest::gmock GTest::gtest_main)
    # Tests take longer to compile than to run; without optimization that takes a third less.
    target_compile_options(${NAME}_test PRIVATE $<$<CONFIG:Release>:-O0>)
    add_test(NAME ${NAME} COMMAND ${NAME}_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    list(LENGTH tests cost)  # the largest first, so that none is left to run alone
    set_tests_properties(${NAME} PROPERTIES LABELS unit COST ${cost})
    add_dependencies(unit_tests ${NAME}_test)
  endif()
  foreach(bench ${benches})
    get_filename_component(name ${bench} NAME_WE)
    add_executable(${name} ${bench})
    target_link_libraries(${name} PRIVATE millrace_${NAME} ${helpers} benchmark::benchmark)
    # Benchmarks with a main of their own say "--tiny" in their first lines; the others are Google Benchmark's.
    file(STRINGS ${bench} tiny REGEX "--tiny" LIMIT_COUNT 1)
    set(short --benchmark_min_time=0.001)
    if(tiny)
      set(short --tiny)
    endif()
    add_test(NAME bench.${name} COMMAND ${name} ${short} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(bench.${name} PROPERTIES LABELS bench TIMEOUT 120)
  endforeach()
endfunction()
