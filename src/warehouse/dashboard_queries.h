#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// Return the length of a dashboard window by its name: 1h, 24h, 7d, 30d, all (about 10,000 years).
/// Errors: kInvalid, naming the known ones.
Result<DurationUs> dashboard_window(std::string_view name);

/// Return the dashboard's figures as one JSON object:
/// {"window","as_of","page_views_step_s","page_views_per_minute":[{"minute","views"}],"pages":[{"path","views"}],
///  "popular_items":[{"item_id","name","category","views","carts","purchases"}],
///  "sales_by_category":[{"category","currency","orders","quantity","revenue"}],
///  "visits_by_device":[{"device","visits"}]}
/// Page views are counted in steps of `page_views_step_s` seconds (a minute for 1h, longer for longer
/// windows, at most 201 in all, those without views included), the last of which holds `as_of`; pages and
/// items are the top 10, quantity and revenue exact decimals as strings with refunds taken off. `as_of` is
/// the newest event's time, but never later than the wall clock. Errors: those of `dashboard_window`;
/// kOverloaded, kIo. Threads: any; each call makes a connection of its own.
Result<std::string> dashboard_snapshot(Warehouse& warehouse, std::string_view window);

}  // namespace millrace
