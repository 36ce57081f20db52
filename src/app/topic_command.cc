#include <cstdio>
#include <iostream>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr int kTailPage = 500;
constexpr DurationUs kTailWait = 200 * kMillisecondUs;

struct TopicOptions {
  std::string topic;
  std::uint32_t partitions = 1;
  std::string retention;
  std::string text;
  std::string key;
  std::string content_type = "application/json";
  std::vector<std::string> attributes;
  bool lines = false;
  bool from_start = false;
  bool follow = false;
};

Status create(HttpClient& client, const TopicOptions& options) {
  std::string target =
      fmt::format("/v1/topics/{}?partitions={}", url_encode(options.topic), options.partitions);
  if (!options.retention.empty()) target += "&retention=" + url_encode(options.retention);
  MILLRACE_TRY(ask(client, "PUT", target));
  fmt::print("topic {} is there\n", options.topic);
  return {};
}

Status list_topics(HttpClient& client, bool as_json) {
  MILLRACE_ASSIGN(const Json answer, ask(client, "GET", "/v1/topics"));
  if (as_json) {
    fmt::print("{}\n", answer.dump());
    return {};
  }
  fmt::print("{:<32} {:>10} {:>16} {:>14}\n", "topic", "partitions", "messages so far", "bytes on disk");
  for (const Json& topic : answer["topics"]) {
    std::uint64_t count = 0, bytes = 0;
    for (const Json& partition : topic["partition_stats"]) {
      count += partition["count"].get<std::uint64_t>();
      bytes += partition["bytes"].get<std::uint64_t>();
    }
    fmt::print("{:<32} {:>10} {:>16} {:>14}\n", topic["name"].get<std::string>(),
               topic["partitions"].get<int>(), with_thousands(count), with_thousands(bytes));
  }
  return {};
}

Result<Headers> headers_of(const TopicOptions& options) {
  Headers headers = {{"Content-Type", options.content_type}};
  if (!options.key.empty()) headers.push_back({"X-Key", options.key});
  for (const std::string& attribute : options.attributes) {
    const std::size_t equals = attribute.find('=');
    if (equals == 0 || equals == std::string::npos)
      return fail(Code::kInvalid, "--attribute takes NAME=VALUE, not '" + attribute + "'");
    headers.push_back({"X-Attribute-" + attribute.substr(0, equals), attribute.substr(equals + 1)});
  }
  return headers;
}

Status publish(HttpClient& client, const TopicOptions& options) {
  MILLRACE_ASSIGN(const Headers headers, headers_of(options));
  const std::string target = "/v1/topics/" + url_encode(options.topic) + "/messages";
  std::uint64_t count = 0;
  const auto send = [&](const std::string& body) -> Status {
    MILLRACE_TRY(ask(client, "POST", target, body, headers));
    ++count;
    return {};
  };
  if (!options.text.empty() && options.text != "-") {
    MILLRACE_TRY(send(options.text));
  } else if (options.lines) {
    for (std::string line; std::getline(std::cin, line);)
      if (!line.empty()) MILLRACE_TRY(send(line));
  } else {
    MILLRACE_TRY(send({std::istreambuf_iterator<char>(std::cin), {}}));
  }
  fmt::print("{} published, durable\n", with_thousands(count));
  return {};
}

void print_message(std::size_t partition, const Json& message, bool as_json) {
  const std::string value = base64_decode(message["value_base64"].get<std::string>()).value_or("");
  if (as_json) {
    Json shown = message;
    shown["partition"] = partition;
    fmt::print("{}\n", shown.dump());
    return;
  }
  const std::string text = is_utf8(value) ? value : fmt::format("({} bytes)", value.size());
  fmt::print("{}:{}  {}  {}{}\n", partition, message["offset"].get<std::uint64_t>(),
             message["time"].get<std::string>(),
             message["key"].get<std::string>().empty() ? "" : "[" + message["key"].get<std::string>() + "] ",
             text);
}

/// Print what a partition has from `offset` on and move it; return whether there was anything.
Result<bool> print_page(HttpClient& client, const TopicOptions& options, std::size_t partition,
                        std::uint64_t& offset, bool as_json) {
  MILLRACE_ASSIGN(const Json page, ask(client, "GET",
                                       fmt::format("/v1/topics/{}/messages?partition={}&offset={}&n={}",
                                                   url_encode(options.topic), partition, offset, kTailPage)));
  for (const Json& message : page["messages"]) print_message(partition, message, as_json);
  offset = page["next"].get<std::uint64_t>();
  return !page["messages"].empty();
}

