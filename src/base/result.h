#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

/// What kind of failure it was, for code that decides what to do next. The text for people is in
/// `Error::message`.
enum class Code : std::uint8_t {
  kInvalid,     ///< the caller's input is wrong; trying again will not help
  kNotFound,    ///< the thing named does not exist
  kExists,      ///< the thing to be made exists already, or another process holds it
  kOutOfRange,  ///< below the start or above the end of what is kept
  kDenied,      ///< not allowed
  kOverloaded,  ///< a queue or quota is full; try again later
  kNoSpace,     ///< the disk is full; recovers by itself once there is room
  kIo,          ///< the device or the network failed
  kCorrupt,     ///< bytes read are not the bytes written
  kDeadline,    ///< ran out of time
  kCancelled,   ///< stopped on purpose, as at shutdown
  kInternal,    ///< our own bug, or a library failed in a way we did not expect
};

/// Return the name of `code` in the form used in HTTP answers and quarantine records: "no_space".
std::string_view code_name(Code code);

/// A failure a caller can expect: what kind, what to tell a person (with the remedy, when there is
/// one), and the place in *their* input it points at: "millrace.yaml:12", "visits.jsonl:341",
/// "batch[3].timestamp"; empty when there is none.
struct [[nodiscard]] Error {
  Code code = Code::kInternal;
  std::string message;
  std::string where;

  /// Return "where: message", or the message alone.
  std::string text() const { return where.empty() ? message : where + ": " + message; }

  /// Return the same failure with `context` before the message: "context: message".
  Error with_context(std::string_view context) && {
    message = std::string(context) + ": " + message;
    return std::move(*this);
  }

  bool operator==(const Error&) const = default;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

/// Make the error side of a Result: `return fail(Code::kInvalid, "...")`.
inline std::unexpected<Error> fail(Code code, std::string message, std::string where = {}) {
  return std::unexpected(Error{code, std::move(message), std::move(where)});
}

/// Pass the error of one Result on as the error of another: `return fail(std::move(r).error())`.
inline std::unexpected<Error> fail(Error error) {
  return std::unexpected(std::move(error));
}

}  // namespace millrace

#define MILLRACE_CONCAT_INNER(a, b) a##b
#define MILLRACE_CONCAT(a, b) MILLRACE_CONCAT_INNER(a, b)

/// Evaluate a Status or Result and return its error from the enclosing function if it has one.
#define MILLRACE_TRY(expression)                                  \
  do {                                                            \
    if (auto millrace_status = (expression); !millrace_status)    \
      return std::unexpected(std::move(millrace_status).error()); \
  } while (false)

/// MILLRACE_ASSIGN(auto x, expression): declare `x` from a Result, or return its error.
#define MILLRACE_ASSIGN(declaration, expression)                                            \
  auto MILLRACE_CONCAT(millrace_result_, __LINE__) = (expression);                          \
  if (!MILLRACE_CONCAT(millrace_result_, __LINE__))                                         \
    return std::unexpected(std::move(MILLRACE_CONCAT(millrace_result_, __LINE__)).error()); \
  declaration = *std::move(MILLRACE_CONCAT(millrace_result_, __LINE__))
