// PNG through libpng.
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "data/png.h"

namespace stoker::image {

namespace {

struct PngSource {
  std::span<const std::byte> bytes;
  std::jmp_buf where;
  char message[128];
  bool is_out_of_memory;
};

[[noreturn]] void leave_png(png_structp png, png_const_charp message) {
  auto* source = static_cast<PngSource*>(png_get_error_ptr(png));
  std::snprintf(source->message, sizeof source->message, "%s", message);
  std::longjmp(source->where, 1);
}

void ignore_png_warning(png_structp, png_const_charp) {}

png_voidp take_memory(png_structp png, png_alloc_size_t bytes) {
  void* memory = std::malloc(bytes);
  if (memory == nullptr) static_cast<PngSource*>(png_get_mem_ptr(png))->is_out_of_memory = true;
  return memory;
}

void give_memory(png_structp, png_voidp memory) { std::free(memory); }

void read_png_bytes(png_structp png, png_bytep to, std::size_t count) {
  auto* source = static_cast<PngSource*>(png_get_io_ptr(png));
  if (count > source->bytes.size()) png_error(png, "it ends early");
  std::memcpy(to, source->bytes.data(), count);
  source->bytes = source->bytes.subspan(count);
}

// Reads samples as they are stored, as TensorFlow and Pillow do: gamma is not applied, alpha is
// dropped and not blended with anything, and of 16 bits the upper byte is taken. `channels` is 3 or
// 4, or 1 for a file that is gray.
//
// No object with a destructor may be made here or in the function below, since longjmp() returns
// through them.
bool read_png_header(png_structp png, png_infop info, PngSource& source) {
  if (setjmp(source.where) != 0) return false;
  png_set_read_fn(png, &source, read_png_bytes);
  // Our own limits are enforced by check_size().
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  // Texts, profiles and the like are skipped; they could unpack to a thousand times their size, and
  // libpng would keep them.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(png, info);
  return true;
}

bool read_png_rows(png_structp png, png_infop info, PngSource& source, int channels,
                   std::uint8_t* pixels, std::size_t pitch) {
  if (setjmp(source.where) != 0) return false;
  // Only what this file needs is set, since each transformation costs every row a pass of its own.
  const int depth = png_get_bit_depth(png, info);
  const int type = png_get_color_type(png, info);
  const bool has_transparency = png_get_valid(png, info, PNG_INFO_tRNS) != 0;
  if (depth == 16) png_set_strip_16(png);
  if (depth < 8) png_set_packing(png);
  if (depth < 8 || type == PNG_COLOR_TYPE_PALETTE || has_transparency) png_set_expand(png);
  if (channels >= 3 && (type & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png);
  const bool has_alpha = (type & PNG_COLOR_MASK_ALPHA) != 0 || has_transparency;
  if (channels == 4 && !has_alpha) png_set_add_alpha(png, 0xff, PNG_FILLER_AFTER);
  if (channels != 4 && has_alpha) png_set_strip_alpha(png);
  const int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  if (png_get_rowbytes(png, info) != pitch) png_error(png, "of an unknown format");
  const png_uint_32 height = png_get_image_height(png, info);
  for (int pass = 0; pass < passes; ++pass) {
    for (png_uint_32 y = 0; y < height; ++y) png_read_row(png, pixels + y * pitch, nullptr);
  }
  return true;
}

}  // namespace

void decode_png_by_libpng(std::span<const std::byte> bytes, const Job& job, Target& target) {
  const int channels = job.channels;
  PngSource source{.bytes = bytes, .where = {}, .message = {}, .is_out_of_memory = false};
  struct Reader {
    png_structp png = nullptr;
    png_infop info = nullptr;
    ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
  } reader;
  reader.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &source, leave_png,
                                        ignore_png_warning, &source, take_memory, give_memory);
  if (reader.png != nullptr) reader.info = png_create_info_struct(reader.png);
  if (reader.info == nullptr) throw std::bad_alloc();
  const auto check = [&](bool read) {
    if (read) return;
    if (source.is_out_of_memory) fail(job.name, "not enough memory to decode it");
    fail(job.name, format("a damaged PNG (", source.message, ")"));
  };
  check(read_png_header(reader.png, reader.info, source));
  const std::uint64_t width = png_get_image_width(reader.png, reader.info);
  const std::uint64_t height = png_get_image_height(reader.png, reader.info);
  check_size(job, width, height);
  const bool has_color = (png_get_color_type(reader.png, reader.info) & PNG_COLOR_MASK_COLOR) != 0;
  const int read = channels == 1 && has_color ? 3 : channels;
  target.size = {static_cast<std::int64_t>(height), static_cast<std::int64_t>(width), read};
  target.pixels.resize(target.size.elements());
  check(read_png_rows(reader.png, reader.info, source, read, target.pixels.data(),
                      static_cast<std::size_t>(target.size.width * read)));
}

}  // namespace stoker::image
