# Warnings for our own code, as errors. -ffp-contract=off because bytes must
# agree between SIMD targets, compilers and machines.
add_library(ram_warnings INTERFACE)
target_compile_options(ram_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -ffp-contract=off)
# GCC 12 sees overlapping copies inside std::string (GCC bug 105329).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION
   VERSION_LESS 13)
  target_compile_options(ram_warnings INTERFACE -Wno-restrict)
endif()
# Under a sanitizer GCC takes the members of std::function in <regex> for
# uninitialised (its manual warns of such false reports).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_FLAGS MATCHES
   "-fsanitize")
  target_compile_options(ram_warnings INTERFACE -Wno-maybe-uninitialized)
endif()
# GCC takes what a unity build includes for headers.
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(ram_warnings INTERFACE -Wno-subobject-linkage)
endif()
