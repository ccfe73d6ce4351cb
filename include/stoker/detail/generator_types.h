// Types that the signatures of stoker/generator.h name. Programs include that header.
#pragma once

#include <cstdint>
#include <type_traits>

#include "stoker/dtype.h"

namespace stoker {

template <class... T>
class BatchGenerator;

namespace detail {

// Whether the file that includes this header is compiled with optimisation. Each such file has its
// own constant.
#ifdef __OPTIMIZE__
constexpr bool kOptimized = true;
#else
constexpr bool kOptimized = false;
#endif

// The type that cast<To>() makes of a field's type: floating types that no slot holds become To,
// integers that no slot holds become int32_t, and others stay.
template <class To, class T>
using CastTo =
    std::conditional_t<is_slot_type<T>, T,
                       std::conditional_t<std::is_floating_point_v<T>, To, std::int32_t>>;

// The BatchGenerator<T...> that a class derives from. A class that derives from none, or from
// several, has no such type.
template <class... T>
std::type_identity<BatchGenerator<T...>> base_of(const BatchGenerator<T...>* generator);
template <class G>
using BaseOf = typename decltype(base_of(static_cast<G*>(nullptr)))::type;

template <class G>
concept DerivedGenerator = requires {
  typename BaseOf<G>;
};
// What a parameter G&& deduces for a temporary, or for std::move of a variable.
template <class G>
concept TemporaryGenerator = !std::is_reference_v<G> && !std::is_const_v<G> && DerivedGenerator<G>;

// Ends the branch of a function that a static_assert before it has refused, so that compilers do
// not miss a return there as well.
[[noreturn]] void refused();

}  // namespace detail
}  // namespace stoker
