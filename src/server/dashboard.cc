#include "server/dashboard.h"

#include "event/json_writer.h"
#include "warehouse/dashboard_queries.h"

namespace millrace {

Dashboard::Dashboard(Sources sources)
    : sources_(std::move(sources)),
      started_(sources_.env.steady_now()),
      streams_("dashboard", kInterval, [this](std::string_view window) { return snapshot(window); }) {}

Dashboard::Rates Dashboard::rates(std::uint64_t events) {
  const DurationUs now = sources_.env.steady_now();
  const std::uint64_t served = sources_.serving.served();
  if (rates_at_ != 0 && now - rates_at_ < kInterval / 2) return rates_;
  if (rates_at_ != 0) {
    const double seconds = static_cast<double>(now - rates_at_) / kSecondUs;
    rates_ = {static_cast<double>(events - events_seen_) / seconds,
              static_cast<double>(served - served_seen_) / seconds};
  }
  rates_at_ = now;
  events_seen_ = events;
  served_seen_ = served;
  return rates_;
}

std::string books_figures(const Books& books) {
  std::string out;
  JsonWriter(out)
      .begin_object()
      .member("received", books.received())
      .member("logged", books.events.logged)
      .member("quarantined", books.quarantine.logged)
      .member("applied", books.events.applied)
      .member("duplicate", books.events.duplicate)
      .member("quarantined_later", books.events.quarantined_later)
      .member("pending", books.events.pending)
      .member("quarantine_pending", books.quarantine.pending)
      .member("balanced", books.balanced)
      .end_object();
  return out;
}

Result<std::string> Dashboard::head() {
  MILLRACE_ASSIGN(const Books books, sources_.books());
  const Rates rate = rates(books.received());
  std::string out;
  JsonWriter(out)
      .begin_object()
      .member("version", sources_.version)
      .key("time")
      .time(sources_.env.now())
      .member("uptime_s", (sources_.env.steady_now() - started_) / kSecondUs)
      .key("rates")
      .begin_object()
      .member("events_per_s", rate.events_per_s)
      .member("recommendations_per_s", rate.recommendations_per_s)
      .end_object()
      .key("books")
      .raw(books_figures(books))
      .key("recommendations")
      .raw(sources_.serving.json())
      .end_object();
  return out;
}

Result<std::string> Dashboard::snapshot(std::string_view window) {
  const std::lock_guard lock(snapshot_mutex_);
  const DurationUs now = sources_.env.steady_now();
  auto found = warehouse_part_.find(window);
  if (found == warehouse_part_.end() || now - found->second.first >= kInterval * 9 / 10) {
    MILLRACE_ASSIGN(std::string figures, dashboard_snapshot(sources_.warehouse, window));
    found = warehouse_part_.insert_or_assign(std::string(window), std::pair(now, std::move(figures))).first;
  }
  MILLRACE_ASSIGN(std::string out, head());
  out.back() = ',';  // both are objects: the head goes on with the members of the warehouse's part
  return out.append(found->second.second, 1);
}

Status Dashboard::add_stream(std::string_view window, std::shared_ptr<ResponseStream> stream) {
  MILLRACE_TRY(dashboard_window(window));
  return streams_.add(window, std::move(stream));
}

}  // namespace millrace
