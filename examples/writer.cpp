// A character-level transformer (Vaswani et al.: "Attention is all you need", 2017; the decoder's
// half, with the norms before the sums) that learns to continue a text, and writes. By default it
// reads the licences that every Debian system has (package base-files).
//
//   writer [--text FILE] [--steps N] [--characters N] [--quick]
//
// --quick takes ten steps and checks nothing.
#include <stoker/stoker.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

using namespace stoker;

namespace {

constexpr std::int64_t kLength = 64;  // characters that a prediction sees
constexpr std::int64_t kBatch = 32;
constexpr std::int64_t kWidth = 96, kHeads = 4, kBlocks = 2;

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw IoError("writer: cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string licences() {
  std::string text;
  for (const char* name :
       {"Apache-2.0", "Artistic", "GFDL-1.3", "GPL-2", "GPL-3", "LGPL-2.1", "MPL-2.0"}) {
    text += read(std::string("/usr/share/common-licenses/") + name);
  }
  return text;
}

// Characters by number, the most frequent ones first; those that come less than ten times are one.
class Alphabet {
 public:
  explicit Alphabet(const std::string& text) {
    std::array<std::size_t, 256> counts{};
    for (const char c : text) ++counts[static_cast<unsigned char>(c)];
    for (int c = 0; c < 256; ++c) {
      if (counts[static_cast<std::size_t>(c)] >= 10) characters_ += static_cast<char>(c);
    }
    numbers_.fill(static_cast<std::int32_t>(characters_.find(' ')));
    for (std::size_t i = 0; i < characters_.size(); ++i) {
      numbers_[static_cast<unsigned char>(characters_[i])] = static_cast<std::int32_t>(i);
    }
  }
  std::int64_t size() const { return static_cast<std::int64_t>(characters_.size()); }
  std::int32_t number(char c) const { return numbers_[static_cast<unsigned char>(c)]; }
  char character(std::int64_t number) const {
    return characters_[static_cast<std::size_t>(number)];
  }

 private:
  std::string characters_;
  std::array<std::int32_t, 256> numbers_{};
};

// One block: attention that looks back, then two Dense layers, each added to what came in.
class Block : public CustomLayer {
 public:
  std::string class_name() const override { return "Block"; }
  Value call(LayerContext&, const Value& x) override {
    const Value normed = first_norm_(x);
    const Value h = x + attention_({normed, normed}, {.use_causal_mask = true});
    return h + narrow_(wide_(second_norm_(h)));
  }

