# Warnings for our own code, as errors. -ffp-contract=off because bytes must
# agree between SIMD targets, compilers and machines.
add_library(ram_warnings INTERFACE)
target_compile_options(ram_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -ffp-contract=off)
