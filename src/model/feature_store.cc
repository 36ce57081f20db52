#include "model/feature_store.h"

#include <algorithm>

namespace millrace {

std::string_view feature_status_name(FeatureStatus status) {
  switch (status) {
    case FeatureStatus::kPresent:
      return "PRESENT";
    case FeatureStatus::kNullValue:
      return "NULL_VALUE";
    case FeatureStatus::kNotFound:
      return "NOT_FOUND";
    case FeatureStatus::kOutsideMaxAge:
      return "OUTSIDE_MAX_AGE";
  }
  return "";
}

std::shared_ptr<FlowMemory> FeatureStore::Shelf::flow() const {
  const std::lock_guard lock(mutex_);
  return flow_;
}

std::shared_ptr<const TableMemory> FeatureStore::Shelf::table() const {
  const std::lock_guard lock(mutex_);
  return table_;
}

void FeatureStore::Shelf::put(std::shared_ptr<FlowMemory> flow) {
  const std::lock_guard lock(mutex_);
  std::swap(flow_, flow);  // what was there is let go of outside the lock
}

void FeatureStore::Shelf::put(std::shared_ptr<const TableMemory> table) {
  const std::lock_guard lock(mutex_);
  std::swap(table_, table);
}

std::string FeatureStore::Shelf::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

void FeatureStore::Shelf::set_problem(std::string problem) {
  const std::lock_guard lock(mutex_);
  problem_ = std::move(problem);
}

FeatureStore::FeatureStore(std::vector<FeatureView> views, std::size_t bytes_max) : views_(std::move(views)) {
  for (const FeatureView& view : views_) {
    auto& shelf = *shelves_.emplace_back(std::make_unique<Shelf>());
    shelf.view = std::make_shared<const FeatureView>(view);
    shelf.bytes_max = bytes_max / views_.size();
  }
}

Result<FeatureStore::Shelf*> FeatureStore::find(std::string_view view) const {
  MILLRACE_ASSIGN(const FeatureView* const found, find_view(views_, view));
  return shelves_[static_cast<std::size_t>(found - views_.data())].get();
}

bool FeatureStore::filled() const {
  return std::ranges::all_of(shelves_, [](const auto& shelf) {
    const bool is_there = shelf->view->flow ? shelf->flow() != nullptr : shelf->table() != nullptr;
    return is_there || !shelf->problem().empty();
  });
}

FeatureStore::Answer FeatureStore::read(const Shelf& shelf, const std::string& key, TimeUs now,
                                        std::span<const std::size_t> features) {
  Answer answer;
  if (shelf.view->flow) {
    const auto memory = shelf.flow();
    const auto time = memory ? memory->read(key, now, features, answer.values) : std::nullopt;
    if (!time) return answer;
    answer.time = *time;
  } else {
    const auto memory = shelf.table();
    if (!memory) return answer;
    const auto row = memory->rows.find(key);
    if (row == memory->rows.end()) return answer;
    answer.time = row->second.time;
    for (const std::size_t feature : features) answer.values.push_back(row->second.values[feature]);
  }
  answer.status = FeatureStatus::kPresent;
  if (shelf.view->max_age == 0 || answer.time >= now - shelf.view->max_age) return answer;
  answer.status = FeatureStatus::kOutsideMaxAge;
  answer.values.clear();
  return answer;
}

void FeatureStore::show() const {
  for (const auto& shelf : shelves_) {
    const std::map<std::string, std::string> labels = {{"view", shelf->view->name}};
    const auto flow = shelf->flow();
    const auto table = shelf->table();
    const auto set = [&](const char* name, const char* help, double value) {
      metrics::gauge(name, help, labels).Set(value);
    };
    set("millrace_features_bytes", "Memory that a feature view takes up, about",
        static_cast<double>(flow    ? flow->bytes()
                            : table ? table->bytes
                                    : 0));
    set("millrace_features_entities", "Entities that memory has values of",
        static_cast<double>(flow    ? flow->size()
                            : table ? table->rows.size()
                                    : 0));
    set("millrace_features_evicted", "Entities for which there was no room since the view was last filled",
        static_cast<double>(flow    ? flow->evicted()
                            : table ? table->left_out
                                    : 0));
  }
}

}  // namespace millrace
