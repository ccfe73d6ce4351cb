// Forecasts with an LSTM: the temperature of the sea off Peru two months ahead, by the two years
// before (monthly means from 1950 to 2010, statsmodels' data set elnino). The last twelve years
// are held out.
//
//   scripts/examples --data; forecast [--data FILE.csv] [--quick]
//
// The forecast has to be better than both that everybody makes: that it stays as it is, and that it
// will be as it is in that month on average.
#include <stoker/stoker.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numbers>
#include <string>

using namespace stoker;

namespace {

constexpr std::int64_t kMonths = 24, kAhead = 2, kHeldOut = 144;

int run(const std::string& path, bool is_quick) {
  const Csv table = read_csv(path);
  const Tensor years = table.floats(
      {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"});
  const auto degrees = years.data<float>();
  const auto count = static_cast<std::int64_t>(degrees.size());
  const std::int64_t trained = count - kHeldOut;

  // The mean of each month over the years that are trained on, and how far the others lie from it.
  std::vector<double> normal(12, 0.0);
  for (std::int64_t i = 0; i < trained; ++i) {
    normal[static_cast<std::size_t>(i % 12)] +=
        12.0 * static_cast<double>(degrees[static_cast<std::size_t>(i)]) /
        static_cast<double>(trained);
  }
  // A row of the series: the distance from the month's mean, and the month as a place on a circle.
  // The target of a window that begins at row i stands at row i.
  Tensor series({count, 3}), targets({count - kMonths - kAhead + 1, 1});
  const auto distance = [&](std::int64_t i) {
    return degrees[static_cast<std::size_t>(i)] -
           static_cast<float>(normal[static_cast<std::size_t>(i % 12)]);
  };
  for (std::int64_t i = 0; i < count; ++i) {
    const double angle = 2.0 * std::numbers::pi * static_cast<double>(i % 12) / 12.0;
    series.data<float>()[static_cast<std::size_t>(3 * i)] = distance(i);
    series.data<float>()[static_cast<std::size_t>(3 * i + 1)] = static_cast<float>(std::sin(angle));
    series.data<float>()[static_cast<std::size_t>(3 * i + 2)] = static_cast<float>(std::cos(angle));
  }
  for (std::int64_t i = 0; i < targets.size(); ++i) {
    targets.data<float>()[static_cast<std::size_t>(i)] = distance(i + kMonths + kAhead - 1);
  }

  // Windows of the years that are trained on and those that are not. The targets of the first have
  // to lie before the others.
  const auto train = timeseries_dataset_from_array<float, float>(series, targets,
                                                                 {.sequence_length = kMonths,
                                                                  .batch_size = 32,
                                                                  .shuffle = true,
                                                                  .end_index = trained - kAhead});
  const auto test = timeseries_dataset_from_array<float, float>(series, targets,
                                                                {.sequence_length = kMonths,
                                                                 .batch_size = 32,
                                                                 .start_index = trained - kMonths,
                                                                 .end_index = count - kAhead});

  Sequential model({Input({kMonths, 3}), LSTM(16, {.dropout = 0.2}), Dense(1)}, {.seed = 1});
  model.summary();
  model.compile({.optimizer = Adam({.learning_rate = 3e-3}), .loss = "mse"});
  const History history =
      model.fit(train, {.epochs = is_quick ? 1 : 15, .verbose = 2, .validation_generator = test});
  std::cout << history.feed.verdict();

  // In degrees: the roots of the means of squares over the years that were held out.
  const double own = std::sqrt(model.evaluate(test, {.verbose = 0})["loss"]);
  double same = 0.0, average = 0.0;
  for (std::int64_t i = trained; i < count - kAhead + 1 && i + kAhead - 1 < count; ++i) {
    const double truth = degrees[static_cast<std::size_t>(i + kAhead - 1)];
    same += std::pow(truth - degrees[static_cast<std::size_t>(i - 1)], 2.0);
    average += std::pow(static_cast<double>(distance(i + kAhead - 1)), 2.0);
  }
  const auto windows = static_cast<double>(count - kAhead + 1 - trained);
  same = std::sqrt(same / windows);
  average = std::sqrt(average / windows);
  std::printf("error two months ahead: %.2f degrees; as it is: %.2f; as on average: %.2f\n", own,
              same, average);
  return is_quick || (own < 0.95 * average && own < 0.8 * same) ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::string path = "build/examples-data/elnino.csv";
    bool is_quick = false;
    for (int i = 1; i < argc; ++i) {
      const std::string name = argv[i];
      if (name == "--quick") is_quick = true;
      if (name == "--data" && i + 1 < argc) path = argv[++i];
    }
    return run(path, is_quick);
  } catch (const std::exception& error) {
    std::cerr << "forecast: " << error.what()
              << "\nforecast: scripts/examples --data fetches what it reads\n";
    return EXIT_FAILURE;
  }
}
