#include "train/runtime/store.h"

#include <algorithm>
#include <atomic>

#include "core/align.h"
#include "core/format.h"
#include "initializers/initialize.h"
#include "stoker/error.h"

namespace stoker::train {

namespace {

using graph::Home;
using graph::Space;

std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

// Guards joined_into_ of all stores. One mutex is enough because it changes rarely and is read once
// a call.
std::mutex& joining_mutex() {
  static std::mutex mutex;
  return mutex;
}

std::vector<std::uint16_t> rounded(std::span<const float> values, DType dtype) {
  std::vector<std::uint16_t> bits;
  bits.reserve(values.size());
  for (const float value : values) {
    bits.push_back(dtype == DType::float16 ? float16(value).bits : bfloat16(value).bits);
  }
  return bits;
}

void copy_to(device::Stream& stream, std::byte* to, std::span<const std::byte> from) {
  stream.copy_to_device(to, from.data(), from.size());
  stream.synchronize();
}

std::unique_ptr<device::Buffer> allocate_weights(device::Device& device, std::int64_t bytes) {
  try {
    return device.allocate(static_cast<std::size_t>(bytes));
  } catch (const device::OutOfMemory& error) {
    throw device::OutOfMemory(format("the model's weights: ", error.what()));
  }
}

// Whether both handles mean the same memory, as all handles of one GPU do, and all handles of the
// CPU.
bool is_same(const device::Device& a, const device::Device& b) {
  if (&a == &b) return true;
  return a.kind() != device::Kind::simulated && a.kind() == b.kind() && a.name() == b.name();
}

PlacedWeights* place_of(const layers::LayerBase& layer) {
  return static_cast<PlacedWeights*>(layer.stored.get());
}

std::int64_t bytes_of(const layers::WeightSpec& spec) {
  return spec.shape.elements() * static_cast<std::int64_t>(sizeof(float));
}

}  // namespace

void round_to(DType dtype, std::span<float> values) {
  for (float& value : values) {
    if (dtype == DType::bfloat16) value = static_cast<float>(bfloat16(value));
    if (dtype == DType::float16) value = static_cast<float>(float16(value));
  }
}

graph::Home home_of(const layers::LayerBase& layer, const std::string& weight) {
  const PlacedWeights* place = place_of(layer);
  const std::vector<layers::WeightSpec>& specs = layer.weights();
  for (std::size_t i = 0; place != nullptr && i < specs.size(); ++i) {
    if (specs[i].name == weight) return place->homes[i];
  }
  throw Error(format(layer.label(), ": weight \"", weight, "\" has no place"));
}

std::shared_ptr<Store> Store::follow(std::shared_ptr<Store>& store) {
  const std::lock_guard lock(joining_mutex());
  // Nothing is written where nothing was joined: others may be reading by this pointer.
  while (store->joined_into_) store = store->joined_into_;
  return store;
}

bool Store::was_joined() const {
  const std::lock_guard lock(joining_mutex());
  return joined_into_ != nullptr;
}

std::byte* Store::space(Space space) const {
  const auto& buffer = space == Space::parameter ? parameters_
                       : space == Space::copy    ? copies_
                                                 : state_;
  return buffer ? buffer->data() : nullptr;
}

Tensor Store::read(device::Stream& stream, const Weight& weight) const {
  Tensor value(weight.spec.shape);
  stream.copy_to_host(static_cast<std::byte*>(value.raw()),
                      space(weight.home.space) + weight.home.offset, value.bytes());
  stream.synchronize();
  return value;
}

void Store::write(device::Stream& stream, Home home, std::span<const float> values, DType dtype) {
  const bool is_rounded = is_16bit(dtype);
  const bool has_copy = copy_dtype() && home.space == Space::parameter;
  if (!is_rounded) copy_to(stream, space(home.space) + home.offset, std::as_bytes(values));
  if (!is_rounded && !has_copy) return;
  // Rounded values are made in pieces, so that a large weight takes little memory beside its own.
  constexpr std::size_t kPiece = std::size_t{1} << 18;
  for (std::size_t done = 0; done < values.size(); done += kPiece) {
    const auto piece = values.subspan(done, std::min(kPiece, values.size() - done));
    if (is_rounded) {
      std::vector<float> own(piece.begin(), piece.end());
      round_to(dtype, own);
      copy_to(stream, space(home.space) + home.offset + done * sizeof(float),
              std::as_bytes(std::span(own)));
    }
    if (has_copy) {
      const auto copy = rounded(piece, *copy_dtype());
      copy_to(stream, copies_->data() + home.offset / 2 + done * sizeof(std::uint16_t),
              std::as_bytes(std::span(copy)));
    }
  }
}

// The loop repeats when the store is joined into another one before this thread has entered its
// guard.
StoreUse::StoreUse(std::shared_ptr<Store>& store, const User& user, Access access) {
  for (;;) {
    store_ = Store::follow(store);
    use_.emplace(store_->guard(), user, access);
    if (!store_->was_joined()) break;
    use_.reset();
  }
}

// ---- Joining -----------------------------------------------------------------------------------
struct Store::Joining {
  Joining(Network& network, std::string model) : network(network), model(std::move(model)) {
    for (const Weight& weight : network.weights()) {
      layers::LayerBase* layer = weight.layer;
      if (!layer->stored) {
        if (std::find(fresh.begin(), fresh.end(), layer) == fresh.end()) fresh.push_back(layer);
        continue;
      }
      const auto store = follow(place_of(*layer)->store);
      if (std::find(stores.begin(), stores.end(), store) == stores.end()) {
        stores.push_back(store);
        of_store.push_back(layer);
      }
    }
  }

