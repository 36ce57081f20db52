# millrace_embed_ui(TARGET)
#
# Build ui/ with Node and link its files into TARGET, which must hold src/server/ui_files.cc.
# Ninja does it again only when a file of ui/ changed. Each build folder has an output of its own;
# they share ui/node_modules, filled by `npm ci` when package-lock.json is newer.
set(MILLRACE_UI_SOURCE ${CMAKE_SOURCE_DIR}/ui CACHE INTERNAL "sources of the dashboard")
set(MILLRACE_UI_BUILD_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/build_ui.cmake CACHE INTERNAL "")

find_program(NODE node HINTS ${MILLRACE_DEPS}/node/bin NO_DEFAULT_PATH)
find_program(NODE node REQUIRED)
find_program(NPM npm HINTS ${MILLRACE_DEPS}/node/bin NO_DEFAULT_PATH)
find_program(NPM npm REQUIRED)

function(millrace_embed_ui TARGET)
  set(ui ${MILLRACE_UI_SOURCE})
  set(out ${CMAKE_BINARY_DIR}/ui)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${ui}/src/* ${ui}/public/*)
  list(FILTER sources EXCLUDE REGEX "\\.test\\.tsx?$")
  foreach(file index.html package.json package-lock.json vite.config.ts tsconfig.json embed.mjs)
    list(APPEND sources ${ui}/${file})
  endforeach()
  add_custom_command(
    OUTPUT ${out}/ui_files.s ${out}/ui_files_table.inc
    COMMAND ${CMAKE_COMMAND} -DUI=${ui} -DOUT=${out} -DNODE=${NODE} -DNPM=${NPM}
            -DLOCK=${MILLRACE_DEPS}/ui.lock -P ${MILLRACE_UI_BUILD_SCRIPT}
    DEPENDS ${sources} ${MILLRACE_UI_BUILD_SCRIPT}
    COMMENT "Building the dashboard"
    VERBATIM)
  target_sources(${TARGET} PRIVATE ${out}/ui_files.s ${out}/ui_files_table.inc)
  target_include_directories(${TARGET} PRIVATE ${out})
endfunction()
