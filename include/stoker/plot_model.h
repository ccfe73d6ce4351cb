// Pictures of models: a box for each layer and arrows between them, as Keras's plot_model draws
// them.
//
//   plot_model(model, "model.svg", {.show_shapes = true});
#pragma once

#include <string>

namespace stoker {

class Model;

// Keras 3's arguments, in its order, with its defaults, for both functions below.
struct PlotModelOptions {
  bool show_shapes = false;
  bool show_dtype = false;
  bool show_layer_names = false;
  std::string rankdir = "TB";  // From top to bottom; "LR" from left to right; also "BT" and "RL".
  bool expand_nested = false;  // Draws what is inside of models that are layers.
  int dpi = 200;
  bool show_layer_activations = false;  // Of layers that have an argument of that name.
  bool show_trainable = false;          // Of layers that have weights.
  // How arrows are drawn: "ortho", "curved", "polyline", "spline", "line" or "none".
  std::string splines = "ortho";
};
struct ModelToDotOptions {
  bool show_shapes = false;
  bool show_dtype = false;
  bool show_layer_names = true;
  std::string rankdir = "TB";
  bool expand_nested = false;
  int dpi = 200;
  bool show_layer_activations = false;
  bool show_trainable = false;
  std::string splines = "ortho";
};

// Draws the model into a file of the format that its name ends in: ".dot" is the text of
// model_to_dot() and needs nothing; ".png", ".svg" and ".pdf", and a name without an ending, which
// is a PNG as in Keras, are made by Graphviz's program `dot`. The file appears whole or not at all.
// Throws ValueError for another ending and for options as model_to_dot() does, and IoError where
// the file can't be written, or Graphviz is not installed or fails.
void plot_model(const Model& model, const std::string& to_file = "model.png",
                PlotModelOptions options = {});

// Returns the picture in the language of Graphviz. Throws ValueError for an unknown rankdir or
// splines, and for a dpi below 1.
std::string model_to_dot(const Model& model, const ModelToDotOptions& options = {});

}  // namespace stoker
