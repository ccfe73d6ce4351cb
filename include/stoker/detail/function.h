// A function object of any type behind one signature. It stands in for std::function, whose header
// takes a quarter of the time in which a small program compiles.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace stoker::detail {

template <class Signature>
class Function;

// Copies share the function object.
template <class R, class... A>
class Function<R(A...)> {
 public:
  Function() = default;
  Function(std::nullptr_t) {}
  template <class F>
  requires(!std::is_same_v<F, Function> && std::is_invocable_r_v<R, F&, A...>)
      Function(F function) {
    // A null pointer to a function, or an empty function of another kind, is none.
    if constexpr (std::is_pointer_v<F> || requires { function.operator bool(); }) {
      if (!static_cast<bool>(function)) return;
    }
    object_ = std::make_shared<F>(std::move(function));
    call_ = [](void* object, A... arguments) -> R {
      return static_cast<R>((*static_cast<F*>(object))(std::forward<A>(arguments)...));
    };
  }

  explicit operator bool() const { return call_ != nullptr; }
  R operator()(A... arguments) const { return call_(object_.get(), std::forward<A>(arguments)...); }

 private:
  std::shared_ptr<void> object_{};
  R (*call_)(void*, A...) = nullptr;
};

}  // namespace stoker::detail