  void require_same(const std::shared_ptr<device::Device>& device) const {
    for (std::size_t i = 0; i < stores.size(); ++i) {
      if (!is_same(*stores[i]->device_, *device)) {
        throw ValueError(format("Model \"", model, "\": ", of_store[i]->label(),
                                " has its weights on ", stores[i]->device_->name(),
                                ", where another model uses them; expected the same device, "
                                "received ",
                                device->name(), ". A shared weight has one device"));
      }
      if (stores[i]->policy_ != network.policy()) {
        throw ValueError(format(
            "Model \"", model, "\": ", of_store[i]->label(), " is part of a model of dtype_policy ",
            layers::name_of(stores[i]->policy_), "; expected the same policy, received ",
            layers::name_of(network.policy()), ". Models that share weights have one policy"));
      }
    }
  }

  Network& network;
  const std::string model;
  std::vector<std::shared_ptr<Store>> stores;
  std::vector<layers::LayerBase*> of_store;  // A layer of each store, for messages.
  std::vector<layers::LayerBase*> fresh;     // Layers that have no place yet.
};

std::shared_ptr<Store> Store::of(Network& network, std::uint64_t seed,
                                 const std::shared_ptr<device::Device>& device,
                                 const std::string& model, bool initializes) {
  Joining joining(network, model);
  joining.require_same(device);
  if (joining.stores.size() == 1 && joining.fresh.empty()) {
    network.place();
    return joining.stores[0];
  }
  std::vector<std::unique_ptr<Use>> uses;
  for (const auto& store : joining.stores) {
    uses.push_back(std::make_unique<Use>(store->guard_, User{model, "Model", nullptr, nullptr},
                                         Access::train));
  }
  const auto target = joining.stores.empty() ? std::make_shared<Store>(device, network.policy())
                                             : joining.stores[0];

  // The weights that the target will hold. Those that are in it already come first, in their order.
  struct Moved {
    std::shared_ptr<PlacedWeights> place;
    std::vector<Home> homes;
    std::vector<std::int64_t> bytes;
  };
  std::vector<Moved> moved;
  std::int64_t parameter_bytes = 0, state_bytes = 0;
  const auto place = [&](Space space, std::int64_t bytes) {
    std::int64_t& end = space == Space::parameter ? parameter_bytes : state_bytes;
    const Home home{space, 0, end};
    end += aligned(bytes);
    return home;
  };
  bool stays = true;  // Whether the weights that are in the target keep their places.
  std::vector<std::weak_ptr<PlacedWeights>> placed;
  for (const auto& store : joining.stores) {
    for (const auto& known : store->placed_) {
      auto live = known.lock();
      if (!live) continue;
      Moved& one = moved.emplace_back(Moved{live, {}, live->bytes});
      for (std::size_t i = 0; i < live->homes.size(); ++i) {
        one.homes.push_back(place(live->homes[i].space, live->bytes[i]));
        if (store == target && one.homes[i].offset != live->homes[i].offset) stays = false;
      }
      placed.push_back(live);
    }
  }
  std::vector<std::shared_ptr<PlacedWeights>> fresh;
  for (const layers::LayerBase* layer : joining.fresh) {
    auto& one = *fresh.emplace_back(std::make_shared<PlacedWeights>());
    for (const layers::WeightSpec& spec : layer->weights()) {
      one.bytes.push_back(bytes_of(spec));
      one.homes.push_back(
          place(spec.trainable ? Space::parameter : Space::state, one.bytes.back()));
    }
    placed.push_back(fresh.back());
  }

  // A store of its own holds the new buffers until all values are in them, so that an error changes
  // nothing.
  Store next(device, network.policy());
  next.parameters_ = allocate_weights(*device, parameter_bytes);
  next.state_ = allocate_weights(*device, state_bytes);
  if (next.copy_dtype()) next.copies_ = allocate_weights(*device, parameter_bytes / 2);
  const std::vector<std::int64_t> first_row{0};  // outlives the stream, which reads it
  const auto stream = device->make_stream();
  for (const Moved& one : moved) {
    const Store& from = *follow(one.place->store);
    for (std::size_t i = 0; i < one.homes.size(); ++i) {
      const Home old = one.place->homes[i], now = one.homes[i];
      if (one.bytes[i] == 0) continue;
      const auto copy = [&](Space space, std::int64_t share) {
        const device::RowGather gather{next.space(space) + now.offset / share,
                                       from.space(space) + old.offset / share,
                                       static_cast<std::size_t>(one.bytes[i] / share)};
        stream->gather_rows({&gather, 1}, first_row);
      };
      copy(old.space, 1);
      if (next.copy_dtype() && old.space == Space::parameter) copy(Space::copy, 2);
    }
  }
  stream->synchronize();
  for (const Weight& weight : network.weights()) {
    const auto found = std::find(joining.fresh.begin(), joining.fresh.end(), weight.layer);
    if (!initializes || found == joining.fresh.end()) continue;
    const PlacedWeights& one = *fresh[static_cast<std::size_t>(found - joining.fresh.begin())];
    const auto& specs = weight.layer->weights();
    for (std::size_t i = 0; i < specs.size(); ++i) {
      if (specs[i].name != weight.spec.name) continue;
      Tensor value(weight.spec.shape);
      if (specs[i].values) {
        std::copy(specs[i].values->begin(), specs[i].values->end(), value.data<float>().begin());
      } else {
        initializers::initialize(value.data<float>(), weight.spec.shape, weight.spec.initializer,
                                 seed, weight.stream, specs[i].fans);
      }
      const layers::WeightSpec::Ones& ones = specs[i].ones;
      std::fill_n(value.data<float>().begin() + ones.first, ones.count, 1.0f);
      next.write(*stream, one.homes[i], value.data<float>(), weight.dtype);
    }
  }

  // Nothing throws from here on.
  {
    const std::lock_guard lock(joining_mutex());
    for (const auto& store : joining.stores) {
      if (store != target) store->joined_into_ = target;
    }
  }
  for (Moved& one : moved) {
    one.place->store = target;
    one.place->homes = std::move(one.homes);
  }
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    fresh[i]->store = target;
    joining.fresh[i]->stored = fresh[i];
  }
  // Models of the other stores follow at their next call; the old buffers are of no use to them.
  for (const auto& store : joining.stores) {
    store->parameters_.reset();
    store->state_.reset();
    store->copies_.reset();
  }
  target->parameters_ = std::move(next.parameters_);
  target->state_ = std::move(next.state_);
  target->copies_ = std::move(next.copies_);
  target->placed_ = std::move(placed);
  target->generation_ = next_number();
  if (!stays || target->layout_ == 0) target->layout_ = next_number();
  network.place();
  return target;
}

}  // namespace stoker::train
