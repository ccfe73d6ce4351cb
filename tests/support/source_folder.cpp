#include "support/source_folder.h"

namespace stoker::test {

std::filesystem::path source_folder() { return STOKER_SOURCE_FOLDER; }

}  // namespace stoker::test
