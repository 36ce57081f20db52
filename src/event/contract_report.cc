#include "event/contract_report.h"

#include "event/json_writer.h"

namespace millrace {
namespace {

void write_rules(JsonWriter& json, const EventRules& rules) {
  json.member("contract", rules.contract().id).member("object", rules.object().name);
}

void write_object(JsonWriter& json, const Contracts& contracts, const Contract& contract,
                  const ContractObject& object) {
  json.begin_object().member("name", object.name).member("kind", object.is_event() ? "event" : "table");
  json.member(object.is_event() ? "type" : "table", object.table())
      .member("properties", object.properties.size());
  if (object.is_event()) {
    const ContractCounts counts = contracts.counts(contract.id, object.table());
    json.member("checked", counts.checked).member("refused", counts.refused).member("warned", counts.warned);
    json.member_if("warning", counts.warning);
  }
  json.end_object();
}

void write_texts(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts) {
  json.key(name).begin_array();
  for (const std::string& text : texts) json.text(text);
  json.end_array();
}

void write_contract(JsonWriter& json, const Contracts& contracts, const Contract& contract, TimeUs now) {
  json.begin_object()
      .member("id", contract.id)
      .member_if("name", contract.name)
      .member("version", contract.version);
  json.member("status", contract.status).member("holds", contracts.holds_at(contract, now));
  if (contract.effective) json.key("effective").time(*contract.effective);
  json.member_if("domain", contract.domain).member_if("description", contract.description);
  json.member("file", contract.path.filename().string());
  write_texts(json, "sources", contract.sources);
  write_texts(json, "consumers", contract.consumers);
  json.key("team").begin_array();
  for (const ContractPerson& person : contract.team)
    json.begin_object().member("username", person.name).member_if("role", person.role).end_object();
  json.end_array().key("objects").begin_array();
  for (const ContractObject& object : contract.objects) write_object(json, contracts, contract, object);
  json.end_array().end_object();
}

}  // namespace

void ValidationReport::add_refused(Error reason) {
  ++refused_total_;
  if (refused_.size() < kRefusedMax) refused_.push_back(std::move(reason));
}

void ValidationReport::add(const BodySplit& split, std::string_view place) {
  for (const BodyRecord& record : split.accepted) events_ += record.count;
  for (const RefusedRecord& record : split.refused) {
    Error reason = record.reason;
    if (!place.empty()) reason.where = std::string(place) + (reason.where.empty() ? "" : ": " + reason.where);
    add_refused(std::move(reason));
  }
  for (const auto& seen : split.notes.checked) {
    auto& sum = notes_.of(*seen.rules);
    sum.checked += seen.checked;
    sum.refused += seen.refused;
    sum.warned += seen.warned;
    if (seen.warned > 0) sum.warning = seen.warning;
  }
  for (const auto& seen : split.notes.unannounced)
    for (std::uint64_t i = 0; i < seen.events; ++i) notes_.add_unannounced(*seen.rules, seen.property);
}

std::uint64_t ValidationReport::checked() const {
  std::uint64_t sum = 0;
  for (const auto& seen : notes_.checked) sum += seen.checked;
  return sum;
}

std::string ValidationReport::json() const {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("valid", is_valid()).member("events", events_).member("checked", checked());
  json.member("refused", refused_total_).key("problems").begin_array();
  for (const Error& reason : refused_) {
    json.begin_object().member("where", reason.where).member("code", code_name(reason.code));
    json.member("message", reason.message).end_object();
  }
  json.end_array().key("warnings").begin_array();
  for (const auto& seen : notes_.checked) {
    if (seen.warned == 0) continue;
    write_rules(json.begin_object(), *seen.rules);
    json.member("events", seen.warned).member("last", seen.warning).end_object();
  }
  json.end_array().key("unannounced").begin_array();
  for (const auto& seen : notes_.unannounced) {
    write_rules(json.begin_object(), *seen.rules);
    json.member("property", seen.property).member("events", seen.events).end_object();
  }
  json.end_array().end_object();
  return out;
}

std::string contracts_json(const Contracts& contracts, TimeUs now) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("contracts").begin_array();
  for (const Contract& contract : contracts.all()) write_contract(json, contracts, contract, now);
  json.end_array().key("unannounced").begin_array();
  for (const UnannouncedProperty& one : contracts.unannounced()) {
    json.begin_object().member("contract", one.contract).member("object", one.object);
    json.member("property", one.property).member("events", one.events);
    json.key("first_seen").time(one.first).key("last_seen").time(one.last).end_object();
  }
  json.end_array().member("unannounced_left_out", contracts.unannounced_left_out()).end_object();
  return out;
}

}  // namespace millrace
