// Cropping1D, 2D and 3D leave elements at the ends of the spatial axes out, and ZeroPadding1D, 2D
// and 3D put zeros there.
#include <type_traits>
#include <vector>

#include "core/check.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "layers/reshaping/spatial.h"
#include "ops/common.h"

namespace stoker {
namespace {

using graph::Value;

std::vector<Sides> by_axis(const Sides& sides) { return {sides}; }
std::vector<Sides> by_axis(const Sides2D& sides) { return {sides.height, sides.width}; }
std::vector<Sides> by_axis(const Sides3D& sides) {
  return {sides.depth, sides.height, sides.width};
}

struct Cropping {
  static constexpr const char* kField = "cropping";
  static constexpr const char* kClasses[] = {"Cropping1D", "Cropping2D", "Cropping3D"};
  static constexpr bool kFirstHasDataFormat = false;
  static constexpr int kDefaults[] = {1, 0, 1};
  static Value apply(Value x, const std::vector<Sides>& sides) {
    const Shape shape = x.shape();
    for (std::size_t i = 0; i < sides.size(); ++i) {
      const std::int64_t extent = shape[i + 1] - sides[i].before - sides[i].after;
      ops::require(extent > 0, *x.graph, "cropping ", sides[i].before, " and ", sides[i].after,
                   " leave nothing of axis ", i + 1, " of input ", shape);
      if (extent == shape[i + 1]) continue;
      x = ops::slice(x, static_cast<std::int64_t>(i) + 1, sides[i].before, extent);
    }
    return x;
  }
};

struct ZeroPadding {
  static constexpr const char* kField = "padding";
  static constexpr const char* kClasses[] = {"ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"};
  static constexpr bool kFirstHasDataFormat = true;
  static constexpr int kDefaults[] = {1, 1, 1};
  static Value apply(Value x, const std::vector<Sides>& sides) {
    Shape before{0}, after{0};
    for (const Sides& axis : sides) {
      before.push_back(axis.before);
      after.push_back(axis.after);
    }
    before.push_back(0);
    after.push_back(0);
    return ops::pad(x, before, after);
  }
};

template <class Kind, class Amount>
constexpr std::size_t kAxes = std::is_same_v<Amount, Sides>     ? 1
                              : std::is_same_v<Amount, Sides2D> ? 2
                                                                : 3;

template <class Kind, class Amount>
struct SidesArguments {
  Amount sides = Kind::kDefaults[kAxes<Kind, Amount> - 1];
  NameOptions options{};
};

template <class Kind, class Amount>
void describe(Fields& fields, SidesArguments<Kind, Amount>& arguments) {
  layers::describe_common(fields, arguments.options);
  fields(Kind::kField, arguments.sides);
  if (kAxes < Kind, Amount >> 1 || Kind::kFirstHasDataFormat) {
    fields.always("data_format", "channels_last");
  }
}

template <class Kind, class Amount>
class SidesLayer final : public layers::DescribedLayer<SidesArguments<Kind, Amount>> {
 public:
  using Arguments = SidesArguments<Kind, Amount>;

  explicit SidesLayer(Arguments arguments)
      : layers::DescribedLayer<Arguments>(Kind::kClasses[kAxes<Kind, Amount> - 1],
                                          std::move(arguments)),
        sides_(by_axis(this->arguments_.sides)) {
    for (const Sides& axis : sides_) {
      for (const std::int64_t side : {axis.before, axis.after}) {
        check::require(this->label(), Kind::kField, side, check::half_open(0, 0x1p31));
      }
    }
  }

  Value apply(layers::BuildContext&, Value x) override {
    layers::require_rank(x, sides_.size() + 2, layers::layout_advice(sides_.size()));
    return Kind::apply(x, sides_);
  }

 private:
  const std::vector<Sides> sides_;
};

template <class Kind, class Amount>
Layer make(Amount sides, NameOptions options) {
  return Layer(std::make_shared<SidesLayer<Kind, Amount>>(
      SidesArguments<Kind, Amount>{sides, std::move(options)}));
}
template <class Kind, class Amount>
Layer make(Fields& fields) {
  return Layer(
      std::make_shared<SidesLayer<Kind, Amount>>(fields.all<SidesArguments<Kind, Amount>>()));
}

}  // namespace

Layer Cropping1D(Sides cropping, NameOptions options) {
  return make<Cropping>(cropping, std::move(options));
}
Layer Cropping2D(Sides2D cropping, NameOptions options) {
  return make<Cropping>(cropping, std::move(options));
}
Layer Cropping3D(Sides3D cropping, NameOptions options) {
  return make<Cropping>(cropping, std::move(options));
}
Layer ZeroPadding1D(Sides padding, NameOptions options) {
  return make<ZeroPadding>(padding, std::move(options));
}
Layer ZeroPadding2D(Sides2D padding, NameOptions options) {
  return make<ZeroPadding>(padding, std::move(options));
}
Layer ZeroPadding3D(Sides3D padding, NameOptions options) {
  return make<ZeroPadding>(padding, std::move(options));
}

Layer layers::make_Cropping1D(Fields& fields) { return make<Cropping, Sides>(fields); }
Layer layers::make_Cropping2D(Fields& fields) { return make<Cropping, Sides2D>(fields); }
Layer layers::make_Cropping3D(Fields& fields) { return make<Cropping, Sides3D>(fields); }
Layer layers::make_ZeroPadding1D(Fields& fields) { return make<ZeroPadding, Sides>(fields); }
Layer layers::make_ZeroPadding2D(Fields& fields) { return make<ZeroPadding, Sides2D>(fields); }
Layer layers::make_ZeroPadding3D(Fields& fields) { return make<ZeroPadding, Sides3D>(fields); }

}  // namespace stoker
