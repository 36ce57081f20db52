#include <cstdio>

#include <fmt/format.h>

#include "app/command.h"
#include "app/platform.h"
#include "app/version.h"
#include "base/logging.h"
#include "base/service_notify.h"

namespace millrace {
namespace {

constexpr DurationUs kUpStopGrace = 10 * kSecondUs;
constexpr DurationUs kHealthPause = 500 * kMillisecondUs;
constexpr DurationUs kHealthTimeout = 2 * kSecondUs;

/// Asks the server in this process whether it is well, the way others would, and whether only a restart helps
/// its tables: for the watchdog.
class HealthCheck {
 public:
  explicit HealthCheck(const Platform& platform) : platform_(platform) {
    options_.address = "unix:" + platform.unix_socket();
    options_.connect_timeout = options_.request_timeout = kHealthTimeout;
  }

  bool passes() {
    const Status now = ask();
    if (!now && passed_) log_error("app", "fails its own health check", {field("why", now.error().message)});
    passed_ = now.has_value();
    return passed_;
  }

 private:
  Status ask() {
    MILLRACE_TRY(platform_.check_tables());
    if (!client_) {
      MILLRACE_ASSIGN(client_, HttpClient::connect(options_));
    }
    const auto answer = client_->get("/healthz");
    if (answer) return check_answer(*answer);
    client_.reset();
    return fail(answer.error());
  }

  const Platform& platform_;
  bool passed_ = true;
  HttpClientOptions options_;
  std::unique_ptr<HttpClient> client_;
};

int run_up(const CommonOptions& common, const std::string& listen) {
  Result<Config> config = config_of(common);
  if (!config) return report_failure(config.error());
  if (!listen.empty()) config->listen = listen;
  ServiceNotify notify = ServiceNotify::take_from_environment();
  configure_logging(config->log_format, config->log_level);
  Result<std::unique_ptr<Platform>> platform =
      Platform::open(Env::system(), *config, Platform::Listen::kNetwork);
  if (!platform) return report_failure(platform.error());
  if (Status ready = (*platform)->wait_ready(kMinuteUs); !ready) log_warning("app", ready.error().message);
  const std::string url = (*platform)->url();
  log_info("app", "started",
           {field("version", kVersion), field("url", url), field("data", config->data.string())});
  fmt::print(
      "Millrace {}\n  data          {}\n  dashboard     {}/\n  example shop  {}/shop\nlistening on {}\n",
      kVersion, config->data.string(), url, url, url);
  std::fflush(stdout);
  notify.ready();
  HealthCheck health(**platform);
  while (!StopSignals::wait(kHealthPause)) {
    const DurationUs now = Env::system().steady_now();
    if (notify.is_hungry(now) && health.passes()) notify.feed(now);
  }
  notify.stopping();
  log_info("app", "stopping");
  (*platform)->stop(kUpStopGrace);
  return kExitDone;
}

}  // namespace

void add_up_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* up = app.add_subcommand("up", "Run the server until Ctrl-C");
  add_data_options(*up, common);
  auto listen = std::make_shared<std::string>();
  up->add_option("--listen", *listen, "HOST:PORT (127.0.0.1:8080); port 0 takes a free one");
  up->footer(
      "Examples:\n"
      "  millrace up                                   data in ./millrace-data\n"
      "  millrace up --project my-shop                 settings from my-shop/millrace.yaml\n"
      "  curl -d '{\"type\":\"track\",\"event\":\"Product Viewed\",\"anonymousId\":\"a1\",\n"
      "           \"properties\":{\"product_id\":\"p1\"}}' http://127.0.0.1:8080/v1/track");
  up->callback([&common, &exit_code, listen] { exit_code = run_up(common, *listen); });
}

}  // namespace millrace
