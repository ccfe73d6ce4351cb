// Parts of a folder of images, and images that a table lists.
#include "stoker/image_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "stoker/error.h"
#include "support/temporary_folder.h"

namespace stoker::test {
namespace {

constexpr ImageSize kSize{2, 2, 1};

// Each image has the value of its number.
class ImageLists : public ::testing::Test {
 protected:
  ImageLists() {
    for (int i = 0; i < 10; ++i) {
      const std::string name = i < 6 ? "cat/" : "dog/";
      const std::string file = folder_.write(name + std::to_string(i) + ".png", "");
      const std::vector<std::uint8_t> pixels(4, static_cast<std::uint8_t>(i));
      write_png(file, pixels, kSize);
    }
  }
  TemporaryFolder folder_;
};

template <class L>
std::vector<int> pixels_of(const Dataset<std::uint8_t, L>& dataset) {
  std::vector<int> all;
  for (const auto& [image, label] : dataset) all.push_back(image[0]);
  return all;
}

TEST_F(ImageLists, a_split_by_seed_has_each_image_once) {
  ImageFolderOptions options{.size = kSize, .seed = 5, .validation_split = 0.35};
  const auto [training, validation] = image_folder_subsets(folder_.path(), options);
  EXPECT_EQ(training.files.size(), 7u);
  EXPECT_EQ(validation.files.size(), 3u);
  std::vector<int> all = pixels_of(training.dataset);
  const std::vector<int> held_out = pixels_of(validation.dataset);
  all.insert(all.end(), held_out.begin(), held_out.end());
  std::ranges::sort(all);
  EXPECT_EQ(all, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));

  options.subset = "validation";
  EXPECT_EQ(image_folder(folder_.path(), options).files, validation.files);
  options.subset = "training";
  EXPECT_EQ(image_folder(folder_.path(), options).files, training.files);
  EXPECT_EQ(training.class_names, (std::vector<std::string>{"cat", "dog"}));
}

TEST_F(ImageLists, without_shuffle_the_last_ones_are_for_validation) {
  const ImageFolder part = image_folder(
      folder_.path(),
      {.size = kSize, .shuffle = false, .validation_split = 0.2, .subset = "validation"});
  EXPECT_EQ(pixels_of(part.dataset), (std::vector<int>{8, 9}));
}

TEST_F(ImageLists, splits_that_make_no_sense_are_refused) {
  const auto open = [&](std::optional<double> split, const std::string& subset) {
    image_folder(folder_.path(), {.size = kSize, .validation_split = split, .subset = subset});
  };
  EXPECT_THROW(open(0.2, ""), ValueError);
  EXPECT_THROW(open({}, "training"), ValueError);
  EXPECT_THROW(open(0.2, "both"), ValueError);
  EXPECT_THROW(open(1.0, "training"), ValueError);
  EXPECT_THROW(open(0.05, "validation"), ValueError);
  EXPECT_THROW(open(0.0, "validation"), ValueError);
}

TEST_F(ImageLists, a_table_names_files_and_classes) {
  const std::string table =
      folder_.write("labels.csv", "filename,class\ncat/3.png,b\ndog/7.png,a\ncat/1.png,b\n");
  const ImageFolder list = images_from_csv(table, {.images = {.size = kSize, .shuffle = false}});
  EXPECT_EQ(pixels_of(list.dataset), (std::vector<int>{3, 7, 1}));
  EXPECT_EQ(list.labels, (std::vector<std::int32_t>{1, 0, 1}));
  EXPECT_EQ(list.class_names, (std::vector<std::string>{"a", "b"}));
  const ImageFolder given = images_from_csv(
      table, {.class_names = {"b", "a", "c"}, .images = {.size = kSize, .shuffle = false}});
  EXPECT_EQ(given.labels, (std::vector<std::int32_t>{0, 1, 0}));
  EXPECT_THROW(images_from_csv(table, {.class_names = {"b"}, .images = {.size = kSize}}),
               DataError);
  EXPECT_THROW(images_from_csv(table, {.label_column = "x", .images = {.size = kSize}}),
               ValueError);
}

TEST_F(ImageLists, a_table_gives_numbers) {
  const std::string table = folder_.write("values.csv", "file;x;y\n3.png;0.5;1\n4.png;2;-1\n");
  const ImageListOptions options{.path_column = "file",
                                 .folder = folder_ / "cat",
                                 .images = {.size = kSize, .shuffle = false},
                                 .csv = {.delimiter = ';'}};
  const ImageValues two = image_values_from_csv(table, {"y", "x"}, options);
  std::vector<float> values;
  for (const auto& [image, value] : two.dataset) {
    values.insert(values.end(), value.begin(), value.end());
  }
  EXPECT_EQ(values, (std::vector<float>{1, 0.5f, -1, 2}));
  EXPECT_EQ(image_values_from_csv(table, {"x"}, options).dataset.element_shapes()[1], Shape{});
}

TEST_F(ImageLists, a_missing_file_is_an_element_that_fails) {
  const std::string table =
      folder_.write("labels.csv", "filename,class\ncat/3.png,b\nnone.png,a\n");
  ImageListOptions options{.images = {.size = kSize, .shuffle = false}};
  const ImageFolder stops = images_from_csv(table, options);
  EXPECT_THROW(pixels_of(stops.dataset), DataError);
  options.images.on_error = OnError::skip;
  const ImageFolder skips = images_from_csv(table, options);
  EXPECT_EQ(pixels_of(skips.dataset), (std::vector<int>{3, 3}));
}

TEST_F(ImageLists, a_row_without_a_path_is_an_error) {
  const std::string table = folder_.write("labels.csv", "filename,class\n,b\n");
  EXPECT_THROW(images_from_csv(table, {.images = {.size = kSize}}), DataError);
}

}  // namespace
}  // namespace stoker::test