Result<std::vector<std::uint64_t>> places_of(HttpClient& client, const TopicOptions& options) {
  MILLRACE_ASSIGN(const Json answer, ask(client, "GET", "/v1/topics"));
  std::vector<std::string> known;
  for (const Json& topic : answer["topics"]) {
    known.push_back(topic["name"].get<std::string>());
    if (known.back() != options.topic) continue;
    std::vector<std::uint64_t> places;
    for (const Json& partition : topic["partition_stats"]) {
      const auto start = partition["start"].get<std::uint64_t>();
      const auto end = partition["end"].get<std::uint64_t>();
      const std::uint64_t back = end - std::min<std::uint64_t>(end - start, 10);
      places.push_back(options.from_start ? start : back);
    }
    return places;
  }
  const std::string nearest = nearest_name(options.topic, known);
  return fail(Code::kNotFound, "there is no topic '" + options.topic + "'" +
                                   (nearest.empty() ? "; `millrace topic list` shows them"
                                                    : "; did you mean '" + nearest + "'?"));
}

Status tail(HttpClient& client, const TopicOptions& options, bool as_json) {
  MILLRACE_ASSIGN(std::vector<std::uint64_t> places, places_of(client, options));
  if (options.follow) StopSignals::block();
  for (;;) {
    bool any = false;
    for (std::size_t i = 0; i < places.size(); ++i) {
      MILLRACE_ASSIGN(const bool some, print_page(client, options, i, places[i], as_json));
      any = any || some;
    }
    std::fflush(stdout);
    if (any) continue;
    if (!options.follow || StopSignals::wait(kTailWait)) return {};
  }
}

void add_publish(CLI::App& topic, CommonOptions& common, int& exit_code,
                 const std::shared_ptr<TopicOptions>& options) {
  CLI::App* command = topic.add_subcommand("publish", "Append one message, or each line of standard input");
  add_data_options(*command, common);
  command->add_option("TOPIC", options->topic, "its name")->required();
  command->add_option("TEXT", options->text, "the message; none or -: standard input");
  command->add_option("--key", options->key, "messages of one key keep their order");
  command->add_option("--content-type", options->content_type, "of the message")->capture_default_str();
  command->add_option("--attribute", options->attributes, "NAME=VALUE, as often as needed");
  command->add_flag("--lines", options->lines, "each line of standard input is a message");
  command->footer(
      "Examples:\n"
      "  millrace topic publish clicks '{\"page\":\"/home\"}' --key visitor-7\n"
      "  millrace topic publish clicks --lines < clicks.jsonl");
  command->callback([&common, &exit_code, options] {
    exit_code = run_with_server(common, ServerConnection::Need::kMayBeNew,
                                [&](HttpClient& client) { return publish(client, *options); });
  });
}

void add_tail(CLI::App& topic, CommonOptions& common, int& exit_code,
              const std::shared_ptr<TopicOptions>& options) {
  CLI::App* command = topic.add_subcommand("tail", "Print the last messages; nobody's subscription moves");
  add_data_options(*command, common);
  command->add_option("TOPIC", options->topic, "its name")->required();
  command->add_flag("--from-start", options->from_start, "all that is kept, not the last ten");
  command->add_flag("--follow,-f", options->follow, "go on until Ctrl-C");
  command->add_flag("--json", common.json, "print JSON, values in base64");
  command->callback([&common, &exit_code, options] {
    exit_code = run_with_server(common, ServerConnection::Need::kMayBeNew,
                                [&](HttpClient& client) { return tail(client, *options, common.json); });
  });
}

}  // namespace

void add_topic_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* topic =
      app.add_subcommand("topic", "Topics: durable streams of any messages, which others follow");
  topic->require_subcommand(1);
  auto options = std::make_shared<TopicOptions>();
  CLI::App* make = topic->add_subcommand("create", "Make a topic");
  add_data_options(*make, common);
  make->add_option("TOPIC", options->topic, "letters, digits, '.', '_', '-'")->required();
  make->add_option("--partitions", options->partitions, "fixed once made")->capture_default_str();
  make->add_option("--retention", options->retention, "how long messages are kept: 7d");
  make->callback([&common, &exit_code, options] {
    exit_code = run_with_server(common, ServerConnection::Need::kMayBeNew,
                                [&](HttpClient& client) { return create(client, *options); });
  });
  CLI::App* show = topic->add_subcommand("list", "Show the topics and their sizes");
  add_data_options(*show, common);
  show->add_flag("--json", common.json, "print JSON");
  show->callback([&common, &exit_code] {
    exit_code = run_with_server(common, ServerConnection::Need::kMayBeNew,
                                [&](HttpClient& client) { return list_topics(client, common.json); });
  });
  add_publish(*topic, common, exit_code, options);
  add_tail(*topic, common, exit_code, options);
  topic->footer(
      "A first try:\n"
      "  millrace topic create clicks\n"
      "  millrace subscription create readers --topic clicks\n"
      "  millrace topic publish clicks '{\"page\":\"/home\"}'\n"
      "  millrace subscription pull readers --ack");
}

}  // namespace millrace
