// Runs a matmul with a tanh behind it, and an exp and a log through oneDNN's reference paths, and
// checks that Intel's compiler runtime took no part in it: the libimf and libintlc in this process
// are the ones beside libdnnl, and the functions that libdnnl asks for by name are glibc's.

#include <dlfcn.h>
#include <link.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

namespace {

int failures = 0;

void expect(bool condition, const char* what) {
  if (!condition) ++failures;
  std::printf("%s: %s\n", condition ? "ok" : "FAILED", what);
}

// The path of the loaded library whose file name starts with `name`; empty where there is none.
std::string loaded(const char* name) {
  struct Search {
    const char* name;
    std::string path;
  } search{name, ""};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* data) {
        auto* search = static_cast<Search*>(data);
        const std::filesystem::path path(info->dlpi_name);
        if (path.filename().string().rfind(search->name, 0) == 0) search->path = path.string();
        return 0;
      },
      &search);
  return search.path;
}

void expect_beside_libdnnl(const char* name) {
  const std::filesystem::path libdnnl = loaded("libdnnl.so");
  const std::filesystem::path shim = loaded(name);
  std::printf("%s\n", shim.c_str());
  expect(!shim.empty() && shim.parent_path() == libdnnl.parent_path(), name);
}

void expect_of_glibc(const char* function) {
  void* libdnnl = dlopen("libdnnl.so.3", RTLD_NOW | RTLD_NOLOAD);
  Dl_info info{};
  const bool found = libdnnl != nullptr && dladdr(dlsym(libdnnl, function), &info) != 0;
  const std::string file =
      found ? std::filesystem::path(info.dli_fname).filename().string() : "nothing";
  const std::string what = std::string(function) + " is of " + file;
  expect(file.rfind("libm", 0) == 0 || file.rfind("libc.", 0) == 0, what.c_str());
}

void expect_matmul_is_right() {
  constexpr std::size_t kSize = 70;  // no multiple of any vector's length
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const dnnl::memory::desc desc({kSize, kSize}, dnnl::memory::data_type::f32,
                                dnnl::memory::format_tag::ab);
  std::vector<float> a(kSize * kSize), b(a.size()), c(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = std::sin(0.1f * static_cast<float>(i));
    b[i] = std::cos(0.3f * static_cast<float>(i));
  }
  dnnl::post_ops post_ops;
  post_ops.append_eltwise(dnnl::algorithm::eltwise_tanh, 0.0f, 0.0f);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(post_ops);
  const dnnl::matmul matmul(dnnl::matmul::primitive_desc(engine, desc, desc, desc, attributes));
  matmul.execute(stream, {{DNNL_ARG_SRC, dnnl::memory(desc, engine, a.data())},
                          {DNNL_ARG_WEIGHTS, dnnl::memory(desc, engine, b.data())},
                          {DNNL_ARG_DST, dnnl::memory(desc, engine, c.data())}});
  stream.wait();

  double worst = 0;
  for (std::size_t row = 0; row < kSize; ++row) {
    for (std::size_t column = 0; column < kSize; ++column) {
      double sum = 0;
      for (std::size_t k = 0; k < kSize; ++k) {
        sum += static_cast<double>(a[row * kSize + k]) * b[k * kSize + column];
      }
      worst = std::max(worst, std::abs(std::tanh(sum) - c[row * kSize + column]));
    }
  }
  std::printf("matmul: largest error %g\n", worst);
  expect(worst < 1e-4, "matmul with tanh agrees with a plain loop");
}

// A strided tensor is one for which oneDNN has no generated code: it calls libm.
void expect_eltwise_is_right(dnnl::algorithm algorithm, double (*reference)(double),
                             const char* name) {
  constexpr std::size_t kSize = 33;
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const dnnl::memory::desc desc({kSize}, dnnl::memory::data_type::f32, dnnl::memory::dims{3});
  std::vector<float> x(3 * kSize), y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.1f + 0.05f * static_cast<float>(i);
  const dnnl::eltwise_forward::primitive_desc primitive_desc(
      engine, dnnl::prop_kind::forward_inference, algorithm, desc, desc);
  dnnl::eltwise_forward(primitive_desc)
      .execute(stream, {{DNNL_ARG_SRC, dnnl::memory(desc, engine, x.data())},
                        {DNNL_ARG_DST, dnnl::memory(desc, engine, y.data())}});
  stream.wait();
  double worst = 0;
  for (std::size_t i = 0; i < kSize; ++i) {
    const double expected = reference(x[3 * i]);
    worst = std::max(worst, std::abs(expected - y[3 * i]) / (1 + std::abs(expected)));
  }
  std::printf("%s (%s): largest relative error %g\n", name, primitive_desc.impl_info_str(), worst);
  expect(worst < 1e-6, name);
}

}  // namespace

int main() {
  expect_beside_libdnnl("libimf");
  expect_beside_libdnnl("libintlc");
  for (const char* function : {"erff", "exp2", "expf", "expm1f", "ldexp", "log1pf", "log2", "logf",
                               "pow", "powf", "scalbnf", "sqrt", "sqrtf", "tanhf"}) {
    expect_of_glibc(function);
  }
  expect_matmul_is_right();
  expect_eltwise_is_right(dnnl::algorithm::eltwise_exp, std::exp, "exp");
  expect_eltwise_is_right(dnnl::algorithm::eltwise_log, std::log, "log");
  expect_eltwise_is_right(dnnl::algorithm::eltwise_tanh, std::tanh, "tanh");
  expect_eltwise_is_right(
      dnnl::algorithm::eltwise_gelu_erf,
      [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }, "gelu_erf");
  return failures == 0 ? 0 : 1;
}
