#include "source/followed_rows.h"

#include "base/hash.h"
#include "log/topics.h"

namespace millrace {

std::vector<std::string> FollowedRows::topics(const Mapping* mapping) {
  return {std::string(mapping != nullptr ? topic_of(mapping->produce) : kEventsTopic),
          std::string(kQuarantineTopic)};
}

void FollowedRows::begin(std::unique_ptr<JsonTexts> texts, std::string_view id) {
  mapped_.clear();
  if (mapping_ == nullptr) {
    events_ = std::move(texts);
    return;
  }
  rows_ = read_json_rows(std::move(texts), mapping_->unnest);
  mapper_ = std::make_unique<RowMapper>(*mapping_, hash128(id), limits_.group_bytes_max);
  columns_bound_.reset();
}

Result<std::uint64_t> FollowedRows::read(std::uint64_t count_max, const std::stop_token& stop) {
  std::uint64_t count = 0;
  for (Row row; count < count_max && !stop.stop_requested(); ++count) {
    MILLRACE_ASSIGN(const auto step, rows_ ? rows_->next(row) : events_->next(row));
    if (step == RowReader::Step::kEnd) break;
    MILLRACE_TRY(add(row, step));
  }
  if (count == 0) return count;
  if (mapping_ != nullptr) MILLRACE_TRY(sink_.add_mapped(mapping_->produce, mapped_));
  MILLRACE_TRY(sink_.send());
  return count;
}

Status FollowedRows::add(const Row& row, RowReader::Step step) {
  if (step == RowReader::Step::kBadRow) return sink_.quarantine(row.place, row.raw, shape(), row.problem);
  if (codec_) return sink_.add_event(row, *codec_);
  if (rows_->columns().size() != columns_bound_) {
    MILLRACE_TRY(mapper_->bind(rows_->columns(), false));
    columns_bound_ = rows_->columns().size();
  }
  auto mapped = mapper_->map(row, mapped_);
  if (!mapped) return sink_.quarantine(row.place, row.raw, shape(), std::move(mapped).error());
  if (mapped_.text.size() < limits_.batch_bytes) return {};
  return sink_.add_mapped(mapping_->produce, mapped_);
}

}  // namespace millrace
