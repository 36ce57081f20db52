#include "recommend/recommender.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <shared_mutex>

#include <fmt/format.h>

#include "base/logging.h"
#include "base/metrics.h"
#include "base/text.h"
#include "base/turn_mutex.h"
#include "recommend/memory.h"
#include "recommend/popular_lists.h"
#include "recommend/ranking.h"

namespace millrace {
namespace {

constexpr std::size_t kEventsPerLock = 64;  ///< applied before readers get their turn
constexpr DurationUs kLockPause = 20;       ///< between two tries of a reader

prometheus::Gauge& entries_gauge(const char* kind) {
  return metrics::gauge("millrace_recommend_entries", "Entries the recommender holds, by kind",
                        {{"kind", kind}});
}

prometheus::Gauge& limit_gauge(const char* kind) {
  return metrics::gauge("millrace_recommend_entries_limit", "Most entries the recommender will hold, by kind",
                        {{"kind", kind}});
}

prometheus::Gauge& evicted_gauge(const char* kind) {
  return metrics::gauge("millrace_recommend_evicted", "Entries dropped because a limit was reached, by kind",
                        {{"kind", kind}});
}

/// Only the want of memory can keep us from an answer with items.
Recommendations answer_without_memory() noexcept {
  Recommendations out;
  out.fallback = "error";
  return out;
}

}  // namespace

class Recommender::Impl {
 public:
  Impl(Env& env, RecommenderOptions options) : env_(env), options_(std::move(options)) {
    clear();
    set_pipelines(std::make_shared<const PipelineSet>(options_.model));
    publish_limits();
  }

  void apply(std::span<const Event> events);
  void put_item(const ItemFacts& item, std::optional<TimeUs> put_time);
  void delete_item(std::string_view id);
  void put_user(const UserFacts& user);
  void delete_user(std::string_view id);
  Recommendations recommend(RecommendRequest request, bool similar) const;
  void clear();
  void save(std::string& image) const;
  Status restore(std::string_view image);
  std::uint64_t memory_shape() const { return millrace::memory_shape(options_.model, options_.limits); }
  void refresh();
  void set_pipelines(std::shared_ptr<const PipelineSet> pipelines);
  std::shared_ptr<const PipelineSet> pipelines() const;
  RecommenderStats stats() const;
  const ModelSettings& model() const { return options_.model; }

 private:
  Recommendations head_of(const RecommendRequest& request, const Pipeline& pipeline) const;
  Status answer(const RecommendRequest& request, const Pipeline& pipeline, const Budget& budget,
                Exclusions& exclusions, bool similar, Recommendations& out) const;
  void turn_page(const RecommendRequest& request, Recommendations& out) const;
  void fall_back(const RecommendRequest& request, const Pipeline& pipeline, const Exclusions& exclusions,
                 Recommendations& out) const;
  Result<std::shared_lock<TurnMutex>> lock_in_time(const Budget& budget) const;
  std::shared_ptr<const PopularLists> lists() const;
  void replace_memory(std::shared_ptr<RecommenderMemory> other);
  void note(const Recommendations& answer) const;
  void publish_limits() const;
  void publish_sizes() const;

  Env& env_;
  const RecommenderOptions options_;

  mutable TurnMutex mutex_;                    ///< guards memory_
  std::shared_ptr<RecommenderMemory> memory_;  ///< one that is replaced lives until the last answer from it
  std::atomic<std::uint64_t> version_{0};      ///< counts changes of memory_

  std::mutex refresh_mutex_;  ///< one refresh at a time; guards listed_version_
  std::uint64_t listed_version_ = 0;
  mutable std::mutex lists_mutex_;  ///< guards the two pointers; held for their copying only
  std::shared_ptr<const PopularLists> lists_ = std::make_shared<PopularLists>();
  std::shared_ptr<const PipelineSet> pipelines_;

