#include "stream/source_notices.h"

#include <algorithm>
#include <chrono>
#include <future>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <pthread.h>

#include "base/logging.h"
#include "base/metrics.h"
#include "base/text.h"
#include "event/contract_diff.h"
#include "event/json_writer.h"
#include "log/topics.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr DurationUs kKept = 3'650 * kDayUs;  // the topic is the memory: a notice outlives what it announces
constexpr std::uint64_t kSegmentBytes = 1 << 20;
constexpr std::size_t kTextBytesMax = 4'000;
constexpr std::size_t kNameBytesMax = 512;
constexpr std::string_view kVersionId = "contract:";  // how ids of versions begin

const TopicPartition& place() {
  static const TopicPartition kPlace{std::string(kNoticesTopic), PartitionId(0)};
  return kPlace;
}

bool concerns(const Contract& contract, const SourceNotice& notice) {
  if (!notice.contract.empty()) return contract.id == notice.contract;
  return contract.sources.empty() || notice.source == "*" ||
         std::ranges::find(contract.sources, notice.source) != contract.sources.end();
}

const Contract* find_version(const Contracts& contracts, std::string_view id, std::string_view version) {
  for (const Contract& contract : contracts.all())
    if (contract.id == id && contract.version == version) return &contract;
  return nullptr;
}

/// Return the version of a contract that holds just before `time`.
const Contract* held_before(const Contracts& contracts, std::string_view id, TimeUs time) {
  for (const Contract& contract : contracts.all())
    if (contract.id == id && contracts.holds_at(contract, time - 1)) return &contract;
  return nullptr;
}

void write_owners(JsonWriter& json, const Contracts& contracts, const SourceNotice& notice) {
  std::set<std::pair<std::string, std::string>> owners;  // who, and of which contract
  for (const Contract& contract : contracts.all()) {
    if (!contract.is_in_force() || !concerns(contract, notice)) continue;
    for (const ContractPerson& person : contract.team) owners.emplace(person.name, contract.id);
    for (const std::string& consumer : contract.consumers) owners.emplace(consumer, contract.id);
  }
  json.key("owners").begin_array();
  for (const auto& [who, contract] : owners)
    json.begin_object().member("name", who).member("contract", contract).end_object();
  json.end_array();
}

void write_breaks(JsonWriter& json, const Contracts& contracts, const SourceNotice& notice) {
  json.key("breaks").begin_array();
  const Contract* after = find_version(contracts, notice.contract, notice.version);
  const Contract* before = held_before(contracts, notice.contract, notice.effective);
  if (notice.kind == "change" && after != nullptr && before != nullptr && before != after)
    for (const ContractChange& change : diff_contracts(*before, *after))
      if (change.breaking)
        json.begin_object()
            .member("place", change.place)
            .member("what", change.what)
            .member("why", change.why)
            .end_object();
  json.end_array();
}

std::optional<TimeUs> time_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  const auto time = parse_time(found->get<std::string>());
  return time ? std::optional(*time) : std::nullopt;
}

/// Read a message of the topic; nothing for one that is not ours.
std::optional<SourceNotice> notice_of(std::string_view text, std::string& phase) {
  const Json message = Json::parse(text, nullptr, false);
  if (!message.is_object()) return std::nullopt;
  const auto read = [&](const char* name) {
    const auto found = message.find(name);
    return found != message.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  SourceNotice notice;
  notice.id = read("id");
  notice.source = read("source");
  notice.kind = read("kind");
  notice.text = read("text");
  notice.announced = time_in(message, "announced").value_or(0);
  notice.effective = time_in(message, "effective").value_or(0);
  notice.until = time_in(message, "until");
  notice.contract = read("contract");
  notice.version = read("version");
  notice.object = read("object");
  notice.property = read("property");
  notice.stopped = message.contains("stopped") && message["stopped"] == true;
  phase = read("phase");
  if (notice.id.empty() || phase.empty()) return std::nullopt;
  return notice;
}

}  // namespace

