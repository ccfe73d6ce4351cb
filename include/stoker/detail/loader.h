// What the templates of stoker/loader.h do. Programs include that header.
#pragma once

#include <cstddef>
#include <span>
#include <tuple>

#include "stoker/loader.h"

template <class... T>
struct std::tuple_size<stoker::DatasetBatch<T...>>
    : std::integral_constant<std::size_t, sizeof...(T)> {};
template <std::size_t I, class... T>
struct std::tuple_element<I, stoker::DatasetBatch<T...>> {
  using type = std::span<std::tuple_element_t<I, std::tuple<T...>>>;
};

namespace stoker {

template <class... T>
template <std::size_t I>
std::span<std::tuple_element_t<I, std::tuple<T...>>> DatasetBatch<T...>::get() const {
  using Element = std::tuple_element_t<I, std::tuple<T...>>;
  const std::size_t inputs = spec().inputs.size();
  const std::size_t targets = spec().targets.size();
  if (I < inputs) return this->template x<Element>(I);
  if (I < inputs + targets) return this->template y<Element>(I - inputs);
  return this->template sample_weight<Element>(I - inputs - targets);
}

}  // namespace stoker
