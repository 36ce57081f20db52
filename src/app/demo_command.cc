#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/ingest_client.h"
#include "app/platform.h"
#include "base/logging.h"
#include "base/text.h"
#include "source/simulator.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::uint32_t kHistoryDays = 30;
constexpr double kHistoryVisitsPerDay = 600;
constexpr std::uint64_t kHistorySeed = 4711;
constexpr DurationUs kDemoStopGrace = 20 * kSecondUs;
constexpr std::size_t kShownPeople = 3;

struct DemoOptions {
  std::string listen = "127.0.0.1:8080";
  double minutes = 0;  ///< 0: until Ctrl-C
  double visits_per_minute = 240;
};

/// A directory that lasts as long as the demo.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-demo-XXXXXX").string();
    if (const char* made = mkdtemp(pattern.data())) path_ = made;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const Path& path() const { return path_; }

 private:
  Path path_;
};

class Demo {
 public:
  Demo(Env& env, DemoOptions options, Config config)
      : env_(env), options_(std::move(options)), config_(std::move(config)) {}

  Status prepare();
  Status show_people();
  Status go_live();
  Status finish();

 private:
  Status load_history();
  Status show_person(const SimPerson& person);
  std::string status_line(DurationUs since_last_us);

  Env& env_;
  const DemoOptions options_;
  const Config config_;
  std::unique_ptr<Platform> platform_;
  std::unique_ptr<HttpClient> client_;
  std::unique_ptr<Simulator> simulator_;
  std::uint64_t received_seen_ = 0;
};

Status Demo::prepare() {
  MILLRACE_ASSIGN(platform_, Platform::open(env_, config_, Platform::Listen::kNetwork));
  MILLRACE_ASSIGN(
      client_, HttpClient::connect({.address = platform_->url().substr(7),
                                    .request_timeout = 10 * kMinuteUs,
                                    .headers = {{"Authorization", "Bearer " + platform_->admin_token()}}}));
  SimulatorOptions simulator;
  simulator.target = platform_->url().substr(7);
  simulator.token = config_.token;
  simulator.visits_per_minute = options_.visits_per_minute;
  simulator.duration = options_.minutes > 0
                           ? static_cast<DurationUs>(options_.minutes * static_cast<double>(kMinuteUs))
                           : 365 * kDayUs;
  MILLRACE_ASSIGN(simulator_, Simulator::open(env_, std::move(simulator)));
  MILLRACE_TRY(simulator_->send_catalogue());
  fmt::print("A shop with {} products and {} customers is open.\n", simulator_->world().products().size(),
             simulator_->world().people().size());
  MILLRACE_TRY(load_history());
  MILLRACE_TRY(platform_->wait_ready(kMinuteUs));
  return platform_->wait_caught_up(kMinuteUs);
}

Status Demo::load_history() {
  const Path file = config_.data / "history.jsonl";
  MILLRACE_ASSIGN(const std::uint64_t messages,
                  write_history(env_, simulator_->world(), kHistorySeed, kHistoryDays, kHistoryVisitsPerDay,
                                env_.now(), file));
  const DurationUs started = env_.steady_now();
  IngestCall call;
  call.format = "segment";
  call.source = "history";
  call.files = {file.string()};
  Result<std::string> result = [&] {
    ProgressLine line("loading history");
    return call_ingest(*client_, call, [&](const IngestCallProgress& progress) { line.show(progress); });
  }();
  if (!result) return fail(std::move(result).error());
  fmt::print("{} days of history, {} events, loaded in {:.1f} s.\n", kHistoryDays, with_thousands(messages),
             static_cast<double>(env_.steady_now() - started) / kSecondUs);
  return env_.remove(file);
}

Status Demo::show_person(const SimPerson& person) {
  MILLRACE_ASSIGN(const HttpResponse answer, client_->get("/v1/recommendations?n=4&user=" + person.user_id));
  MILLRACE_TRY(check_answer(answer));
  const SimWorld& world = simulator_->world();
  fmt::print("\n  {} from {}:\n", person.user_id, person.city);
  const Json body = Json::parse(answer.body);
  for (const Json& item : body["items"]) {
    const std::size_t product = world.find_product(item["id"].get<std::string>());
    const std::string name =
        product < world.products().size() ? world.products()[product].name : item["id"].get<std::string>();
    fmt::print("    {:<28} {}\n", name, item["reason"]["text"].get<std::string>());
  }
  return {};
}

Status Demo::show_people() {
  fmt::print("\nRecommended to three of them, and why:\n");
  for (std::size_t i = 0; i < kShownPeople; ++i)
    MILLRACE_TRY(
        show_person(simulator_->world().people()[i * simulator_->world().people().size() / kShownPeople]));
  fmt::print(
      "\n  dashboard      {0}/\n  example shop   {0}/shop      (click around: what is recommended "
      "changes)\n\n",
      platform_->url());
  std::fflush(stdout);
  return {};
}

