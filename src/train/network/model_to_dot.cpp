// Writes a model in the language of Graphviz. Labels, order and arrows are those of
// keras/src/utils/model_visualization.py; labels are tables in Graphviz's subset of HTML.
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/format.h"
#include "core/utf8.h"
#include "layers/dtype_policy.h"
#include "stoker/config.h"
#include "stoker/error.h"
#include "stoker/plot_model.h"
#include "train/model_access.h"
#include "train/network/model_layer.h"
#include "train/network/topology.h"

namespace stoker {
namespace {

using layers::LayerBase;
using train::Call;
using train::ModelLayer;
using train::Topology;
using train::ValueRef;

void check_options(const ModelToDotOptions& options) {
  constexpr std::array<std::string_view, 4> kDirections{"TB", "LR", "BT", "RL"};
  constexpr std::array<std::string_view, 6> kSplines{"ortho",  "curved", "polyline",
                                                     "spline", "line",   "none"};
  if (std::ranges::find(kDirections, options.rankdir) == kDirections.end()) {
    throw ValueError(format("model_to_dot: rankdir: expected \"TB\", \"LR\", \"BT\" or \"RL\", ",
                            "received \"", options.rankdir, "\""));
  }
  if (std::ranges::find(kSplines, options.splines) == kSplines.end()) {
    throw ValueError(format("model_to_dot: splines: expected \"ortho\", \"curved\", \"polyline\", ",
                            "\"spline\", \"line\" or \"none\", received \"", options.splines,
                            "\""));
  }
  if (options.dpi < 1) {
    throw ValueError(format("model_to_dot: dpi: expected 1 or more, received ", options.dpi));
  }
}

// Graphviz reads a label as XML, which has no other control characters.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char letter : valid_utf8(text)) {
    switch (letter) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\n':
        result += "<br/>";
        break;
      default:
        result += static_cast<unsigned char>(letter) < 0x20 ? std::string("\xef\xbf\xbd")
                                                            : std::string(1, letter);
    }
  }
  return result;
}

// A text between quotes: of an attribute that is no HTML, where a backslash begins an escape.
std::string in_quotes(std::string_view text) {
  std::string result = "\"";
  for (const char letter : valid_utf8(text)) {
    if (letter == '"' || letter == '\\') result += '\\';
    if (letter == '\n') {
      result += "\\n";
    } else if (letter != '\0') {
      result += letter;
    }
  }
  return result + '"';
}

const ModelLayer* model_in(const LayerBase& layer) {
  return dynamic_cast<const ModelLayer*>(&layer);
}
bool is_input(const LayerBase& layer) {
  return dynamic_cast<const layers::InputLayer*>(&layer) != nullptr;
}

bool has_weights(const LayerBase& layer) {
  return !layer.weights().empty() ||
         std::ranges::any_of(layer.children(),
                             [](const layers::Child& child) { return has_weights(*child.layer); });
}

// The name of the layer's activation function. Empty where it has no such argument.
std::string activation_of(const LayerBase& layer) {
  if (model_in(layer) != nullptr) return {};
  const Config config = layer.config();
  const Config* activation = config.at("config").find("activation");
  return activation == nullptr ? "" : activation_from_config(*activation).name();
}

// As Python prints one thing, or a list of them.
std::string one_or_list(const std::vector<std::string>& texts) {
  if (texts.size() == 1) return texts[0];
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
  return "[" + all + "]";
}

class Drawing {
 public:
  Drawing(const ModelToDotOptions& options, layers::DTypePolicy policy)
      : options_(options), policy_(policy) {}

  std::string text(const Topology& topology, bool is_sequential) {
    draw(topology, is_sequential, 1);
    // Arrows come last, because a node belongs to the box in which it is named first. Keras's nodes
    // are records, which look the same but take a | in a name for the end of a field.
    return format("digraph G {\n  rankdir=", options_.rankdir,
                  ";\n  concentrate=true;\n  dpi=", options_.dpi, ";\n  splines=", options_.splines,
                  ";\n  node [shape=plain];\n", nodes_, edges_, "}\n");
  }

