// One description of an op case drives every check of it: the backend against plain float64 loops,
// its gradients against finite differences of those loops, fused against unfused, and any number of
// threads against one.
//
// Tolerances are float32 error bounds, not guesses. A result made of n roundings is off by at most
// lambda sqrt(n) u times the sum of its terms' magnitudes, but for a chance of 2 exp(-lambda^2 / 2)
// (Higham, Mary: "A new approach to probabilistic rounding error analysis", 2019, theorem 2.4);
// u = 2^-24, lambda = 6.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "plan/scalars.h"
#include "stoker/dtype.h"
#include "stoker/shape.h"

namespace stoker::test {

// The elements of each tensor, in C order.
using Values = std::vector<double>;
using Tensors = std::vector<Values>;

struct OpInput {
  Shape shape = {};
  DType dtype = DType::float32;
  // Drawn from [low, high]; whole numbers unless float32.
  double low = -1.0;
  double high = 1.0;
  // Distinct multiples of one step instead, shuffled: no ties, and none within reach of a finite
  // difference.
  bool spread = false;
  // Instead of drawn ones.
  Values given = {};
  // Only float32 inputs are differentiated; not all of them can be (labels).
  bool differentiable = true;
};

using BuildOp = std::function<std::vector<graph::Value>(graph::Graph& graph,
                                                        std::span<const graph::Value> inputs)>;
using Reference = std::function<Tensors(const Tensors& inputs)>;

struct OpCase {
  std::string name = {};
  std::vector<OpInput> inputs = {};
  // Appends the op or ops.
  BuildOp build = {};
  Reference reference = {};

  // Roundings behind an output element, and behind an element of a gradient.
  double terms = 16.0;
  double gradient_terms = 64.0;
  // How large the terms are that an element is summed of. Unset: what the reference gives for the
  // inputs' absolute values, which is right for sums of products.
  std::optional<double> magnitude = {};
  std::optional<double> gradient_magnitude = {};

  // How many outputs, counted from the first, the loss is made of; 0: there is no gradient.
  std::size_t differentiable_outputs = 1;
  // Elements of each input whose derivative is compared: the first, the last, others at random.
  std::size_t samples = 24;
  // Ops that are left of the forward pass once it is optimized; empty: not compared.
  std::vector<std::string> fused = {};
  // Whether the sums are cut by the number of threads (inside oneDNN): 1 and 2 threads then agree
  // within rounding, and only equal numbers of threads give equal bits.
  bool sums_by_thread = false;
};

struct RunOptions {
  bool gradients = false;
  bool optimize = true;
  int threads = 1;
  plan::Scalars scalars = {};
};

struct OpRun {
  Tensors outputs;
  // By input; empty where there is none.
  Tensors gradients;
  // The program that ran: its op names in order, and its dump.
  std::vector<std::string> ops;
  std::string dump;
  plan::Scalars scalars;
};

// The case's inputs, the same ones every time.
Tensors draw_inputs(const OpCase& c);

// Compiles the case for the device under test and runs it: in memory that holds NaN before, and
// that must not be touched outside of what the program asked for. With gradients, of the loss
// sum(output * fixed random weights).
OpRun run_case(const OpCase& c, const RunOptions& options = {});
OpRun run_case(const OpCase& c, const Tensors& inputs, const RunOptions& options);

// The checks; each reports its failures to gtest.
void check_forward(const OpCase& c);
void check_gradients(const OpCase& c);
void check_unfused(const OpCase& c);
void check_threads(const OpCase& c);

// Where element `element` of `shape` lies in a tensor of shape `from` that broadcasts to it.
std::size_t broadcast_index(const Shape& from, const Shape& shape, std::size_t element);

}  // namespace stoker::test
