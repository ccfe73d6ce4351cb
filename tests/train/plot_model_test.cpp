// Pictures of models: the text for Graphviz, and what its program is given.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/environment.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::contains;

Sequential stack() {
  return Sequential({Input({4}, {.name = "in"}), Dense(3, {.activation = "relu", .name = "hidden"}),
                     Dropout(0.5, {.name = "drop"})});
}

// Two inputs through one layer and one model, and a model of two outputs behind them.
Model twins() {
  const Value a = Input({8}, {.name = "left"}), b = Input({8}, {.name = "right"});
  const Layer shared = Dense(4, {.name = "shared"});
  const Sequential encoder({Input({4}), Dense(2, {.name = "code"}), ReLU({.name = "relu"})},
                           {.name = "encoder"});
  const Value x = Input({4}, {.name = "x"});
  const Model head(x, {Dense(1, {.name = "price"})(x), Dense(2, {.name = "kind"})(x)},
                   {.name = "head"});
  const Value both = Concatenate(-1, {.name = "both"})({encoder(shared(a)), encoder(shared(b))});
  return Model({a, b}, head.call({both}));
}

// The arrows, as pairs of the names of layers.
std::vector<std::string> arrows_of(const std::string& dot) {
  std::map<std::string, std::string> names;
  std::vector<std::string> arrows;
  std::istringstream lines(dot);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t node = line.find("layer");
    const std::size_t label = line.find("<b>"), arrow = line.find(" -> ");
    if (arrow != std::string::npos) {
      const std::string to = line.substr(arrow + 4, line.find(' ', arrow + 4) - arrow - 4);
      arrows.push_back(names.at(line.substr(node, arrow - node)) + " -> " + names.at(to));
    } else if (label != std::string::npos) {
      names[line.substr(node, line.find(' ', node) - node)] =
          line.substr(label + 3, line.find("</b>") - label - 3);
    }
  }
  return arrows;
}

std::vector<std::string> labels_of(const std::string& dot) {
  std::vector<std::string> labels;
  std::istringstream lines(dot);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("<table") != std::string::npos) labels.push_back(line);
  }
  return labels;
}

TEST(ModelToDot, draws_boxes_of_names_and_classes) {
  EXPECT_EQ(model_to_dot(stack()),
            R"(digraph G {
  rankdir=TB;
  concentrate=true;
  dpi=200;
  splines=ortho;
  node [shape=plain];
  layer0 [label=<<table border="0" cellborder="1" bgcolor="black" cellpadding="10"><tr><td colspan="1" bgcolor="black"><font point-size="16" color="white"><b>hidden</b> (Dense)</font></td></tr></table>>, fontname=Helvetica];
  layer1 [label=<<table border="0" cellborder="1" bgcolor="black" cellpadding="10"><tr><td colspan="1" bgcolor="black"><font point-size="16" color="white"><b>drop</b> (Dropout)</font></td></tr></table>>, fontname=Helvetica];
  layer0 -> layer1 [penwidth=2];
}
)");
}

TEST(ModelToDot, joins_layers_once_and_models_as_boxes_of_their_own) {
  EXPECT_EQ(arrows_of(model_to_dot(twins())),
            (std::vector<std::string>{"left -> shared", "right -> shared", "shared -> encoder",
                                      "encoder -> both", "both -> head"}));
}

TEST(ModelToDot, expands_models_and_leads_arrows_to_the_layers_inside) {
  const std::string dot = model_to_dot(twins(), {.expand_nested = true});
  EXPECT_EQ(arrows_of(dot), (std::vector<std::string>{
                                "code -> relu", "x -> price", "x -> kind", "left -> shared",
                                "right -> shared", "shared -> code", "relu -> both", "both -> x"}));
  EXPECT_TRUE(contains(dot, " {\n    style=dashed;\n    label=\"encoder\";\n    labeljust=l;\n"));
  // A Sequential has no box for its Input.
  EXPECT_EQ(labels_of(dot).size(), 9u);
}