Result<std::unique_ptr<SourceNotices>> SourceNotices::open(Tools tools) {
  std::unique_ptr<SourceNotices> notices(new SourceNotices(tools));
  TopicConfig topic;
  topic.retention = kKept;
  topic.segment_bytes = kSegmentBytes;
  topic.content_type = "application/json";
  MILLRACE_TRY(tools.log.create_topic(kNoticesTopic, topic));
  MILLRACE_TRY(notices->load());
  notices->restore_stops();
  notices->announce_versions();
  notices->thread_ = std::jthread([self = notices.get()](const std::stop_token& stop) { self->run(stop); });
  return notices;
}

SourceNotices::~SourceNotices() = default;

Status SourceNotices::load() {
  MILLRACE_ASSIGN(const PartitionStats stats, tools_.log.stats(place()));
  for (Offset at = stats.start; at < stats.end;) {
    MILLRACE_ASSIGN(const RecordBatch batch, tools_.log.read(place(), at, {}));
    if (batch.records.empty()) return {};
    for (const Record& record : batch.records) {
      std::string phase;
      auto notice = notice_of(record.value, phase);
      if (!notice) continue;
      const auto known = notices_.find(notice->id);
      if (known != notices_.end()) notice->told = known->second.told;
      notice->told.insert(phase);
      keep(*std::move(notice));
    }
    at = batch.next;
  }
  return {};
}

void SourceNotices::keep(SourceNotice notice) {
  const std::string id = notice.id;
  notices_[id] = std::move(notice);
  if (notices_.size() <= kNoticesMax) return;
  // What is over goes first, then faults that stop nobody; what somebody announced, and stops, at the last.
  notices_.erase(std::ranges::min_element(notices_, {}, [](const auto& one) {
    const auto& [key, old] = one;
    const int worth = old.told.contains("over") ? 0 : old.kind == "fault" && !old.stopped ? 1 : 2;
    return std::pair(worth, old.announced);
  }));
}

/// A source that an earlier process stopped stays so, unless the contract was mended meanwhile.
void SourceNotices::restore_stops() {
  for (auto& [id, notice] : notices_) {
    if (!notice.stopped || notice.told.contains("over")) continue;
    const Contract* contract = find_version(tools_.contracts, notice.contract, notice.version);
    if (contract == nullptr || !tools_.contracts.holds_at(*contract, tools_.env.now()) ||
        contract->stop_after == 0) {
      tell(notice, "over", [](const auto&) {});
      continue;
    }
    SourceFault fault{notice.source, notice.contract, notice.version, notice.object, notice.property};
    fault.is_missing = notice.text.find(" lack ") != std::string::npos;
    fault.events = contract->stop_after;
    fault.since = notice.announced;
    tools_.contracts.gate().restore(std::move(fault));
  }
}

/// What was announced of a version that is postponed or withdrawn does not take effect.
void SourceNotices::withdraw_versions(TimeUs now) {
  for (auto& [id, notice] : notices_) {
    const bool is_ahead = id.starts_with(kVersionId) && notice.effective > now;
    if (!is_ahead || notice.told.contains("over")) continue;
    const Contract* contract = find_version(tools_.contracts, notice.contract, notice.version);
    if (contract != nullptr && contract->is_in_force() && contract->effective == notice.effective) continue;
    notice.told.insert({"day_before", "effective"});
    tell(notice, "over", [](const auto&) {});
  }
}

