#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "base/time_zone.h"

namespace millrace {

/// How a file writes its times. Threads: any; it never changes.
class TimeFormat {
 public:
  /// `format` is "iso" (anything `parse_time` reads), "s", "ms" or "us" (since 1970, a fraction allowed),
  /// or a pattern of strptime's letters: %Y %y %m %d %e %b %B %a %A %H %I %M %S %f %p %z %F %T %R %D %%.
  /// A blank stands for any blanks or none; numbers may be shorter than usual ("1/12/2010 8:26").
  /// `zone` is where the clocks were that wrote times without a zone of their own; none is UTC.
  /// Errors: kInvalid for an unknown letter.
  static Result<TimeFormat> make(std::string_view format, std::shared_ptr<const TimeZone> zone = nullptr);

  /// Errors: kInvalid, with the text.
  Result<TimeUs> read(std::string_view text) const;

 private:
  enum class Kind : std::uint8_t { kIso, kSinceEpoch, kPattern };

  Result<TimeUs> read_since_epoch(std::string_view text) const;
  Result<TimeUs> read_pattern(std::string_view text) const;
  TimeUs to_utc(TimeUs local) const { return zone_ ? zone_->to_utc(local) : local; }

  Kind kind_ = Kind::kIso;
  DurationUs unit_us_ = 1;  ///< of kSinceEpoch
  std::string pattern_;     ///< of kPattern, with %F, %T, %R and %D written out
  std::shared_ptr<const TimeZone> zone_;
};

}  // namespace millrace
