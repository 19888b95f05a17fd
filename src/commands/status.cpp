#include "commands/status.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <ostream>
#include <utility>

#include "base/exit_codes.h"
#include "base/readable.h"
#include "commands/one_line.h"
#include "commands/status_text.h"

namespace bronze::commands {
namespace {

using std::chrono::steady_clock;

constexpr const char* k_path = "/status";
constexpr HttpPatience k_patience{.connect = std::chrono::milliseconds(2'000),
                                  .answer = std::chrono::milliseconds(5'000)};

/// Throws NoHttpAnswer.
StatusAnswer ask(const HttpPlace& place) {
  HttpAnswer answer = http_get(place, k_path, k_patience);
  if (answer.status != 200) {
    throw NoHttpAnswer(fmt::format("HTTP {}: is that a bronze?", answer.status));
  }
  auto document = parse_status(answer.body);
  if (!document) throw NoHttpAnswer("what it says is not the status of a bronze");
  return {.body = std::move(answer.body), .document = *std::move(document)};
}

std::string no_answer(const HttpPlace& place, const std::string& why) {
  return fmt::format("no answer from {}{}: {}", place.url(), k_path, why);
}

/// On a terminal with escapes for the control characters that JSON itself allows in a text.
std::string json_text(const std::string& body) {
  if (!screen_size()) return body;
  std::string text;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const auto byte = static_cast<unsigned char>(body[i]);
    const auto next = i + 1 < body.size() ? static_cast<unsigned char>(body[i + 1]) : 0U;
    const bool is_c1 = byte == 0xC2 && next >= 0x80 && next < 0xA0;
    if (byte == 0x7F || is_c1) {
      text += fmt::format("\\u{:04x}", is_c1 ? next : byte);
      i += is_c1 ? 1 : 0;
    } else {
      text += body[i];
    }
  }
  return text;
}

StatusView view_of(const StatusOptions& options) {
  StatusView view{.topics = options.topics};
  if (const auto size = screen_size()) view.columns = size->columns;
  return view;
}

sigset_t signals_of_watching() {
  sigset_t signals{};
  sigemptyset(&signals);
  sigaddset(&signals, SIGWINCH);
  sigaddset(&signals, SIGTSTP);
  return signals;
}

}  // namespace

int status(const HttpPlace& place, const StatusOptions& options, const Terminal& terminal,
           std::ostream& out, std::ostream& err) {
  try {
    const StatusAnswer answer = ask(place);
    if (options.format == OutputFormat::kJson) {
      out << json_text(answer.body) << '\n';
    } else {
      for (const auto& line : status_lines(answer.document, nullptr, view_of(options))) {
        out << written(line, terminal.colours) << '\n';
      }
    }
    return answer.document["healthy"] == true ? k_done : k_failed;
  } catch (const NoHttpAnswer& why) {
    err << no_answer(place, why.what()) << '\n';
    return k_could_not_tell;
  }
}

StatusWatch::StatusWatch(HttpPlace place, const StatusOptions& options, Terminal terminal,
                         std::ostream& out, std::ostream& err)
    : place_(std::move(place)),
      options_(options),
      terminal_(terminal),
      out_(out),
      err_(err),
      screen_(terminal),
      answered_at_(steady_clock::now()) {
  const sigset_t signals = signals_of_watching();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

void StatusWatch::run() {
  while (true) {
    const SteadyTime next_look = steady_clock::now() + *options_.watch;
    look();
    show();
    wait_until(next_look);
  }
}

void StatusWatch::look() {
  try {
    StatusAnswer answer = ask(place_);
    before_ = std::exchange(now_, std::move(answer));
    trouble_.clear();
    answered_at_ = steady_clock::now();
  } catch (const NoHttpAnswer& why) {
    trouble_ = why.what();
  }
}

void StatusWatch::show() {
  if (options_.format == OutputFormat::kText) {
    screen_.show(lines());
  } else if (trouble_.empty()) {
    out_ << json_text(now_->body) << std::endl;
  } else {
    err_ << no_answer(place_, trouble_) << std::endl;
  }
}

std::vector<StyledLine> StatusWatch::lines() const {
  StatusView view = view_of(options_);
  if (terminal_.redraws) view.lists = StatusView::Lists::kShort;
  const auto document = [&] {
    return status_lines(now_->document, before_ ? &before_->document : nullptr, view);
  };
  if (trouble_.empty()) return document();
  const std::chrono::duration<double> silent = steady_clock::now() - answered_at_;
  const std::string every = duration_text(std::chrono::duration<double>(*options_.watch).count());
  std::vector<StyledLine> all = {
      {{no_answer(place_, trouble_), Style::kBad}},
      {{fmt::format("No answer for {:.0f} s; asking again every {}.", silent.count(), every),
        Style::kBad}}};
  if (!now_ || !terminal_.redraws) return all;
  all.push_back({{"What follows is the last answer.", Style::kBad}});
  all.push_back({});
  for (auto& line : document()) all.push_back(std::move(line));
  return all;
}

/// Shows it anew when the terminal has another size, or was given to somebody else meanwhile.
void StatusWatch::wait_until(SteadyTime next_look) {
  const sigset_t signals = signals_of_watching();
  while (true) {
    using std::chrono::nanoseconds;
    constexpr std::int64_t k_second = 1'000'000'000;
    const auto left = std::max(nanoseconds(0), nanoseconds(next_look - steady_clock::now()));
    const timespec wait{.tv_sec = left.count() / k_second, .tv_nsec = left.count() % k_second};
    const int signal = sigtimedwait(&signals, nullptr, &wait);
    if (signal < 0 && errno == EAGAIN) return;
    if (signal == SIGTSTP) {
      screen_.leave();
      raise(SIGSTOP);
    }
    if (signal > 0 && terminal_.redraws && options_.format == OutputFormat::kText) show();
  }
}

}  // namespace bronze::commands
