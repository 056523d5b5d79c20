# Every library comes from the system (apt, Homebrew, vcpkg). docs/
# dependencies.md says what each is for.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json 3.10 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(CLI11 REQUIRED)

# Highway and xxHash ship CMake packages in some distributions, and
# pkg-config files in all.
find_package(PkgConfig REQUIRED)
function(ram_find_library alias cmake_package pkgconfig_module)
  find_package(${cmake_package} QUIET CONFIG)
  if(TARGET ${alias})
    return()
  endif()
  string(MAKE_C_IDENTIFIER ${pkgconfig_module} id)
  pkg_check_modules(${id} REQUIRED IMPORTED_TARGET GLOBAL ${pkgconfig_module})
  add_library(${alias} ALIAS PkgConfig::${id})
endfunction()
ram_find_library(hwy::hwy hwy libhwy)
ram_find_library(xxhash::xxhash xxHash libxxhash)
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET GLOBAL libpcre2-8>=10.40)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET GLOBAL libutf8proc)
# Debian ships a CMake package, which calls the library DNNL::dnnl and looks for
# OpenCL's headers although we use none of it.
find_package(dnnl REQUIRED CONFIG)
add_library(dnnl::dnnl ALIAS DNNL::dnnl)

# Sanitizers make the kernels slow to compile: "few" leaves the oldest target
# and AVX2 (on x86), "static" the one that the compiler assumes anyway. For the
# whole build, as tests ask which targets there are.
set(RAM_SIMD_TARGETS all CACHE STRING "all, few or static")
set(RAM_KERNEL_OPTIONS "" CACHE STRING "Compile options for kernels alone")
# Tests run once and are compiled often.
set(RAM_TEST_OPTIONS "-O0" CACHE STRING "Compile options for tests alone")
set(RAM_TEST_TIMEOUT 300 CACHE STRING "Seconds that one test may take")
if(RAM_SIMD_TARGETS STREQUAL "few")
  add_compile_definitions(
    "HWY_DISABLED_TARGETS=(HWY_SSSE3|HWY_SSE4|HWY_AVX3|HWY_AVX3_DL)")
elseif(RAM_SIMD_TARGETS STREQUAL "static")
  add_compile_definitions(HWY_COMPILE_ONLY_STATIC)
endif()

if(RAM_BUILD_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
if(RAM_BUILD_BENCH)
  find_package(benchmark REQUIRED)
endif()
