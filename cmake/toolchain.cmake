# Flags for every target: warnings are errors, ccache and mold where they are installed.
find_program(CCACHE ccache)
if(CCACHE)
  # Paths relative to the sources, so that another clone of them finds what this one compiled. For the same reason no
  # code may use __FILE__ to find its folder.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g")
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")

# Assertions stay on in every build: a broken invariant must stop before it is written to disk.
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Werror
                    -Wno-missing-field-initializers)
add_compile_definitions(_GLIBCXX_ASSERTIONS)

if(MILLRACE_SANITIZER STREQUAL "address")
  # g++ 12 takes the sanitizer's own code in <regex> for a use of uninitialized memory.
  # A third of the time to compile goes into checks of every pointer, most of which the address sanitizer makes as well;
  # the fuzzers, which clang compiles, keep all of them.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -Wno-maybe-uninitialized
                      -fno-sanitize=null,alignment,object-size,vptr,pointer-overflow)
  add_link_options(-fsanitize=address,undefined)
elseif(MILLRACE_SANITIZER STREQUAL "thread")
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
elseif(MILLRACE_SANITIZER STREQUAL "fuzzer")
  # clang warns of other things than g++, whose warnings decide; here it only has to find faults.
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -Wno-error)
  add_link_options(-fsanitize=address,undefined)
endif()
