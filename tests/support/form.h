// The form of a text: what is left of it when its numbers may be any.
#pragma once

#include <string>

namespace stoker::test {

// Numbers with their units become #, and so do shapes.
std::string form_of(const std::string& text);

// Of a verdict's line, without what depends on the spread of durations and on AUTOTUNE.
std::string verdict_form(const std::string& line);

}  // namespace stoker::test
