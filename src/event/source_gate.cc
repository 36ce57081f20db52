#include "event/source_gate.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

namespace millrace {

std::string SourceFault::text() const {
  return fmt::format("{} events in a row {} {}", events, is_missing ? "lack" : "have another type of",
                     property);
}

bool SourceGate::may_tell(const SourceFault& fault, TimeUs now) {
  const auto told = fault.told_at.find(fault.property);
  return told == fault.told_at.end() || now - told->second >= kTellEvery;
}

bool SourceGate::may_forget(const SourceFault& fault, TimeUs now) {
  return std::ranges::all_of(fault.told_at,
                             [&](const auto& told) { return now - told.second >= kTellEvery; });
}

std::string SourceGate::object_key(const EventRules& rules) {
  return rules.contract().id + '\n' + rules.object().name;
}

Status SourceGate::admit(std::string_view source, const EventRules& rules) const {
  if (watched_.load(std::memory_order_relaxed) == 0) return {};
  const std::lock_guard lock(mutex_);
  const auto found = faults_.find(Key(source, object_key(rules)));
  if (found == faults_.end() || !found->second.is_stopped) return {};
  const SourceFault& fault = found->second;
  return fail(Code::kInvalid,
              fmt::format("contract {}: the source '{}' is stopped: {}", rules.contract().title(), source,
                          fault.text()),
              fault.property);
}

void SourceGate::note(std::string_view source, const EventRules& rules, const ContractBreach* breach,
                      TimeUs now) {
  const bool is_structural = breach != nullptr && breach->kind != Misfit::Kind::kValue;
  if (!is_structural && watched_.load(std::memory_order_relaxed) == 0) return;
  const std::uint64_t stop_after = rules.contract().stop_after;
  std::optional<SourceFault> told;
  {
    const std::lock_guard lock(mutex_);
    const auto found = faults_.find(Key(source, object_key(rules)));
    if (!is_structural) {
      if (breach == nullptr && found != faults_.end() && !found->second.is_stopped) {
        found->second.events = 0;
        if (may_forget(found->second, now)) faults_.erase(found);
      }
    } else if (found != faults_.end() || faults_.size() < kWatchedMax) {
      SourceFault& fault = found != faults_.end() ? found->second : faults_[Key(source, object_key(rules))];
      if ((fault.property != breach->property || fault.events == 0) && !fault.is_stopped)
        fault = {std::string(source),
                 rules.contract().id,
                 rules.contract().version,
                 rules.object().name,
                 breach->property,
                 breach->kind == Misfit::Kind::kMissing,
                 false,
                 0,
                 now,
                 false,
                 std::move(fault.told_at)};
      ++fault.events;
      const bool was_stopped = fault.is_stopped;
      fault.is_stopped = fault.is_stopped || (stop_after > 0 && fault.events >= stop_after);
      const bool is_due =
          fault.events >= kTellAfter && !fault.is_told && !fault.is_stopped && may_tell(fault, now);
      if (fault.is_stopped != was_stopped || is_due) {
        fault.is_told = true;
        fault.told_at[fault.property] = now;
        told = fault;
      }
    }
    watched_.store(faults_.size(), std::memory_order_relaxed);
  }
  if (told && on_fault_) on_fault_(*told);
}

std::vector<SourceFault> SourceGate::resume(std::string_view source) {
  std::vector<SourceFault> resumed;
  const std::lock_guard lock(mutex_);
  for (auto at = faults_.begin(); at != faults_.end();) {
    const bool is_its = at->first.first == source;
    if (is_its && at->second.is_stopped) resumed.push_back(at->second);
    at = is_its ? faults_.erase(at) : std::next(at);
  }
  watched_.store(faults_.size(), std::memory_order_relaxed);
  return resumed;
}

void SourceGate::restore(SourceFault fault) {
  const std::lock_guard lock(mutex_);
  fault.is_stopped = true;
  faults_[Key(fault.source, fault.contract + '\n' + fault.object)] = std::move(fault);
  watched_.store(faults_.size(), std::memory_order_relaxed);
}

std::vector<SourceFault> SourceGate::faults() const {
  std::vector<SourceFault> list;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, fault] : faults_)
    if (fault.is_stopped || fault.events >= kTellAfter) list.push_back(fault);
  return list;
}

}  // namespace millrace
