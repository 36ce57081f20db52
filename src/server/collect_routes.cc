#include "server/collect_routes.h"

#include "event/codec.h"
#include "event/json_writer.h"

namespace millrace {
namespace {

constexpr RouteRule kCollectRule = {Access::kCollect, true};

struct SegmentRoute {
  std::string_view path;
  std::string_view type;  ///< "" where the body says it
};

constexpr SegmentRoute kSegmentRoutes[] = {
    {"/v1/batch", ""},
    {"/v1/track", "track"},
    {"/v1/identify", "identify"},
    {"/v1/page", "page"},
    {"/v1/screen", "screen"},
    {"/v1/group", "group"},
    {"/v1/alias", "alias"},
    {"/b", ""},
    {"/t", "track"},
    {"/i", "identify"},
    {"/p", "page"},
    {"/s", "screen"},
    {"/g", "group"},
    {"/a", "alias"},
    {"/beacon/v1/batch", ""},
    {"/v1/b", ""},
    {"/v1/t", "track"},
    {"/v1/i", "identify"},
    {"/v1/p", "page"},
    {"/v1/s", "screen"},
    {"/v1/g", "group"},
    {"/v1/a", "alias"},
    {"/api/s/track", "track"},
    {"/api/s/page", "page"},
    {"/api/s/identify", "identify"},
};

std::string counts_json(const CollectCounts& counts) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("success", true);
  json.member("accepted", counts.accepted).member("quarantined", counts.quarantined);
  if (const std::optional<Error>& error = counts.first_error) {
    json.key("first_error").begin_object().member("code", code_name(error->code));
    json.member("message", error->message).member("where", error->where).end_object();
  }
  json.end_object();
  return out;
}

/// What the handlers share; each holds a reference.
class CollectRoutes : public std::enable_shared_from_this<CollectRoutes> {
 public:
  CollectRoutes(const AccessPolicy& access, Collector& collector, Env& env)
      : access_(access), collector_(collector), env_(env) {}

  RouteHandler handler(CodecId codec, std::string_view segment_type = {}) {
    return [self = shared_from_this(), codec, segment_type](const std::shared_ptr<Exchange>& exchange) {
      self->collect(codec, segment_type, exchange);
    };
  }

  /// POST /v1/events: one address for CloudEvents in each mode and for our own events.
  void events(const std::shared_ptr<Exchange>& exchange) {
    if (exchange->request.has_header("ce-id")) return binary_cloud_event(exchange);
    const bool says_so =
        exchange->request.header("Content-Type").find("cloudevents") != std::string_view::npos;
    collect(says_so ? CodecId::kCloudEvents : CodecId::kNative, {}, exchange);
  }

  void push(const std::shared_ptr<Exchange>& exchange) {
    const std::string& name = exchange->path_values.front();
    if (!codec_of(name))
      return exchange->send(HttpResponse::error(404, "not_found", "there is no codec named '" + name + "'"));
    collect(CodecId::kPubSub, name, exchange);
  }

 private:
  void binary_cloud_event(const std::shared_ptr<Exchange>& exchange) {
    std::vector<std::pair<std::string_view, std::string_view>> headers;
    for (std::size_t i = 0; i < exchange->request.header_count(); ++i)
      headers.push_back(exchange->request.header_at(i));
    Result<std::string> structured = structured_cloud_event(headers, exchange->request.body());
    if (!structured) return exchange->send_error(structured.error());
    exchange->request.set_body(*std::move(structured));
    collect(CodecId::kCloudEvents, {}, exchange);
  }

  /// `hint` is the message type of a Segment route, or the codec of a push.
  void collect(CodecId codec, std::string_view hint, const std::shared_ptr<Exchange>& exchange) {
    const Result<std::string> source = access_.source_of(exchange->request);
    if (!source) return exchange->send(HttpResponse::error(401, "denied", source.error().message));
    BodyFacts facts;
    facts.source = *source;
    facts.received_time = env_.now();
    facts.ip = exchange->request.remote_ip();
    facts.user_agent = exchange->request.header("User-Agent");
    facts.message_id = exchange->request.header("Idempotency-Key");
    facts.may_be_cloud_events = codec == CodecId::kNative;
    if (codec == CodecId::kPubSub) {
      facts.push_codec = *codec_of(hint);
    } else {
      facts.segment_type = hint;
    }
    collector_.collect(codec, exchange->request.body(), facts,
                       [exchange](const Result<CollectCounts>& counts) { answer(*exchange, counts); });
  }

  static void answer(const Exchange& exchange, const Result<CollectCounts>& counts) {
    if (counts) return exchange.send(HttpResponse::json(200, counts_json(*counts)));
    HttpResponse response = HttpResponse::from_error(counts.error());
    if (counts.error().code == Code::kOutOfRange) response.status = 413;
    exchange.send(std::move(response));
  }

  const AccessPolicy& access_;
  Collector& collector_;
  Env& env_;
};

}  // namespace

void add_collect_routes(Router& router, Collector& collector, Env& env) {
  const auto routes = std::make_shared<CollectRoutes>(router.access(), collector, env);
  for (const SegmentRoute& route : kSegmentRoutes)
    router.add("POST", route.path, kCollectRule, routes->handler(CodecId::kSegment, route.type));
  router.add("POST", "/v1/visits", kCollectRule, routes->handler(CodecId::kVisit));
  router.add("POST", "/v1/activity", kCollectRule, routes->handler(CodecId::kActivity));
  router.add("POST", "/mp/collect", kCollectRule, routes->handler(CodecId::kGa4));
  router.add("POST", "/v1/events", kCollectRule,
             [routes](const auto& exchange) { routes->events(exchange); });
  router.add("POST", "/v1/push/{codec}", kCollectRule,
             [routes](const auto& exchange) { routes->push(exchange); });
}

}  // namespace millrace
