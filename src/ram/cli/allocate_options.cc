#include "ram/cli/allocate_options.h"

#include "ram/base/byte_size.h"
#include "ram/base/error.h"

namespace ram {

void AllocateArguments::AddTo(CLI::App& command) {
  command
      .add_option("--target", target,
                  "Who will load it: mlx, gguf (llama.cpp), vllm (and "
                  "transformers), or native (every matrix and expert its own "
                  "precision)")
      ->capture_default_str();
  command.add_flag("--allow-unportable", allow_unportable,
                   "On target vllm also 2, 3, 5 and 6 bits, which vLLM has no "
                   "kernels for");
  command
      .add_option("--policy", policy,
                  "optimal, uniform, ram-v1, ram-v2 or ram-v3")
      ->capture_default_str();
  command.add_option("--bits", bits, "Bits for uniform (default 4)");
  command.add_option("--group-size", group_size,
                     "Group size for uniform (default: the target's own, 64 "
                     "for mlx)");
  command.add_option("--type", type,
                     "Block type for uniform on target gguf, e.g. Q4_K or "
                     "IQ4_XS, instead of --bits");
  command.add_option("--like", like,
                     "Instead of a policy, on target gguf: a mix of "
                     "llama-quantize's by its name, e.g. Q4_K_M");
  command.add_option("--size", size,
                     "Budget for all weight files, e.g. 16.2GiB or 500MB");
  command.add_option("--bpw", bits_per_weight,
                     "Budget in bits per weight, scales included");
  command.add_flag("--min-safe", min_safe,
                   "The smallest size with every unit at 9 dB or more and no "
                   "more predicted loss than uniform 4-bit g64 (gguf: Q4_K)");
  command.add_option("--encoder", encoder,
                     "minmax (MLX's own rounding) or search (ours); on target "
                     "gguf search or fast (fewer starts); default: minmax for "
                     "uniform where there is one, else search");
  command.add_option("--set", overrides,
                     "Override units by name: 'PATTERN=BITS', "
                     "'PATTERN=BITS:GROUP' or 'PATTERN=TYPE', * and ? as "
                     "wildcards, 16 leaves them; may be repeated");
}

std::string AllocateArguments::TargetName() const {
  if (!allow_unportable) return target;
  if (target != "vllm") {
    Fail(ErrorKind::kUsage,
         "--allow-unportable: found target {}, expected vllm", target);
  }
  return "vllm-unportable";
}

AllocateOptions AllocateArguments::Options() const {
  AllocateOptions options;
  options.policy = ParsePolicy(policy);
  if (!like.empty()) {
    if (options.policy != Policy::kOptimal) {
      Fail(ErrorKind::kUsage, "--like: found with policy {}, expected alone",
           policy);
    }
    options.policy = Policy::kLike;
    options.like = like;
  }
  if (options.policy != Policy::kUniform &&
      (bits || group_size || !type.empty())) {
    Fail(ErrorKind::kUsage,
         "--bits, --group-size and --type: found with policy {}, expected with "
         "uniform (use --size, --bpw or --set)",
         policy);
  }
  if (!type.empty() && (bits || group_size)) {
    Fail(ErrorKind::kUsage,
         "--type: found with --bits or --group-size, expected it alone");
  }
  options.bits = bits.value_or(4);
  options.group_size = group_size;
  if (!type.empty()) {
    options.type = ParseBlockType(type);
    if (!options.type) {
      Fail(ErrorKind::kUsage, "--type: found '{}', expected {}", type,
           SchemesText(FindTarget("gguf")));
    }
  }
  if (!size.empty()) options.size_bytes = ParseByteSize(size);
  options.bits_per_weight = bits_per_weight;
  options.min_safe = min_safe;
  if (!encoder.empty()) {
    options.encoder = ParseEncoder(encoder);
    if (!options.encoder) {
      Fail(ErrorKind::kUsage,
           "--encoder: found '{}', expected minmax, search or fast", encoder);
    }
  }
  for (const std::string& text : overrides) {
    options.overrides.push_back(ParseOverride(text));
  }
  return options;
}

}  // namespace ram
