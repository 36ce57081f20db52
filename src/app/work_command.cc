#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "app/command.h"
#include "app/worker.h"
#include "app/worker_keeper.h"
#include "base/logging.h"
#include "base/text.h"
#include "event/codec.h"

namespace millrace {
namespace {

constexpr int kLookUpMs = 5'000;

struct WorkOptions {
  std::string subscription;
  std::string server;
  std::string codec = "native";
  std::string health = "127.0.0.1:0";
  std::vector<std::string> command;
  int min = 1;
  int max = 8;
  std::size_t batch = 100;
  std::uint64_t backlog = 1'000;
  std::string age = "10s";
  std::string calm = "30s";
  std::string message_timeout = "5m";
  std::string stall = "15s";
  std::string grace = "30s";
  int worker = 0;  ///< not 0: this process is that worker, started by a keeper
};

/// The options that are times, read.
struct WorkTimes {
  DurationUs age, calm, message_timeout, stall, grace;
};

Result<DurationUs> read_time(const char* option, const std::string& text, DurationUs min) {
  const auto time = parse_duration(text);
  if (!time) return fail(Code::kInvalid, time.error().message, option);
  if (*time < min)
    return fail(Code::kInvalid, fmt::format("must be {} s at least", static_cast<double>(min) / kSecondUs),
                option);
  return *time;
}

Result<WorkTimes> times_of(const WorkOptions& options) {
  WorkTimes times;
  MILLRACE_ASSIGN(times.age, read_time("--age", options.age, kSecondUs / 10));
  MILLRACE_ASSIGN(times.calm, read_time("--calm", options.calm, kSecondUs / 10));
  MILLRACE_ASSIGN(times.message_timeout,
                  read_time("--message-timeout", options.message_timeout, kSecondUs / 10));
  MILLRACE_ASSIGN(times.stall, read_time("--stall", options.stall, 3 * kSecondUs));
  MILLRACE_ASSIGN(times.grace, read_time("--grace", options.grace, 0));
  return times;
}

Result<ServerPlace> place_of(const CommonOptions& common, const WorkOptions& options) {
  ServerPlace place;
  if (!options.server.empty()) {
    constexpr std::string_view kScheme = "http://";
    place.address =
        options.server.starts_with(kScheme) ? options.server.substr(kScheme.size()) : options.server;
    if (place.address.ends_with('/')) place.address.pop_back();
    if (const char* token = std::getenv("MILLRACE_TOKEN")) place.token = token;
    return place;
  }
  MILLRACE_ASSIGN(const Config config, config_of(common));
  place.data = config.data;
  return place;
}

Result<WorkerOptions> worker_options(const CommonOptions& common, const WorkOptions& options) {
  MILLRACE_ASSIGN(const WorkTimes times, times_of(options));
  WorkerOptions worker;
  MILLRACE_ASSIGN(worker.server, place_of(common, options));
  worker.subscription = options.subscription;
  worker.command = options.command;
  worker.codec = options.codec;
  worker.batch_max = options.batch;
  worker.message_timeout = times.message_timeout;
  worker.stall = times.stall;
  worker.number = options.worker;
  return worker;
}

/// How a keeper starts a worker: this program again, with the same options.
ChildOptions worker_command(const ServerPlace& place, const WorkOptions& options) {
  std::vector<std::string> words = {std::filesystem::read_symlink("/proc/self/exe").string(),
                                    "work",
                                    "--subscription=" + options.subscription,
                                    "--codec=" + options.codec,
                                    fmt::format("--batch={}", options.batch),
                                    "--message-timeout=" + options.message_timeout,
                                    "--stall=" + options.stall};
  words.push_back(place.address.empty() ? "--data=" + place.data.string() : "--server=" + place.address);
  words.emplace_back("--");
  words.insert(words.end(), options.command.begin(), options.command.end());
  return {std::move(words), {}, true};
}

Result<KeeperOptions> keeper_options(const CommonOptions& common, const WorkOptions& options) {
  MILLRACE_ASSIGN(const WorkTimes times, times_of(options));
  if (options.min > options.max) return fail(Code::kInvalid, "must not be more than --max", "--min");
  if (!codec_of(options.codec))
    return fail(Code::kInvalid, "is no codec; use native, segment, cloudevents, visit, activity or ga4",
                "--codec");
  KeeperOptions keeper;
  MILLRACE_ASSIGN(keeper.server, place_of(common, options));
  keeper.subscription = options.subscription;
  keeper.scaler = {.workers_min = options.min,
                   .workers_max = options.max,
                   .backlog_per_worker = options.backlog,
                   .age_max = times.age,
                   .calm = times.calm};
  keeper.slot = {.stall = times.stall, .grace = times.grace};
  keeper.health = options.health;
  keeper.worker = worker_command(keeper.server, options);
  keeper.redraw = on_terminal();
  return keeper;
}

/// Run one worker. Whatever it fails with, its keeper starts another one.
int run_worker(const CommonOptions& common, const WorkOptions& options) {
  const auto settings = worker_options(common, options);
  if (!settings) return report_failure(settings.error());
  auto worker = Worker::open(*settings);
  if (!worker) return report_failure(worker.error());
  const Status outcome = (*worker)->run();
  if (!outcome) log_error("worker", outcome.error().message, {field("worker", options.worker)});
  return outcome ? kExitDone : kExitFailed;
}

/// Refuse a command that cannot be run before workers fail with it one after the other.
Status check_command(const std::vector<std::string>& command) {
  if (command.empty()) return {};
  MILLRACE_ASSIGN(ChildProcess shell,
                  ChildProcess::start({{"sh", "-c", "command -v -- \"$0\"", command.front()}, {}, true}));
  if (shell.wait(kLookUpMs) == "exit code 0") return {};
  return fail(Code::kNotFound, fmt::format("there is no program '{}' to run", command.front()));
}

int run_keeper(const CommonOptions& common, const WorkOptions& options) {
  ServiceNotify notify = ServiceNotify::take_from_environment();
  const auto settings = keeper_options(common, options);
  if (!settings) {
    report_failure(settings.error());
    return kExitUsage;
  }
  if (Status found = check_command(options.command); !found) return report_failure(found.error());
  auto keeper = WorkerKeeper::open(*settings, std::move(notify));
  if (!keeper) return report_failure(keeper.error());
  (*keeper)->run();
  return kExitDone;
}

void add_options(CLI::App& work, const std::shared_ptr<WorkOptions>& options) {
  work.add_option("--subscription,-s", options->subscription, "whose messages")->required();
  work.add_option("--server", options->server,
                  "HOST:PORT of a server elsewhere; its token in MILLRACE_TOKEN");
  work.add_option("--min", options->min, "workers, at least")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str();
  work.add_option("--max", options->max, "workers, at most")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str();
  work.add_option("--backlog", options->backlog, "messages for each worker; more: start others")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}))
      ->capture_default_str();
  work.add_option("--age", options->age, "of the oldest message; older: start others")->capture_default_str();
  work.add_option("--calm", options->calm, "so long one must have been too many to be stopped")
      ->capture_default_str();
  work.add_option("--batch", options->batch, "messages in the hands of a worker, at most")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1'000}))
      ->capture_default_str();
  work.add_option("--message-timeout", options->message_timeout,
                  "for one message; then its worker is replaced")
      ->capture_default_str();
  work.add_option("--stall", options->stall, "a worker that is silent for so long is replaced")
      ->capture_default_str();
  work.add_option("--grace", options->grace, "to finish what is in hand when it stops")
      ->capture_default_str();
  work.add_option("--codec", options->codec, "of messages that do not say theirs, without a COMMAND")
      ->capture_default_str();
  work.add_option("--health", options->health, "HOST:PORT of the keeper's /healthz")->capture_default_str();
  work.add_option("--worker", options->worker, "")->group("");
  work.add_option("COMMAND", options->command,
                  "gets a line of JSON for each message, answers each with ok or fail");
}

}  // namespace

void add_work_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* work = app.add_subcommand("work", "Keep workers on a subscription, as many as it needs");
  add_data_options(*work, common);
  auto options = std::make_shared<WorkOptions>();
  add_options(*work, options);
  work->footer(
      "Each worker runs COMMAND once and hands it messages: a line of JSON for each on standard input; it "
      "answers\n"
      "each with a line 'ok' or 'fail REASON'. Without COMMAND messages go to the server's own tables.\n"
      "docs/how-to/workers.md\n\n"
      "Example:\n"
      "  millrace work --subscription orders --max 4 -- python3 send_mail.py");
  work->callback([&common, &exit_code, options] {
    exit_code = options->worker > 0 ? run_worker(common, *options) : run_keeper(common, *options);
  });
}

}  // namespace millrace
