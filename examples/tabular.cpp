// A table: which of 569 tumours are malignant, by thirty measurements of their cells (Wolberg et
// al., 1995; scikit-learn's data set breast_cancer). Columns of different sizes are normalised by
// what adapt() has seen, a fifth of the rows is held out, and AUC, precision and recall are
// reported.
//
//   scripts/examples --data; tabular [--data FILE.csv] [--quick]
//
// On the rows held out 95% have to be right; the majority would be right for 63%.
#include <stoker/stoker.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <string>

using namespace stoker;

namespace {

Tensor rows_of(const Tensor& table, const std::vector<std::int64_t>& rows, std::int64_t first,
               std::int64_t count) {
  const std::int64_t columns = table.shape()[1];
  Tensor chosen({static_cast<std::int64_t>(rows.size()), count});
  for (std::size_t n = 0; n < rows.size(); ++n) {
    for (std::int64_t c = 0; c < count; ++c) {
      chosen.data<float>()[n * static_cast<std::size_t>(count) + static_cast<std::size_t>(c)] =
          table.data<float>()[static_cast<std::size_t>(rows[n] * columns + first + c)];
    }
  }
  return chosen;
}

int run(const std::string& path, bool is_quick) {
  // The first line says how many rows and measurements there are, and what 0 and 1 mean.
  std::ifstream file(path);
  if (!file) throw IoError("tabular: cannot read " + path);
  std::int64_t rows = 0;
  file >> rows;
  std::string rest;
  std::getline(file, rest);
  if (rows < 10 || rows > 100000 || !rest.starts_with(",30,")) {
    throw DataError("tabular: expected 10 rows or more of 30 measurements in " + path);
  }
  Tensor table({rows, 31});
  for (float& value : table.data<float>()) {
    file >> value;
    file.ignore(1);  // a comma, or the end of a line
  }
  if (!file) throw DataError("tabular: expected as many rows as the first line says in " + path);

  std::vector<std::int64_t> order(static_cast<std::size_t>(rows));
  std::iota(order.begin(), order.end(), 0);
  Random random(1, 1, 0);
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1],
              order[static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(i)))]);
  }
  const std::vector<std::int64_t> train(order.begin(), order.begin() + rows * 4 / 5);
  const std::vector<std::int64_t> test(order.begin() + rows * 4 / 5, order.end());
  const Tensor x = rows_of(table, train, 0, 30), y = rows_of(table, train, 30, 1);
  const Tensor test_x = rows_of(table, test, 0, 30), test_y = rows_of(table, test, 30, 1);

  const Layer normalization = Normalization();
  adapt(normalization, x);
  Sequential model({Input({30}), normalization, Dense(32, {.activation = "relu"}), Dropout(0.3),
                    Dense(1, {.activation = "sigmoid"})},
                   {.seed = 1});
  model.summary();
  model.compile({.optimizer = Adam({.learning_rate = 2e-3}),
                 .loss = "binary_crossentropy",
                 .metrics = {"binary_accuracy", AUC(), Precision(), Recall()}});
  EarlyStopping stopping({.monitor = "val_loss", .patience = 15, .restore_best_weights = true});
  model.fit(x, y,
            {.epochs = is_quick ? 1 : 150,
             .verbose = 2,
             .validation_split = 0.2,
             .callbacks = {stopping}});
  const Logs result = model.evaluate(test_x, test_y, {.verbose = 0});
  std::printf("of %zu rows held out: accuracy %.3f, AUC %.3f, precision %.3f, recall %.3f\n",
              test.size(), result["binary_accuracy"], result["auc"], result["precision"],
              result["recall"]);
  return is_quick || result["binary_accuracy"] >= 0.95 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::string path = "build/examples-data/breast_cancer.csv";
    bool is_quick = false;
    for (int i = 1; i < argc; ++i) {
      const std::string name = argv[i];
      if (name == "--quick") is_quick = true;
      if (name == "--data" && i + 1 < argc) path = argv[++i];
    }
    return run(path, is_quick);
  } catch (const std::exception& error) {
    std::cerr << "tabular: " << error.what()
              << "\ntabular: scripts/examples --data fetches what it reads\n";
    return EXIT_FAILURE;
  }
}
