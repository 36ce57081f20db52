#include "base/result.h"

namespace millrace {

std::string_view code_name(Code code) {
  switch (code) {
    case Code::kInvalid:
      return "invalid";
    case Code::kNotFound:
      return "not_found";
    case Code::kExists:
      return "exists";
    case Code::kOutOfRange:
      return "out_of_range";
    case Code::kDenied:
      return "denied";
    case Code::kOverloaded:
      return "overloaded";
    case Code::kNoSpace:
      return "no_space";
    case Code::kIo:
      return "io";
    case Code::kCorrupt:
      return "corrupt";
    case Code::kDeadline:
      return "deadline";
    case Code::kCancelled:
      return "cancelled";
    case Code::kInternal:
      return "internal";
  }
  return "internal";
}

}  // namespace millrace