TEST(ModelToDot, leads_arrows_from_the_output_that_is_used) {
  const Value x = Input({4}, {.name = "x"});
  const Model inner(x, {Dense(1, {.name = "one"})(x), Dense(2, {.name = "two"})(x)},
                    {.name = "inner"});
  const Sequential middle({Input({4}, {.name = "y"}), inner.get_layer("one")}, {.name = "middle"});
  const Value in = Input({4}, {.name = "in"});
  const Model model(in, ReLU({.name = "last"})(inner.call({in})[1]));
  EXPECT_EQ(arrows_of(model_to_dot(model, {.expand_nested = true})),
            (std::vector<std::string>{"x -> one", "x -> two", "in -> x", "two -> last"}));
  // Models within models.
  const Model outer(in, middle(in));
  const Sequential stacked({Input({4}), outer, ReLU({.name = "last"})});
  EXPECT_EQ(arrows_of(model_to_dot(stacked, {.expand_nested = true})),
            (std::vector<std::string>{"in -> one", "one -> last"}));
}

TEST(ModelToDot, shows_shapes_types_activations_and_what_is_trained) {
  Sequential model = stack();
  model.get_layer("hidden").set_trainable(false);
  const auto labels = labels_of(model_to_dot(model, {.show_shapes = true,
                                                     .show_dtype = true,
                                                     .show_layer_names = false,
                                                     .show_layer_activations = true,
                                                     .show_trainable = true}));
  ASSERT_EQ(labels.size(), 2u);
  for (const char* part :
       {"<td colspan=\"4\" bgcolor=\"black\">", "<b>Dense</b></font>", "Activation: <b>relu</b>",
        "Input shape: <b>(None, 4)</b>", "Output shape: <b>(None, 3)</b>",
        "Output dtype: <b>float32</b>", "<td bgcolor=\"firebrick\">", "<b>Non-trainable</b>"}) {
    EXPECT_TRUE(contains(labels[0], part));
  }
  EXPECT_TRUE(contains(labels[1], "<td colspan=\"3\" bgcolor=\"black\">"));
  EXPECT_EQ(labels[1].find("Activation"), std::string::npos);
  EXPECT_EQ(labels[1].find("rainable"), std::string::npos);
}

TEST(ModelToDot, shows_lists_of_shapes_and_the_types_of_policies) {
  const auto labels = labels_of(model_to_dot(twins(), {.show_shapes = true}));
  EXPECT_EQ(labels[0].find("Input shape"), std::string::npos);
  EXPECT_TRUE(contains(labels[4], "Input shape: <b>[(None, 2), (None, 2)]</b>"));
  EXPECT_TRUE(contains(labels[5], "Output shape: <b>[(None, 1), (None, 2)]</b>"));
  const Value ids = Input({4}, {.dtype = "int32", .name = "ids"});
  const Model model(
      ids, Dense(1, {.name = "last", .dtype = "float32"})(Flatten()(Embedding(10, 3)(ids))),
      {.dtype_policy = "mixed_bfloat16"});
  const auto types = labels_of(model_to_dot(model, {.show_dtype = true}));
  EXPECT_TRUE(contains(types[0], "Output dtype: <b>int32</b>"));
  EXPECT_TRUE(contains(types[1], "Output dtype: <b>bfloat16</b>"));
  EXPECT_TRUE(contains(types[3], "Output dtype: <b>float32</b>"));
}

TEST(ModelToDot, escapes_names) {
  const Sequential inner({Input({4}), Dense(2, {.name = "a<b>&|{\"c\"}\\\nd\x01\xff"})},
                         {.name = "in\"ner\\\n"});
  const Sequential model({Input({4}), inner});
  const std::string dot = model_to_dot(model, {.expand_nested = true});
  EXPECT_TRUE(contains(dot, "<b>a&lt;b&gt;&amp;|{&quot;c&quot;}\\<br/>d\ufffd\ufffd</b>"));
  EXPECT_TRUE(contains(dot, "label=\"in\\\"ner\\\\\\n\";"));
}

