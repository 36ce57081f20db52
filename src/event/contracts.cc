#include "event/contracts.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/logging.h"
#include "base/metrics.h"

namespace millrace {
namespace {

/// Return the versions of each contract that count, the oldest first.
std::map<std::string, std::vector<const Contract*>> versions_of(const std::vector<Contract>& contracts) {
  std::map<std::string, std::vector<const Contract*>> versions;
  for (const Contract& contract : contracts)
    if (contract.is_in_force()) versions[contract.id].push_back(&contract);
  for (auto& [id, list] : versions)
    std::ranges::sort(list, {}, [](const Contract* one) { return one->effective.value_or(kTimeMin); });
  return versions;
}

}  // namespace

const Contracts::Version* Contracts::Timeline::at(TimeUs time) const {
  const Version* found = nullptr;
  for (const Version& version : versions) {
    if (version.from > time) break;
    found = &version;
  }
  return found;
}

Contracts::Contracts(std::vector<Contract> contracts, bool is_live)
    : contracts_(std::move(contracts)), is_live_(is_live) {
  for (const auto& [id, versions] : versions_of(contracts_)) add_contract(versions);
  for (const auto& [name, timelines] : by_name_)
    if (const EventType type = event_type_of(name); type != EventType::kCustom)
      by_type_[static_cast<std::size_t>(type)] = &timelines;
}

void Contracts::add_contract(const std::vector<const Contract*>& versions) {
  std::map<std::string, Timeline> timelines;
  for (const Contract* contract : versions)
    for (const ContractObject& object : contract->objects)
      if (object.is_event()) timelines[object.table()];
  for (auto& [name, timeline] : timelines) {
    timeline.id = versions.front()->id;
    for (const Contract* contract : versions) {
      Version& version = timeline.versions.emplace_back();
      version.from = contract->effective.value_or(kTimeMin);
      version.contract = contract;
      for (const ContractObject& object : contract->objects)
        if (object.is_event() && object.table() == name)
          version.rules = std::make_unique<EventRules>(*contract, object);
    }
    Totals& totals = totals_[{timeline.id, name}];
    for (const Version& version : timeline.versions)
      if (version.rules) by_rules_[version.rules.get()] = &totals;
    if (is_live_) {
      const std::map<std::string, std::string> labels = {{"contract", timeline.id}, {"object", name}};
      totals.checked_metric =
          &metrics::counter("millrace_contract_checked_total", "Events held against a contract", labels);
      totals.refused_metric = &metrics::counter("millrace_contract_refused_total",
                                                "Events that broke a contract, now in quarantine", labels);
      totals.warned_metric = &metrics::counter("millrace_contract_warned_total",
                                               "Events that broke a rule of severity warn", labels);
    }
    by_name_[name].push_back(std::move(timeline));
  }
}

const std::vector<Contracts::Timeline>* Contracts::find(const Event& event) const {
  if (event.type != EventType::kCustom) return by_type_[static_cast<std::size_t>(event.type)];
  const auto found = by_name_.find(event.type_name);
  return found == by_name_.end() ? nullptr : &found->second;
}

Status Contracts::check(const Event& event, ContractNotes& notes) const {
  const auto* timelines = find(event);
  if (timelines == nullptr) return {};
  for (const Timeline& timeline : *timelines) {
    const Version* version = timeline.at(event.event_time);
    if (version == nullptr || version->rules == nullptr) continue;
    const Contract& contract = *version->contract;
    if (!contract.sources.empty() &&
        std::ranges::find(contract.sources, event.source) == contract.sources.end())
      continue;
    auto breach = version->rules->check(event, notes);
    if (is_live_) {
      gate_.note(event.source, *version->rules, breach ? &*breach : nullptr, event.received_time);
      Status open = breach ? Status() : gate_.admit(event.source, *version->rules);
      if (!open) {
        ++notes.of(*version->rules).refused;
        return open;
      }
    }
    if (!breach) continue;
    ++notes.of(*version->rules).refused;
    return fail(Code::kInvalid, fmt::format("contract {}: {}", contract.title(), breach->message),
                std::move(breach->property));
  }
  return {};
}

void Contracts::add_unannounced(const ContractNotes::Unannounced& seen, TimeUs now) const {
  const std::string& id = seen.rules->contract().id;
  const std::string& object = seen.rules->object().table();
  const auto key = std::pair(Key(id, object), seen.property);
  auto found = unannounced_.find(key);
  if (found == unannounced_.end()) {
    if (unannounced_.size() >= kUnannouncedMax) {
      unannounced_left_out_ += seen.events;
      return;
    }
    found = unannounced_.emplace(key, UnannouncedProperty{id, object, seen.property, 0, now, now}).first;
    if (const auto left_out = lines_.take(now))
      log_warning("contract", "a property came that no contract announces; it is kept in properties",
                  {field("contract", id), field("object", object), field("property", seen.property),
                   field("not_shown_before", *left_out)});
  }
  found->second.events += seen.events;
  found->second.last = now;
}

void Contracts::count(const ContractNotes& notes, TimeUs now) const {
  if (notes.checked.empty()) return;
  const std::lock_guard lock(mutex_);
  for (const auto& seen : notes.checked) {
    Totals& totals = *by_rules_.at(seen.rules);
    totals.checked += seen.checked;
    totals.refused += seen.refused;
    totals.warned += seen.warned;
    if (seen.warned > 0) totals.warning = seen.warning;
    if (totals.checked_metric == nullptr) continue;
    totals.checked_metric->Increment(static_cast<double>(seen.checked));
    if (seen.refused > 0) totals.refused_metric->Increment(static_cast<double>(seen.refused));
    if (seen.warned > 0) totals.warned_metric->Increment(static_cast<double>(seen.warned));
  }
  for (const auto& seen : notes.unannounced) {
    if (is_live_)
      metrics::counter(
          "millrace_contract_unannounced_total",
          "Properties of events that no contract announces; kept, and listed by GET /v1/contracts",
          {{"contract", seen.rules->contract().id}})
          .Increment(static_cast<double>(seen.events));
    add_unannounced(seen, now);
  }
}

bool Contracts::holds_at(const Contract& contract, TimeUs time) const {
  if (!contract.is_in_force() || contract.effective.value_or(kTimeMin) > time) return false;
  return std::ranges::none_of(contracts_, [&](const Contract& other) {
    return other.id == contract.id && other.is_in_force() && other.effective.value_or(kTimeMin) <= time &&
           other.effective.value_or(kTimeMin) > contract.effective.value_or(kTimeMin);
  });
}

ContractCounts Contracts::counts(const std::string& id, const std::string& object) const {
  const std::lock_guard lock(mutex_);
  const auto found = totals_.find({id, object});
  return found == totals_.end() ? ContractCounts{} : static_cast<ContractCounts>(found->second);
}

std::vector<UnannouncedProperty> Contracts::unannounced() const {
  const std::lock_guard lock(mutex_);
  std::vector<UnannouncedProperty> list;
  for (const auto& [key, property] : unannounced_) list.push_back(property);
  return list;
}

std::uint64_t Contracts::unannounced_left_out() const {
  const std::lock_guard lock(mutex_);
  return unannounced_left_out_;
}

}  // namespace millrace
