// The known name that a misspelt one was probably meant to be, for error messages.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace stoker {

// The one of `known` that takes the fewest edits to get to, letters of either case being alike;
// empty where none is near: more than two in five of its letters would have to change.
std::string_view nearest(std::string_view name, std::span<const std::string_view> known);

// "; did you mean \"units\"?", or "" where none is near.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> known);

// Whether a text stands for the class that has this name, goes as a string by `text`, and may go by
// a short one, small or in capital letters.
bool stands_for(std::string_view given, std::string_view class_name, std::string_view text,
                std::string_view short_text);

// "relu, selu, tanh".
std::string joined(std::span<const std::string_view> names);

}  // namespace stoker