TEST(ModelToDot, refuses_options_that_graphviz_does_not_have) {
  EXPECT_EQ(test::message_of<ValueError>([] { model_to_dot(stack(), {.rankdir = "UP"}); }),
            "model_to_dot: rankdir: expected \"TB\", \"LR\", \"BT\" or \"RL\", received \"UP\"");
  EXPECT_THROW(model_to_dot(stack(), {.dpi = 0}), ValueError);
  EXPECT_THROW(model_to_dot(stack(), {.splines = "x;}"}), ValueError);
  Sequential moved = stack();
  const Sequential to = std::move(moved);
  EXPECT_THROW(model_to_dot(moved), ValueError);
}

// ---- Files ----

class PlotModel : public testing::Test {
 protected:
  // Puts a program of the name `dot` in the place of Graphviz's.
  void install(const std::string& script) {
    const std::string path = folder.write("bin/dot", "#!/bin/sh\n" + script);
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }

  test::TemporaryFolder folder;
  test::ScopedVariable path{"PATH", folder / "bin"};
};

TEST_F(PlotModel, needs_no_program_for_the_text) {
  plot_model(stack(), folder / "m.dot", {.rankdir = "LR"});
  EXPECT_EQ(test::read_all(folder / "m.dot"),
            model_to_dot(stack(), {.show_layer_names = false, .rankdir = "LR"}));
}

TEST_F(PlotModel, gives_the_text_to_graphviz_and_keeps_its_picture) {
  install("echo \"$@\"; /bin/cat");
  for (const char* ending : {".png", ".svg", ".pdf", ""}) {
    const std::string file = folder / ("m" + std::string(ending));
    plot_model(stack(), file, {.show_shapes = true});
    const std::string option = *ending == '\0' ? "png" : ending + 1;
    EXPECT_EQ(test::read_all(file),
              "-T" + option + "\n" +
                  model_to_dot(stack(), {.show_shapes = true, .show_layer_names = false}));
  }
}

TEST_F(PlotModel, says_what_to_install_where_graphviz_is_missing) {
  EXPECT_EQ(test::message_of<IoError>([&] { plot_model(stack(), folder / "m.png"); }),
            "plot_model: expected Graphviz's program dot, which makes .png files, received none in "
            "PATH. Install it (Debian: apt install graphviz), or give a file that ends in .dot, "
            "which needs nothing");
  EXPECT_FALSE(std::filesystem::exists(folder / "m.png"));
}

TEST_F(PlotModel, passes_on_what_graphviz_says_and_leaves_the_old_file) {
  install("echo no fonts >&2; exit 3");
  folder.write("m.png", "old");
  EXPECT_TRUE(contains(test::message_of<IoError>([&] { plot_model(stack(), folder / "m.png"); }),
                       "Graphviz's program dot failed: no fonts"));
  install("exit 0");
  EXPECT_TRUE(contains(test::message_of<IoError>([&] { plot_model(stack(), folder / "m.png"); }),
                       "it said nothing"));
  install("echo picture; kill -9 $$");
  EXPECT_THROW(plot_model(stack(), folder / "m.png"), IoError);
  EXPECT_EQ(test::read_all(folder / "m.png"), "old");
}

TEST_F(PlotModel, refuses_formats_that_it_does_not_make) {
  EXPECT_TRUE(
      contains(test::message_of<ValueError>([&] { plot_model(stack(), "m.jpg"); }),
               "expected a file that ends in .dot, .png, .svg or .pdf, received \"m.jpg\""));
  EXPECT_THROW(plot_model(stack(), ""), ValueError);
  EXPECT_THROW(plot_model(stack(), folder / "none/m.dot"), IoError);
}

}  // namespace
}  // namespace stoker
