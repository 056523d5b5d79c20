# ram_embed(LAYER FUNCTION FILE): the bytes of FILE as
# `std::string_view ram::page_files::FUNCTION()` in the library of the layer.
function(ram_embed layer function file)
  set(out ${CMAKE_BINARY_DIR}/embedded/${layer}_${function}.cc)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} "-DFUNCTION=${function}" "-DFILE=${file}"
            "-DOUT=${out}" -P ${CMAKE_SOURCE_DIR}/cmake/embed_file.cmake
    DEPENDS ${file} ${CMAKE_SOURCE_DIR}/cmake/embed_file.cmake
    COMMENT "Embedding ${file}" VERBATIM)
  set_source_files_properties(${out} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  target_sources(ram_${layer} PRIVATE ${out})
endfunction()
