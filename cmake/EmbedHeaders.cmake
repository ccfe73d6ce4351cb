# cmake -DOUTPUT=<file.cpp> -DFILES=<path>|<path>... -DNAMES=<name>|<name>... -P EmbedHeaders.cmake
# Writes a source that holds the files as text: backend/cuda/codegen/device_headers.h.

string(REPLACE "|" ";" FILES "${FILES}")
string(REPLACE "|" ";" NAMES "${NAMES}")
set(entries "")
foreach(file name IN ZIP_LISTS FILES NAMES)
  file(READ ${file} text)
  string(APPEND entries "    {\"${name}\", R\"stoker_text(${text})stoker_text\"},\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"backend/cuda/codegen/device_headers.h\"

namespace stoker::backend::cuda {

std::span<const DeviceHeader> device_headers() {
  static constexpr DeviceHeader kHeaders[] = {
${entries}  };
  return kHeaders;
}

}  // namespace stoker::backend::cuda
")
