// JPEG through libjpeg-turbo.
#include <csetjmp>
#include <cstddef>
#include <cstdio>

// These headers need size_t and FILE from before them.
#include <jpeglib.h>

#include <jerror.h>

#include <algorithm>
#include <memory>

#include "data/image_codec.h"

namespace stoker::image {
namespace {

// The state by which libjpeg's error functions return to the caller.
struct Decoder {
  jpeg_error_mgr errors;  // the first member, since libjpeg has a pointer to this part
  std::jmp_buf where;
  char message[JMSG_LENGTH_MAX];
  bool is_too_long;  // there are more scans than the limit allows
};
struct ScanCounter {
  jpeg_progress_mgr base;  // the first member for the same reason
  std::int64_t most;
};

[[noreturn]] void leave(j_common_ptr info) {
  auto* decoder = reinterpret_cast<Decoder*>(info->err);
  decoder->errors.format_message(info, decoder->message);
  std::longjmp(decoder->where, 1);
}

// Most warnings are harmless, and files that cause them are common (stray bytes, odd versions). A
// file that ends within its pixels is an error, however, since the rest of the image would be grey.
// Usually a decoder that asks for more data and finds the end marker warns of that (libjpeg puts an
// end marker behind a file without one). With several scans, or arithmetic coding, the decoder
// gives no warning, so that in these cases the missing end marker itself is the error.
void complain(j_common_ptr common, int level) {
  if (level >= 0 || common->is_decompressor == 0) return;
  const auto* info = reinterpret_cast<const jpeg_decompress_struct*>(common);
  const int code = common->err->msg_code;
  const bool asks_for_more = code == JWRN_HIT_MARKER && info->unread_marker == JPEG_EOI;
  const bool is_silent =
      info->arith_code || info->progressive_mode || info->comps_in_scan < info->num_components;
  if (!asks_for_more && !(code == JWRN_JPEG_EOF && is_silent)) return;
  auto* decoder = reinterpret_cast<Decoder*>(common->err);
  std::snprintf(decoder->message, sizeof decoder->message, "it ends within its pixels");
  std::longjmp(decoder->where, 1);
}

void count_scans(j_common_ptr common) {
  if (common->is_decompressor == 0) return;
  const auto* info = reinterpret_cast<const jpeg_decompress_struct*>(common);
  if (info->input_scan_number <= reinterpret_cast<const ScanCounter*>(common->progress)->most) {
    return;
  }
  auto* decoder = reinterpret_cast<Decoder*>(common->err);
  decoder->is_too_long = true;
  std::longjmp(decoder->where, 1);
}

// Counts scans by their markers, which takes no time compared with decoding them.
std::int64_t scans_in(std::span<const std::byte> bytes) {
  constexpr unsigned kStartOfScan = 0xda;
  constexpr unsigned kEndOfImage = 0xd9;
  std::int64_t scans = 0;
  for (std::size_t at = 2; at + 4 <= bytes.size();) {
    const auto byte = [&](std::size_t i) { return std::to_integer<unsigned>(bytes[at + i]); };
    const unsigned marker = byte(1);
    // A scan's data lies between markers. Within it, 0xff precedes 0 or, where the decoder's state
    // is reset, 0xd0 to 0xd7.
    const bool is_segment =
        byte(0) == 0xff && marker >= 0xc0 && marker != 0xff && !(marker >= 0xd0 && marker <= 0xd9);
    if (byte(0) == 0xff && marker == kEndOfImage) break;
    if (is_segment) {
      if (marker == kStartOfScan) ++scans;
      at += 2 + std::max(2U, 256 * byte(2) + byte(3));
    } else {
      ++at;
    }
  }
  return scans;
}

// Returns whether the error means a file that JPEG's standard allows, but that libjpeg cannot
// decode, or not to the colours that we ask for.
bool is_unsupported(int code) {
  switch (code) {
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_CCIR601_NOTIMPL:
    case JERR_COMPONENT_COUNT:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_EMPTY_IMAGE:  // its height follows the pixels
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_IMAGE_TOO_BIG:
    case JERR_NOT_COMPILED:
    case JERR_NOTIMPL:
    case JERR_SOF_UNSUPPORTED:
    case JERR_WIDTH_OVERFLOW:
      return true;
    default:
      return false;
  }
}

// No object with a destructor may be made here or in the function below, since longjmp() returns
// through them.
bool read_header(jpeg_decompress_struct& info, Decoder& decoder, std::span<const std::byte> bytes,
                 int channels) {
  if (setjmp(decoder.where) != 0) return false;
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&info, TRUE);
  info.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  return true;
}

bool read_scanlines(jpeg_decompress_struct& info, Decoder& decoder, std::uint8_t* pixels,
                    std::size_t pitch) {
  if (setjmp(decoder.where) != 0) return false;
  jpeg_start_decompress(&info);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = pixels + info.output_scanline * pitch;
    jpeg_read_scanlines(&info, &row, 1);
  }
  return true;  // bytes after the pixels do not matter
}

}  // namespace

bool is_jpeg(std::span<const std::byte> bytes) {
  return bytes.size() >= 3 && bytes[0] == std::byte{0xff} && bytes[1] == std::byte{0xd8} &&
         bytes[2] == std::byte{0xff};
}

void decode_jpeg(std::span<const std::byte> bytes, const Job& job, Target& target) {
  const int channels = job.channels;
  if (channels == 4) fail(job.name, "a JPEG has no alpha: expected 1 or 3 channels, received 4");
  Decoder decoder{};
  jpeg_decompress_struct info{};
  info.err = jpeg_std_error(&decoder.errors);
  decoder.errors.error_exit = leave;
  decoder.errors.emit_message = complain;
  jpeg_create_decompress(&info);
  const std::unique_ptr<jpeg_decompress_struct, void (*)(jpeg_decompress_struct*)> owner(
      &info, jpeg_destroy_decompress);
  ScanCounter counter{.base = {}, .most = job.limits.max_scans};
  counter.base.progress_monitor = count_scans;
  info.progress = &counter.base;
  const auto fail_too_long = [&] {
    fail(job.name, format("expected a JPEG of at most ", job.limits.max_scans,
                          " scans (ImageLimits::max_scans), received more"));
  };
  const auto check = [&](bool read) {
    if (read) return;
    if (decoder.is_too_long) fail_too_long();
    const int code = decoder.errors.msg_code;
    if (code == JERR_OUT_OF_MEMORY) fail(job.name, "not enough memory to decode it");
    fail(job.name, format(is_unsupported(code) ? "a JPEG of a kind that is not supported ("
                                               : "a damaged JPEG (",
                          decoder.message, ")"));
  };
  check(read_header(info, decoder, bytes, channels));
  check_size(job, info.image_width, info.image_height);
  if (jpeg_has_multiple_scans(&info) && scans_in(bytes) > job.limits.max_scans) fail_too_long();
  target.size = {info.image_height, info.image_width, channels};
  target.pixels.resize(target.size.elements());
  check(read_scanlines(info, decoder, target.pixels.data(),
                       static_cast<std::size_t>(target.size.width * channels)));
}

}  // namespace stoker::image
