# ram_layer(NAME USES layers... LIBRARIES ... PRIVATE_LIBRARIES ...)
#
# src/ram/NAME/*.cc becomes the library ram_NAME, its *_test.cc the program
# NAME_test. USES is the row of the layer table in docs/architecture.md: the
# only other layers whose headers this one may include.
function(ram_layer name)
  cmake_parse_arguments(ARG "" "" "USES;LIBRARIES;PRIVATE_LIBRARIES" ${ARGN})
  set(dir ${CMAKE_SOURCE_DIR}/src/ram/${name})
  file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.cc)
  file(GLOB headers CONFIGURE_DEPENDS ${dir}/*.h)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "(_test|/main)\\.cc$")

  if(NOT sources)
    message(FATAL_ERROR "layer '${name}' has no sources")
  endif()
  # Where the time of a program goes: SIMD kernels, which are compiled once per
  # target into very large functions, and what is made of Eigen's templates.
  foreach(source IN LISTS sources tests)
    file(STRINGS ${source} kernel REGEX "hwy/foreach_target.h|<Eigen/")
    if(kernel)
      set(options ${RAM_KERNEL_OPTIONS})
      if(source IN_LIST tests)
        list(PREPEND options -O2)  # instead of RAM_TEST_OPTIONS
      endif()
      set_source_files_properties(${source} PROPERTIES
        COMPILE_OPTIONS "${options}" SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endforeach()
  add_library(ram_${name} STATIC ${sources})
  target_include_directories(ram_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(ram_${name} PRIVATE ram_warnings)
  target_link_libraries(ram_${name} PUBLIC ${ARG_LIBRARIES})
  target_link_libraries(ram_${name} PRIVATE ${ARG_PRIVATE_LIBRARIES})
  foreach(used IN LISTS ARG_USES)
    target_link_libraries(ram_${name} PUBLIC ram_${used})
  endforeach()

  # The stamp is older than any changed file, so the check runs again.
  set(stamp ${CMAKE_BINARY_DIR}/include_check/${name}.stamp)
  add_custom_command(
    OUTPUT ${stamp}
    COMMAND ${CMAKE_COMMAND} "-DLAYER=${name}" "-DUSES=${ARG_USES}"
            "-DDIR=${dir}" "-DSTAMP=${stamp}"
            -P ${CMAKE_SOURCE_DIR}/cmake/check_includes.cmake
    DEPENDS ${sources} ${headers} ${tests}
            ${CMAKE_SOURCE_DIR}/cmake/check_includes.cmake
    COMMENT "Checking the includes of ${name}" VERBATIM)
  add_custom_target(${name}_includes DEPENDS ${stamp})
  add_dependencies(ram_${name} ${name}_includes)

  if(RAM_BUILD_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ram_${name} ram_warnings
      ${ARG_PRIVATE_LIBRARIES} GTest::gmock GTest::gtest_main)
    target_compile_options(${name}_test PRIVATE ${RAM_TEST_OPTIONS})
    target_compile_definitions(${name}_test PRIVATE
      RAM_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    gtest_discover_tests(${name}_test DISCOVERY_TIMEOUT 60
      PROPERTIES TIMEOUT ${RAM_TEST_TIMEOUT})
  endif()
endfunction()

# ram_program(NAME MAIN LAYER): an executable at the top of the build folder.
function(ram_program name main layer)
  add_executable(${name} ${CMAKE_SOURCE_DIR}/${main})
  target_link_libraries(${name} PRIVATE ram_${layer} ram_warnings)
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
endfunction()
