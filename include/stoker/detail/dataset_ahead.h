// Threads that make elements of a Dataset ahead. Programs include stoker/dataset.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "stoker/detail/dataset_core.h"

namespace stoker::detail {

// The threads, and the order of what they make. Each element has a place from when it is asked for
// until it has been taken; places are numbered from 0.
class Ahead {
 public:
  class Maker {
   public:
    // Reads the next element of the stage before; returns false at its end. One thread at a time
    // calls it.
    virtual bool ask(std::size_t place) = 0;
    // Makes the result from what was read. All threads call it, each for a place of its own.
    virtual void work(std::size_t place, std::int64_t ordinal) = 0;

   protected:
    ~Maker() = default;
  };

  // `maker` must outlive this object. Throws std::system_error if the system has no more threads.
  Ahead(Maker& maker, int workers, std::size_t places);
  ~Ahead();  // ends the threads
  Ahead(const Ahead&) = delete;
  Ahead& operator=(const Ahead&) = delete;

  // Waits for the next element and returns its place, or nothing at the end. Throws what the maker
  // threw for it.
  std::optional<std::size_t> wait();
  // Gives the place of the last wait() back.
  void give_back();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct Nothing {};

// Makes elements ahead on threads of its own and gives them in order, for map with workers and for
// prefetch. `ask` reads the next element of the stage before, into `held` or straight to its place:
// bool ask(Held& held, Sinks<T...>& element). `work` makes the result from it: void work(Held&
// held, Sinks<T...>& element, std::int64_t ordinal).
template <class Held, class Ask, class Work, class... T>
class AheadCursor final : public Cursor<T...> {
 public:
  AheadCursor(Ask ask, Work work, int workers, std::size_t places)
      : maker_(std::move(ask), std::move(work), places), ahead_(maker_, workers, places) {}

  bool next(Sinks<T...>& out) override {
    const std::optional<std::size_t> place = ahead_.wait();
    if (!place) return false;
    copy_element(maker_.places[*place].element, out);
    ahead_.give_back();
    return true;
  }

 private:
  struct Place {
    Held held;
    Sinks<T...> element;
  };
  struct Maker final : Ahead::Maker {
    Maker(Ask ask, Work work, std::size_t count)
        : ask_next(std::move(ask)), make(std::move(work)), places(count) {}
    bool ask(std::size_t place) override {
      return ask_next(places[place].held, places[place].element);
    }
    void work(std::size_t place, std::int64_t ordinal) override {
      make(places[place].held, places[place].element, ordinal);
    }
    Ask ask_next;
    Work make;
    std::vector<Place> places;
  };

  Maker maker_;
  Ahead ahead_;  // the last member, so that its threads have ended before the others go
};
template <class Held, class... T, class Ask, class Work>
std::unique_ptr<Cursor<T...>> ahead_cursor(Ask ask, Work work, int workers, std::int64_t ahead) {
  const std::int64_t places = ahead > workers ? ahead : workers;
  return std::make_unique<AheadCursor<Held, Ask, Work, T...>>(
      std::move(ask), std::move(work), workers, static_cast<std::size_t>(places));
}

}  // namespace stoker::detail
