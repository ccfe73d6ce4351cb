// What a SourceHandle takes, and who owns the source.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "stoker/error.h"
#include "stoker/generator.h"
#include "stoker/sequence.h"
#include "support/slot_memory.h"

namespace stoker {
namespace {

using test::SlotMemory;

// Fills batches of two rows with one number. `alive` is shared by all copies, so that its use_count
// says how many there are.
template <class T>
class Filled : public BatchGenerator<T> {
 public:
  using BatchGenerator<T>::fill;
  Filled(T value, std::shared_ptr<int> alive)
      : BatchGenerator<T>({.x = {2, 1}}), value_(value), alive_(std::move(alive)) {}
  std::int64_t fill(BatchContext&, std::span<T> x) override {
    for (T& element : x) element = value_;
    return 2;
  }

 private:
  T value_;
  std::shared_ptr<int> alive_;
};

class Numbered : public Sequence<float> {
 public:
  using Sequence::fill;
  Numbered() : Sequence({.x = {2, 1}}) {}
  std::int64_t size() const override { return 3; }
  std::int64_t fill(BatchContext& batch, std::span<float> x) override {
    for (float& element : x) element = static_cast<float>(batch.index);
    return 2;
  }
};

// A source whose fields are known at run time only.
class Untyped : public Source {
 public:
  const BatchSpec& spec() const override { return spec_; }
  std::int64_t fill(BatchContext&, const Slot&) override { return 0; }

 private:
  BatchSpec spec_;
};

float first_of(const SourceHandle& handle) {
  SlotMemory slot(handle.source()->spec());
  BatchContext batch;
  EXPECT_EQ(handle.source()->fill(batch, slot.slot()), 2);
  return slot.slot().x<float>()[0];
}

TEST(SourceHandle, refers_to_a_variable_without_owning_it) {
  const auto alive = std::make_shared<int>();
  Filled<float> generator(7.0f, alive);
  const SourceHandle handle = generator;
  EXPECT_EQ(alive.use_count(), 2);
  EXPECT_EQ(handle.source().get(), &generator);
  EXPECT_EQ(handle.source().use_count(), 0);
}

TEST(SourceHandle, takes_over_a_temporary_and_what_is_moved) {
  const auto alive = std::make_shared<int>();
  std::optional<SourceHandle> handle = Filled<float>(7.0f, alive);
  EXPECT_EQ(alive.use_count(), 2);
  EXPECT_EQ(first_of(*handle), 7.0f);
  Filled<float> generator(8.0f, nullptr);
  handle = std::move(generator);
  EXPECT_EQ(alive.use_count(), 1);
  EXPECT_EQ(first_of(*handle), 8.0f);
  handle = Numbered();
  EXPECT_EQ(handle->source()->batches_per_epoch(), 3);
}

TEST(SourceHandle, shares_what_a_shared_pointer_owns) {
  const auto alive = std::make_shared<int>();
  auto generator = std::make_shared<Filled<float>>(7.0f, alive);
  std::optional<SourceHandle> handle = generator;
  EXPECT_EQ(generator.use_count(), 2);
  generator.reset();
  EXPECT_EQ(alive.use_count(), 2);
  EXPECT_EQ(first_of(*handle), 7.0f);
  handle.reset();
  EXPECT_EQ(alive.use_count(), 1);
}

TEST(SourceHandle, takes_sources_without_types_and_null_pointers) {
  const std::shared_ptr<Source> source = std::make_shared<Untyped>();
  const SourceHandle handle = source;
  EXPECT_EQ(handle.source(), source);
  const SourceHandle derived = std::make_shared<Untyped>();
  EXPECT_NE(derived.source(), nullptr);
  const SourceHandle none = std::shared_ptr<Filled<float>>();
  EXPECT_EQ(none.source(), nullptr);
  static_assert(!std::is_convertible_v<std::shared_ptr<const Untyped>, SourceHandle>);
  static_assert(!std::is_convertible_v<int, SourceHandle>);
}

TEST(Cast, takes_temporaries_and_shared_pointers) {
  const auto alive = std::make_shared<int>();
  {
    const auto of_temporary = cast<float>(Filled<double>(7.0, alive));
    EXPECT_EQ(alive.use_count(), 2);
    EXPECT_EQ(first_of(of_temporary), 7.0f);
    const auto shared = std::make_shared<Filled<double>>(8.0, alive);
    EXPECT_EQ(first_of(cast<float>(shared)), 8.0f);
    EXPECT_EQ(shared.use_count(), 1);
  }
  EXPECT_EQ(alive.use_count(), 1);
  EXPECT_THROW(cast<float>(std::shared_ptr<Filled<double>>()), ValueError);
}

}  // namespace
}  // namespace stoker