 private:
  Layer first_norm_ = LayerNormalization(), second_norm_ = LayerNormalization();
  Layer attention_ = MultiHeadAttention(kHeads, kWidth / kHeads);
  Layer wide_ = Dense(4 * kWidth, {.activation = "gelu"}), narrow_ = Dense(kWidth);
};

// Adds to each character's vector one for its place.
class Places : public CustomLayer {
 public:
  std::string class_name() const override { return "Places"; }
  Value call(LayerContext& context, const Value& x) override {
    return x + context.weight("places", {x.shape()[1], x.shape()[2]},
                              {.initializer = RandomNormal({.mean = 0.0, .stddev = 0.02})});
  }
};

Model network(std::int64_t characters) {
  const Value ids = Input({kLength}, {.dtype = "int32"});
  Value h = custom_layer<Places>()(Embedding(characters, kWidth)(ids));
  for (std::int64_t i = 0; i < kBlocks; ++i) h = custom_layer<Block>()(h);
  return Model(ids, Dense(characters)(LayerNormalization()(h)), {.name = "writer", .seed = 1});
}

// The loss of guessing by the character before alone, from the counts of the training text.
double bigram_loss(const Alphabet& alphabet, const std::string& train, const std::string& test) {
  const auto n = static_cast<std::size_t>(alphabet.size());
  std::vector<double> counts(n * n, 0.1), totals(n, 0.1 * static_cast<double>(n));
  for (std::size_t i = 0; i + 1 < train.size(); ++i) {
    const auto a = static_cast<std::size_t>(alphabet.number(train[i]));
    counts[a * n + static_cast<std::size_t>(alphabet.number(train[i + 1]))] += 1.0;
    totals[a] += 1.0;
  }
  double loss = 0.0;
  for (std::size_t i = 0; i + 1 < test.size(); ++i) {
    const auto a = static_cast<std::size_t>(alphabet.number(test[i]));
    loss -= std::log(counts[a * n + static_cast<std::size_t>(alphabet.number(test[i + 1]))] /
                     totals[a]);
  }
  return loss / static_cast<double>(test.size() - 1);
}

// Continues a text, character by character, by the probabilities at a temperature of 0.6.
std::string written(Model& model, const Alphabet& alphabet, std::string text, std::size_t count) {
  Random random(7, 1, 0);
  Tensor ids({1, kLength}, DType::int32);
  const auto classes = static_cast<std::size_t>(alphabet.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::string seen = text.substr(text.size() - kLength);
    std::ranges::transform(seen, ids.data<std::int32_t>().begin(),
                           [&](char c) { return alphabet.number(c); });
    const Tensor logits = model.predict_on_batch(ids);
    const auto last = logits.data<float>().last(classes);
    const float largest = *std::ranges::max_element(last);
    std::vector<double> powers;
    double total = 0.0;
    for (const float logit : last) {
      powers.push_back(std::exp((static_cast<double>(logit) - static_cast<double>(largest)) / 0.6));
      total += powers.back();
    }
    double left = total * static_cast<double>(random.uniform(0.0f, 1.0f));
    std::size_t chosen = 0;
    while (chosen + 1 < classes && (left -= powers[chosen]) > 0.0) ++chosen;
    text += alphabet.character(static_cast<std::int64_t>(chosen));
  }
  return text;
}

int run(const std::string& path, std::int64_t steps, std::size_t characters, bool is_quick) {
  const std::string text = path.empty() ? licences() : read(path);
  if (text.size() < 20 * kLength) throw ValueError("writer: expected a text of 1280 bytes or more");
  const Alphabet alphabet(text);
  // The last twentieth is held out.
  const std::string train = text.substr(0, text.size() / 20 * 19), test = text.substr(train.size());

  // A batch is pieces of the text from places that the batch's own random numbers choose; the
  // target of each character is the next one.
  const auto pieces_of = [&](const std::string& from) {
    return generator<std::int32_t, std::int32_t>(
        {.x = {kBatch, kLength}, .y = {kBatch, kLength}},
        [&alphabet, &from](BatchContext& batch, std::span<std::int32_t> x,
                           std::span<std::int32_t> y) {
          const auto length = static_cast<std::size_t>(kLength);
          for (std::size_t row = 0; row < static_cast<std::size_t>(kBatch); ++row) {
            const auto begin = static_cast<std::size_t>(
                batch.random.integer(0, static_cast<std::int64_t>(from.size() - length - 1)));
            for (std::size_t i = 0; i < length; ++i) {
              x[row * length + i] = alphabet.number(from[begin + i]);
              y[row * length + i] = alphabet.number(from[begin + i + 1]);
            }
          }
        });
  };
  auto training = pieces_of(train), held_out = pieces_of(test);

  Model model = network(alphabet.size());
  model.summary();
  const std::int64_t epochs = std::max<std::int64_t>(1, steps / 250);
  model.compile(
      {.optimizer = AdamW({.learning_rate = CosineDecay(2e-3, steps), .weight_decay = 0.01}),
       .loss = SparseCategoricalCrossentropy({.from_logits = true}),
       .metrics = {"accuracy"}});
  model.fit(training, {.steps_per_epoch = steps / epochs,
                       .epochs = epochs,
                       .validation_generator = held_out,
                       .validation_steps = 20});
  const double loss = model.evaluate(held_out, {.steps = 40, .verbose = 0})["loss"];
  const double bigram = bigram_loss(alphabet, train, test);
  std::printf("nats a character on text held out: %.3f; from the character before alone: %.3f\n",
              loss, bigram);
  std::printf("It writes:\n%s\n",
              written(model, alphabet, test.substr(0, kLength), characters).c_str());
  return is_quick || loss < bigram - 0.3 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::string path;
    std::int64_t steps = 2000;
    std::size_t characters = 400;
    bool is_quick = false;
    for (int i = 1; i < argc; ++i) {
      const std::string name = argv[i];
      if (name == "--quick") is_quick = true;
      if (name == "--text" && i + 1 < argc) path = argv[++i];
      if (name == "--steps" && i + 1 < argc) steps = std::stoll(argv[++i]);
      if (name == "--characters" && i + 1 < argc) characters = std::stoul(argv[++i]);
    }
    return is_quick ? run(path, 10, 20, true) : run(path, steps, characters, false);
  } catch (const std::exception& error) {
    std::cerr << "writer: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