 private:
  bool is_expanded(const LayerBase& layer) const {
    return options_.expand_nested && model_in(layer) != nullptr;
  }
  // As in Keras a Sequential is drawn without its Input, unless it has nothing else.
  static bool is_drawn(const LayerBase& layer, const Topology& topology, bool is_sequential) {
    return !is_sequential || !is_input(layer) || topology.layers().size() == 1;
  }

  // Nodes are numbered in the order in which they are drawn.
  std::string id_of(const LayerBase& layer) {
    const auto [place, is_new] = ids_.try_emplace(&layer, ids_.size());
    return format("layer", place->second);
  }

  void draw(const Topology& topology, bool is_sequential, int level) {
    const std::string indent(static_cast<std::size_t>(2 * level), ' ');
    for (const auto& layer : topology.layers()) {
      if (!is_drawn(*layer, topology, is_sequential)) continue;
      const ModelLayer* model = is_expanded(*layer) ? model_in(*layer) : nullptr;
      if (model == nullptr) {
        nodes_ += format(indent, id_of(*layer), " [label=<", label(*layer, topology),
                         ">, fontname=Helvetica];\n");
        continue;
      }
      nodes_ += format(indent, "subgraph cluster_", id_of(*layer), " {\n", indent,
                       "  style=dashed;\n", indent, "  label=", in_quotes(topology.name_of(*layer)),
                       ";\n", indent, "  labeljust=l;\n");
      draw(model->topology(), model->is_sequential(), level + 1);
      nodes_ += indent + "}\n";
    }
    for (const auto& layer : topology.layers()) {
      for (const Call& call : topology.calls()) {
        if (call.layer != layer) continue;
        for (std::size_t i = 0; i < call.inputs.size(); ++i) {
          const LayerBase& from = *topology.calls()[call.inputs[i].call].layer;
          if (is_drawn(from, topology, is_sequential)) connect(topology, call, i);
        }
      }
    }
  }

  // One arrow joins two layers, however many values pass between them.
  void connect(const Topology& topology, const Call& call, std::size_t input) {
    const std::string from = id_of(source_of(topology, call.inputs[input]));
    const std::string to = id_of(destination_of(*call.layer, input));
    if (!connected_.emplace(from, to).second) return;
    edges_ += format("  ", from, " -> ", to, " [penwidth=2];\n");
  }
  // The layers at which an arrow to or from a model ends: the last or the first ones inside.
  const LayerBase& source_of(const Topology& topology, const ValueRef& value) const {
    const LayerBase& layer = *topology.calls()[value.call].layer;
    if (!is_expanded(layer)) return layer;
    const Topology& inner = model_in(layer)->topology();
    return source_of(inner, inner.outputs()[value.output]);
  }
  const LayerBase& destination_of(const LayerBase& layer, std::size_t input) const {
    if (!is_expanded(layer)) return layer;
    const ModelLayer& model = *model_in(layer);
    const Topology& inner = model.topology();
    if (!model.is_sequential() || inner.layers().size() == 1) {
      return *inner.calls()[inner.inputs()[input]].layer;
    }
    const auto first = std::ranges::find_if(
        inner.calls(), [](const Call& call) { return !is_input(*call.layer); });
    return destination_of(*first->layer, 0);
  }

