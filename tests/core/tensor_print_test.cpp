// Tensors print as NumPy 2 prints arrays; the expected texts are NumPy's.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "stoker/tensor.h"

namespace stoker {
namespace {

std::string printed(const Tensor& tensor) {
  std::ostringstream out;
  out << tensor;
  return out.str();
}

template <class T>
Tensor counting(Shape shape, T first = 0, T step = 1) {
  Tensor tensor(shape, dtype_of<T>);
  T value = first;
  for (T& element : tensor.data<T>()) {
    element = value;
    value = static_cast<T>(value + step);
  }
  return tensor;
}

template <class T>
Tensor halves(const std::vector<float>& values) {
  Tensor tensor({static_cast<std::int64_t>(values.size())}, dtype_of<T>);
  for (std::size_t i = 0; i < values.size(); ++i) tensor.data<T>()[i] = T(values[i]);
  return tensor;
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(TensorPrint, begins_with_type_and_shape_and_has_a_row_in_each_line) {
  EXPECT_EQ(printed(Tensor::from<float>({2, 3}, {1, 2.5f, 3, 4, 5, -6})),
            "float32 (2, 3)\n"
            "[[ 1.   2.5  3. ]\n"
            " [ 4.   5.  -6. ]]");
}

TEST(TensorPrint, aligns_whole_numbers_of_both_types) {
  EXPECT_EQ(printed(counting<std::int32_t>({3, 2}, -100, 50)),
            "int32 (3, 2)\n"
            "[[-100  -50]\n"
            " [   0   50]\n"
            " [ 100  150]]");
  EXPECT_EQ(printed(counting<std::uint8_t>({2, 2, 2})),
            "uint8 (2, 2, 2)\n"
            "[[[0 1]\n"
            "  [2 3]]\n"
            "\n"
            " [[4 5]\n"
            "  [6 7]]]");
}

TEST(TensorPrint, has_the_fewest_digits_that_give_a_number_back_in_its_type) {
  EXPECT_EQ(printed(Tensor::from<float>({2}, {1.0f / 3, 2.0f / 3})),
            "float32 (2,)\n[0.33333334 0.6666667 ]");
  EXPECT_EQ(printed(halves<float16>({0.1f, 100.0f, -3.25f})),
            "float16 (3,)\n[  0.1  100.    -3.25]");
  EXPECT_EQ(printed(halves<bfloat16>({0.1f, 3.14159f, -100.0f})),
            "bfloat16 (3,)\n[   0.1     3.14 -100.  ]");
}

TEST(TensorPrint, has_exponents_where_numbers_are_far_apart) {
  EXPECT_EQ(printed(Tensor::from<float>({3}, {0.1f, 2000, -3e-5f})),
            "float32 (3,)\n[ 1.e-01  2.e+03 -3.e-05]");
  EXPECT_EQ(printed(Tensor::from<float>({2}, {123456.789f, 0.001f})),
            "float32 (2,)\n[1.2345679e+05 1.0000000e-03]");
  EXPECT_EQ(printed(Tensor::from<float>({2}, {1e-9f, 0})), "float32 (2,)\n[1.e-09 0.e+00]");
}

TEST(TensorPrint, has_words_for_what_is_not_finite) {
  EXPECT_EQ(printed(Tensor::from<float>({2, 3}, {1, std::nanf(""), -kInfinity, 0, -0.0f, 2})),
            "float32 (2, 3)\n"
            "[[  1.  nan -inf]\n"
            " [  0.  -0.   2.]]");
  EXPECT_EQ(printed(Tensor::full({2}, std::nanf(""))), "float32 (2,)\n[nan nan]");
}

TEST(TensorPrint, breaks_long_rows) {
  EXPECT_EQ(printed(counting<std::int32_t>({30}, 0, 1000)),
            "int32 (30,)\n"
            "[    0  1000  2000  3000  4000  5000  6000  7000  8000  9000 10000 11000\n"
            " 12000 13000 14000 15000 16000 17000 18000 19000 20000 21000 22000 23000\n"
            " 24000 25000 26000 27000 28000 29000]");
}

TEST(TensorPrint, leaves_out_the_middle_of_large_ones) {
  EXPECT_EQ(printed(counting<std::int32_t>({2, 30, 40})),
            "int32 (2, 30, 40)\n"
            "[[[   0    1    2 ...   37   38   39]\n"
            "  [  40   41   42 ...   77   78   79]\n"
            "  [  80   81   82 ...  117  118  119]\n"
            "  ...\n"
            "  [1080 1081 1082 ... 1117 1118 1119]\n"
            "  [1120 1121 1122 ... 1157 1158 1159]\n"
            "  [1160 1161 1162 ... 1197 1198 1199]]\n"
            "\n"
            " [[1200 1201 1202 ... 1237 1238 1239]\n"
            "  [1240 1241 1242 ... 1277 1278 1279]\n"
            "  [1280 1281 1282 ... 1317 1318 1319]\n"
            "  ...\n"
            "  [2280 2281 2282 ... 2317 2318 2319]\n"
            "  [2320 2321 2322 ... 2357 2358 2359]\n"
            "  [2360 2361 2362 ... 2397 2398 2399]]]");
  EXPECT_EQ(printed(counting<float>({2000}, 0, 0.125f)),
            "float32 (2000,)\n"
            "[0.00000e+00 1.25000e-01 2.50000e-01 ... 2.49625e+02 2.49750e+02\n"
            " 2.49875e+02]");
}

TEST(TensorPrint, shows_empty_ones_and_single_numbers) {
  EXPECT_EQ(printed(Tensor()), "float32 ()\n[]");
  EXPECT_EQ(printed(Tensor({0, 3})), "float32 (0, 3)\n[]");
  EXPECT_EQ(printed(Tensor({2, 0}, DType::int32)), "int32 (2, 0)\n[]");
  EXPECT_EQ(printed(Tensor::from<float>({}, {3.5f})), "float32 ()\n3.5");
  EXPECT_EQ(printed(Tensor::from<float>({}, {-2})), "float32 ()\n-2.0");
  EXPECT_EQ(printed(Tensor::from<float>({}, {1e-5f})), "float32 ()\n1e-05");
  EXPECT_EQ(printed(Tensor::from<float>({}, {kInfinity})), "float32 ()\ninf");
  EXPECT_EQ(printed(Tensor::from<std::uint8_t>({}, {200})), "uint8 ()\n200");
  EXPECT_EQ(printed(Tensor::from<float>({1, 1, 1}, {7})), "float32 (1, 1, 1)\n[[[7.]]]");
}

}  // namespace
}  // namespace stoker
