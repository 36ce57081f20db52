#include "server/subscription_routes.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "event/json_writer.h"
#include "server/json_text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kPullMax = 1'000;
constexpr std::int64_t kWaitMsMax = 60'000;
constexpr std::int64_t kDeadlineSecondsMax = 600;
constexpr std::size_t kAckIdsMax = 10'000;

using Asked = std::shared_ptr<Exchange>;

/// The members of a small request; each reader notes what is wrong, `finish` tells the first of it.
class Body {
 public:
  explicit Body(const Exchange& exchange) {
    const std::string_view text = exchange.request.body();
    json_ = text.empty() ? Json::object() : json_of_body(text);
    if (!json_.is_object()) status_ = fail(Code::kInvalid, "send a JSON object");
  }

  const Json* find(const char* name) {
    known_.emplace_back(name);
    if (!json_.is_object()) return nullptr;
    const auto found = json_.find(name);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }

  std::optional<std::int64_t> integer(const char* name, std::int64_t min, std::int64_t max) {
    const Json* value = find(name);
    if (!value) return {};
    if (value->is_number_integer() && value->get<std::int64_t>() >= min && value->get<std::int64_t>() <= max)
      return value->get<std::int64_t>();
    refuse(name, fmt::format("must be a whole number from {} to {}", min, max));
    return {};
  }

  std::vector<AckId> ack_ids() {
    const Json* ids = find("ack_ids");
    if (!ids || !ids->is_array() || ids->empty() || ids->size() > kAckIdsMax) {
      refuse("ack_ids", fmt::format("must be a list of 1 to {} ack_ids, as pull answered them", kAckIdsMax));
      return {};
    }
    std::vector<AckId> out;
    for (const Json& id : *ids) {
      const auto parsed = id.is_string() ? AckId::parse(id.get_ref<const std::string&>())
                                         : Result<AckId>(fail(Code::kInvalid, "an ack_id is a text"));
      if (!parsed) {
        refuse("ack_ids", parsed.error().message);
        return {};
      }
      out.push_back(*parsed);
    }
    return out;
  }

  void refuse(std::string where, std::string message) {
    if (status_) status_ = fail(Code::kInvalid, std::move(message), std::move(where));
  }

  Status finish() {
    if (!status_) return status_;
    for (const auto& [name, value] : json_.items())
      if (std::ranges::find(known_, name) == known_.end()) {
        std::string list;
        for (const std::string& one : known_) list += (list.empty() ? "" : ", ") + one;
        refuse(name, list.empty() ? "takes no members" : "is not known here; there are " + list);
      }
    return status_;
  }

 private:
  Json json_;
  std::vector<std::string> known_;
  Status status_;
};

void write_counts(JsonWriter& json, const SubscriptionCounts& counts) {
  json.key("counts").begin_object();
  json.member("delivered", counts.delivered).member("acked", counts.acked).member("nacked", counts.nacked);
  json.member("expired", counts.expired).member("dead", counts.dead).member("lost", counts.lost).end_object();
}

void write_info(JsonWriter& json, const SubscriptionInfo& info) {
  json.begin_object()
      .member("name", info.name)
      .key("settings")
      .raw(subscription_settings_json(info.settings));
  json.member("backlog", info.backlog).member("outstanding", info.outstanding);
  json.key("oldest_unacknowledged_s");
  if (info.oldest_age) {
    json.number(static_cast<double>(*info.oldest_age) / kSecondUs);
  } else {
    json.null();
  }
  json.key("next_offsets").begin_array();
  for (const Offset next : info.next) json.integer(static_cast<std::int64_t>(next.value()));
  json.end_array().member("waiting_pulls", info.waiting_pulls);
  write_counts(json, info.counts);
  if (info.push) {
    json.key("push")
        .begin_object()
        .member("under_way", info.push->under_way)
        .member("window", info.push->window);
    json.member("paused_ms", info.push->paused_for / kMillisecondUs)
        .member("last_error", info.push->error)
        .end_object();
  }
  json.end_object();
}

std::string messages_json(const std::vector<SubscriptionMessage>& messages) {
  std::string out = R"({"messages":[)";
  for (const SubscriptionMessage& message : messages) {
    if (out.back() != '[') out += ',';
    append_pulled_message(message, out);
  }
  return out + "]}";
}

/// Return what answers with the error, or with `text` of the value.
template <class T, class Text>
SubscriptionEngine::Done<T> answering(const Asked& exchange, Text text) {
  return [exchange, text](const Result<T>& result) {
    if (!result) return exchange->send_error(result.error());
    exchange->send(HttpResponse::json(200, text(*result)));
  };
}

SubscriptionEngine::Done<void> answering_success(const Asked& exchange) {
  return [exchange](const Status& status) {
    if (!status) return exchange->send_error(status.error());
    exchange->send(HttpResponse::json(200, R"({"success":true})"));
  };
}

/// Answer {"done":n,"unknown":[…]}.
SubscriptionEngine::Done<AckCounts> answering_counts(const Asked& exchange, const char* name) {
  return answering<AckCounts>(exchange, [name](const AckCounts& counts) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().member(name, counts.done).key("unknown").begin_array();
    for (const std::string& id : counts.unknown) json.text(id);
    json.end_array().end_object();
    return out;
  });
}

void put(SubscriptionEngine& engine, const Asked& exchange) {
  auto settings = parse_subscription_settings(exchange->request.body());
  if (!settings) return exchange->send_error(settings.error());
  engine.put(exchange->path_values.front(), *std::move(settings), answering_success(exchange));
}