/// Versions that take effect later are changes that everybody downstream hears of.
void SourceNotices::announce_versions() {
  const TimeUs now = tools_.env.now();
  withdraw_versions(now);
  for (const Contract& contract : tools_.contracts.all()) {
    if (!contract.is_in_force() || contract.effective.value_or(0) <= now) continue;
    std::vector<std::string> sources = contract.sources;
    if (sources.empty()) sources = {"*"};
    for (const std::string& source : sources) {
      SourceNotice notice;
      notice.id = fmt::format("{}{}:{}:{}:{}", kVersionId, contract.id, contract.version, source,
                              format_time(*contract.effective));
      const std::string first = notice.id;
      const auto known = [&] { return notices_.find(notice.id); };
      // What was withdrawn and is put back begins again.
      for (int n = 2; known() != notices_.end() && known()->second.told.contains("over"); ++n)
        notice.id = fmt::format("{}:{}", first, n);
      if (known() != notices_.end()) continue;
      notice.source = source;
      notice.kind = "change";
      notice.text = fmt::format("version {} of the contract {} takes effect", contract.version, contract.id);
      notice.announced = now;
      notice.effective = *contract.effective;
      notice.contract = contract.id;
      notice.version = contract.version;
      const std::string id = notice.id;
      keep(std::move(notice));
      if (const auto kept = notices_.find(id); kept != notices_.end())
        tell(kept->second, "announced", [](const auto&) {});
    }
  }
}

Status SourceNotices::check(const SourceNotice& notice) const {
  if (notice.kind != "change" && notice.kind != "maintenance" && notice.kind != "outage")
    return fail(Code::kInvalid, "is change, maintenance or outage", "kind");
  if (notice.source.empty() || notice.source.size() > kNameBytesMax)
    return fail(Code::kInvalid, "names no source", "source");
  if (notice.text.empty() || notice.text.size() > kTextBytesMax)
    return fail(Code::kInvalid, fmt::format("say what comes, in {} bytes at most", kTextBytesMax), "text");
  if (notice.until && *notice.until <= notice.effective)
    return fail(Code::kInvalid, "must be after effective", "until");
  if (notice.contract.empty() != notice.version.empty())
    return fail(Code::kInvalid, "contract and version go together", "contract");
  if (!notice.contract.empty() && find_version(tools_.contracts, notice.contract, notice.version) == nullptr)
    return fail(
        Code::kNotFound,
        fmt::format("the project has no version {} of a contract '{}'", notice.version, notice.contract),
        "contract");
  return {};
}

std::string SourceNotices::json(const SourceNotice& notice, std::string_view phase) const {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("id", notice.id).member("source", notice.source).member("kind", notice.kind);
  json.member("phase", phase).member("text", notice.text);
  json.key("announced").time(notice.announced).key("effective").time(notice.effective);
  if (notice.until) json.key("until").time(*notice.until);
  json.member_if("contract", notice.contract).member_if("version", notice.version);
  json.member_if("object", notice.object).member_if("property", notice.property);
  if (notice.kind == "fault") json.member("stopped", notice.stopped);
  write_breaks(json, tools_.contracts, notice);
  write_owners(json, tools_.contracts, notice);
  json.end_object();
  return out;
}

/// Append one message, and note that it was told. Needs the lock, or that nobody else is there yet.
void SourceNotices::tell(SourceNotice& notice, const std::string& phase, EventLog::AppendDone done) {
  notice.told.insert(phase);
  const std::string value = json(notice, phase);
  tools_.log.append(place(), {{.key = notice.source, .value = value, .time = tools_.env.now()}},
                    [id = notice.id, done = std::move(done)](const Result<Offset>& offset) {
                      if (!offset)
                        log_warning("notices", "could not keep a notice; it is told again after a restart",
                                    {field("id", id), field("error", offset.error().text())});
                      done(offset);
                    });
}

Result<std::string> SourceNotices::announce(SourceNotice notice) {
  MILLRACE_TRY(check(notice));
  const TimeUs now = tools_.env.now();
  notice.id = new_uuid(tools_.env);
  notice.announced = now;
  if (notice.effective == 0) notice.effective = now;
  auto promise = std::make_shared<std::promise<Result<Offset>>>();
  auto durable = promise->get_future();
  std::string text;
  {
    const std::lock_guard lock(mutex_);
    tell(notice, "announced", [promise](const Result<Offset>& offset) { promise->set_value(offset); });
    text = json(notice, "announced");
    keep(std::move(notice));
  }
  MILLRACE_TRY(durable.get());
  return text;
}

