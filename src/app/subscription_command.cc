#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

struct SubscriptionOptions {
  std::string name;
  std::string topic;
  std::string push;
  std::string format = "pubsub";
  bool from_start = false;
  bool ordered = false;
  double ack_deadline_s = 10;
  int max_outstanding = 1'000;
  int max_attempts = 0;
  std::string dead_letter_topic;
  int max = 10;
  double wait_s = 0;
  bool ack = false;
  std::string to;
};

std::string address_of(const SubscriptionOptions& options, std::string_view action = {}) {
  return "/v1/subscriptions/" + url_encode(options.name) + std::string(action);
}

Status create(HttpClient& client, const SubscriptionOptions& options) {
  Json settings = {{"topic", options.topic},
                   {"start", options.from_start ? "start" : "end"},
                   {"ordered", options.ordered},
                   {"ack_deadline_s", options.ack_deadline_s},
                   {"max_outstanding", options.max_outstanding}};
  if (!options.dead_letter_topic.empty()) settings["dead_letter_topic"] = options.dead_letter_topic;
  if (options.max_attempts > 0) settings["max_attempts"] = options.max_attempts;
  if (!options.push.empty()) settings["push"] = {{"url", options.push}, {"format", options.format}};
  MILLRACE_TRY(ask(client, "PUT", address_of(options), settings.dump()));
  fmt::print("subscription {} follows {}{}\n", options.name, options.topic,
             options.push.empty() ? "" : " and pushes to " + options.push);
  return {};
}

Status list_subscriptions(HttpClient& client, bool as_json) {
  MILLRACE_ASSIGN(const Json answer, ask(client, "GET", "/v1/subscriptions"));
  if (as_json) {
    fmt::print("{}\n", answer.dump());
    return {};
  }
  fmt::print("{:<24} {:<20} {:>9} {:>11} {:>10} {:>9} {:>7}  {}\n", "subscription", "topic", "backlog",
             "outstanding", "acked", "repeated", "dead", "push");
  for (const Json& one : answer["subscriptions"]) {
    const Json& counts = one["counts"];
    const Json& settings = one["settings"];
    const std::string error = one.contains("push") ? one["push"]["last_error"].get<std::string>() : "";
    fmt::print("{:<24} {:<20} {:>9} {:>11} {:>10} {:>9} {:>7}  {}{}\n", one["name"].get<std::string>(),
               settings["topic"].get<std::string>(), one["backlog"].get<std::uint64_t>(),
               one["outstanding"].get<std::uint64_t>(), counts["acked"].get<std::uint64_t>(),
               counts["nacked"].get<std::uint64_t>() + counts["expired"].get<std::uint64_t>(),
               counts["dead"].get<std::uint64_t>(),
               settings.contains("push") ? settings["push"]["url"].get<std::string>() : "-",
               error.empty() ? "" : "  (" + error + ")");
  }
  return {};
}

void print_message(const Json& pulled) {
  const Json& message = pulled["message"];
  const std::string data = base64_decode(message["data"].get<std::string>()).value_or("");
  fmt::print("{}  {}  delivery {}\n  {}\n", message["message_id"].get<std::string>(),
             message["publish_time"].get<std::string>(), pulled["delivery_attempt"].get<int>(),
             is_utf8(data) ? data : fmt::format("({} bytes)", data.size()));
}

Status pull(HttpClient& client, const SubscriptionOptions& options, bool as_json) {
  const Json request = {{"max", options.max}, {"wait_ms", static_cast<std::int64_t>(options.wait_s * 1000)}};
  MILLRACE_ASSIGN(const Json answer, ask(client, "POST", address_of(options, "/pull"), request.dump()));
  Json ids = Json::array();
  for (const Json& pulled : answer["messages"]) {
    if (!as_json) print_message(pulled);
    ids.push_back(pulled["ack_id"]);
  }
  if (as_json) fmt::print("{}\n", answer.dump());
  if (options.ack && !ids.empty())
    MILLRACE_TRY(ask(client, "POST", address_of(options, "/ack"), Json{{"ack_ids", ids}}.dump()));
  if (as_json) return {};
  if (ids.empty()) fmt::print("nothing to pull\n");
  if (!ids.empty() && !options.ack)
    fmt::print("{} messages; not acknowledged, so they come again (--ack)\n", ids.size());
  return {};
}

Status seek(HttpClient& client, const SubscriptionOptions& options) {
  const bool is_number =
      !options.to.empty() && options.to.find_first_not_of("0123456789") == std::string::npos;
  Json body;
  if (options.to == "start") {
    body = {{"offset", 0}};
  } else if (options.to == "end") {
    body = {{"offset", std::numeric_limits<std::int64_t>::max()}};
  } else if (is_number) {
    body = {{"offset", std::stoull(options.to)}};
  } else {
    body = {{"time", options.to}};
  }
  MILLRACE_TRY(ask(client, "POST", address_of(options, "/seek"), body.dump()));
  fmt::print("{} goes on from {}\n", options.name, options.to);
  return {};
}

