// Files that libdeflate's decoder of PNG reads have the samples that libpng reads, and those that
// it can't judge go to libpng.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "data/png.h"
#include "data/png_filters.h"
#include "stoker/error.h"
#include "stoker/image.h"
#include "support/allocation_counter.h"
#include "support/png_files.h"

namespace stoker {
namespace {

using test::deflated;
using test::png_file;
using test::png_header;
using test::png_of;
using test::PngChunk;
using test::PngFormat;
using test::PngPath;

// Fails the test unless the decoders agree.
PngPath compare_png_decoders(const std::string& file, int channels) {
  const test::PngComparison comparison =
      test::compare_png_decoders(std::as_bytes(std::span(file)), channels);
  EXPECT_EQ(comparison.difference, "");
  return comparison.path;
}

constexpr int kAllChannels[] = {1, 3, 4};

TEST(Png, has_the_samples_of_libpng_for_every_type_depth_and_filter) {
  Random random(1);
  int by_libdeflate = 0;
  for (int i = 0; i < 2000; ++i) {
    const PngFormat format = test::any_png_format(random);
    const std::string file = png_file(format, random);
    for (const int channels : kAllChannels) {
      const bool has_key = format.is_transparent && (format.color_type & 5) == 0;
      const bool is_left = format.is_interlaced || (has_key && channels == 4);
      EXPECT_EQ(compare_png_decoders(file, channels),
                is_left ? PngPath::left_to_libpng : PngPath::by_libdeflate);
      by_libdeflate += is_left ? 0 : 1;
      // Whoever decodes it, it can be read.
      EXPECT_EQ(decode_image(std::as_bytes(std::span(file)), channels).shape(),
                (Shape{format.height, format.width, channels}));
    }
    ASSERT_FALSE(HasFailure()) << "file " << i << ": type " << format.color_type << ", depth "
                               << format.depth << ", " << format.width << " x " << format.height;
  }
  EXPECT_GT(by_libdeflate, 4000);
}

// The predictor as the specification defines it: section 9.4.
int paeth(int a, int b, int c) {
  const int p = a + b - c;
  const int pa = std::abs(p - a);
  const int pb = std::abs(p - b);
  const int pc = std::abs(p - c);
  if (pa <= pb && pa <= pc) return a;
  return pb <= pc ? b : c;
}

TEST(Png, predicts_as_the_specification_says_for_all_neighbours) {
  // The second pixel of a row has these neighbours, and adds 0.
  for (int a = 0; a < 256; ++a) {
    for (int c = 0; c < 256; ++c) {
      for (int b = 0; b < 256; b += 4) {  // four bytes a pixel, two pixels a row
        std::uint8_t upper[8];
        std::uint8_t filtered[8] = {};
        std::uint8_t out[8];
        for (int i = 0; i < 4; ++i) {
          upper[i] = static_cast<std::uint8_t>(c);
          upper[4 + i] = static_cast<std::uint8_t>(b + i);
          filtered[i] = static_cast<std::uint8_t>(a - c);  // the first pixel is predicted as c
        }
        ASSERT_TRUE(image::undo_png_filter(4, 4, filtered, upper, out));
        for (int i = 0; i < 4; ++i) ASSERT_EQ(out[4 + i], paeth(a, b + i, c)) << a << ' ' << c;
      }
    }
  }
}

// ---- Files that are damaged or odd ----
std::vector<std::string> small_files() {
  Random random(2);
  std::vector<std::string> files;
  for (const auto& [color_type, depth] :
       {std::pair{2, 8}, {6, 8}, {0, 8}, {3, 4}, {3, 8}, {0, 1}, {4, 16}}) {
    files.push_back(png_file({.color_type = color_type,
                              .depth = depth,
                              .width = 7,
                              .height = 5,
                              .idat_bytes = 50,
                              .is_transparent = color_type == 3},
                             random));
  }
  return files;
}

TEST(Png, a_file_that_is_cut_off_or_has_a_wrong_byte_is_judged_as_by_libpng) {
  int left = 0;
  for (const std::string& whole : small_files()) {
    for (std::size_t length = 8; length <= whole.size(); ++length) {
      compare_png_decoders(whole.substr(0, length), 3);
    }
    for (std::size_t at = 8; at < whole.size(); ++at) {
      for (const int change : {0x01, 0x20, 0x55, 0xff}) {
        std::string damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ change);
        for (const int channels : {3, 4}) {
          left += compare_png_decoders(damaged, channels) == PngPath::left_to_libpng ? 1 : 0;
        }
      }
    }
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(left, 1000);
}

TEST(Png, a_wrong_byte_below_a_right_checksum_is_judged_as_by_libpng) {
  for (const std::string& whole : small_files()) {
    const std::vector<PngChunk> chunks = test::png_chunks_of(whole);
    for (std::size_t chunk = 0; chunk < chunks.size(); ++chunk) {
      const std::size_t size = chunks[chunk].second.size();
      for (std::size_t at = 0; at < size; ++at) {
        for (int bit = 0; bit < 8; ++bit) {
          std::vector<PngChunk> damaged = chunks;
          char& byte = damaged[chunk].second[at];
          byte = static_cast<char>(byte ^ (1 << bit));
          compare_png_decoders(png_of(damaged), 4);
        }
        std::vector<PngChunk> cut = chunks;
        cut[chunk].second.resize(at);
        compare_png_decoders(png_of(cut), 3);
      }
    }
    ASSERT_FALSE(HasFailure());
  }
}

// Three gray pixels in two rows without a filter, and what differs from the usual.
const std::string kGray = png_header(3, 2, 8, 0);
const std::string kRows("\0\x01\x02\x03\0\x04\x05\x06", 8);

PngPath path_of(const std::vector<PngChunk>& chunks) {
  return compare_png_decoders(png_of(chunks), 3);
}

TEST(Png, what_libpng_may_treat_in_its_own_manner_is_left_to_it) {
  const std::string packed = deflated(kRows);
  const PngChunk header{"IHDR", kGray};
  const PngChunk pixels{"IDAT", packed};
  const PngChunk end{"IEND", ""};
  EXPECT_EQ(path_of({header, pixels, end}), PngPath::by_libdeflate);
  std::string bad_sum = packed;
  bad_sum.back() = static_cast<char>(bad_sum.back() ^ 1);
  std::string bad_filter = kRows;
  bad_filter[4] = 5;
  const std::string wide(3 * 256 + 3, 'x');
  const std::vector<PngChunk> odd[] = {
      {header, {"IDAT", deflated(kRows + "more")}, end},
      {header, {"IDAT", deflated(kRows.substr(1))}, end},
      {header, {"IDAT", packed + "more"}, end},
      {header, {"IDAT", packed.substr(0, packed.size() - 5)}, end},
      {header, {"IDAT", bad_sum}, end},
      {header, {"IDAT", deflated(bad_filter)}, end},
      {header, {"IDAT", ""}, end},
      {header, {"IDAT", packed.substr(0, 5)}, {"tEXt", "a"}, {"IDAT", packed.substr(5)}, end},
      {header, {"ABCD", "critical"}, pixels, end},
      {header, {"ab1d", "no letters"}, pixels, end},
      {header, header, pixels, end},
      {header, {"PLTE", "rgb"}, pixels, end},
      {header, {"tRNS", "x"}, pixels, end},
      {header, {"tRNS", "xx"}, {"tRNS", "xx"}, pixels, end},
      {header, end, pixels},
      {pixels, header, end},
      {{"IHDR", png_header(3, 2, 8, 3)}, pixels, end},
      {{"IHDR", png_header(3, 2, 8, 3)}, {"PLTE", "rgbr"}, pixels, end},
      {{"IHDR", png_header(3, 2, 8, 3)}, {"PLTE", wide}, pixels, end},
      {{"IHDR", png_header(3, 2, 8, 3)}, {"PLTE", "rgb"}, {"PLTE", "rgb"}, pixels, end},
      {{"IHDR", png_header(3, 2, 8, 3)}, {"tRNS", "x"}, {"PLTE", "rgb"}, pixels, end},
      {{"IHDR", png_header(3, 2, 8, 3)}, {"PLTE", "rgb"}, {"tRNS", "xx"}, pixels, end},
      {{"IHDR", png_header(3, 2, 8, 0, 1)}, pixels, end},
      {{"IHDR", png_header(0, 2, 8, 0)}, pixels, end},
      {{"IHDR", png_header(3, 2, 3, 0)}, pixels, end},
      {{"IHDR", png_header(3, 2, 8, 1)}, pixels, end},
      {},
  };
  for (std::size_t i = 0; i < std::size(odd); ++i) {
    EXPECT_EQ(path_of(odd[i]), PngPath::left_to_libpng) << "file " << i;
  }
}

TEST(Png, what_does_not_matter_to_the_pixels_is_passed_over_as_by_libpng) {
  const std::string packed = deflated(kRows);
  const PngChunk header{"IHDR", kGray};
  const PngChunk pixels{"IDAT", packed};
  const PngChunk end{"IEND", ""};
  const std::vector<PngChunk> files[] = {
      {header, pixels},
      {header, pixels, end, {"IHDR", "x"}, {"IDAT", "x"}},
      {header, pixels, {"ABCD", "critical"}, end},
      {header, {"IDAT", ""}, pixels, {"IDAT", ""}, end},
      {header, {"tEXt", "a text"}, {"gAMA", "xx"}, {"iCCP", "x"}, {"abcd", ""}, pixels, end},
      {header, {"tRNS", "xx"}, pixels, end},
      // Values beyond the palette are black.
      {{"IHDR", png_header(3, 2, 8, 3)}, {"PLTE", "rgbRGB"}, {"tRNS", "x"}, pixels, end},
      {{"IHDR", png_header(3, 2, 8, 2)},
       {"PLTE", "rgb"},
       {"IDAT", deflated(std::string("\x01"
                                     "123456789"
                                     "\x02"
                                     "123456789"))},
       end},
  };
  for (std::size_t i = 0; i < std::size(files); ++i) {
    EXPECT_EQ(path_of(files[i]), PngPath::by_libdeflate) << "file " << i;
    EXPECT_EQ(compare_png_decoders(png_of(files[i]) + "rest", 1), PngPath::by_libdeflate);
  }
  // The checksum of a chunk that is passed over.
  std::string file = png_of({header, {"tEXt", "a text"}, pixels, end});
  const std::size_t at = file.find("a text");
  file[at] = 'b';
  EXPECT_EQ(compare_png_decoders(file, 3), PngPath::by_libdeflate);
}

TEST(Png, distances_beyond_the_window_that_is_stated_are_judged_by_libpng) {
  Random random(3);
  std::string rows;
  for (int y = 0; y < 60; ++y) {
    rows += '\0';
    for (int x = 0; x < 100; ++x) rows += static_cast<char>(random.word());
  }
  rows += rows;
  const auto file = [&](std::string packed) {
    return std::vector<PngChunk>{
        {"IHDR", png_header(100, 120, 8, 0)}, {"IDAT", std::move(packed)}, {"IEND", ""}};
  };
  // The upper half of the first byte states the window; the second byte makes the two a multiple
  // of 31.
  std::string packed = deflated(rows);
  EXPECT_EQ(path_of(file(packed)), PngPath::by_libdeflate);
  packed[0] = 0x18;
  packed[1] = static_cast<char>(31 - 0x1800 % 31);
  EXPECT_EQ(path_of(file(packed)), PngPath::left_to_libpng);
  const std::string odd = png_of(file(packed));
  EXPECT_THROW(decode_image(std::as_bytes(std::span(odd))), IoError);
}

TEST(Png, memory_is_bounded_by_the_size_of_the_file) {
  const std::string name = "file";
  const ImageLimits limits;
  const std::string file =
      png_of({{"IHDR", png_header(10000, 10000, 16, 6)}, {"IDAT", deflated(kRows)}, {"IEND", ""}});
  image::Target target;
  EXPECT_FALSE(
      image::decode_png_by_libdeflate(std::as_bytes(std::span(file)), {3, name, limits}, target));
  EXPECT_EQ(target.png.raw.capacity() + target.pixels.capacity(), 0U);
  const std::string large = png_of({{"IHDR", png_header(0x7fffffff, 0x7fffffff, 16, 6)},
                                    {"IDAT", deflated(kRows)},
                                    {"IEND", ""}});
  EXPECT_NE(compare_png_decoders(large, 3), PngPath::by_libdeflate);
  EXPECT_THROW(decode_image(std::as_bytes(std::span(large))), IoError);
}

TEST(Png, decoding_into_memory_that_is_kept_allocates_nothing) {
  if (!test::AllocationCounter::works()) return;
  Random random(4);
  std::vector<std::string> files;
  for (const int color_type : {2, 6, 0, 3}) {
    files.push_back(png_file({.color_type = color_type, .width = 60, .height = 50}, random));
  }
  const std::string name = "file";
  const ImageLimits limits;
  image::Target target;
  const auto all = [&] {
    for (const std::string& file : files) {
      image::decode_png(std::as_bytes(std::span(file)), {3, name, limits}, target);
    }
  };
  all();
  const test::AllocationCounter allocations;
  all();
  EXPECT_EQ(allocations.count_of_this_thread(), 0U);
}

}  // namespace
}  // namespace stoker
