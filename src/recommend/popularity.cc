#include "recommend/popularity.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/hash.h"
#include "recommend/memory_bytes.h"

namespace millrace {
namespace {

/// Beyond so many half-lives after the landmark it is moved, long before a double overflows.
constexpr double kHalfLivesMax = 200;

std::int64_t hour_of(TimeUs time) {
  return time >= 0 ? time / kHourUs : -((kHourUs - 1 - time) / kHourUs);
}

}  // namespace

Popularity::Popularity(const ModelSettings& model, const RecommenderLimits& limits)
    : half_life_(std::max<DurationUs>(1, model.popularity_half_life)),
      era_gap_(model.era_gap),
      limits_(limits),
      eras_(std::clamp<std::size_t>(limits.eras, 1, 250)),
      era_of_source_(limits.sources) {}

double Popularity::growth(const Era& era, TimeUs time) const {
  return std::exp2(static_cast<double>(time - era.landmark) / static_cast<double>(half_life_));
}

std::optional<EraId> Popularity::nearest_era(TimeUs time) const {
  std::optional<EraId> nearest;
  for (EraId id = 0; id < eras_.size(); ++id) {
    if (!eras_[id].used) continue;
    if (!nearest || std::abs(eras_[id].now - time) < std::abs(eras_[*nearest].now - time)) nearest = id;
  }
  return nearest;
}

EraId Popularity::era_for_new_source(TimeUs time) {
  const auto nearest = nearest_era(time);
  if (nearest && era_gap_ > 0 && std::abs(eras_[*nearest].now - time) <= era_gap_) return *nearest;
  const auto free = std::ranges::find(eras_, false, &Era::used);
  if (free == eras_.end()) return *nearest;
  *free = Era{.used = true, .now = time, .landmark = time};
  return static_cast<EraId>(free - eras_.begin());
}

EraId Popularity::observe(std::string_view source, TimeUs time) {
  const std::uint64_t key = hash64(source);
  const EraId* known = era_of_source_.find(key);
  const EraId id = known ? *known : era_for_new_source(time);
  if (!known) era_of_source_.touch(key) = id;
  Era& era = eras_[id];
  if (time <= era.now) return id;
  era.now = time;
  if (growth(era, time) > std::exp2(kHalfLivesMax)) move_landmark(era, time);
  merge_near(id);
  return *era_of_source_.find(key);
}

void Popularity::merge_near(EraId id) {
  if (era_gap_ <= 0) return;
  for (EraId other = 0; other < eras_.size(); ++other) {
    if (other == id || !eras_[other].used) continue;
    if (std::abs(eras_[other].now - eras_[id].now) > era_gap_) continue;
    merge(eras_[other], eras_[id]);
    era_of_source_.for_each([&](EraId& era) { era = era == other ? id : era; });
    if (on_merge) on_merge(other, id);
  }
}

void Popularity::merge(Era& from, Era& into) {
  const TimeUs landmark = std::max(from.landmark, into.landmark);
  move_landmark(from, landmark);
  move_landmark(into, landmark);
  into.now = std::max(from.now, into.now);
  if (into.weights.size() < from.weights.size()) into.weights.resize(from.weights.size());
  for (std::size_t slot = 0; slot < from.weights.size(); ++slot) into.weights[slot] += from.weights[slot];
  for (const auto& [country, weights] : from.countries) {
    CountryWeights& sum = into.countries[country];
    for (const auto& [item, weight] : weights) sum[item] += weight;
    cut(sum);
  }
  for (auto& [hour, sales] : from.sales) {
    auto& all = into.sales[hour];
    all.insert(all.end(), sales.begin(), sales.end());
  }
  into.sale_count += from.sale_count;
  from = Era{};
}

void Popularity::move_landmark(Era& era, TimeUs landmark) const {
  const double factor = 1 / growth(era, landmark);
  for (double& weight : era.weights) weight *= factor;
  for (auto& [country, weights] : era.countries) {
    for (auto& [item, weight] : weights) weight *= factor;
  }
  era.landmark = landmark;
}

void Popularity::add(EraId id, ItemRef item, TimeUs time, std::string_view country, double weight) {
  Era& era = eras_[id];
  if (era.weights.size() <= item.slot())
    era.weights.resize(std::max<std::size_t>(64, item.slot() * 3 / 2 + 1));
  const double grown = weight * growth(era, time);
  era.weights[item.slot()] += grown;
  if (!country.empty()) add_country(era, country, item, grown);
}

void Popularity::add_country(Era& era, std::string_view country, ItemRef item, double weight) {
  auto found = era.countries.find(country);
  if (found == era.countries.end()) {
    if (era.countries.size() >= limits_.countries) return;
    found = era.countries.emplace(std::string(country), CountryWeights{}).first;
  }
  found->second[item.value()] += weight;
  cut(found->second);
}

void Popularity::cut(CountryWeights& weights) const {
  if (weights.size() <= 2 * limits_.country_items) return;
  std::vector<std::pair<double, std::uint32_t>> order;
  order.reserve(weights.size());
  for (const auto& [item, weight] : weights) order.emplace_back(-weight, item);
  const auto end_of_kept = order.begin() + static_cast<std::ptrdiff_t>(limits_.country_items);
  std::ranges::nth_element(order, end_of_kept);
  for (auto at = end_of_kept; at != order.end(); ++at) weights.erase(at->second);
}

void Popularity::add_sale(EraId id, ItemRef item, TimeUs time, double amount) {
  Era& era = eras_[id];
  era.sales[hour_of(time)].push_back({time, item, static_cast<float>(amount)});
  ++era.sale_count;
  if (++sales_ > limits_.sales) drop_oldest_sales();
}

/// Drop the oldest hour of the era that holds the most.
void Popularity::drop_oldest_sales() {
  Era& era = *std::ranges::max_element(eras_, {}, &Era::sale_count);
  const auto oldest = era.sales.begin();
  const std::size_t dropped = oldest->second.size();
  era.sales.erase(oldest);
  era.sale_count -= dropped;
  sales_ -= dropped;
  sales_dropped_ += dropped;
}

void Popularity::forget(ItemRef item) {
  for (Era& era : eras_) {
    if (item.slot() < era.weights.size()) era.weights[item.slot()] = 0;
  }
}

std::optional<TimeUs> Popularity::now(std::optional<EraId> era) const {
  if (era && eras_[*era].used) return eras_[*era].now;
  std::optional<TimeUs> latest;
  for (const Era& each : eras_) {
    if (each.used && (!latest || each.now > *latest)) latest = each.now;
  }
  return latest;
}

std::vector<TimeUs> Popularity::nows() const {
  std::vector<TimeUs> nows;
  for (const Era& era : eras_) {
    if (era.used) nows.push_back(era.now);
  }
  return nows;
}

void Popularity::add_scores(std::vector<double>& scores) const {
  for (const Era& era : eras_) {
    if (!era.used) continue;
    const double worth = worth_now(era);
    const std::size_t slots = std::min(scores.size(), era.weights.size());
    for (std::size_t slot = 0; slot < slots; ++slot) scores[slot] += era.weights[slot] * worth;
  }
}

void Popularity::for_each_country(const std::function<void(const std::string&, ItemRef, double)>& use) const {
  for (const Era& era : eras_) {
    if (!era.used) continue;
    const double worth = worth_now(era);
    for (const auto& [country, weights] : era.countries) {
      for (const auto& [item, weight] : weights) {
        use(country, ItemRef(item >> 8, static_cast<std::uint8_t>(item)), weight * worth);
      }
    }
  }
}

void Popularity::add_sold(std::optional<TimeUs> until, DurationUs length, const ItemStore& store,
                          std::vector<float>& amounts) const {
  for (const Era& era : eras_) {
    if (!era.used) continue;
    const TimeUs last = until.value_or(era.now);
    const auto end = era.sales.upper_bound(hour_of(last));
    for (auto hour = era.sales.lower_bound(hour_of(last - length)); hour != end; ++hour) {
      for (const Sale& sale : hour->second) {
        const bool inside = sale.time > last - length && sale.time <= last;
        if (inside && store.get(sale.item)) amounts[sale.item.slot()] += sale.amount;
      }
    }
  }
}

std::size_t Popularity::bytes() const {
  std::size_t bytes = 0;
  for (const Era& era : eras_) {
    bytes += era.weights.capacity() * sizeof(double);
    for (const auto& [country, weights] : era.countries) bytes += weights.size() * 40;
    for (const auto& [hour, sales] : era.sales) bytes += 80 + sales.capacity() * sizeof(Sale);
  }
  return bytes;
}

void Popularity::save(MemoryWriter& out) const {
  for (const Era& era : eras_) {
    out.put(static_cast<std::uint8_t>(era.used));
    out.put(era.now);
    out.put(era.landmark);
    out.put_rows(era.weights);
    out.put(static_cast<std::uint32_t>(era.countries.size()));
    std::vector<CountryRow> rows;
    for (const auto& [country, weights] : era.countries) {
      rows.clear();
      for (const auto& [item, weight] : weights) rows.push_back({{item, 0}, weight});
      out.put_text(country);
      out.put_rows(rows);
    }
    out.put(static_cast<std::uint32_t>(era.sales.size()));
    for (const auto& [hour, sales] : era.sales) {
      out.put(hour);
      out.put_rows(sales);
    }
  }
  save_lru(out, era_of_source_, [&](const EraId& era) { out.put(era); });
}

void Popularity::restore(MemoryReader& in) {
  for (Era& era : eras_) restore_era(in, era);
  in.expect(sales_ <= limits_.sales, "more sales than are kept");
  restore_lru(in, era_of_source_, [&](EraId& era) {
    era = in.take<EraId>();
    in.expect(era < eras_.size() && eras_[era].used, "a source of no era");
  });
}

void Popularity::restore_era(MemoryReader& in, Era& era) {
  era.used = in.take_bool();
  era.now = in.take_time();
  era.landmark = in.take_time();
  const auto half_lives = static_cast<double>(era.now - era.landmark) / static_cast<double>(half_life_);
  in.expect(half_lives >= 0 && half_lives <= kHalfLivesMax + 1, "an era that begins after its end");
  // As `add` makes room for the last slot.
  era.weights = in.take_rows<double>(std::max<std::size_t>(64, std::size_t{in.item_slots()} * 3 / 2 + 1));
  for (const double weight : era.weights) in.expect(std::isfinite(weight), "a weight that is no number");
  restore_countries(in, era);
  restore_sales(in, era);
}

void Popularity::restore_countries(MemoryReader& in, Era& era) {
  const std::uint32_t countries = in.take_count(limits_.countries * eras_.size(), 2 * sizeof(std::uint32_t));
  for (std::uint32_t i = 0; i < countries && in.ok(); ++i) {
    CountryWeights& weights = era.countries[std::string(in.take_text())];
    in.expect(weights.empty(), "a country twice");
    for (const CountryRow& row : in.take_rows<CountryRow>(2 * limits_.country_items)) {
      const ItemRef item(row.item[0] >> 8, static_cast<std::uint8_t>(row.item[0]));
      in.expect_counted(item, row.weight);
      in.expect(weights.emplace(row.item[0], row.weight).second && row.item[1] == 0, "an item twice");
    }
  }
}

void Popularity::restore_sales(MemoryReader& in, Era& era) {
  const std::uint32_t hours = in.take_count(limits_.sales, sizeof(std::int64_t) + sizeof(std::uint32_t));
  for (std::uint32_t i = 0; i < hours && in.ok(); ++i) {
    const auto hour = in.take<std::int64_t>();
    std::vector<Sale> sales = in.take_rows<Sale>(limits_.sales);
    for (const Sale& sale : sales) {
      in.expect_counted(sale.item, sale.amount);
      in.expect(hour_of(in.checked(sale.time)) == hour, "a sale at another hour");
    }
    in.expect(!sales.empty(), "an hour without sales");
    era.sale_count += sales.size();
    sales_ += sales.size();
    in.expect(era.sales.emplace(hour, std::move(sales)).second, "an hour twice");
  }
}

}  // namespace millrace
