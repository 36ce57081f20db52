#include "stream/window_publisher.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "stream/topic_tail.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kWaitingBytesMax = 4u << 20;
constexpr std::size_t kLateMax = 10'000;
constexpr std::size_t kKeyBytesMax = 1'000;

/// Return step and id of a record of the job, or nothing when it is not the job's.
std::optional<std::pair<std::uint64_t, std::string>> place_of(std::string_view header) {
  if (header.find("\"windows\"") == std::string_view::npos) return {};
  const Json json = Json::parse(header, nullptr, false);
  if (!json.is_object()) return {};
  const Json windows = json.value("windows", Json());
  if (!windows.is_object()) return {};
  const Json step = windows.value("step", Json()), id = windows.value("id", Json());
  if (!step.is_number_unsigned() || !id.is_string()) return {};
  return std::pair(step.get<std::uint64_t>(), id.get<std::string>());
}

std::string id_text(std::uint64_t id) {
  return fmt::format("{:016x}", id);
}

/// What a message tells of: a step done again says the same of the same, whatever else it says then.
std::uint64_t id_of(std::string_view name, std::string_view source, std::string_view keys,
                    const Window& window, PaneTiming timing) {
  return hash64(fmt::format("{} {} {} {} {} {} {}", name, source.size(), source, window.start, window.end,
                            pane_timing_name(timing), keys));
}

/// What an ordered subscription keeps in order: the windows of one source and keys.
std::string order_key(std::string_view name, std::string_view source, std::string_view keys) {
  std::string key = fmt::format("{} {} {}", name, source, keys);
  return key.size() <= kKeyBytesMax ? key : to_hex(hash128(key));
}

std::string message_text(const PublishedAggregation& published, std::string_view source,
                         std::string_view keys, const Window& window, PaneTiming timing,
                         const MeasureValues& measures, std::uint64_t revision) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().member("aggregation", published.aggregation.name).member("source", source);
  json.key("window_start").time(window.start).key("window_end").time(window.end);
  json.key("keys").raw(keys).key("measures").begin_object();
  for (std::size_t i = 0; i < published.forms.size() && i < measures.values.size(); ++i) {
    json.key(published.forms[i].name);
    measures.values[i].write(json, published.forms[i]);
  }
  json.end_object().member("timing", pane_timing_name(timing)).member("revision", revision).end_object();
  return text;
}

std::string header_text(const std::string& name, PaneTiming timing, std::uint64_t step, std::uint64_t id) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().member("content_type", "application/json").key("attributes").begin_object();
  json.member("aggregation", name).member("timing", pane_timing_name(timing)).end_object();
  json.key("windows").begin_object().member("step", step).member("id", id_text(id)).end_object().end_object();
  return text;
}

}  // namespace

Status WindowPublisher::make_topics() {
  for (const PublishedAggregation& published : aggregations_) {
    const std::string& topic = published.aggregation.publish;
    const auto known = log_.topics();
    const auto found = known.find(topic);
    if (found == known.end()) {
      TopicConfig config;
      config.content_type = "application/json";
      MILLRACE_TRY(log_.create_topic(topic, config));
    }
    topics_[topic] = found == known.end() ? 1 : found->second.partitions;
  }
  return {};
}

Status WindowPublisher::read_tails(const std::map<TopicPartition, Offset>& from) {
  tails_.clear();
  for (const auto& [topic, partitions] : topics_) {
    for (std::uint32_t i = 0; i < partitions; ++i) {
      const TopicPartition partition{topic, PartitionId(i)};
      const auto begin = from.find(partition);
      MILLRACE_TRY(each_record(log_, partition, begin == from.end() ? Offset() : begin->second,
                               [&](const Record& record) { note_found(record, tails_[partition]); }));
    }
  }
  return {};
}

void WindowPublisher::note_found(const Record& record, Tail& tail) const {
  const auto place = place_of(record.attributes);
  if (!place || place->first < tail.step) return;
  if (place->first > tail.step) tail = {place->first, {}};
  std::uint64_t id = 0;
  const auto& text = place->second;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), id, 16);
  if (read.ec == std::errc()) ++tail.ids[id];
}

