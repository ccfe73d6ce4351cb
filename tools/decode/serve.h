// Decodes images for a reader that has started this process (stoker/isolated_images.h), one after
// the other, until the reader's end of the socket is closed. Decoders of strangers' files may crash
// here; the reader takes nothing from this process but the pixels.
#pragma once

#include <cstddef>
#include <span>

#include "data/isolation/protocol.h"

namespace stoker::decode {

// Is called with each request and its file before it is decoded; tests let it go wrong there.
using BeforeDecoding = void (*)(const isolation::Request& request, std::span<const std::byte> file);

// Returns the exit status, unless the process ends without returning. The arguments are the most
// pixels of an image, and the seconds after which a reader must be gone.
int run(int count, char** arguments, BeforeDecoding before_decoding);

}  // namespace stoker::decode
