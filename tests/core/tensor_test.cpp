#include "stoker/tensor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "stoker/error.h"

namespace stoker {
namespace {

template <class Expected, class Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const Expected& error) {
    return error.what();
  }
  return "the expected error was not thrown";
}

template <class T>
std::vector<T> values_of(const Tensor& tensor) {
  const std::span<const T> data = tensor.data<T>();
  return {data.begin(), data.end()};
}

TEST(Tensor, starts_with_zeros_in_aligned_memory) {
  for (const DType dtype : {DType::float32, DType::int32, DType::uint8, DType::float16}) {
    const Tensor tensor({3, 5}, dtype);
    EXPECT_EQ(tensor.size(), 15);
    EXPECT_EQ(tensor.bytes(), 15 * size_of(dtype));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.raw()) % 64, 0U);
    const auto* bytes = static_cast<const unsigned char*>(tensor.raw());
    EXPECT_TRUE(std::all_of(bytes, bytes + tensor.bytes(), [](int byte) { return byte == 0; }));
  }
}

TEST(Tensor, default_is_empty_and_a_scalar_is_not) {
  EXPECT_TRUE(Tensor().empty());
  EXPECT_EQ(Tensor(Shape{}).size(), 1);
}

TEST(Tensor, without_elements_still_has_its_shape) {
  const Tensor tensor({0, 7});
  Tensor copy;
  copy = tensor;
  EXPECT_TRUE(copy.empty());
  EXPECT_EQ(copy.shape(), (Shape{0, 7}));
  EXPECT_TRUE(copy.data<float>().empty());
  EXPECT_EQ(copy.reshaped({7, 0, 3}).shape(), (Shape{7, 0, 3}));
  EXPECT_EQ(copy.rows(0, 0).shape(), (Shape{0, 7}));
}

TEST(Tensor, copies_are_deep) {
  Tensor original = Tensor::from<float>({2}, {1.0f, 2.0f});
  Tensor copy = original;
  Tensor assigned({9});
  assigned = original;
  original.data<float>()[0] = 5.0f;
  EXPECT_EQ(values_of<float>(copy), (std::vector<float>{1.0f, 2.0f}));
  EXPECT_EQ(values_of<float>(assigned), (std::vector<float>{1.0f, 2.0f}));
  const Tensor& self = copy;
  copy = self;
  EXPECT_EQ(values_of<float>(copy), (std::vector<float>{1.0f, 2.0f}));
}

TEST(Tensor, a_move_takes_the_memory_and_leaves_an_empty_tensor) {
  Tensor original = Tensor::from<std::int32_t>({2}, {1, 2});
  const void* memory = original.raw();
  Tensor moved = std::move(original);
  EXPECT_EQ(moved.raw(), memory);
  EXPECT_TRUE(original.empty());  // NOLINT(bugprone-use-after-move): the promise under test
  EXPECT_EQ(original.raw(), nullptr);
  Tensor assigned({4});
  assigned = std::move(moved);
  EXPECT_EQ(assigned.raw(), memory);
  EXPECT_EQ(assigned.dtype(), DType::int32);
}

