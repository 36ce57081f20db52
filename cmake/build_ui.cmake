# Run by cmake/ui.cmake at build time: install what ui/ needs (only when the lock file is newer than
# what is installed, under LOCK), build it into OUT/dist, and make OUT/ui_files.s and OUT/ui_files_table.inc.
function(run)
  execute_process(COMMAND ${ARGV} WORKING_DIRECTORY ${UI} RESULT_VARIABLE code
                  OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(NOT code EQUAL 0)
    string(JOIN " " command ${ARGV})
    message(FATAL_ERROR "in ${UI}: ${command}\n${text}")
  endif()
endfunction()

get_filename_component(node_bin ${NODE} DIRECTORY)
set(ENV{PATH} "${node_bin}:$ENV{PATH}")

# Several build folders may build at once, and share node_modules.
file(LOCK ${LOCK} TIMEOUT 600)
set(installed ${UI}/node_modules/.package-lock.json)
if(NOT EXISTS ${installed} OR ${UI}/package-lock.json IS_NEWER_THAN ${installed})
  run(${NPM} ci --no-fund --no-audit --loglevel=error)
  file(TOUCH ${installed})
endif()
file(LOCK ${LOCK} RELEASE)

run(${NODE} node_modules/vite/bin/vite.js build --outDir ${OUT}/dist --emptyOutDir --logLevel warn)
run(${NODE} embed.mjs ${OUT}/dist ${OUT})
