#include "stoker/shape.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "stoker/error.h"

namespace stoker {
namespace {

template <class Action>
std::string shape_error(Action action) {
  try {
    action();
  } catch (const ShapeError& error) {
    return error.what();
  }
  return "no ShapeError was thrown";
}

TEST(Shape, prints_as_python_prints_tuples) {
  EXPECT_EQ(to_string(Shape{32, 28, 28, 1}), "(32, 28, 28, 1)");
  EXPECT_EQ(to_string(Shape{Shape::kUnknown, 10}), "(None, 10)");
  EXPECT_EQ(to_string(Shape{5}), "(5,)");
  EXPECT_EQ(to_string(Shape{}), "()");
}

TEST(Shape, counts_its_elements) {
  EXPECT_EQ((Shape{2, 3, 4}).elements(), 24);
  EXPECT_EQ(Shape{}.elements(), 1);
  EXPECT_EQ((Shape{2, 0, 4}).elements(), 0);
  EXPECT_LT((Shape{Shape::kUnknown, 4}).elements(), 0);
  EXPECT_LT((Shape{0, Shape::kUnknown}).elements(), 0);
}

TEST(Shape, a_product_beyond_int64_is_an_error_unless_an_extent_is_zero) {
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  EXPECT_EQ(shape_error([] {
              (void)Shape{kHuge, 2}.elements();
            }),
            "Shape (4611686018427387904, 2): expected fewer than 2^63 elements");
  EXPECT_EQ((Shape{kHuge, 2, 0}).elements(), 0);
}

TEST(Shape, knows_whether_all_extents_are_known) {
  EXPECT_TRUE((Shape{2, 3}).is_known());
  EXPECT_TRUE(Shape{}.is_known());
  EXPECT_FALSE((Shape{Shape::kUnknown, 3}).is_known());
}

TEST(Shape, batch_is_removed_and_put_in_front) {
  EXPECT_EQ((Shape{32, 28, 28}).without_batch(), (Shape{28, 28}));
  EXPECT_EQ((Shape{28, 28}).with_batch(32), (Shape{32, 28, 28}));
  EXPECT_EQ(Shape{7}.without_batch(), Shape{});
  EXPECT_EQ(Shape{}.with_batch(Shape::kUnknown), (Shape{Shape::kUnknown}));
  EXPECT_EQ(shape_error([] { (void)Shape{}.without_batch(); }),
            "Shape: expected a batch axis to remove, received ()");
}

TEST(Shape, push_back_appends_an_extent) {
  Shape shape{2};
  shape.push_back(3);
  EXPECT_EQ(shape, (Shape{2, 3}));
  EXPECT_EQ(shape.back(), 3);
}

TEST(Shape, equality_includes_the_rank) {
  EXPECT_EQ((Shape{2, 3}), (Shape{2, 3}));
  EXPECT_NE((Shape{2, 3}), (Shape{3, 2}));
  EXPECT_NE((Shape{2}), (Shape{2, 0}));
  EXPECT_NE(Shape{}, (Shape{0}));
}

TEST(Shape, eight_extents_fit_and_nine_do_not) {
  Shape shape{1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(shape.rank(), 8U);
  const std::string expected = "Shape: expected at most 8 extents, received 9";
  EXPECT_EQ(shape_error([&] { shape.push_back(9); }), expected);
  EXPECT_EQ(shape_error([&] { (void)shape.with_batch(9); }), expected);
  EXPECT_EQ(shape_error([] { Shape{1, 2, 3, 4, 5, 6, 7, 8, 9}; }), expected);
  EXPECT_EQ(shape_error([] { (void)Shape(std::vector<std::int64_t>(9, 1)); }), expected);
  EXPECT_EQ(shape.rank(), 8U);
}

TEST(Shape, a_negative_extent_is_refused) {
  const std::string expected =
      "Shape: expected extents of 0 or more (-1 for an unknown one), received -2";
  EXPECT_EQ(shape_error([] { Shape{3, -2}; }), expected);
  EXPECT_EQ(shape_error([] { Shape{}.push_back(-2); }), expected);
  EXPECT_EQ(shape_error([] { (void)Shape{}.with_batch(-2); }), expected);
}

}  // namespace
}  // namespace stoker