  // A layer's shapes are those of its first call.
  static const Call& first_call(const LayerBase& layer, const Topology& topology) {
    return *std::ranges::find(topology.calls(), &layer,
                              [](const Call& call) { return call.layer.get(); });
  }
  static std::string input_shapes(const Call& call, const Topology& topology) {
    std::vector<std::string> shapes;
    for (const ValueRef& input : call.inputs) {
      shapes.push_back(to_string(topology.calls()[input.call].outputs[input.output].value.shape));
    }
    return one_or_list(shapes);
  }
  static std::string output_shapes(const Call& call) {
    std::vector<std::string> shapes;
    for (const layers::FlowType& output : call.outputs) {
      shapes.push_back(to_string(output.value.shape));
    }
    return one_or_list(shapes);
  }
  DType dtype_of_output(const Call& call, std::size_t output) const {
    if (const auto* input = dynamic_cast<const layers::InputLayer*>(call.layer.get())) {
      return input->dtype;
    }
    if (const ModelLayer* model = model_in(*call.layer)) {
      const ValueRef& inner = model->topology().outputs()[output];
      return dtype_of_output(model->topology().calls()[inner.call], inner.output);
    }
    const DType inferred = call.outputs[output].value.dtype;
    return is_floating(inferred) ? call.layer->policy().value_or(policy_).compute : inferred;
  }
  std::string output_dtypes(const Call& call) const {
    std::vector<std::string> dtypes;
    for (std::size_t i = 0; i < call.outputs.size(); ++i) {
      dtypes.emplace_back(name_of(dtype_of_output(call, i)));
    }
    return one_or_list(dtypes);
  }

  std::vector<std::string> cells_of(const LayerBase& layer, const Topology& topology) const {
    const Call& call = first_call(layer, topology);
    std::vector<std::string> cells;
    const auto add = [&](const char* what, const std::string& value) {
      cells.push_back(format("<td bgcolor=\"white\"><font point-size=\"14\">", what, ": <b>",
                             escaped(value), "</b></font></td>"));
    };
    if (options_.show_shapes && !is_input(layer)) add("Input shape", input_shapes(call, topology));
    if (options_.show_shapes) add("Output shape", output_shapes(call));
    if (options_.show_dtype) add("Output dtype", output_dtypes(call));
    if (options_.show_trainable && has_weights(layer)) {
      cells.push_back(format("<td bgcolor=\"", layer.trainable() ? "forestgreen" : "firebrick",
                             "\"><font point-size=\"14\" color=\"white\"><b>",
                             layer.trainable() ? "Trainable" : "Non-trainable",
                             "</b></font></td>"));
    }
    return cells;
  }
  std::string label(const LayerBase& layer, const Topology& topology) const {
    const std::vector<std::string> cells = cells_of(layer, topology);
    const std::size_t columns = std::max<std::size_t>(1, cells.size());
    const std::string name = escaped(topology.name_of(layer));
    std::string table = format(
        "<table border=\"0\" cellborder=\"1\" bgcolor=\"black\" cellpadding=\"10\">",
        "<tr><td colspan=\"", columns, "\" bgcolor=\"black\"><font point-size=\"16\" ",
        "color=\"white\"><b>", options_.show_layer_names ? name : layer.class_name(), "</b>",
        options_.show_layer_names ? " (" + layer.class_name() + ")" : "", "</font></td></tr>");
    const std::string activation = options_.show_layer_activations ? activation_of(layer) : "";
    if (!activation.empty()) {
      table += format("<tr><td bgcolor=\"white\" colspan=\"", columns,
                      "\"><font point-size=\"14\">Activation: <b>", escaped(activation),
                      "</b></font></td></tr>");
    }
    if (!cells.empty()) table += "<tr>";
    for (const std::string& cell : cells) table += cell;
    return table + (cells.empty() ? "" : "</tr>") + "</table>";
  }

  const ModelToDotOptions& options_;
  const layers::DTypePolicy policy_;
  std::map<const LayerBase*, std::size_t> ids_{};
  std::set<std::pair<std::string, std::string>> connected_{};
  std::string nodes_{};
  std::string edges_{};
};

}  // namespace

std::string model_to_dot(const Model& model, const ModelToDotOptions& options) {
  check_options(options);
  const Model::Impl& impl = detail::ModelAccess::impl(model, "model_to_dot");
  return Drawing(options, layers::policy_of(impl.options.dtype_policy, "Model"))
      .text(impl.network.topology(), impl.is_sequential);
}

}  // namespace stoker
