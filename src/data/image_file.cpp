// PNG through libpng, JPEG through libjpeg-turbo.
#include <cerrno>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <cstring>

// Needs size_t and FILE from before it.
#include <jpeglib.h>
#include <png.h>

#include <memory>
#include <new>
#include <vector>

#include "core/atomic_file.h"
#include "core/format.h"
#include "data/byte_source.h"
#include "stoker/error.h"
#include "stoker/image.h"

namespace stoker {
namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 30;
constexpr std::uint64_t kMaxPixels = std::uint64_t{1} << 28;

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw IoError(format(name, ": ", what));
}

// What the file says, before memory is taken for it.
void check_size(const std::string& name, std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0 || width > kMaxPixels || height > kMaxPixels / width) {
    fail(name, format("expected an image of at most 2^28 pixels, received ", width, " x ", height));
  }
}

// The file's bytes, in memory that stays as large as it was for larger files before.
std::span<const std::byte> read_bytes(const std::string& path, std::vector<std::byte>& memory) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  if (!file) fail(path, std::strerror(errno));
  std::setvbuf(file.get(), nullptr, _IONBF, 0);  // it is read in one piece or a few
  std::size_t filled = 0;
  do {
    if (filled == memory.size()) memory.resize(filled + (std::size_t{1} << 16) + filled / 2);
    filled += std::fread(memory.data() + filled, 1, memory.size() - filled, file.get());
    if (filled > kMaxFileBytes) fail(path, "expected an image file of at most 1 GiB");
  } while (filled == memory.size());
  if (std::ferror(file.get()) != 0) fail(path, "could not be read");
  return std::span<const std::byte>(memory).first(filled);
}

// Where pixels go: memory that is asked for once the size is known.
struct Target {
  std::vector<std::uint8_t> pixels;
  ImageSize size;
};

// ---- PNG ----
bool is_png(std::span<const std::byte> bytes) {
  constexpr unsigned char kSignature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  return bytes.size() >= sizeof kSignature &&
         std::memcmp(bytes.data(), kSignature, sizeof kSignature) == 0;
}

struct PngSource {
  std::span<const std::byte> bytes;
  std::jmp_buf where;
  char message[128];
};

[[noreturn]] void leave_png(png_structp png, png_const_charp message) {
  auto* source = static_cast<PngSource*>(png_get_error_ptr(png));
  std::snprintf(source->message, sizeof source->message, "%s", message);
  std::longjmp(source->where, 1);
}

void ignore_png_warning(png_structp, png_const_charp) {}

void read_png_bytes(png_structp png, png_bytep to, std::size_t count) {
  auto* source = static_cast<PngSource*>(png_get_io_ptr(png));
  if (count > source->bytes.size()) png_error(png, "it ends early");
  std::memcpy(to, source->bytes.data(), count);
  source->bytes = source->bytes.subspan(count);
}

// Samples as they are stored, as TensorFlow and Pillow read them: no gamma, alpha dropped and not
// laid on anything, the upper bytes of 16 bits. `channels`: 3 or 4, or 1 for a file that is gray.
//
// As below, nothing with a destructor may come to life between setjmp and its return.
bool read_png_header(png_structp png, png_infop info, PngSource& source) {
  if (setjmp(source.where) != 0) return false;
  png_set_read_fn(png, &source, read_png_bytes);
  png_set_user_limits(png, kMaxPixels, kMaxPixels);
  png_read_info(png, info);
  return true;
}

bool read_png_rows(png_structp png, png_infop info, PngSource& source, int channels,
                   std::uint8_t* pixels, std::size_t pitch) {
  if (setjmp(source.where) != 0) return false;
  // Only what this file needs: whatever is set costs every row a pass of its own.
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

// ITU-R BT.601's weights of red, green and blue, as JPEG has them too.
void make_gray(Target& target) {
  std::vector<std::uint8_t>& pixels = target.pixels;
  const std::size_t count = pixels.size() / 3;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t sum =
        19595U * pixels[3 * i] + 38470U * pixels[3 * i + 1] + 7471U * pixels[3 * i + 2];
    pixels[i] = static_cast<std::uint8_t>((sum + 0x8000U) >> 16);
  }
  pixels.resize(count);
  target.size.channels = 1;
}

void decode_png(std::span<const std::byte> bytes, int channels, const std::string& name,
                Target& target) {
  PngSource source{.bytes = bytes, .where = {}, .message = {}};
  struct Reader {
    png_structp png = nullptr;
    png_infop info = nullptr;
    ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
  } reader;
  reader.png =
      png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, leave_png, ignore_png_warning);
  if (reader.png != nullptr) reader.info = png_create_info_struct(reader.png);
  if (reader.info == nullptr) throw std::bad_alloc();
  const auto check = [&](bool read) {
    if (!read) fail(name, format("a damaged PNG (", source.message, ")"));
  };
  check(read_png_header(reader.png, reader.info, source));
  const std::uint64_t width = png_get_image_width(reader.png, reader.info);
  const std::uint64_t height = png_get_image_height(reader.png, reader.info);
  check_size(name, width, height);
  const bool has_color = (png_get_color_type(reader.png, reader.info) & PNG_COLOR_MASK_COLOR) != 0;
  const int read = channels == 1 && has_color ? 3 : channels;
  target.size = {static_cast<std::int64_t>(height), static_cast<std::int64_t>(width), read};
  target.pixels.resize(target.size.elements());
  check(read_png_rows(reader.png, reader.info, source, read, target.pixels.data(),
                      static_cast<std::size_t>(target.size.width * read)));
  if (read != channels) make_gray(target);
}

