// Whole models from what Keras saved of them: cases/models/*.json are the config.json of .keras
// files.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include "support/contains.h"
#include "support/device_under_test.h"
#include "support/golden.h"
#include "support/message.h"
#include "support/source_folder.h"

namespace stoker::test {
namespace {

std::string saved(const std::string& model) {
  std::ifstream file(source_folder() / "tests/golden/cases/models" / (model + ".json"));
  EXPECT_TRUE(file.good()) << model;
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(SavedModel, is_read_with_all_that_it_was_compiled_with) {
  for (const char* name : {"mlp", "cnn", "lstm", "tagger"}) {
    SCOPED_TRACE(name);
    const Config keras = Config::from_json(saved(name));
    Model model = Model::from_json(saved(name));
    const Config own = model.config();
    EXPECT_EQ(model.name(), name);
    EXPECT_EQ(own["class_name"], keras["class_name"]);
    const Config& loss = keras["compile_config"]["loss"];
    EXPECT_EQ(own["compile_config"]["loss"]["class_name"], loss["class_name"]);
    EXPECT_EQ(own["compile_config"]["loss"]["config"]["from_logits"],
              loss["config"]["from_logits"]);
    EXPECT_EQ(own["compile_config"]["metrics"], keras["compile_config"]["metrics"]);
    EXPECT_NEAR(model.learning_rate(),
                keras["compile_config"]["optimizer"]["config"]["learning_rate"].number(), 1e-8);
    // Every field that is written has Keras's value.
    const Config::List& layers = keras["config"]["layers"].list_items();
    ASSERT_EQ(own["config"]["layers"].size(), layers.size());
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const Config& ours = own["config"]["layers"].at(i);
      EXPECT_EQ(ours["class_name"], layers[i]["class_name"]);
      for (const auto& [field, value] : ours["config"].members()) {
        const Config* theirs = layers[i]["config"].find(field);
        if (theirs == nullptr || theirs->is_map()) continue;  // objects have notes beside them
        EXPECT_EQ(value.to_json(), theirs->to_json()) << i << " " << field;
      }
    }
  }
}

void expect_connected_as_saved(const std::string& json) {
  const Model model = Model::from_json(json);
  const Config keras = Config::from_json(json);
  const Config own = model.config();
  EXPECT_EQ(own["config"]["input_layers"], keras["config"]["input_layers"]);
  EXPECT_EQ(own["config"]["output_layers"], keras["config"]["output_layers"]);
  for (const Config& layer : keras["config"]["layers"].list_items()) {
    const auto& ours = own["config"]["layers"].list_items();
    const auto found =
        std::ranges::find_if(ours, [&](const Config& one) { return one["name"] == layer["name"]; });
    ASSERT_NE(found, ours.end()) << layer["name"].string();
    ASSERT_EQ((*found)["inbound_nodes"].size(), layer["inbound_nodes"].size());
    for (std::size_t i = 0; i < layer["inbound_nodes"].size(); ++i) {
      const Config& node = (*found)["inbound_nodes"].at(i);
      EXPECT_EQ(node["args"], layer["inbound_nodes"].at(i)["args"]) << layer["name"].string();
      for (const auto& [name, value] : layer["inbound_nodes"].at(i)["kwargs"].members()) {
        if (value.is_null()) continue;
        EXPECT_EQ(node["kwargs"][name], value) << layer["name"].string();
      }
    }
  }
}

// The first one's optimizer has a schedule, and the second one's attention a causal mask.
TEST(SavedModel, functional_with_shortcuts_is_connected_as_it_was) {
  for (const char* name : {"residual", "transformer"}) {
    SCOPED_TRACE(name);
    expect_connected_as_saved(saved(name));
  }
}

TEST(SavedModel, with_what_is_not_offered_names_the_first) {
  std::string unknown = saved("tagger");
  const std::string name = "\"Bidirectional\"";
  unknown.replace(unknown.find(name), name.size(), "\"Bidirectionale\"");
  EXPECT_TRUE(
      contains(message_of<ValueError>([&] { Model::from_json(unknown); }),
               "layers[2] (Bidirectionale \"both\"): layer_from_config: there is no layer class "
               "\"Bidirectionale\"; did you mean \"Bidirectional\"?"));
}

}  // namespace
}  // namespace stoker::test
