#include "ram/evaluation/dense_linear.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <dnnl.hpp>
#include <map>
#include <mutex>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/parallel.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

using dnnl::memory;

// Rows of a product at once: the larger, the less often weights are read; all
// of this size share a kernel.
constexpr uint64_t kProductRows = 256;
constexpr uint64_t kSliceBytes = uint64_t{4} << 20;
constexpr uint64_t kSliceRows = 256;  // a multiple of every layout's blocks

// Parallelism is ours (chunks of tokens), so oneDNN's OpenMP gets one thread
// in each of our threads. Other builds of oneDNN have no such function.
void UseOneThread() {
  thread_local const bool done = [] {
    void* symbol = ::dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    if (symbol) reinterpret_cast<void (*)(int)>(symbol)(1);
    return true;
  }();
  (void)done;
}

const dnnl::engine& Engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& Stream() {
  thread_local dnnl::stream stream(Engine());
  return stream;
}

memory::data_type TypeOf(ComputeType compute) {
  return compute == ComputeType::kBF16 ? memory::data_type::bf16
                                       : memory::data_type::f32;
}

memory::dim Dim(uint64_t n) { return static_cast<memory::dim>(n); }

memory::desc RowMajor(uint64_t rows, uint64_t cols, memory::data_type type) {
  return {{Dim(rows), Dim(cols)}, type, memory::dims{Dim(cols), 1}};
}

dnnl::matmul::primitive_desc Describe(uint64_t rows, uint64_t in, uint64_t out,
                                      memory::data_type type,
                                      const memory::desc& weights) {
  return {dnnl::matmul::desc(RowMajor(rows, in, type), weights,
                             RowMajor(rows, out, memory::data_type::f32)),
          Engine()};
}

class PackedLinear : public Linear {
 public:
  PackedLinear(uint64_t in, uint64_t out, const RowReader& read,
               ComputeType compute, int threads)
      : Linear(in, out), type_(TypeOf(compute)) {
    UseOneThread();
    const memory::desc any({Dim(in), Dim(out)}, type_, memory::format_tag::any);
    layout_ = Describe(kProductRows, in, out, type_, any).weights_desc();
    weights_ = memory(layout_, Engine());
    std::memset(weights_.get_data_handle(), 0, layout_.get_size());
    Pack(read, threads);
  }

  void Apply(const float* x, uint64_t rows, float* y) const override {
    UseOneThread();
    for (uint64_t row = 0; row < rows; row += kProductRows) {
      const uint64_t count = std::min(kProductRows, rows - row);
      ApplyBlock(x + row * in(), count, y + row * out());
    }
  }

 private:
  void Pack(const RowReader& read, int threads) {
    const uint64_t rows =
        std::max(kSliceRows,
                 kSliceBytes / sizeof(float) / in() / kSliceRows * kSliceRows);
    const uint64_t slices = (out() + rows - 1) / rows;
    std::vector<std::vector<float>> buffers(
        static_cast<size_t>(std::max(threads, 1)));
    ParallelFor(slices, threads, [&](uint64_t slice, int worker) {
      UseOneThread();
      const uint64_t first = slice * rows;
      const uint64_t count = std::min(rows, out() - first);
      std::vector<float>& floats = buffers[static_cast<size_t>(worker)];
      floats.resize(count * in());
      read(first, floats);
      const memory::desc plain({Dim(in()), Dim(count)}, memory::data_type::f32,
                               memory::dims{1, Dim(in())});
      const memory::desc part =
          layout_.submemory_desc({Dim(in()), Dim(count)}, {0, Dim(first)});
      memory from(plain, Engine(), floats.data());
      memory to(part, Engine(), weights_.get_data_handle());
      dnnl::reorder(from, to).execute(Stream(), from, to);
      Stream().wait();
    });
  }

  void ApplyBlock(const float* x, uint64_t rows, float* y) const {
    void* input = const_cast<float*>(x);
    if (type_ == memory::data_type::bf16) {
      thread_local std::vector<std::byte> narrow;
      narrow.resize(std::max(narrow.size(), rows * in() * sizeof(uint16_t)));
      FromFloat(DType::kBF16, {x, rows * in()}, narrow.data());
      input = narrow.data();
    }
    const dnnl::matmul::primitive_desc description =
        Describe(rows, in(), out(), type_, layout_);
    dnnl::matmul(description)
        .execute(
            Stream(),
            {{DNNL_ARG_SRC, memory(description.src_desc(), Engine(), input)},
             {DNNL_ARG_WEIGHTS, weights_},
             {DNNL_ARG_DST, memory(description.dst_desc(), Engine(), y)}});
    Stream().wait();
  }

  memory::data_type type_;
  memory::desc layout_;
  memory weights_;
};

}  // namespace

bool HasFastBF16() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx512_core_bf16:
    case dnnl::cpu_isa::avx512_core_amx:
      return true;
    default:
      return false;
  }
}

std::unique_ptr<Linear> PackLinear(uint64_t in, uint64_t out,
                                   const RowReader& read, ComputeType compute,
                                   int threads) {
  try {
    return std::make_unique<PackedLinear>(in, out, read, compute, threads);
  } catch (const dnnl::error& error) {
    Fail(ErrorKind::kUnsupported,
         "oneDNN: matrix of {} x {}: found '{}', expected a packed matrix", out,
         in, error.what());
  }
}

void MultiplyF32(bool transpose_b, uint64_t rows, uint64_t out, uint64_t in,
                 float alpha, const float* a, uint64_t a_stride, const float* b,
                 uint64_t b_stride, float beta, float* c, uint64_t c_stride) {
  UseOneThread();
  dnnl::sgemm('N', transpose_b ? 'T' : 'N', Dim(rows), Dim(out), Dim(in), alpha,
              a, Dim(a_stride), b, Dim(b_stride), beta, c, Dim(c_stride));
}

void MultiplyBF16(bool transpose_b, uint64_t rows, uint64_t out, uint64_t in,
                  const float* a, const float* b, uint64_t b_stride,
                  bool accumulate, float* c) {
  UseOneThread();
  constexpr auto kType = memory::data_type::bf16;
  thread_local std::vector<std::byte> narrow;
  thread_local std::vector<std::byte> packed;
  narrow.resize(std::max(narrow.size(), rows * in * sizeof(uint16_t)));
  FromFloat(DType::kBF16, {a, rows * in}, narrow.data());

  dnnl::primitive_attr attributes;
  if (accumulate) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    attributes.set_post_ops(sum);
  }
  const memory::desc any({Dim(in), Dim(out)}, kType, memory::format_tag::any);
  const dnnl::matmul::primitive_desc description(
      dnnl::matmul::desc(RowMajor(rows, in, kType), any,
                         RowMajor(rows, out, memory::data_type::f32)),
      attributes, Engine());
  const memory::desc layout = description.weights_desc();
  packed.resize(std::max(packed.size(), layout.get_size()));
  const memory::dims strides = transpose_b ? memory::dims{1, Dim(b_stride)}
                                           : memory::dims{Dim(b_stride), 1};
  memory from({{Dim(in), Dim(out)}, memory::data_type::f32, strides}, Engine(),
              const_cast<float*>(b));
  memory to(layout, Engine(), packed.data());
  dnnl::reorder(from, to).execute(Stream(), from, to);
  dnnl::matmul(description)
      .execute(Stream(),
               {{DNNL_ARG_SRC,
                 memory(description.src_desc(), Engine(), narrow.data())},
                {DNNL_ARG_WEIGHTS, to},
                {DNNL_ARG_DST, memory(description.dst_desc(), Engine(), c)}});
  Stream().wait();
}

}  // namespace ram
