// What the template of stoker/several.h does. Programs include that header.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "stoker/several.h"

// These functions are not inline, so that a program's compiler leaves the types that the library
// has compiled alone.
namespace stoker {

template <class T>
Several<T>::Several() = default;
template <class T>
Several<T>::Several(std::initializer_list<T> list) : Several(std::vector<T>(list)) {}
template <class T>
Several<T>::Several(std::vector<T> list) {
  for (T& value : list) entries_.push_back({{}, std::move(value)});
}
template <class T>
Several<T>::Several(std::initializer_list<std::pair<const std::string, T>> named)
    : is_named_(named.size() > 0) {
  for (const auto& [name, value] : named) add(name, value);
}
template <class T>
Several<T>::Several(const std::vector<std::pair<std::string, T>>& named)
    : is_named_(!named.empty()) {
  for (const auto& [name, value] : named) add(name, value);
}
template <class T>
Several<T>::Several(const std::map<std::string, T>& named) : is_named_(!named.empty()) {
  for (const auto& [name, value] : named) add(name, value);
}
template <class T>
Several<T>::Several(const Several& other) = default;
template <class T>
Several<T>::Several(Several&& other) noexcept = default;
template <class T>
Several<T>& Several<T>::operator=(const Several& other) = default;
template <class T>
Several<T>& Several<T>::operator=(Several&& other) noexcept = default;
template <class T>
Several<T>::~Several() = default;

template <class T>
void Several<T>::add(std::string name, T value) {
  entries_.push_back({std::move(name), std::move(value)});
}

}  // namespace stoker
