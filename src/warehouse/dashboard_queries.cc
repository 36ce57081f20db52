#include "warehouse/dashboard_queries.h"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "event/json_writer.h"
#include "warehouse/duck.h"
#include "warehouse/json_cells.h"

namespace millrace {
namespace {

struct Window {
  std::string_view name;
  DurationUs length;
};
constexpr std::array kWindows = {Window{"1h", kHourUs}, Window{"24h", kDayUs}, Window{"7d", 7 * kDayUs},
                                 Window{"30d", 30 * kDayUs}, Window{"all", kTimeMax}};

/// At most so many points in the line of page views; each is a step of the first length that keeps to it.
constexpr DurationUs kViewPointsMax = 200;
constexpr std::array kViewSteps = {kMinuteUs, 10 * kMinuteUs, kHourUs, 4 * kHourUs, kDayUs, 7 * kDayUs};

/// One list of the snapshot. {from} and {to} bound event_time: after `from`, up to and with `to`. Page views
/// are counted in steps of {step}, the first of which holds {views_from}.
struct Section {
  const char* key;
  const char* sql;
};
constexpr std::array kSections = {Section{"page_views_per_minute", R"sql(
      SELECT minute, coalesce(views, 0) AS views
      FROM (SELECT unnest(generate_series(time_bucket({step}, {views_from}), time_bucket({step}, {to}),
                                          {step})) AS minute)
      LEFT JOIN (SELECT time_bucket({step}, event_time) AS minute, count(*) AS views FROM events
                 WHERE type = 'page_view' AND event_time <= {to}
                   AND event_time >= time_bucket({step}, {views_from}) GROUP BY ALL) USING (minute)
      ORDER BY minute)sql"},
                                  Section{"pages", R"sql(
      SELECT coalesce(page_path, page_url) AS path, count(*) AS views FROM events
      WHERE type = 'page_view' AND path IS NOT NULL AND event_time > {from} AND event_time <= {to}
      GROUP BY ALL ORDER BY views DESC, path LIMIT 10)sql"},
                                  Section{"popular_items", R"sql(
      WITH top AS (
        SELECT item_id, max(item_name) AS seen_name, max(category) AS seen_category,
               count(*) FILTER (type IN ('item_view', 'read') OR (type = 'activity' AND NOT in_cart)) AS views,
               count(*) FILTER (type = 'add_to_cart' OR (type = 'activity' AND in_cart)) AS carts,
               count(*) FILTER (type = 'purchase') AS purchases
        FROM item_interactions WHERE event_time > {from} AND event_time <= {to}
        GROUP BY item_id HAVING views + carts + purchases > 0
        ORDER BY views DESC, purchases DESC, carts DESC, item_id LIMIT 10)
      SELECT item_id, coalesce(items.name, seen_name) AS name, coalesce(items.category, seen_category) AS category,
             views, carts, purchases
      FROM top LEFT JOIN items USING (item_id) ORDER BY views DESC, purchases DESC, carts DESC, item_id)sql"},
                                  Section{"sales_by_category", R"sql(
      SELECT coalesce(order_lines.category_top, items.category_top, '(none)') AS category, order_lines.currency,
             count(DISTINCT order_id) FILTER (type = 'purchase') AS orders,
             coalesce(sum(quantity), 0) AS quantity, coalesce(sum(amount), 0) AS revenue
      FROM order_lines LEFT JOIN items USING (item_id) WHERE event_time > {from} AND event_time <= {to}
      GROUP BY ALL ORDER BY revenue DESC, category LIMIT 50)sql"},
                                  Section{"visits_by_device", R"sql(
      SELECT coalesce(device, 'unknown') AS device, count(*) AS visits
      FROM (SELECT arg_min(device_type, event_time) AS device FROM events
            WHERE visit_id IS NOT NULL AND event_time > {from} AND event_time <= {to} GROUP BY visit_id)
      GROUP BY ALL ORDER BY visits DESC, device)sql"}};

std::string timestamp_sql(TimeUs time) {
  return fmt::format("make_timestamp({})", time);
}

/// The step of page views over `span`: a round length, past the longest a multiple of it.
DurationUs view_step(DurationUs span) {
  const auto fits = [span](DurationUs step) { return span <= step * kViewPointsMax; };
  if (const auto found = std::ranges::find_if(kViewSteps, fits); found != kViewSteps.end()) return *found;
  return (span / (kViewSteps.back() * kViewPointsMax) + 1) * kViewSteps.back();
}

/// The page views to draw up to `as_of`.
struct ViewSteps {
  TimeUs from;
  DurationUs step;
};

Result<ViewSteps> view_steps(duck::Connection& connection, DurationUs length, TimeUs as_of) {
  if (length != kTimeMax) {
    const auto step = view_step(length);
    return ViewSteps{as_of - length + step, step};
  }
  MILLRACE_ASSIGN(const auto oldest,
                  connection.scalar("SELECT min(event_time) FROM events WHERE type = 'page_view'"));
  const auto from = std::min(oldest.value_or(as_of), as_of);
  return ViewSteps{from, view_step(as_of - from)};
}

/// Append the rows of `sql` as an array of objects, the columns' names as their members'.
Status append_rows(duck::Connection& connection, const std::string& sql, JsonWriter& json) {
  MILLRACE_ASSIGN(auto rows, connection.query(sql));
  std::vector<std::string> names;
  std::vector<duck::LogicalType> types;
  for (std::size_t i = 0; i < rows.column_count(); ++i) {
    names.push_back(rows.column_name(i));
    types.push_back(rows.column_type(i));
  }
  json.begin_array();
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) break;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      json.begin_object();
      for (std::size_t i = 0; i < names.size(); ++i) {
        json.key(names[i]);
        write_cell(json, duckdb_data_chunk_get_vector(rows.chunk(), i), types[i].get(), row);
      }
      json.end_object();
    }
  }
  json.end_array();
  return {};
}

}  // namespace

Result<DurationUs> dashboard_window(std::string_view name) {
  const auto found = std::ranges::find(kWindows, name, &Window::name);
  if (found == kWindows.end()) {
    return fail(Code::kInvalid, fmt::format("there is no window {}: use 1h, 24h, 7d, 30d or all", name),
                "window");
  }
  return found->length;
}

Result<std::string> dashboard_snapshot(Warehouse& warehouse, std::string_view window) {
  MILLRACE_ASSIGN(const auto length, dashboard_window(window));
  MILLRACE_ASSIGN(auto connection, warehouse.connect());
  MILLRACE_ASSIGN(auto transaction, duck::Transaction::begin(connection));
  const auto now = warehouse.env().now();
  MILLRACE_ASSIGN(const auto newest, connection.scalar("SELECT max(event_time) FROM events"));
  const auto as_of = std::min(newest.value_or(now), now);
  const auto from = timestamp_sql(length == kTimeMax ? kTimeMin - 1 : as_of - length);
  MILLRACE_ASSIGN(const auto views, view_steps(connection, length, as_of));
  std::string text;
  JsonWriter json(text);
  json.begin_object().member("window", window).key("as_of").time(as_of);
  json.member("page_views_step_s", views.step / kSecondUs);
  for (const auto& section : kSections) {
    json.key(section.key);
    const auto sql =
        fmt::format(fmt::runtime(section.sql), fmt::arg("from", from), fmt::arg("to", timestamp_sql(as_of)),
                    fmt::arg("views_from", timestamp_sql(views.from)),
                    fmt::arg("step", fmt::format("to_microseconds({})", views.step)));
    MILLRACE_TRY(append_rows(connection, sql, json));
  }
  json.end_object();
  return text;
}

}  // namespace millrace