std::string Demo::status_line(DurationUs since_last_us) {
  const Result<Books> books = platform_->books();
  if (!books) return books.error().text();
  const double rate = static_cast<double>(books->received() - received_seen_) * kSecondUs /
                      static_cast<double>(std::max<DurationUs>(since_last_us, 1));
  received_seen_ = books->received();
  const SimulatorStats stats = simulator_->stats();
  return fmt::format(
      "{:6.0f} events/s   p99 at the shop {:5.1f} ms   books {}: received {} = applied {} + duplicate {} + "
      "quarantined {} + pending {}",
      rate, static_cast<double>(stats.recommend_latency_us.quantile(.99)) / 1000,
      books->balanced ? "balanced" : "NOT BALANCED", books->received(), books->events.applied,
      books->events.duplicate, books->quarantine.logged + books->events.quarantined_later,
      books->events.pending);
}

Status Demo::go_live() {
  MILLRACE_ASSIGN(const Books before, platform_->books());
  received_seen_ = before.received();
  std::atomic<bool> finished = false;
  std::jthread runner([&](const std::stop_token& stop) {
    simulator_->run(stop);
    finished = true;
  });
  const bool redraw = on_terminal();
  const DurationUs interval = redraw ? kSecondUs : 10 * kSecondUs;
  DurationUs shown = env_.steady_now();
  const DurationUs end =
      options_.minutes > 0
          ? shown + static_cast<DurationUs>(options_.minutes * static_cast<double>(kMinuteUs))
          : std::numeric_limits<DurationUs>::max();
  while (!finished && env_.steady_now() < end) {
    if (StopSignals::wait(200 * kMillisecondUs)) break;
    const DurationUs now = env_.steady_now();
    if (now - shown < interval) continue;
    fmt::print("{}{}{}", redraw ? "\r" : "", status_line(now - shown), redraw ? "\x1b[K" : "\n");
    std::fflush(stdout);
    shown = now;
  }
  runner.request_stop();
  runner.join();
  if (redraw) fmt::print("\n");
  return {};
}

/// What the shop sent and what the server said it has; a difference has a reason, and is said.
void print_events(const SimulatorStats& stats) {
  const std::uint64_t open = stats.events_sent - std::min(stats.events_acknowledged, stats.events_sent);
  fmt::print(
      "  events            {} sent, {} acknowledged as safe on disk{}\n", with_thousands(stats.events_sent),
      with_thousands(stats.events_acknowledged),
      open > 0 ? fmt::format("; no good answer yet to {} when the demo ended", with_thousands(open)) : "");
}

Status Demo::finish() {
  const SimulatorStats stats = simulator_->stats();
  simulator_.reset();
  MILLRACE_TRY(platform_->wait_caught_up(kMinuteUs));
  MILLRACE_ASSIGN(const Books books, platform_->books());
  platform_->stop(kDemoStopGrace);
  fmt::print("\nSummary\n  visits            {}\n", with_thousands(stats.visits));
  print_events(stats);
  fmt::print(
      "  collect           p50 {:.1f} ms, p99 {:.1f} ms\n  recommendations   {} shown, p50 {:.1f} ms, p99 "
      "{:.1f} ms, {} taken up\n"
      "                    (times as the shop sees them, from when it meant to ask to the whole answer; the\n"
      "                    dashboard shows the server's own share)\n",
      static_cast<double>(stats.collect_latency_us.quantile(.5)) / 1000,
      static_cast<double>(stats.collect_latency_us.quantile(.99)) / 1000, with_thousands(stats.offers),
      static_cast<double>(stats.recommend_latency_us.quantile(.5)) / 1000,
      static_cast<double>(stats.recommend_latency_us.quantile(.99)) / 1000,
      with_thousands(stats.offers_taken));
  fmt::print("  books             {}: logged {} = applied {} + duplicate {} + quarantined later {}\n",
             books.balanced ? "balanced" : "NOT BALANCED", with_thousands(books.events.logged),
             with_thousands(books.events.applied), with_thousands(books.events.duplicate),
             with_thousands(books.events.quarantined_later));
  if (!books.balanced) return fail(Code::kInternal, "the books do not balance");
  if (stats.errors > 0)
    return fail(Code::kIo,
                fmt::format("{} requests failed, the last one with: {}", stats.errors, stats.last_error));
  return {};
}

int run_demo(const CommonOptions& common, const DemoOptions& options) {
  const TemporaryDirectory temporary;
  CommonOptions chosen = common;
  if (chosen.data.empty()) chosen.data = temporary.path().string();
  Result<Config> config = config_of(chosen);
  if (!config) return report_failure(config.error());
  config->listen = options.listen;
  configure_logging(config->log_format, LogLevel::kWarning);
  Demo demo(Env::system(), options, *config);
  for (const auto step : {&Demo::prepare, &Demo::show_people, &Demo::go_live, &Demo::finish})
    if (Status done = (demo.*step)(); !done) return report_failure(done.error());
  return kExitDone;
}

}  // namespace

void add_demo_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("demo", "Open a simulated shop with live visitors, to look around in");
  add_data_options(*command, common);
  auto options = std::make_shared<DemoOptions>();
  command->add_option("--listen", options->listen, "HOST:PORT")->capture_default_str();
  command->add_option("--minutes", options->minutes, "end by itself after so long; 0: until Ctrl-C")
      ->capture_default_str();
  command->add_option("--visits-per-minute", options->visits_per_minute, "live visits")
      ->capture_default_str();
  command->footer("Without --data everything is kept in a temporary directory and removed at the end.");
  command->callback([&common, &exit_code, options] { exit_code = run_demo(common, *options); });
}

}  // namespace millrace
