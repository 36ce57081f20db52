# What `make package` packs: the binary and the DuckDB beside it, found from wherever it is unpacked.
if(TARGET millrace)
  set_target_properties(millrace PROPERTIES INSTALL_RPATH "$ORIGIN/../lib")
  install(TARGETS millrace RUNTIME DESTINATION bin)
  get_filename_component(duckdb_file ${DUCKDB_LIBRARY} REALPATH)
  install(PROGRAMS ${duckdb_file} DESTINATION lib RENAME libduckdb.so)
endif()
