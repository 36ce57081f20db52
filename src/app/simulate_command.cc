#include <cstdio>
#include <thread>

#include <fmt/format.h>

#include "app/command.h"
#include "base/text.h"
#include "source/simulator.h"

namespace millrace {
namespace {

struct SimulateOptions {
  SimulatorOptions simulator;
  double minutes = 1;
  std::string shape = "events";
  std::string spike;
  double think_s = 3;
  bool catalogue = false;
};

Result<SimSpike> parse_spike(const std::string& text, const SimWorld& world) {
  const std::size_t at = text.find('@');
  if (at == std::string::npos)
    return fail(Code::kInvalid, "--spike takes PRODUCT@COUNTRY, such as P-0003@Italy");
  SimSpike spike;
  spike.product = world.find_product(text.substr(0, at));
  spike.country = text.substr(at + 1);
  if (spike.product == world.products().size())
    return fail(Code::kInvalid, "there is no product " + text.substr(0, at) + "; they are P-0001 to " +
                                    world.products().back().id);
  std::vector<std::string> countries;
  for (const SimPerson& person : world.people()) countries.push_back(person.country);
  if (std::find(countries.begin(), countries.end(), spike.country) == countries.end())
    return fail(Code::kInvalid, "nobody comes from '" + spike.country + "'; did you mean '" +
                                    nearest_name(spike.country, countries) + "'?");
  return spike;
}

Result<SimulatorOptions> resolve(const SimulateOptions& options) {
  SimulatorOptions simulator = options.simulator;
  constexpr std::string_view kTopic = "topic:";
  if (simulator.target.starts_with(kTopic)) {
    const std::size_t at = std::min(simulator.target.find('@'), simulator.target.size());
    simulator.topic = simulator.target.substr(kTopic.size(), at - kTopic.size());
    if (simulator.topic.empty()) return fail(Code::kInvalid, "--target topic:NAME must name the topic");
    simulator.target =
        at < simulator.target.size() ? simulator.target.substr(at + 1) : SimulatorOptions().target;
  }
  constexpr std::string_view kScheme = "http://";
  if (simulator.target.starts_with(kScheme)) simulator.target.erase(0, kScheme.size());
  while (simulator.target.ends_with('/')) simulator.target.pop_back();
  simulator.duration = static_cast<DurationUs>(options.minutes * static_cast<double>(kMinuteUs));
  simulator.think_mean = static_cast<DurationUs>(options.think_s * static_cast<double>(kSecondUs));
  simulator.shape = options.shape == "visits"     ? SimShape::kVisits
                    : options.shape == "activity" ? SimShape::kActivity
                                                  : SimShape::kEvents;
  if (!options.spike.empty()) {
    MILLRACE_ASSIGN(simulator.spike, parse_spike(options.spike, SimWorld::make(simulator.world)));
  }
  return simulator;
}

void print_status(const SimulatorStats& stats, bool redraw) {
  fmt::print(
      "{}visits {}  events {} sent, {} acknowledged  errors {}  collect p99 {:.1f} ms  recommend p99 {:.1f} "
      "ms{}",
      redraw ? "\r" : "", with_thousands(stats.visits), with_thousands(stats.events_sent),
      with_thousands(stats.events_acknowledged), stats.errors,
      static_cast<double>(stats.collect_latency_us.quantile(.99)) / 1000,
      static_cast<double>(stats.recommend_latency_us.quantile(.99)) / 1000, redraw ? "\x1b[K" : "\n");
  std::fflush(stdout);
}

int run_simulate(const SimulateOptions& options) {
  const Result<SimulatorOptions> resolved = resolve(options);
  if (!resolved) return report_failure(resolved.error());
  Result<std::unique_ptr<Simulator>> simulator = Simulator::open(Env::system(), *resolved);
  if (!simulator)
    return report_failure(std::move(simulator).error().with_context("cannot reach " + resolved->target));
  if (options.catalogue)
    if (Status sent = (*simulator)->send_catalogue(); !sent) return report_failure(sent.error());

  std::atomic<bool> finished = false;
  std::jthread runner([&](const std::stop_token& stop) {
    (*simulator)->run(stop);
    finished = true;
  });
  const bool redraw = on_terminal();
  for (int seconds = 1; !finished; ++seconds) {
    if (StopSignals::wait(kSecondUs)) runner.request_stop();
    if (redraw || seconds % 10 == 0) print_status((*simulator)->stats(), redraw);
  }
  runner.join();
  if (redraw) fmt::print("\n");
  const SimulatorStats stats = (*simulator)->stats();
  print_status(stats, false);
  if (stats.offers > 0)
    fmt::print("recommendations shown {}, taken {} ({:.1f} %)\n", with_thousands(stats.offers),
               with_thousands(stats.offers_taken),
               100.0 * static_cast<double>(stats.offers_taken) / static_cast<double>(stats.offers));
  if (stats.errors == 0) return kExitDone;
  fmt::print(stderr, "millrace: {} requests failed, the last one with: {}\n", stats.errors, stats.last_error);
  return kExitFailed;
}

}  // namespace

void add_simulate_command(CLI::App& app, CommonOptions&, int& exit_code) {
  CLI::App* command = app.add_subcommand("simulate", "Send simulated visits to a running server");
  auto options = std::make_shared<SimulateOptions>();
  SimulatorOptions& simulator = options->simulator;
  command
      ->add_option(
          "--target", simulator.target,
          "the server, http://HOST:PORT; topic:NAME or topic:NAME@HOST:PORT publishes to a topic of it")
      ->capture_default_str();
  command->add_option("--token", simulator.token, "auth.token of the server")->envname("MILLRACE_TOKEN");
  command->add_option("--visits-per-minute", simulator.visits_per_minute, "new visits a minute")
      ->capture_default_str();
  command->add_option("--minutes", options->minutes, "new visits begin so long")->capture_default_str();
  command->add_option("--seed", simulator.seed, "who comes when, and what they do")->capture_default_str();
  command->add_option("--products", simulator.world.products, "size of the shop")->capture_default_str();
  command->add_option("--people", simulator.world.people, "how many customers there are")
      ->capture_default_str();
  command->add_option("--think", options->think_s, "seconds between two actions, on average")
      ->capture_default_str();
  command->add_option("--connections", simulator.connections, "kept open to the server")
      ->capture_default_str();
  command->add_option("--as", options->shape, "what is sent: events, visits or activity")
      ->check(CLI::IsMember({"events", "visits", "activity"}))
      ->capture_default_str();
  command->add_option("--spike", options->spike, "PRODUCT@COUNTRY: everybody there wants it");
  command->add_option("--flood", simulator.flood_factor,
                      "so many times as many page views, from a few addresses");
  command->add_flag("--shuffle-tastes", simulator.world.shuffle_tastes, "take away what can be learned");
  command->add_flag("--catalogue", options->catalogue,
                    "put the shop's products and people into the server first");
  command->add_flag("!--no-recommendations", simulator.ask_recommendations, "do not ask for recommendations");
  command->footer(
      "Examples:\n"
      "  millrace simulate --catalogue --visits-per-minute 300 --minutes 5\n"
      "  millrace simulate --spike P-0003@Italy --minutes 30\n"
      "  millrace simulate --flood 50 --minutes 2\n"
      "  millrace simulate --as visits --target topic:visits");
  command->callback([&exit_code, options] { exit_code = run_simulate(*options); });
}

}  // namespace millrace
