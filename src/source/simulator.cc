#include "source/simulator.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>
#include <queue>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "net/async_http_client.h"
#include "net/http_client.h"
#include "source/sim_messages.h"

namespace millrace {
namespace {

constexpr DurationUs kStopCheckUs = 100 * kMillisecondUs;
constexpr std::size_t kFloodSources = 20;
constexpr std::size_t kOfferedProducts = 5;

/// What the present page of a visit shows. Written by the client's thread when an answer comes.
struct Offer {
  std::mutex mutex;
  std::vector<std::size_t> products;
  std::string recommendation_id;
};

struct OpenVisit {
  explicit OpenVisit(SimVisit begun) : visit(std::move(begun)) {}

  SimVisit visit;
  std::vector<SimAction> actions;
  std::shared_ptr<Offer> offer = std::make_shared<Offer>();
};

struct Due {
  TimeUs time;
  std::shared_ptr<OpenVisit> visit;
  bool operator>(const Due& other) const { return time > other.time; }
};

Status check(const SimulatorOptions& options) {
  if (options.visits_per_minute <= 0) return fail(Code::kInvalid, "visits per minute must be above 0");
  if (options.world.products == 0 || options.world.people == 0)
    return fail(Code::kInvalid, "the world needs products and people");
  if (options.flood_factor < 0) return fail(Code::kInvalid, "the flood's factor must not be negative");
  return {};
}

DurationUs exponential(SimWorld::Random& random, double mean_us) {
  return static_cast<DurationUs>(-std::log(1 - sim_uniform(random)) * mean_us);
}

/// Return the codec of what is posted to a collect route, for whom a subscription pushes it to POST
/// /v1/push/{codec}.
std::string codec_of_route(std::string_view collect_route) {
  if (collect_route == "/v1/visits") return "visit";
  return collect_route == "/v1/activity" ? "activity" : "segment";
}

}  // namespace

class Simulator::Impl {
 public:
  Impl(Env& env, SimulatorOptions options)
      : env_(env),
        options_(std::move(options)),
        world_(SimWorld::make(options_.world)),
        random_(options_.seed) {
    for (std::size_t i = 0; i < world_.products().size(); ++i) index_of_[world_.products()[i].id] = i;
  }

  Status connect() {
    AsyncHttpClientOptions client;
    client.address = options_.target;
    client.connections = options_.connections;
    client.open_all_first = true;
    MILLRACE_ASSIGN(client_, AsyncHttpClient::open(std::move(client)));
    return {};
  }

  Status send_catalogue();
  void run(const std::stop_token& stop);

  SimulatorStats stats() const {
    const std::lock_guard lock(mutex_);
    return stats_;
  }
  const SimWorld& world() const { return world_; }

 private:
  void begin_visit(TimeUs now);
  void send_flood(TimeUs now);
  void step(const std::shared_ptr<OpenVisit>& open);
  void send_action(OpenVisit& open, const SimAction& action, const std::string& recommendation_id);
  void ask_recommendations(const std::shared_ptr<OpenVisit>& open, const SimAction& action);
  void take_offer(const HttpResponse& response, Offer& offer);
  void end_visit(OpenVisit& open);
  void post(std::string target, std::string body, std::uint64_t events, TimeUs intended);
  void note_error(std::string text);
  TimeUs now() { return started_wall_ + (env_.steady_now() - started_steady_); }
  Headers headers() const {
    if (options_.token.empty()) return {};
    return {{"Authorization", "Bearer " + options_.token}};
  }

  Env& env_;
  const SimulatorOptions options_;
  const SimWorld world_;
  SimWorld::Random random_;
  std::unordered_map<std::string, std::size_t> index_of_;
  std::unique_ptr<AsyncHttpClient> client_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  TimeUs started_wall_ = 0;
  DurationUs started_steady_ = 0;
  std::uint64_t flood_sent_ = 0;

