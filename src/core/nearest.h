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

// "relu, selu, tanh".
std::string joined(std::span<const std::string_view> names);

}  // namespace stoker