  prometheus::Histogram& latency_ =
      metrics::latency_seconds("millrace_recommend_seconds", "Time to make an answer, without the network");
  prometheus::Counter& answers_ = metrics::counter("millrace_recommend_answers_total", "Answers made");
};

void Recommender::Impl::apply(std::span<const Event> events) {
  const TimeUs wall_now = env_.now();
  for (std::size_t begin = 0; begin < events.size(); begin += kEventsPerLock) {
    if (begin > 0) mutex_.give_way();
    const std::unique_lock lock(mutex_);
    const std::size_t end = std::min(begin + kEventsPerLock, events.size());
    for (std::size_t i = begin; i < end; ++i) memory_->apply(events[i], wall_now);
  }
  ++version_;
}

void Recommender::Impl::put_item(const ItemFacts& item, std::optional<TimeUs> put_time) {
  const std::unique_lock lock(mutex_);
  memory_->items.put(item, put_time);
  ++version_;
}

void Recommender::Impl::delete_item(std::string_view id) {
  const std::unique_lock lock(mutex_);
  memory_->items.erase(id);
  ++version_;
}

void Recommender::Impl::put_user(const UserFacts& user) {
  const std::unique_lock lock(mutex_);
  Profile& profile = memory_->profiles.of_user(user.id);
  if (!user.country.empty()) profile.country = user.country;
}

void Recommender::Impl::delete_user(std::string_view id) {
  const std::unique_lock lock(mutex_);
  memory_->profiles.erase_user(id);
}

/// The one that was there goes unlocked, after its last reader.
void Recommender::Impl::replace_memory(std::shared_ptr<RecommenderMemory> other) {
  const std::lock_guard no_refresh(refresh_mutex_);
  const std::unique_lock lock(mutex_);
  memory_.swap(other);
  ++version_;
}

void Recommender::Impl::clear() {
  replace_memory(std::make_shared<RecommenderMemory>(options_.model, options_.limits));
}

void Recommender::Impl::save(std::string& image) const {
  const std::shared_lock lock(mutex_);
  memory_->save(image);
}

Status Recommender::Impl::restore(std::string_view image) {
  auto restored = std::make_shared<RecommenderMemory>(options_.model, options_.limits);
  MILLRACE_TRY(restored->restore(image));
  replace_memory(std::move(restored));
  return {};
}

std::shared_ptr<const PopularLists> Recommender::Impl::lists() const {
  const std::lock_guard lock(lists_mutex_);
  return lists_;
}

void Recommender::Impl::set_pipelines(std::shared_ptr<const PipelineSet> pipelines) {
  {
    const std::lock_guard lock(lists_mutex_);
    pipelines_.swap(pipelines);
  }
  ++version_;  // other promotions want other lists
}

std::shared_ptr<const PipelineSet> Recommender::Impl::pipelines() const {
  const std::lock_guard lock(lists_mutex_);
  return pipelines_;
}

Recommendations Recommender::Impl::head_of(const RecommendRequest& request, const Pipeline& pipeline) const {
  Recommendations out;
  out.recommendation_id = new_uuid(env_);
  out.time = env_.now();
  out.user = request.user;
  out.session = request.session;
  out.placement = request.placement;
  out.model = pipeline.name;
  out.models = pipeline.models_named;
  if (request.explain) out.explanation.emplace();
  return out;
}

/// Take the memory's lock as long as there is time; a writer holds it for less than a millisecond.
Result<std::shared_lock<TurnMutex>> Recommender::Impl::lock_in_time(const Budget& budget) const {
  const bool locked = mutex_.lock_shared_while([&] {
    env_.sleep_for(kLockPause);
    return !budget.over();
  });
  if (!locked) return fail(Code::kDeadline, "the deadline passed while the memory was being changed");
  return std::shared_lock(mutex_, std::adopt_lock);
}

Status Recommender::Impl::answer(const RecommendRequest& request, const Pipeline& pipeline,
                                 const Budget& budget, Exclusions& exclusions, bool similar,
                                 Recommendations& out) const {
  const std::shared_ptr<const PopularLists> popular = lists();
  try {
    std::shared_ptr<const RecommenderMemory> memory;
    std::optional<Ranking> ranking;
    {
      MILLRACE_ASSIGN(const std::shared_lock<TurnMutex> lock, lock_in_time(budget));
      memory = memory_;
      ranking.emplace(
          Ranking::Input{*memory, *popular, pipeline, request, budget, out.time, options_.before_stage},
          exclusions, out.explanation ? &*out.explanation : nullptr);
      MILLRACE_TRY(ranking->begin());
      if (!pipeline.asks_models()) MILLRACE_TRY(ranking->finish());
    }
    if (pipeline.asks_models()) {
      ranking->ask_models();
      MILLRACE_ASSIGN(const std::shared_lock<TurnMutex> lock, lock_in_time(budget));
      MILLRACE_TRY(ranking->finish());
    }
    if (ranking->cold() && similar) return {};
    out.items = ranking->take_items();
    if (ranking->cold()) {
      out.fallback = "cold";
      out.fallback_reason = "nothing is known of the person or the page";
      if (!ranking->partial().empty()) out.fallback_reason += "; " + ranking->partial();
    } else if (!ranking->partial().empty()) {
      out.fallback = "partial";
      out.fallback_reason = ranking->partial();
    }
    if (ranking->has_more()) out.cursor.emplace();
    return {};
  } catch (const std::exception& error) {
    return fail(Code::kInternal, error.what());
  }
}

/// Answer with what is popular, in the visitor's country first, from a list that is always ready.
void Recommender::Impl::fall_back(const RecommendRequest& request, const Pipeline& pipeline,
                                  const Exclusions& exclusions, Recommendations& out) const {
  const std::shared_ptr<const PopularLists> popular = lists();
  out.items.clear();
  std::vector<bool> taken(popular->standby.size());
  const auto take = [&](std::uint32_t number, bool by_country) {
    const StandbyItem& each = popular->standby[number];
    if (taken[number] || exclusions.find(each.fingerprint) != Dropped::kNot) return;
    MatchContext context = each.context;
    context.person = exclusions.person.of(each.fingerprint);
    if (context.expired && !lifts(request.filter, Dropped::kExpired)) return;
    if (!pipeline.filter.matches(each.facts, context) || !request.filter.matches(each.facts, context)) return;
    taken[number] = true;
    if (out.items.size() == request.n) {
      out.cursor.emplace();
      return;
    }
    CandidateSource source = each.sold_this_week ? CandidateSource::kPopularWeek : CandidateSource::kPopular;
    if (by_country) source = CandidateSource::kPopularCountry;
    out.items.push_back({each.facts.id,
                         each.score,
                         std::string(candidate_source_name(source)),
                         make_reason({.source = source,
                                      .placement = request.placement,
                                      .country = exclusions.country,
                                      .category = {},
                                      .promotion = {}}),
                         {}});
  };
  const auto local = popular->standby_by_country.find(exclusions.country);
  if (local != popular->standby_by_country.end())
    for (const std::uint32_t number : local->second) take(number, true);
  for (std::uint32_t number = 0; number < popular->standby.size() && !out.cursor; ++number)
    take(number, false);
}

Recommendations Recommender::Impl::recommend(RecommendRequest request, bool similar) const {
  const std::shared_ptr<const PipelineSet> pipelines = this->pipelines();
  const Pipeline& pipeline = pipelines->of(request.placement);
  const DurationUs deadline = pipeline.settings.deadline;
  const Budget budget(env_, request.budget > 0 ? std::min(request.budget, deadline) : deadline);
  request.n = std::clamp<std::size_t>(request.n, 1, options_.limits.page_items);
  Recommendations out = head_of(request, pipeline);
  Exclusions exclusions;
  exclusions.country = request.country;
  for (const auto& id : request.items) exclusions.add(item_fingerprint(id), Dropped::kContext);
  for (const auto& id : request.exclude) exclusions.add(item_fingerprint(id), Dropped::kExcluded);
  for (const std::uint32_t shown : request.cursor.shown()) exclusions.add(shown, Dropped::kShown);

  const Status done = answer(request, pipeline, budget, exclusions, similar, out);
  if (!done) {
    out.fallback = done.error().code == Code::kDeadline ? "deadline" : "error";
    out.fallback_reason = done.error().message;
    if (out.explanation) out.explanation->error = done.error().text();
    fall_back(request, pipeline, exclusions, out);
  }
  turn_page(request, out);
  out.latency_us = budget.spent();
  note(out);
  return out;
}

/// Write the cursor of the next page, if there is one.
void Recommender::Impl::turn_page(const RecommendRequest& request, Recommendations& out) const {
  if (!out.cursor) return;
  out.cursor.reset();
  if (request.cursor.size() + out.items.size() > options_.limits.cursor_items) return;
  Cursor next = request.cursor;
  for (const RecommendedItem& item : out.items) next.add(item.id);
  out.cursor = next.text();
}

void Recommender::Impl::note(const Recommendations& answer) const {
  answers_.Increment();
  latency_.Observe(static_cast<double>(answer.latency_us) / 1e6);
  if (!answer.fallback) return;
  metrics::counter("millrace_recommend_fallbacks_total", "Answers that are less than they could be, by cause",
                   {{"cause", *answer.fallback}})
      .Increment();
}

void Recommender::Impl::refresh() {
  const std::lock_guard one_at_a_time(refresh_mutex_);
  const std::uint64_t version = version_;
  if (version == listed_version_) return;
  std::vector<ItemFilter> promotions;
  for (const auto& pipeline : pipelines()->all())
    for (const Promotion& promotion : pipeline->promotions) promotions.push_back(promotion.filter);
  auto made = make_popular_lists(*memory_, mutex_, options_.model, options_.limits, promotions);
  {
    const std::lock_guard lock(lists_mutex_);
    lists_.swap(made);
  }
  listed_version_ = version;
  publish_sizes();
}

RecommenderStats Recommender::Impl::stats() const {
  const std::shared_lock lock(mutex_);
  RecommenderStats stats;
  stats.events_applied = memory_->events_applied();
  stats.events_duplicate = memory_->events_duplicate();
  stats.items = memory_->items.size();
  stats.catalogue_items = memory_->items.catalogued();
  stats.profiles = memory_->profiles.size();
  stats.aliases = memory_->profiles.aliases();
  stats.sessions = memory_->sessions();
  stats.orders = memory_->orders();
  stats.neighbour_pairs = memory_->seen.pairs() + memory_->bought.pairs();
  stats.sales = memory_->popularity.sales();
  stats.items_evicted = memory_->items.evictions();
  stats.profiles_evicted = memory_->profiles.evictions();
  stats.now = memory_->popularity.nows();
  stats.bytes = memory_->bytes();
  stats.profile_bytes = memory_->profiles.profile_bytes();
  return stats;
}

void Recommender::Impl::publish_limits() const {
  const RecommenderLimits& limits = options_.limits;
  limit_gauge("items").Set(static_cast<double>(limits.items));
  limit_gauge("attribute_bytes").Set(static_cast<double>(limits.attribute_bytes));
  limit_gauge("profiles").Set(static_cast<double>(limits.profiles));
  limit_gauge("aliases").Set(static_cast<double>(limits.aliases));
  limit_gauge("sessions").Set(static_cast<double>(limits.sessions));
  limit_gauge("orders").Set(static_cast<double>(limits.orders));
  limit_gauge("sales").Set(static_cast<double>(limits.sales));
}

void Recommender::Impl::publish_sizes() const {
  const std::shared_lock lock(mutex_);
  entries_gauge("items").Set(static_cast<double>(memory_->items.size()));
  entries_gauge("attribute_bytes").Set(static_cast<double>(memory_->items.attribute_bytes()));
  entries_gauge("profiles").Set(static_cast<double>(memory_->profiles.size()));
  entries_gauge("aliases").Set(static_cast<double>(memory_->profiles.aliases()));
  entries_gauge("sessions").Set(static_cast<double>(memory_->sessions()));
  entries_gauge("orders").Set(static_cast<double>(memory_->orders()));
  entries_gauge("sales").Set(static_cast<double>(memory_->popularity.sales()));
  entries_gauge("neighbours").Set(static_cast<double>(memory_->seen.pairs() + memory_->bought.pairs()));
  evicted_gauge("items").Set(static_cast<double>(memory_->items.evictions()));
  evicted_gauge("profiles").Set(static_cast<double>(memory_->profiles.evictions()));
  evicted_gauge("sales").Set(static_cast<double>(memory_->popularity.sales_dropped()));
}

Recommender::Recommender(Env& env, RecommenderOptions options)
    : impl_(std::make_unique<Impl>(env, std::move(options))) {}
Recommender::~Recommender() = default;

void Recommender::apply(std::span<const Event> events) {
  impl_->apply(events);
}
void Recommender::put_item(const ItemFacts& item, std::optional<TimeUs> put_time) {
  impl_->put_item(item, put_time);
}
void Recommender::delete_item(std::string_view id) {
  impl_->delete_item(id);
}
void Recommender::put_user(const UserFacts& user) {
  impl_->put_user(user);
}
void Recommender::delete_user(std::string_view id) {
  impl_->delete_user(id);
}
void Recommender::clear() {
  impl_->clear();
}
void Recommender::save(std::string& image) const {
  impl_->save(image);
}
Status Recommender::restore(std::string_view image) {
  return impl_->restore(image);
}
std::uint64_t Recommender::memory_shape() const {
  return impl_->memory_shape();
}
void Recommender::refresh() {
  impl_->refresh();
}
RecommenderStats Recommender::stats() const {
  return impl_->stats();
}
void Recommender::set_pipelines(std::shared_ptr<const PipelineSet> pipelines) {
  impl_->set_pipelines(std::move(pipelines));
}
std::shared_ptr<const PipelineSet> Recommender::pipelines() const {
  return impl_->pipelines();
}
const ModelSettings& Recommender::model() const {
  return impl_->model();
}

Recommendations Recommender::recommend(const RecommendRequest& request) const noexcept {
  try {
    return impl_->recommend(request, false);
  } catch (...) {
    return answer_without_memory();
  }
}

Recommendations Recommender::similar(std::string_view item_id, std::size_t n) const noexcept {
  try {
    RecommendRequest request;
    request.placement = Placement::kItem;
    request.items.emplace_back(item_id);
    request.n = n;
    return impl_->recommend(std::move(request), true);
  } catch (...) {
    return answer_without_memory();
  }
}

}  // namespace millrace