Status replay(HttpClient& client, const SubscriptionOptions& options) {
  std::uint64_t replayed = 0, gone = 0;
  for (bool more = true; more;) {
    MILLRACE_ASSIGN(const Json answer, ask(client, "POST", address_of(options, "/replay")));
    replayed += answer["replayed"].get<std::uint64_t>();
    gone += answer["gone"].get<std::uint64_t>();
    more = answer["more"].get<bool>() && answer["replayed"].get<std::uint64_t>() > 0;
  }
  fmt::print("{} delivered again\n", counted(replayed, "dead letter"));
  if (gone > 0)
    fmt::print("{} are no longer in the topic; their copies stay in the dead-letter topic\n",
               with_thousands(gone));
  return {};
}

using Work = std::function<Status(HttpClient&)>;

/// Add a subcommand that takes a NAME (unless it is of all) and does `work` with the server.
CLI::App* add(CLI::App& parent, const char* word, const char* help, CommonOptions& common, int& exit_code,
              SubscriptionOptions* options, Work work) {
  CLI::App* command = parent.add_subcommand(word, help);
  add_data_options(*command, common);
  if (options) command->add_option("NAME", options->name, "the subscription")->required();
  command->callback([&common, &exit_code, work = std::move(work)] {
    exit_code = run_with_server(common, ServerConnection::Need::kNeedsData, work);
  });
  return command;
}

void add_create(CLI::App& parent, CommonOptions& common, int& exit_code,
                const std::shared_ptr<SubscriptionOptions>& options) {
  CLI::App* command = add(parent, "create", "Make a subscription, or change one", common, exit_code,
                          options.get(), [options](HttpClient& client) { return create(client, *options); });
  command->add_option("--topic", options->topic, "what it follows")->required();
  command->add_option("--push", options->push,
                      "http://HOST:PORT/PATH, allowed by subscriptions.push_targets; none: programs pull");
  command->add_option("--format", options->format, "how a pushed message is wrapped")
      ->check(CLI::IsMember({"pubsub", "cloudevents"}))
      ->capture_default_str();
  command->add_flag("--from-start", options->from_start, "with all the topic still has, not only what comes");
  command->add_flag("--ordered", options->ordered,
                    "a key's next message only after its last was acknowledged");
  command->add_option("--ack-deadline", options->ack_deadline_s, "seconds until it comes again, 10 to 600")
      ->capture_default_str();
  command->add_option("--max-outstanding", options->max_outstanding, "handed out and not acknowledged")
      ->capture_default_str();
  command->add_option("--dead-letter-topic", options->dead_letter_topic,
                      "where messages go that nobody takes");
  command->add_option("--max-attempts", options->max_attempts, "deliveries before that, 5 unless said");
  command->footer(
      "Examples:\n"
      "  millrace subscription create readers --topic clicks --from-start\n"
      "  millrace subscription create hook --topic clicks --push http://127.0.0.1:9000/clicks \\\n"
      "      --dead-letter-topic clicks-dead --max-attempts 5");
}

void add_pull(CLI::App& parent, CommonOptions& common, int& exit_code,
              const std::shared_ptr<SubscriptionOptions>& options) {
  CLI::App* command =
      add(parent, "pull", "Take messages", common, exit_code, options.get(),
          [options, &common](HttpClient& client) { return pull(client, *options, common.json); });
  command->add_option("--max", options->max, "at most")->check(CLI::Range(1, 1'000))->capture_default_str();
  command->add_option("--wait", options->wait_s, "seconds to wait for the first")
      ->check(CLI::Range(0.0, 60.0));
  command->add_flag("--ack", options->ack, "acknowledge them: they never come again");
  command->add_flag("--json", common.json, "print JSON");
}

}  // namespace

void add_subscription_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* parent =
      app.add_subcommand("subscription", "Subscriptions: hand a topic's messages to other programs");
  parent->require_subcommand(1);
  auto options = std::make_shared<SubscriptionOptions>();
  add_create(*parent, common, exit_code, options);
  add(*parent, "list", "Show subscriptions, their backlog and troubles", common, exit_code, nullptr,
      [&common](HttpClient& client) { return list_subscriptions(client, common.json); })
      ->add_flag("--json", common.json, "print JSON");
  add_pull(*parent, common, exit_code, options);
  add(*parent, "seek", "Go back and deliver again, or skip", common, exit_code, options.get(),
      [options](HttpClient& client) { return seek(client, *options); })
      ->add_option("TO", options->to, "start, end, an offset, or a time: 2026-01-31T12:00:00Z")
      ->required();
  add(*parent, "replay", "Deliver its dead letters again", common, exit_code, options.get(),
      [options](HttpClient& client) { return replay(client, *options); });
  add(*parent, "delete", "Forget it; the topic keeps its messages", common, exit_code, options.get(),
      [options](HttpClient& client) -> Status {
        MILLRACE_TRY(ask(client, "DELETE", address_of(*options)));
        fmt::print("{} is gone\n", options->name);
        return {};
      });
  parent->footer(
      "A message is delivered until it is acknowledged, and then never again. It comes again when it is "
      "refused, or\n"
      "not acknowledged within the deadline. docs/how-to/subscriptions.md");
}

}  // namespace millrace
