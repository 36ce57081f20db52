#pragma once

#include <string>

#include "base/result.h"
#include "event/codec.h"
#include "log/event_log.h"
#include "warehouse/fact_writer.h"

namespace millrace {

/// A row for the table `quarantine` with the text it points to.
class QuarantineRecord {
 public:
  /// Read a record of the topic `quarantine`; what its attributes do not say stays empty.
  static QuarantineRecord of_refused(const Record& record);

  /// Describe a record of another topic that could not be written for `reason`.
  static QuarantineRecord of_unfit(const Record& record, std::string_view stage, const Error& reason);

  /// Return the row; its views live as long as this and the record.
  QuarantineRow row() const;

 private:
  std::string stage_, code_, message_, where_, source_, codec_, ip_, message_id_, user_agent_, context_;
  std::optional<TimeUs> sent_time_;
  TimeUs received_time_ = 0;
  TimeUs first_attempt_ = 0;
  TimeUs last_attempt_ = 0;
  std::uint64_t events_ = 1;
  bool replaces_ = false;
  std::string_view raw_;
};

}  // namespace millrace