std::uint64_t WindowPublisher::last_step() const {
  std::uint64_t last = 0;
  for (const auto& [partition, tail] : tails_) last = std::max(last, tail.step);
  return last;
}

Result<std::map<TopicPartition, Offset>> WindowPublisher::ends() const {
  std::map<TopicPartition, Offset> ends;
  for (const auto& [topic, partitions] : topics_) {
    for (std::uint32_t i = 0; i < partitions; ++i) {
      const TopicPartition partition{topic, PartitionId(i)};
      MILLRACE_ASSIGN(const auto stats, log_.stats(partition));
      ends[partition] = stats.end;
    }
  }
  return ends;
}

void WindowPublisher::begin(std::uint64_t step, TimeUs now) {
  step_ = step;
  now_ = now;
  late_.clear();
  late_max_ = kLateMax;
  std::erase_if(tails_, [&](const auto& tail) { return tail.second.step < step; });
  waiting_.clear();
  waiting_bytes_ = 0;
  failure_ = {};
}

void WindowPublisher::on_pane(std::size_t aggregation, std::string_view source,
                              const Pane<PublishedValue>& pane) {
  if (pane.timing != PaneTiming::kLate)
    return put(aggregation, source, pane.key, pane.window, pane.timing, pane.value.total);
  late_[Changed(aggregation, source, pane.window.end, pane.key)] = {pane.window, pane.value.total};
  if (late_.size() < late_max_) return;
  put_late_before(aggregation, source, pane.window.start);
  late_max_ = std::max(kLateMax, 2 * late_.size());
}

/// Publish what changes no more in this step, as facts come by aggregation, source and time: a window told of
/// twice would have two values of one revision.
void WindowPublisher::put_late_before(std::size_t aggregation, std::string_view source, TimeUs start) {
  std::erase_if(late_, [&](const auto& one) {
    const auto& [of, from, end, keys] = one.first;
    if (of == aggregation && from == source && end > start) return false;
    put(of, from, keys, one.second.window, PaneTiming::kLate, one.second.measures);
    return true;
  });
}

void WindowPublisher::put_late() {
  for (const auto& [changed, late] : late_) {
    const auto& [aggregation, source, end, keys] = changed;
    put(aggregation, source, keys, late.window, PaneTiming::kLate, late.measures);
  }
  late_.clear();
}

void WindowPublisher::put(std::size_t aggregation, std::string_view source, std::string_view keys,
                          const Window& window, PaneTiming timing, const MeasureValues& measures) {
  const PublishedAggregation& published = aggregations_[aggregation];
  const std::string& topic = published.aggregation.publish;
  std::string key = order_key(published.aggregation.name, source, keys);
  const TopicPartition to{topic, EventLog::partition_for(key, topics_[topic], 0)};
  const std::uint64_t id = id_of(published.aggregation.name, source, keys, window, timing);
  if (is_published(to, id)) return;
  Message message{std::move(key), header_text(published.aggregation.name, timing, step_, id),
                  message_text(published, source, keys, window, timing, measures, step_)};
  waiting_bytes_ += message.key.size() + message.header.size() + message.value.size();
  waiting_[to].push_back(std::move(message));
  if (waiting_bytes_ >= kWaitingBytesMax) flush();
}

/// Return whether a partition has a message of this step, or a later one, already; each counts for one.
bool WindowPublisher::is_published(const TopicPartition& to, std::uint64_t id) {
  const auto tail = tails_.find(to);
  if (tail == tails_.end() || step_ > tail->second.step) return false;
  if (step_ < tail->second.step) return true;
  const auto found = tail->second.ids.find(id);
  if (found == tail->second.ids.end() || found->second == 0) return false;
  --found->second;
  return true;
}

void WindowPublisher::flush() {
  for (const auto& [to, messages] : waiting_) {
    if (!failure_) break;
    std::vector<NewRecord> records;
    for (const Message& message : messages)
      records.push_back({message.key, message.header, message.value, now_, 1});
    failure_ = append_and_wait(log_, to, std::move(records));
    if (failure_) published_ += messages.size();
  }
  waiting_.clear();
  waiting_bytes_ = 0;
}

Status WindowPublisher::finish() {
  put_late();
  flush();
  return failure_;
}

}  // namespace millrace
