// Layers, losses, metrics and optimizers from a Keras class name and get_config(). An option that
// is set and has no counterpart here throws, so that no case passes for less than it says.
#pragma once

#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>

#include "stoker/layers.h"
#include "stoker/losses.h"
#include "stoker/metrics.h"
#include "stoker/optimizers.h"
#include "support/json.h"

namespace stoker::test {

inline void require_unset(const Json& config, std::initializer_list<const char*> options) {
  for (const char* option : options) {
    const Json* value = config.find(option);
    if (value != nullptr && !value->is_null() && !value->is_false()) {
      throw std::runtime_error(std::string("there is no counterpart of ") + option);
    }
  }
}

inline void require_channels_last(const Json& config) {
  const Json* format = config.find("data_format");
  if (format != nullptr && format->text() != "channels_last") {
    throw std::runtime_error("images are channels_last here");
  }
}

inline std::optional<double> optional_number(const Json& config, const char* option) {
  const Json* value = config.find(option);
  if (value == nullptr || value->is_null()) return std::nullopt;
  return value->number();
}

inline Size2D size_from(const Json& pair) {
  return {pair.items().at(0).integer(), pair.items().at(1).integer()};
}

inline Regularizer regularizer_from(const Json& config, const char* option) {
  const Json* value = config.find(option);
  if (value == nullptr || value->is_null()) return {};
  const Json& factors = (*value)["config"];
  return {optional_number(factors, "l1").value_or(0.0),
          optional_number(factors, "l2").value_or(0.0)};
}

// ---- Layers ------------------------------------------------------------------------------------
inline Layer dense_from(const Json& config) {
  require_unset(config, {"kernel_constraint", "bias_constraint", "quantization_config"});
  return Dense(config["units"].integer(),
               {.activation = config["activation"].text(),
                .use_bias = config["use_bias"].boolean(),
                .kernel_regularizer = regularizer_from(config, "kernel_regularizer"),
                .bias_regularizer = regularizer_from(config, "bias_regularizer"),
                .activity_regularizer = regularizer_from(config, "activity_regularizer"),
                .name = config["name"].text()});
}

inline Layer conv2d_from(const Json& config) {
  require_unset(config, {"kernel_constraint", "bias_constraint"});
  return Conv2D(config["filters"].integer(), size_from(config["kernel_size"]),
                {.strides = size_from(config["strides"]),
                 .padding = config["padding"].text(),
                 .dilation_rate = size_from(config["dilation_rate"]),
                 .groups = config["groups"].integer(),
                 .activation = config["activation"].text(),
                 .use_bias = config["use_bias"].boolean(),
                 .kernel_regularizer = regularizer_from(config, "kernel_regularizer"),
                 .bias_regularizer = regularizer_from(config, "bias_regularizer"),
                 .activity_regularizer = regularizer_from(config, "activity_regularizer"),
                 .name = config["name"].text()});
}

inline Layer batch_normalization_from(const Json& config) {
  require_unset(config, {"beta_constraint", "gamma_constraint", "synchronized", "renorm"});
  return BatchNormalization({.axis = config["axis"].integer(),
                             .momentum = config["momentum"].number(),
                             .epsilon = config["epsilon"].number(),
                             .center = config["center"].boolean(),
                             .scale = config["scale"].boolean(),
                             .beta_regularizer = regularizer_from(config, "beta_regularizer"),
                             .gamma_regularizer = regularizer_from(config, "gamma_regularizer"),
                             .name = config["name"].text()});
}

inline PoolingOptions pooling_from(const Json& config) {
  return {.strides = size_from(config["strides"]),
          .padding = config["padding"].text(),
          .name = config["name"].text()};
}

inline Layer reshape_from(const Json& config) {
  Shape shape;
  for (const Json& extent : config["target_shape"].items()) shape.push_back(extent.integer());
  return Reshape(shape, {.name = config["name"].text()});
}

inline Layer embedding_from(const Json& config) {
  require_unset(config, {"embeddings_constraint", "mask_zero", "quantization_config"});
  return Embedding(config["input_dim"].integer(), config["output_dim"].integer(),
                   {.embeddings_regularizer = regularizer_from(config, "embeddings_regularizer"),
                    .activity_regularizer = regularizer_from(config, "activity_regularizer"),
                    .name = config["name"].text()});
}

inline Layer layer_from(const std::string& class_name, const Json& config) {
  require_channels_last(config);
  const std::string& name = config["name"].text();
  if (class_name == "Dense") return dense_from(config);
  if (class_name == "Conv2D") return conv2d_from(config);
  if (class_name == "BatchNormalization") return batch_normalization_from(config);
  if (class_name == "Embedding") return embedding_from(config);
  if (class_name == "MaxPooling2D") {
    return MaxPooling2D(size_from(config["pool_size"]), pooling_from(config));
  }
  if (class_name == "AveragePooling2D") {
    return AveragePooling2D(size_from(config["pool_size"]), pooling_from(config));
  }
  if (class_name == "GlobalAveragePooling2D") {
    return GlobalAveragePooling2D({.keepdims = config["keepdims"].boolean(), .name = name});
  }
  if (class_name == "Activation") return Activation(config["activation"].text(), {.name = name});
  if (class_name == "ReLU" && config["max_value"].is_null() &&
      config["negative_slope"].number() == 0.0 && config["threshold"].number() == 0.0) {
    return Activation("relu", {.name = name});
  }
  if (class_name == "Add") return Add({.name = name});
  if (class_name == "Subtract") return Subtract({.name = name});
  if (class_name == "Multiply") return Multiply({.name = name});
  if (class_name == "Average") return Average({.name = name});
  if (class_name == "Maximum") return Maximum({.name = name});
  if (class_name == "Minimum") return Minimum({.name = name});
  if (class_name == "Concatenate") return Concatenate(config["axis"].integer(), {.name = name});
  if (class_name == "Flatten") return Flatten({.name = name});
  if (class_name == "Reshape") return reshape_from(config);
  if (class_name == "Rescaling") {
    return Rescaling(config["scale"].number(), {.offset = config["offset"].number(), .name = name});
  }
  if (class_name == "Dropout") {
    require_unset(config, {"seed", "noise_shape"});
    return Dropout(config["rate"].number(), {.name = name});
  }
  throw std::runtime_error("there is no layer " + class_name);
}

// ---- Losses and metrics ------------------------------------------------------------------------
inline Loss loss_from(const std::string& class_name, const Json& config,
                      const std::string& reduction) {
  if (const Json* axis = config.find("axis"); axis != nullptr && axis->integer() != -1) {
    throw std::runtime_error("losses look along the last axis here");
  }
  if (class_name == "SparseCategoricalCrossentropy") {
    std::optional<std::int64_t> ignored;
    if (!config["ignore_class"].is_null()) ignored = config["ignore_class"].integer();
    return SparseCategoricalCrossentropy({config["from_logits"].boolean(), ignored, reduction});
  }
  if (class_name == "CategoricalCrossentropy") {
    return CategoricalCrossentropy(
        {config["from_logits"].boolean(), config["label_smoothing"].number(), reduction});
  }
  if (class_name == "BinaryCrossentropy") {
    return BinaryCrossentropy(
        {config["from_logits"].boolean(), config["label_smoothing"].number(), reduction});
  }
  if (class_name == "MeanSquaredError") return MeanSquaredError({reduction});
  if (class_name == "MeanAbsoluteError") return MeanAbsoluteError({reduction});
  throw std::runtime_error("there is no loss " + class_name);
}

inline Metric metric_from(const std::string& class_name, const Json& config) {
  if (class_name == "Accuracy") return Accuracy();
  if (class_name == "BinaryAccuracy") {
    return BinaryAccuracy({.threshold = config["threshold"].number()});
  }
  if (class_name == "CategoricalAccuracy") return CategoricalAccuracy();
  if (class_name == "SparseCategoricalAccuracy") return SparseCategoricalAccuracy();
  if (class_name == "MeanSquaredError") return metrics::MeanSquaredError();
  if (class_name == "MeanAbsoluteError") return metrics::MeanAbsoluteError();
  throw std::runtime_error("there is no metric " + class_name);
}

// ---- Optimizers --------------------------------------------------------------------------------
template <class Options>
Options with_common_options(const Json& config, Options options) {
  options.learning_rate = config["learning_rate"].number();
  options.clipnorm = optional_number(config, "clipnorm");
  options.clipvalue = optional_number(config, "clipvalue");
  options.global_clipnorm = optional_number(config, "global_clipnorm");
  return options;
}

inline Optimizer optimizer_from(const std::string& class_name, const Json& config) {
  require_unset(config, {"use_ema", "gradient_accumulation_steps", "loss_scale_factor"});
  const auto number = [&](const char* option) { return config[option].number(); };
  const auto flag = [&](const char* option) { return config[option].boolean(); };
  const std::optional<double> weight_decay = optional_number(config, "weight_decay");
  if (class_name == "SGD") {
    return SGD(with_common_options<SGDOptions>(config, {.momentum = number("momentum"),
                                                        .nesterov = flag("nesterov"),
                                                        .weight_decay = weight_decay}));
  }
  if (class_name == "Adam") {
    return Adam(with_common_options<AdamOptions>(config, {.beta_1 = number("beta_1"),
                                                          .beta_2 = number("beta_2"),
                                                          .epsilon = number("epsilon"),
                                                          .amsgrad = flag("amsgrad"),
                                                          .weight_decay = weight_decay}));
  }
  if (class_name == "AdamW") {
    return AdamW(with_common_options<AdamWOptions>(config, {.weight_decay = weight_decay.value(),
                                                            .beta_1 = number("beta_1"),
                                                            .beta_2 = number("beta_2"),
                                                            .epsilon = number("epsilon"),
                                                            .amsgrad = flag("amsgrad")}));
  }
  if (class_name == "RMSprop") {
    return RMSprop(with_common_options<RMSpropOptions>(config, {.rho = number("rho"),
                                                                .momentum = number("momentum"),
                                                                .epsilon = number("epsilon"),
                                                                .centered = flag("centered"),
                                                                .weight_decay = weight_decay}));
  }
  throw std::runtime_error("there is no optimizer " + class_name);
}

}  // namespace stoker::test
