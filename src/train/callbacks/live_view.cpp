#include "train/callbacks/live_view.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <iostream>
#include <system_error>
#include <utility>

#include "core/format.h"
#include "core/timeline.h"
#include "report/text.h"
#include "stoker/error.h"
#include "train/loop/loop.h"

namespace stoker::train {
namespace {

constexpr std::int64_t kFrameNs = 100'000'000;
constexpr std::int64_t kReportNs = 1'000'000'000;
constexpr std::size_t kMessages = 3;
constexpr std::size_t kMostEpochs = 200;  // whose lines the summary has
constexpr int kBar = 1, kLines = 2;       // fit's verbose

double seconds(std::int64_t ns) { return 1e-9 * static_cast<double>(ns); }

// Blocks the signals that come from outside in this thread, and in those that it starts meanwhile.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t outside;
    sigfillset(&outside);
    for (const int crash : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigdelset(&outside, crash);
    pthread_sigmask(SIG_BLOCK, &outside, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

std::vector<std::string> last_lines(std::string_view text) {
  std::vector<std::string> lines;
  std::size_t end = text.size();
  while (end > 0 && lines.size() < kMessages) {
    const std::size_t line_end = text.rfind('\n', end - 1);
    const std::size_t begin = line_end == std::string_view::npos ? 0 : line_end + 1;
    if (begin < end) lines.emplace(lines.begin(), text.substr(begin, end - begin));
    end = line_end == std::string_view::npos ? 0 : line_end;
  }
  return lines;
}

}  // namespace

std::unique_ptr<LiveView> LiveView::open(Loop& loop, const std::string& model,
                                         bool guards_interrupt, int& instead) {
  const report::Terminal terminal = report::terminal_at(STDOUT_FILENO);
  instead = terminal.is_there() ? kBar : kLines;
  if (!terminal.is_there()) return nullptr;
  const auto [columns, rows] = report::size_of(terminal);
  if (columns < report::kSmallestView.columns || rows < report::kSmallestView.rows) return nullptr;
  auto screen = report::TerminalScreen::open(terminal, guards_interrupt);
  if (!screen) return nullptr;
  try {
    return std::unique_ptr<LiveView>(new LiveView(loop, model, std::move(screen), terminal));
  } catch (const std::system_error&) {  // There is no thread, or no descriptor, left.
    return nullptr;
  }
}

LiveView::LiveView(Loop& loop, const std::string& model,
                   std::unique_ptr<report::TerminalScreen> screen, const report::Terminal& terminal)
    : loop_(loop),
      terminal_(terminal),
      screen_(std::move(screen)),
      epoch_line_(epoch_text_, report::Terminal{}, kLines),
      wake_(eventfd(0, EFD_CLOEXEC)) {
  if (wake_ < 0) throw std::system_error(errno, std::generic_category());
  state_.model = model;
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { run(); });
}

LiveView::~LiveView() {
  eventfd_write(wake_, 1);
  thread_.join();
  ::close(wake_);
  screen_->close();
  try {
    summarize();
  } catch (const std::exception&) {  // There is no memory left, or nobody takes the output.
  }
}

void LiveView::summarize() {
  const std::string_view printed = screen_->printed();
  std::cout << printed;
  if (!printed.empty() && printed.back() != '\n') std::cout << '\n';
  if (epochs_left_out_ > 0) std::cout << "... " << epochs_left_out_ << " epochs before ...\n";
  for (const std::string& epoch : epochs_) std::cout << epoch;
  std::cout << epoch_text_.str();
  if (all_.batches > 0) std::cout << all_.verdict();
  std::cout << std::flush;
}

// ---- The thread that trains ----

void LiveView::on_epoch_begin(std::int64_t epoch) {
  const std::int64_t now = now_ns();
  epoch_line_.begin_epoch(epoch, params().epochs, params().steps);
  loss_step_ = 0;
  loss_mean_ = 0.0;
  next_report_ns_ = now + kReportNs;
  const std::lock_guard lock(mutex_);
  told_.epoch = epoch;
  told_.epochs = params().epochs;
  told_.step = 0;
  told_.steps = epoch_line_.steps_at(0, false);
  told_.epoch_begin_ns = now;
  told_.is_over = false;
  if (loop_.is_open()) told_.feed = &loop_.feed();
}

// The logs have the mean since the epoch began. The curve shows that of the steps since its last
// point; for a few steps late in an epoch, what is left of the sums' digits would not do.
void LiveView::tell_loss(std::int64_t step, double mean) {
  constexpr std::int64_t kMostSteps = 2000;
  const std::int64_t since = step - loss_step_;
  if (since <= 0 || since < step / kMostSteps) return;
  const double sum =
      mean * static_cast<double>(step) - loss_mean_ * static_cast<double>(loss_step_);
  told_.training_loss.add(static_cast<double>(steps_before_ + step),
                          sum / static_cast<double>(since));
  loss_step_ = std::isfinite(mean) ? step : 0;
  loss_mean_ = std::isfinite(mean) ? mean : 0.0;
}

void LiveView::on_train_progress(std::int64_t step, LogsView view) {
  const Logs& logs = view.logs();
  const std::int64_t now = now_ns();
  {
    const std::lock_guard lock(mutex_);
    told_.step = step + 1;
    told_.steps = epoch_line_.steps_at(step + 1, false);
    told_.logs = logs;
    if (logs.contains("loss")) tell_loss(step + 1, logs.loss());
  }
  if (now < next_report_ns_) return;
  next_report_ns_ = now + kReportNs;
  auto report = std::make_shared<const FeedReport>(loop_.report_so_far());
  const std::lock_guard lock(mutex_);
  told_.so_far = std::move(report);
}

void LiveView::on_test_begin() {
  const std::lock_guard lock(mutex_);
  told_.is_validating = true;
  told_.validation_step = 0;
  told_.step = loop_.steps_of_epoch();
  told_.steps = told_.step;
  told_.is_over = true;
}

void LiveView::on_test_progress(std::int64_t step, LogsView) {
  const std::lock_guard lock(mutex_);
  told_.validation_step = step + 1;
}

void LiveView::on_test_end(const Logs&) {
  const std::lock_guard lock(mutex_);
  told_.is_validating = false;
}

void LiveView::on_epoch_end(std::int64_t, Logs& logs) {
  const std::int64_t now = now_ns();
  const std::int64_t steps = loop_.steps_of_epoch();
  epoch_line_.finish(steps, logs, now);
  const std::lock_guard lock(mutex_);
  told_.step = steps;
  told_.steps = steps;
  told_.is_over = true;
  told_.logs = logs;
  if (logs.contains("loss")) tell_loss(steps, logs.loss());
  steps_before_ += steps;
  if (logs.contains("val_loss")) {
    told_.validation = logs;
    told_.validation_loss.add(static_cast<double>(steps_before_), logs["val_loss"]);
  }
  told_.epoch_seconds = seconds(now - told_.epoch_begin_ns);
}

void LiveView::on_epoch_report(std::int64_t, const FeedReport& report) {
  epoch_line_.note(report);
  all_ += report;
  epochs_.push_back(epoch_text_.str());
  epoch_text_.str("");
  if (epochs_.size() > kMostEpochs) {
    epochs_.pop_front();
    ++epochs_left_out_;
  }
  auto copy = std::make_shared<const FeedReport>(report);
  const std::lock_guard lock(mutex_);
  told_.so_far = std::move(copy);
}

// ---- The view's thread ----

// Nothing that goes wrong with drawing may end the program. What it prints is taken all the same,
// since a full pipe would block it.
void LiveView::run() {
  pthread_setname_np(pthread_self(), "stoker-view");
  std::int64_t next_frame = now_ns();
  for (;;) {
    // Keys can wait for the next frame. A keyboard that has gone would never let anybody wait.
    std::array<pollfd, 2> waits = {pollfd{wake_, POLLIN, 0},
                                   pollfd{screen_->printed_descriptor(), POLLIN, 0}};
    const std::int64_t left = std::max<std::int64_t>(0, next_frame - now_ns());
    poll(waits.data(), waits.size(), static_cast<int>((left + 999'999) / 1'000'000));
    if (waits[0].revents != 0) return;
    try {
      screen_->printed();
      if (now_ns() < next_frame) continue;
      next_frame = now_ns() + kFrameNs;
      take_keys();
      show();
    } catch (const std::exception&) {
      next_frame = now_ns() + kFrameNs;
    }
  }
}

void LiveView::take_keys() {
  constexpr char kControlL = 'L' - '@';
  while (const char key = screen_->key()) {
    if (key == kControlL) screen_->repaint();
    if (key != 'q' && key != 'Q') continue;
    is_stopping_ = true;
    loop_.stop();
  }
}

void LiveView::show() {
  const report::LiveState& state = state_at(now_ns());
  screen_->draw(
      report::live_screen(state, screen_->size(),
                          {.is_unicode = terminal_.is_unicode, .has_color = terminal_.has_color}));
}

const report::LiveState& LiveView::state_at(std::int64_t now) {
  std::shared_ptr<const FeedReport> so_far;
  double epoch_seconds = 0.0;
  const feed::Feed* feed = nullptr;
  state_.phase.clear();
  {
    const std::lock_guard lock(mutex_);
    state_.epoch = told_.epoch;
    state_.epochs = told_.epochs;
    state_.progress = {.step = told_.step,
                       .steps = told_.steps,
                       .seconds = seconds(now - told_.epoch_begin_ns),
                       .is_over = told_.is_over};
    if (told_.epoch_begin_ns == 0) state_.progress.seconds = 0.0;
    state_.logs = told_.logs;
    state_.validation = told_.validation;
    state_.training_loss = told_.training_loss;
    state_.validation_loss = told_.validation_loss;
    if (told_.is_validating) state_.phase = format("validating, step ", told_.validation_step);
    so_far = told_.so_far;
    epoch_seconds = told_.epoch_seconds;
    feed = told_.feed;
  }
  if (is_stopping_) state_.phase = "stopping after this step";
  if (feed != nullptr) {
    shares_.look(*feed, now);
    state_.ring_filled = feed->filled();
    state_.ring_size = feed->queue_size() + 1;
    state_.workers = feed->workers();
    state_.max_workers = feed->max_workers();
  }
  state_.stages = shares_.shares();
  state_.steps_per_second = shares_.steps_per_second();

  state_.seconds_left.reset();
  const report::Progress& progress = state_.progress;
  if (progress.steps && state_.steps_per_second > 0.0) {
    const double rate = state_.steps_per_second;
    const auto steps = static_cast<double>(*progress.steps);
    const double epoch = epoch_seconds > 0.0 ? epoch_seconds : steps / rate;
    const double rest = std::max(0.0, steps - static_cast<double>(progress.step)) / rate;
    state_.seconds_left = rest + epoch * static_cast<double>(state_.epochs - state_.epoch - 1);
  }
  if (so_far != judged_) {
    judged_ = so_far;
    state_.verdict = so_far->headline();
  }
  if (!judged_) state_.verdict = "no verdict yet";
  state_.messages = last_lines(screen_->printed());
  return state_;
}

}  // namespace stoker::train