// ---- JPEG ----
struct JpegErrors {
  jpeg_error_mgr base;
  std::jmp_buf where;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void leave(j_common_ptr info) {
  auto* errors = reinterpret_cast<JpegErrors*>(info->err);
  errors->base.format_message(info, errors->message);
  std::longjmp(errors->where, 1);
}

// A warning (a truncated file, for one) is an error: what is missing would be grey.
void complain(j_common_ptr info, int level) {
  if (level < 0) leave(info);
}

bool is_jpeg(std::span<const std::byte> bytes) {
  return bytes.size() >= 3 && bytes[0] == std::byte{0xff} && bytes[1] == std::byte{0xd8} &&
         bytes[2] == std::byte{0xff};
}

// Between setjmp and its return nothing with a destructor may come to life: `header` and `pixels`
// are called with decoding suspended.
bool read_jpeg(jpeg_decompress_struct& info, JpegErrors& errors, std::span<const std::byte> bytes,
               int channels) {
  if (setjmp(errors.where) != 0) return false;
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&info, TRUE);
  info.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  return true;
}

bool read_scanlines(jpeg_decompress_struct& info, JpegErrors& errors, std::uint8_t* pixels,
                    std::size_t pitch) {
  if (setjmp(errors.where) != 0) return false;
  jpeg_start_decompress(&info);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = pixels + info.output_scanline * pitch;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  return true;
}

void decode_jpeg(std::span<const std::byte> bytes, int channels, const std::string& name,
                 Target& target) {
  if (channels == 4) fail(name, "a JPEG has no alpha: expected 1 or 3 channels, received 4");
  JpegErrors errors{};
  jpeg_decompress_struct info{};
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = leave;
  errors.base.emit_message = complain;
  jpeg_create_decompress(&info);
  const std::unique_ptr<jpeg_decompress_struct, void (*)(jpeg_decompress_struct*)> owner(
      &info, jpeg_destroy_decompress);
  const auto check = [&](bool read) {
    if (!read) fail(name, format("a damaged JPEG (", errors.message, ")"));
  };
  check(read_jpeg(info, errors, bytes, channels));
  check_size(name, info.image_width, info.image_height);
  target.size = {info.image_height, info.image_width, channels};
  target.pixels.resize(target.size.elements());
  check(read_scanlines(info, errors, target.pixels.data(),
                       static_cast<std::size_t>(target.size.width * channels)));
}

void decode(std::span<const std::byte> bytes, int channels, const std::string& name,
            Target& target) {
  if (channels != 1 && channels != 3 && channels != 4) {
    throw ValueError(format(name, ": expected 1, 3 or 4 channels, received ", channels));
  }
  if (is_png(bytes)) return decode_png(bytes, channels, name, target);
  if (is_jpeg(bytes)) return decode_jpeg(bytes, channels, name, target);
  fail(name, "expected a PNG or a JPEG, received neither");
}

}  // namespace

Tensor decode_image(std::span<const std::byte> bytes, int channels, const std::string& name) {
  Target target;
  decode(bytes, channels, name, target);
  return Tensor::from<std::uint8_t>({target.size.height, target.size.width, target.size.channels},
                                    target.pixels);
}

Tensor read_image(const std::string& path, int channels) {
  std::vector<std::byte> bytes;
  return decode_image(read_bytes(path, bytes), channels, path);
}

void read_image_into(const std::string& path, std::span<std::uint8_t> to, const ImageSize& size) {
  // Kept by the thread, for the next image.
  thread_local std::vector<std::byte> bytes;
  thread_local Target target;
  decode(read_bytes(path, bytes), static_cast<int>(size.channels), path, target);
  resize(std::span<const std::uint8_t>(target.pixels), target.size, to, size);
}

void write_png(const std::string& path, std::span<const std::uint8_t> pixels,
               const ImageSize& size) {
  if (pixels.size() != size.elements() || (size.channels != 1 && size.channels != 3)) {
    throw ShapeError(format("write_png: expected ", size.height, " x ", size.width, " x ",
                            size.channels, " elements of 1 or 3 channels, received ",
                            pixels.size()));
  }
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(size.width);
  image.height = static_cast<png_uint_32>(size.height);
  image.format = size.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t length = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::vector<std::byte> bytes(length);
  if (png_image_write_to_memory(&image, bytes.data(), &length, 0, pixels.data(), 0, nullptr) == 0) {
    fail(path, format("could not be encoded (", image.message, ")"));
  }
  write_file(path, std::span<const std::byte>(bytes).first(length));
}

}  // namespace stoker