void list(SubscriptionEngine& engine, const Asked& exchange) {
  engine.list(
      answering<std::vector<SubscriptionInfo>>(exchange, [](const std::vector<SubscriptionInfo>& infos) {
        std::string out;
        JsonWriter json(out);
        json.begin_object().key("subscriptions").begin_array();
        for (const SubscriptionInfo& info : infos) write_info(json, info);
        json.end_array().end_object();
        return out;
      }));
}

void describe(SubscriptionEngine& engine, const Asked& exchange) {
  engine.describe(exchange->path_values.front(),
                  answering<SubscriptionInfo>(exchange, [](const SubscriptionInfo& info) {
                    std::string out;
                    JsonWriter json(out);
                    write_info(json, info);
                    return out;
                  }));
}

void pull(SubscriptionEngine& engine, const Asked& exchange) {
  Body body(*exchange);
  const auto max = body.integer("max", 1, kPullMax);
  const auto wait_ms = body.integer("wait_ms", 0, kWaitMsMax);
  if (Status good = body.finish(); !good) return exchange->send_error(good.error());
  engine.pull(exchange->path_values.front(), static_cast<std::size_t>(max.value_or(10)),
              wait_ms.value_or(0) * kMillisecondUs,
              answering<std::vector<SubscriptionMessage>>(exchange, messages_json));
}

void ack(SubscriptionEngine& engine, const Asked& exchange) {
  Body body(*exchange);
  std::vector<AckId> ids = body.ack_ids();
  if (Status good = body.finish(); !good) return exchange->send_error(good.error());
  engine.ack(exchange->path_values.front(), std::move(ids), answering_counts(exchange, "acked"));
}

void nack(SubscriptionEngine& engine, const Asked& exchange) {
  Body body(*exchange);
  std::vector<AckId> ids = body.ack_ids();
  const auto delay_ms = body.integer("delay_ms", 0, 3'600'000);
  if (Status good = body.finish(); !good) return exchange->send_error(good.error());
  std::optional<DurationUs> after;
  if (delay_ms) after = *delay_ms * kMillisecondUs;
  engine.nack(exchange->path_values.front(), std::move(ids), after, answering_counts(exchange, "nacked"));
}

void extend(SubscriptionEngine& engine, const Asked& exchange) {
  Body body(*exchange);
  std::vector<AckId> ids = body.ack_ids();
  const auto seconds = body.integer("deadline_s", 1, kDeadlineSecondsMax);
  if (!seconds)
    body.refuse("deadline_s",
                fmt::format("must be the seconds to hold them from now, 1 to {}", kDeadlineSecondsMax));
  if (Status good = body.finish(); !good) return exchange->send_error(good.error());
  engine.extend(exchange->path_values.front(), std::move(ids), *seconds * kSecondUs,
                answering_counts(exchange, "extended"));
}

void seek(SubscriptionEngine& engine, const Asked& exchange) {
  Body body(*exchange);
  SeekTo to;
  if (const auto offset = body.integer("offset", 0, INT64_MAX))
    to.offset = Offset(static_cast<std::uint64_t>(*offset));
  if (const auto partition = body.integer("partition", 0, 1'023))
    to.partition = PartitionId(static_cast<std::uint32_t>(*partition));
  if (const Json* time = body.find("time")) {
    const auto parsed = time->is_string() ? parse_time(time->get_ref<const std::string&>())
                                          : Result<TimeUs>(fail(Code::kInvalid, "must be a text"));
    if (parsed) {
      to.time = *parsed;
    } else {
      body.refuse("time", parsed.error().message);
    }
  }
  if (to.time.has_value() == to.offset.has_value())
    body.refuse(
        "seek",
        R"(takes either {"time":"2026-01-31T12:00:00Z"} or {"offset":0}; with "partition" in one alone)");
  if (Status good = body.finish(); !good) return exchange->send_error(good.error());
  engine.seek(exchange->path_values.front(), to, answering_success(exchange));
}

void replay(SubscriptionEngine& engine, const Asked& exchange) {
  Body body(*exchange);
  if (Status good = body.finish(); !good) return exchange->send_error(good.error());
  engine.replay_dead_letters(exchange->path_values.front(),
                             answering<ReplayCounts>(exchange, [](const ReplayCounts& counts) {
                               return fmt::format(R"({{"replayed":{},"gone":{},"more":{}}})", counts.replayed,
                                                  counts.gone, counts.more);
                             }));
}

}  // namespace

void add_subscription_routes(Router& router, SubscriptionEngine& engine) {
  constexpr RouteRule kRule = {Access::kRead, false};
  const auto add = [&](std::string_view method, std::string_view pattern, auto handler) {
    router.add(method, pattern, kRule,
               [&engine, handler](const Asked& exchange) { handler(engine, exchange); });
  };
  add("GET", "/v1/subscriptions", list);
  add("PUT", "/v1/subscriptions/{name}", put);
  add("GET", "/v1/subscriptions/{name}", describe);
  add("DELETE", "/v1/subscriptions/{name}", [](SubscriptionEngine& to, const Asked& exchange) {
    to.remove(exchange->path_values.front(), answering_success(exchange));
  });
  add("POST", "/v1/subscriptions/{name}/pull", pull);
  add("POST", "/v1/subscriptions/{name}/ack", ack);
  add("POST", "/v1/subscriptions/{name}/nack", nack);
  add("POST", "/v1/subscriptions/{name}/extend", extend);
  add("POST", "/v1/subscriptions/{name}/seek", seek);
  add("POST", "/v1/subscriptions/{name}/replay", replay);
}

}  // namespace millrace