TEST(Tensor, from_copies_values_in_c_order) {
  const Tensor tensor = Tensor::from<std::uint8_t>({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(tensor.dtype(), DType::uint8);
  EXPECT_EQ(values_of<std::uint8_t>(tensor), (std::vector<std::uint8_t>{1, 2, 3, 4}));
}

TEST(Tensor, from_refuses_another_number_of_values) {
  EXPECT_EQ(error_of<ShapeError>([] {
              Tensor::from<float>({2, 2}, {1.0f, 2.0f, 3.0f});
            }),
            "Tensor::from: expected 4 values for (2, 2), received 3");
}

TEST(Tensor, data_of_another_type_is_refused) {
  const Tensor tensor({2, 3});
  EXPECT_EQ(error_of<DTypeError>([&] { (void)tensor.data<std::int32_t>(); }),
            "Tensor::data: expected float32 as the tensor (2, 3) holds, received a request for "
            "int32");
}

TEST(Tensor, an_unknown_or_absurd_shape_is_refused) {
  EXPECT_EQ(error_of<ShapeError>([] {
              Tensor({Shape::kUnknown, 3});
            }),
            "Tensor: expected a known shape, received (None, 3)");
  EXPECT_EQ(error_of<ShapeError>([] {
              Tensor({std::int64_t{1} << 61, 2});
            }),
            "Tensor: expected fewer than 2^63 bytes, received (2305843009213693952, 2) of float32");
}

TEST(Tensor, reshaped_keeps_elements_and_infers_one_extent) {
  const Tensor tensor = Tensor::from<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor reshaped = tensor.reshaped({3, Shape::kUnknown});
  EXPECT_EQ(reshaped.shape(), (Shape{3, 2}));
  EXPECT_EQ(values_of<float>(reshaped), values_of<float>(tensor));
  EXPECT_NE(reshaped.raw(), tensor.raw());
  Tensor temporary = tensor;
  const void* memory = temporary.raw();
  EXPECT_EQ(std::move(temporary).reshaped({6}).raw(), memory);
}

TEST(Tensor, reshaped_refuses_another_number_of_elements_and_keeps_the_tensor) {
  Tensor tensor({2, 3});
  EXPECT_EQ(error_of<ShapeError>([&] {
              (void)std::move(tensor).reshaped({4, 2});
            }),
            "Tensor::reshaped: expected a shape of 6 elements as (2, 3) has, received (4, 2)");
  EXPECT_EQ(tensor.size(), 6);  // NOLINT(bugprone-use-after-move): a failed call moves nothing
  EXPECT_EQ(error_of<ShapeError>([&] {
              (void)tensor.reshaped({4, Shape::kUnknown});
            }),
            "Tensor::reshaped: expected a shape of 6 elements as (2, 3) has, received (4, None)");
  EXPECT_EQ(
      error_of<ShapeError>([&] {
        (void)tensor.reshaped({Shape::kUnknown, Shape::kUnknown});
      }),
      "Tensor::reshaped: expected a shape of 6 elements as (2, 3) has, received (None, None)");
  EXPECT_EQ(error_of<ShapeError>([&] {
              (void)tensor.reshaped({0, Shape::kUnknown});
            }),
            "Tensor::reshaped: expected a shape of 6 elements as (2, 3) has, received (0, None)");
}

TEST(Tensor, rows_are_copied_from_the_first_axis) {
  const Tensor tensor = Tensor::from<std::int32_t>({3, 2}, {1, 2, 3, 4, 5, 6});
  const Tensor rows = tensor.rows(1, 3);
  EXPECT_EQ(rows.shape(), (Shape{2, 2}));
  EXPECT_EQ(values_of<std::int32_t>(rows), (std::vector<std::int32_t>{3, 4, 5, 6}));
  EXPECT_TRUE(tensor.rows(3, 3).empty());
}

TEST(Tensor, rows_outside_the_first_axis_are_refused) {
  const Tensor tensor({3, 2});
  EXPECT_EQ(error_of<ShapeError>([&] { (void)tensor.rows(1, 4); }),
            "Tensor::rows: expected a range within [0, 3), received [1, 4)");
  EXPECT_NE(error_of<ShapeError>([&] { (void)tensor.rows(-1, 1); }).find("[-1, 1)"),
            std::string::npos);
  EXPECT_NE(error_of<ShapeError>([&] { (void)tensor.rows(2, 1); }).find("[2, 1)"),
            std::string::npos);
  EXPECT_EQ(error_of<ShapeError>([] { (void)Tensor(Shape{}).rows(0, 1); }),
            "Tensor::rows: expected rank 1 or more, received ()");
}

TEST(Tensor, random_fills_repeat_with_their_seed) {
  const Tensor a = Tensor::uniform({1000}, -2.0f, 3.0f, 7);
  const Tensor b = Tensor::uniform({1000}, -2.0f, 3.0f, 7);
  const Tensor c = Tensor::uniform({1000}, -2.0f, 3.0f, 8);
  EXPECT_EQ(values_of<float>(a), values_of<float>(b));
  EXPECT_NE(values_of<float>(a), values_of<float>(c));
  for (const float value : a.data<float>()) {
    EXPECT_GE(value, -2.0f);
    EXPECT_LT(value, 3.0f);
  }
}

TEST(Tensor, full_and_normal_fill_as_asked) {
  EXPECT_EQ(values_of<float>(Tensor::full({3}, 2.5f)), (std::vector<float>(3, 2.5f)));
  const Tensor normal = Tensor::normal({100000}, 5.0f, 2.0f, 1);
  double sum = 0.0;
  double squares = 0.0;
  for (const float value : normal.data<float>()) {
    sum += value;
    squares += (value - 5.0) * (value - 5.0);
  }
  EXPECT_NEAR(sum / 100000, 5.0, 0.03);
  EXPECT_NEAR(std::sqrt(squares / 100000), 2.0, 0.03);
}

}  // namespace
}  // namespace stoker