  mutable std::mutex mutex_;
  SimulatorStats stats_;  ///< guarded by mutex_
};

Status Simulator::Impl::send_catalogue() {
  MILLRACE_ASSIGN(auto client, HttpClient::connect({.address = options_.target, .headers = headers()}));
  std::string items = "[";
  for (const SimProduct& product : world_.products()) {
    if (items.size() > 1) items += ',';
    append_item(product, items);
  }
  std::string users = "[";
  for (const SimPerson& person : world_.people()) {
    if (users.size() > 1) users += ',';
    append_user(person, users);
  }
  for (const auto& [target, body] :
       {std::pair("/v1/items", items + "]"), std::pair("/v1/users", users + "]")}) {
    MILLRACE_ASSIGN(const HttpResponse answer, client->request("PUT", target, body));
    if (answer.status != 200)
      return fail(Code::kIo, fmt::format("PUT {}: {} {}", target, answer.status, answer.body));
  }
  return {};
}

void Simulator::Impl::run(const std::stop_token& stop) {
  started_wall_ = env_.now();
  started_steady_ = env_.steady_now();
  const TimeUs end = started_wall_ + options_.duration;
  const double gap_us = static_cast<double>(kMinuteUs) / options_.visits_per_minute;
  TimeUs next_visit = started_wall_ + exponential(random_, gap_us);
  TimeUs next_flood = options_.flood_factor > 0 ? started_wall_ : end;
  while (!stop.stop_requested()) {
    const bool arriving = next_visit < end;
    const bool flooding = next_flood < end;
    if (!arriving && !flooding && due_.empty() && client_->outstanding() == 0) return;
    TimeUs next = now() + kStopCheckUs;
    if (arriving) next = std::min(next, next_visit);
    if (flooding) next = std::min(next, next_flood);
    if (!due_.empty()) next = std::min(next, due_.top().time);
    if (const DurationUs wait = next - now(); wait > 0) env_.sleep_for(wait);
    const TimeUs time = now();
    if (arriving && next_visit <= time) {
      begin_visit(next_visit);
      next_visit += exponential(random_, gap_us);
    }
    if (flooding && next_flood <= time) {
      send_flood(next_flood);
      next_flood += exponential(random_, gap_us / options_.flood_factor);
    }
    while (!due_.empty() && due_.top().time <= time) {
      const std::shared_ptr<OpenVisit> open = due_.top().visit;
      {
        const std::lock_guard lock(mutex_);
        stats_.behind_max = std::max(stats_.behind_max, time - due_.top().time);
      }
      due_.pop();
      step(open);
    }
  }
}

void Simulator::Impl::begin_visit(TimeUs time) {
  const std::lock_guard lock(mutex_);
  if (due_.size() >= options_.visits_max) {
    ++stats_.visits_refused;
    return;
  }
  ++stats_.visits;
  const std::size_t person = sim_index(random_, world_.people().size());
  SimVisit visit(world_, person, time, random_(), {options_.think_mean}, options_.spike);
  due_.push({time, std::make_shared<OpenVisit>(std::move(visit))});
}

void Simulator::Impl::send_flood(TimeUs time) {
  const std::string body = fmt::format(
      R"({{"type":"page","messageId":"flood-{}-{}","anonymousId":"flood-{}","timestamp":"{}","properties":{{"path":"/home"}}}})",
      started_wall_, flood_sent_, flood_sent_ % kFloodSources, format_time(time));
  ++flood_sent_;
  post("/v1/page", body, 1, time);
}

void Simulator::Impl::step(const std::shared_ptr<OpenVisit>& open) {
  std::vector<std::size_t> offered;
  std::string recommendation_id;
  {
    const std::lock_guard lock(open->offer->mutex);
    offered = open->offer->products;
    recommendation_id = open->offer->recommendation_id;
  }
  const std::optional<SimAction> action = open->visit.next(offered);
  if (!action) return end_visit(*open);
  open->actions.push_back(*action);
  if (action->from_recommendation) {
    const std::lock_guard lock(mutex_);
    ++stats_.offers_taken;
  }
  send_action(*open, *action, action->from_recommendation ? recommendation_id : "");
  const bool shows_offers = action->type == EventType::kItemView || action->page_path == "/home";
  if (options_.ask_recommendations && shows_offers) ask_recommendations(open, *action);
  due_.push({open->visit.next_time(), open});
}

void Simulator::Impl::send_action(OpenVisit& open, const SimAction& action,
                                  const std::string& recommendation_id) {
  std::string body;
  const std::string id = fmt::format("{}-{}", open.visit.session_id(), open.actions.size());
  if (options_.shape == SimShape::kEvents) {
    append_segment_message(world_, open.visit, action, id, recommendation_id, body);
    post(action.type == EventType::kPageView ? "/v1/page" : "/v1/track", std::move(body), 1, action.time);
  } else if (options_.shape == SimShape::kActivity && action.type == EventType::kItemView) {
    append_activity_event(world_, open.visit, open.actions, body);
    post("/v1/activity", std::move(body), 1, action.time);
  }
}

void Simulator::Impl::end_visit(OpenVisit& open) {
  if (options_.shape != SimShape::kVisits || open.actions.empty()) return;
  std::string body;
  append_visit_document(world_, open.visit, open.actions, body);
  post("/v1/visits", std::move(body), open.actions.size(), open.visit.next_time());
}

void Simulator::Impl::post(std::string target, std::string body, std::uint64_t events, TimeUs intended) {
  ClientRequest request;
  request.method = "POST";
  request.target = std::move(target);
  request.body = std::move(body);
  request.headers = headers();
  if (!options_.topic.empty()) {
    request.headers.push_back({"X-Attribute-codec", codec_of_route(request.target)});
    request.target = "/v1/topics/" + url_encode(options_.topic) + "/messages";
  }
  {
    const std::lock_guard lock(mutex_);
    stats_.events_sent += events;
  }
  const DurationUs intended_steady = started_steady_ + (intended - started_wall_);
  const Status sent =
      client_->send(std::move(request), [this, events, intended_steady](const Result<HttpResponse>& answer) {
        if (!answer) return note_error(answer.error().message);
        if (answer->status != 200) return note_error(fmt::format("{} {}", answer->status, answer->body));
        const std::lock_guard lock(mutex_);
        stats_.events_acknowledged += events;
        stats_.collect_latency_us.record(env_.steady_now() - intended_steady);
      });
  if (!sent) note_error(sent.error().message);
}

void Simulator::Impl::ask_recommendations(const std::shared_ptr<OpenVisit>& open, const SimAction& action) {
  const SimPerson& person = open->visit.person();
  ClientRequest request;
  request.target = fmt::format("/v1/recommendations?user={}&session={}&n={}&placement={}", person.user_id,
                               open->visit.session_id(), kOfferedProducts, action.product ? "item" : "home");
  if (action.product) request.target += "&items=" + world_.products()[*action.product].id;
  request.headers = headers();
  const DurationUs intended_steady = started_steady_ + (action.time - started_wall_);
  const Status sent = client_->send(
      std::move(request), [this, offer = open->offer, intended_steady](const Result<HttpResponse>& answer) {
        if (!answer) return note_error(answer.error().message);
        if (answer->status != 200) return note_error(fmt::format("{} {}", answer->status, answer->body));
        {
          const std::lock_guard lock(mutex_);
          stats_.recommend_latency_us.record(env_.steady_now() - intended_steady);
          ++stats_.offers;
        }
        take_offer(*answer, *offer);
      });
  if (!sent) note_error(sent.error().message);
}

void Simulator::Impl::take_offer(const HttpResponse& response, Offer& offer) {
  const nlohmann::json body = nlohmann::json::parse(response.body, nullptr, false);
  if (!body.is_object() || !body.contains("items")) return note_error("an answer without items");
  std::vector<std::size_t> products;
  for (const auto& item : body["items"])
    if (const auto found = index_of_.find(item.value("id", "")); found != index_of_.end())
      products.push_back(found->second);
  const std::lock_guard lock(offer.mutex);
  offer.products = std::move(products);
  offer.recommendation_id = body.value("recommendation_id", "");
}

void Simulator::Impl::note_error(std::string text) {
  const std::lock_guard lock(mutex_);
  ++stats_.errors;
  stats_.last_error = std::move(text);
}

Result<std::unique_ptr<Simulator>> Simulator::open(Env& env, SimulatorOptions options) {
  MILLRACE_TRY(check(options));
  auto impl = std::make_unique<Impl>(env, std::move(options));
  MILLRACE_TRY(impl->connect());
  return std::unique_ptr<Simulator>(new Simulator(std::move(impl)));
}

Simulator::Simulator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Simulator::~Simulator() = default;

Status Simulator::send_catalogue() {
  return impl_->send_catalogue();
}
void Simulator::run(const std::stop_token& stop) {
  impl_->run(stop);
}
SimulatorStats Simulator::stats() const {
  return impl_->stats();
}
const SimWorld& Simulator::world() const {
  return impl_->world();
}

}  // namespace millrace