std::string SourceNotices::list(std::string_view source) const {
  const TimeUs now = tools_.env.now();
  const auto faults = tools_.contracts.gate().faults();
  const auto lasts = [&](const SourceNotice& notice) {
    return std::ranges::any_of(faults, [&](const SourceFault& fault) {
      return fault.source == notice.source && fault.contract == notice.contract &&
             fault.object == notice.object && fault.property == notice.property;
    });
  };
  std::vector<const SourceNotice*> found;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, notice] : notices_)
    if (notice.source == source || notice.source == "*") found.push_back(&notice);
  std::ranges::sort(found, std::ranges::greater(), [](const auto* notice) { return notice->announced; });
  std::string out = R"({"notices":[)";
  for (const SourceNotice* notice : found) {
    const bool is_over = notice->told.contains("over") || (notice->until && *notice->until <= now) ||
                         (notice->kind == "fault" && !lasts(*notice));
    const std::string_view phase = is_over ? "over" : notice->effective <= now ? "effective" : "announced";
    out += (out.ends_with('[') ? "" : ",") + json(*notice, phase);
  }
  return out + "]}";
}

void SourceNotices::report(const SourceFault& fault) {
  SourceNotice notice;
  notice.id = new_uuid(tools_.env);
  notice.source = fault.source;
  notice.kind = "fault";
  notice.text = fault.text() + (fault.is_stopped ? "; the source is stopped" : "");
  notice.announced = notice.effective = tools_.env.now();
  notice.contract = fault.contract;
  notice.version = fault.version;
  notice.object = fault.object;
  notice.property = fault.property;
  notice.stopped = fault.is_stopped;
  log_warning("contract", "a source breaks its contract, event by event",
              {field("source", fault.source), field("contract", fault.contract),
               field("property", fault.property), field("stopped", fault.is_stopped ? "yes" : "no")});
  const std::lock_guard lock(mutex_);
  tell(notice, "announced", [](const auto&) {});
  keep(std::move(notice));
}

std::size_t SourceNotices::resume(std::string_view source) {
  const auto stopped = tools_.contracts.gate().resume(source);
  const std::lock_guard lock(mutex_);
  for (auto& [id, notice] : notices_)
    if (notice.kind == "fault" && notice.source == source && !notice.told.contains("over"))
      tell(notice, "over", [](const auto&) {});
  return stopped.size();
}

std::vector<std::string> SourceNotices::due(const SourceNotice& notice, TimeUs now) const {
  std::vector<std::string> phases;
  if (notice.kind == "fault" || notice.told.contains("over")) return phases;
  const auto add = [&](const char* phase, TimeUs at) {
    // What was so when it was announced is no news.
    if (at > notice.announced && at <= now && !notice.told.contains(phase)) phases.emplace_back(phase);
  };
  if (now < notice.effective) add("day_before", notice.effective - kDayUs);
  add("effective", notice.effective);
  if (notice.until) add("over", *notice.until);
  return phases;
}

void SourceNotices::tell_due(TimeUs now) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, notice] : notices_)
    for (const std::string& phase : due(notice, now)) tell(notice, phase, [](const auto&) {});
}

void SourceNotices::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "notices");
  prometheus::Gauge& stopped = metrics::gauge("millrace_contract_stopped_sources",
                                              "Sources whose events of an object all go to quarantine");
  prometheus::Gauge& faulty =
      metrics::gauge("millrace_contract_faulty_sources",
                     "Sources that lack a property or have it in another type, event by event");
  std::mutex waiting;
  std::unique_lock lock(waiting);
  while (!stop.stop_requested()) {
    tell_due(tools_.env.now());
    const auto faults = tools_.contracts.gate().faults();
    stopped.Set(static_cast<double>(std::ranges::count(faults, true, &SourceFault::is_stopped)));
    faulty.Set(static_cast<double>(faults.size()));
    woken_.wait_for(lock, stop, std::chrono::microseconds(tools_.interval), [] { return false; });
  }
}

}  // namespace millrace
