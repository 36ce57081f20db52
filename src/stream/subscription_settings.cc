#include "stream/subscription_settings.h"

#include <algorithm>
#include <functional>
#include <map>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "log/topics.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kNameBytesMax = 100;
constexpr std::uint32_t kAttemptsDefault = 5;
constexpr std::uint32_t kAttemptsMax = 100;

/// Reads the members of an object, each once, and refuses the others.
class Members {
 public:
  Members(const Json& object, std::string path) : object_(object), path_(std::move(path)) {}

  void text(const char* name, std::string& into) {
    if (const Json* value = find(name)) {
      if (!value->is_string()) return refuse(name, "must be a text");
      into = value->get<std::string>();
    }
  }
  void boolean(const char* name, bool& into) {
    if (const Json* value = find(name)) {
      if (!value->is_boolean()) return refuse(name, "must be true or false");
      into = value->get<bool>();
    }
  }
  template <class Integer>
  void integer(const char* name, Integer& into, std::int64_t min, std::int64_t max) {
    const Json* value = find(name);
    if (!value) return;
    const bool fits = value->is_number_integer() && value->get<double>() >= static_cast<double>(min) &&
                      value->get<double>() <= static_cast<double>(max);
    if (!fits) return refuse(name, fmt::format("must be a whole number from {} to {}", min, max));
    into = static_cast<Integer>(value->get<std::int64_t>());
  }
  /// Seconds, fractions too.
  void seconds(const char* name, DurationUs& into, DurationUs min, DurationUs max) {
    const Json* value = find(name);
    if (!value) return;
    const double us = value->is_number() ? value->get<double>() * kSecondUs : -1;
    if (us < static_cast<double>(min) || us > static_cast<double>(max))
      return refuse(name, fmt::format("must be seconds from {} to {}", static_cast<double>(min) / kSecondUs,
                                      static_cast<double>(max) / kSecondUs));
    into = static_cast<DurationUs>(us + 0.5);
  }
  template <class Value>
  void word(const char* name, Value& into, const std::vector<std::pair<std::string, Value>>& words) {
    const Json* value = find(name);
    if (!value) return;
    std::string known;
    for (const auto& [text, meaning] : words) {
      if (value->is_string() && value->get<std::string>() == text) {
        into = meaning;
        return;
      }
      known += (known.empty() ? "" : " or ") + text;
    }
    refuse(name, "must be " + known);
  }
  const Json* find(const char* name) {
    known_.emplace_back(name);
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  void refuse(const std::string& name, std::string why) {
    if (status_) status_ = fail(Code::kInvalid, std::move(why), path_ + name);
  }
  bool has(const char* name) const { return object_.contains(name); }

  Status finish() {
    for (const auto& [name, value] : object_.items()) {
      if (std::ranges::find(known_, name) != known_.end()) continue;
      const std::string nearest = nearest_name(name, known_);
      refuse(name, nearest.empty() ? "is no setting of a subscription"
                                   : "is not known; did you mean '" + nearest + "'?");
    }
    return status_;
  }

 private:
  const Json& object_;
  const std::string path_;
  std::vector<std::string> known_;
  Status status_;
};

Result<PushSettings> parse_push(const Json& json) {
  PushSettings push;
  if (json.is_string()) {
    push.url = json.get<std::string>();
    return push;
  }
  if (!json.is_object())
    return fail(Code::kInvalid, R"(takes {"url":"http://…","format":"pubsub" or "cloudevents"})", "push");
  Members members(json, "push.");
  members.text("url", push.url);
  members.word<PushFormat>("format", push.format,
                           {{"pubsub", PushFormat::kPubSub}, {"cloudevents", PushFormat::kCloudEvents}});
  if (push.url.empty()) members.refuse("url", "must say where to push to");
  MILLRACE_TRY(members.finish());
  return push;
}

/// Refuse what makes no sense together.
Status check_together(SubscriptionSettings& settings, bool attempts_given) {
  if (settings.topic.empty()) return fail(Code::kInvalid, "must name the topic to follow", "topic");
  if (settings.retry_max < settings.retry_min)
    return fail(Code::kInvalid, "must not be below retry_min_s", "retry_max_s");
  if (settings.dead_letter_topic == settings.topic)
    return fail(Code::kInvalid, "must be another topic than the one it comes from", "dead_letter_topic");
  if (is_reserved_topic(settings.dead_letter_topic))
    return fail(Code::kInvalid, "must not be a topic that Millrace alone writes", "dead_letter_topic");
  if (!settings.dead_letter_topic.empty() && !attempts_given) settings.max_attempts = kAttemptsDefault;
  if (settings.max_attempts > 0 && settings.dead_letter_topic.empty())
    return fail(Code::kInvalid, "needs a dead_letter_topic, where messages go after so many deliveries",
                "max_attempts");
  return {};
}

}  // namespace

Result<SubscriptionSettings> parse_subscription_settings(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return fail(Code::kInvalid, R"(send a JSON object, such as {"topic":"clicks"})");
  SubscriptionSettings settings;
  Members members(json, "");
  members.text("topic", settings.topic);
  members.word<StartAt>("start", settings.start, {{"end", StartAt::kEnd}, {"start", StartAt::kStart}});
  members.boolean("ordered", settings.ordered);
  members.seconds("ack_deadline_s", settings.ack_deadline, 10 * kSecondUs, 600 * kSecondUs);
  members.integer("max_outstanding", settings.max_outstanding, 1, 10'000);
  members.integer("max_outstanding_bytes", settings.max_outstanding_bytes, 1'000, 1 << 30);
  members.seconds("retry_min_s", settings.retry_min, kMillisecondUs, kHourUs);
  members.seconds("retry_max_s", settings.retry_max, kMillisecondUs, kHourUs);
  members.integer("max_attempts", settings.max_attempts, 0, kAttemptsMax);
  members.text("dead_letter_topic", settings.dead_letter_topic);
  const Json* push = members.find("push");
  MILLRACE_TRY(members.finish());
  if (push) {
    MILLRACE_ASSIGN(settings.push, parse_push(*push));
  }
  MILLRACE_TRY(check_together(settings, members.has("max_attempts")));
  return settings;
}

std::string subscription_settings_json(const SubscriptionSettings& settings) {
  const auto seconds = [](DurationUs us) { return static_cast<double>(us) / kSecondUs; };
  nlohmann::ordered_json json = {{"topic", settings.topic},
                                 {"start", settings.start == StartAt::kStart ? "start" : "end"},
                                 {"ordered", settings.ordered},
                                 {"ack_deadline_s", seconds(settings.ack_deadline)},
                                 {"max_outstanding", settings.max_outstanding},
                                 {"max_outstanding_bytes", settings.max_outstanding_bytes},
                                 {"retry_min_s", seconds(settings.retry_min)},
                                 {"retry_max_s", seconds(settings.retry_max)},
                                 {"max_attempts", settings.max_attempts}};
  if (!settings.dead_letter_topic.empty()) json["dead_letter_topic"] = settings.dead_letter_topic;
  if (settings.push)
    json["push"] = {{"url", settings.push->url},
                    {"format", settings.push->format == PushFormat::kPubSub ? "pubsub" : "cloudevents"}};
  return json.dump();
}

Status check_subscription_name(std::string_view name) {
  const bool good = !name.empty() && name.size() <= kNameBytesMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
  if (good) return {};
  return fail(Code::kInvalid, "a subscription's name has 1 to 100 letters, digits, '.', '_' or '-'");
}

}  // namespace millrace
