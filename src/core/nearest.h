// Error messages use these functions to find the known name that a misspelt one was meant to be.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace stoker {

// The one of `known` that is the fewest edits away, upper and lower case being equal. Empty where
// none is near, that is where more than two in five of the letters would change.
std::string_view nearest(std::string_view name, std::span<const std::string_view> known);

// "; did you mean \"units\"?", or "" where none is near.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> known);

// Whether `given` stands for a class: it is the class name, the text by which configurations name
// the class, or its short text in lower or upper case, if it has one.
bool stands_for(std::string_view given, std::string_view class_name, std::string_view text,
                std::string_view short_text);

// "relu, selu, tanh".
std::string joined(std::span<const std::string_view> names);

}  // namespace stoker
