#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "event/codec.h"

namespace millrace {

/// Received time of everything in these tests: 2024-07-01T12:00:00Z.
inline constexpr TimeUs kTestReceived = 1'719'835'200 * kSecondUs;

/// A body with the 64 readable bytes after it that simdjson wants. The bytes after the end are quotes and
/// brackets, so that a reader which looks at them shows it.
class PaddedText {
 public:
  explicit PaddedText(std::string_view text);

  std::string_view view() const { return {bytes_.data(), bytes_.size() - 64}; }

 private:
  std::vector<char> bytes_;
};

BodyFacts test_facts();

/// A body split, and its records decoded again as a reader of the log would.
struct DecodedBody {
  std::unique_ptr<PaddedText> body;
  Result<BodySplit> split;
  std::vector<std::unique_ptr<PaddedText>> values;
  EventBatch batch;  ///< the events of all accepted records

  const std::vector<Event>& events() const { return batch.events; }

  /// "code: where: message" of the body, or of the first record refused, or "".
  std::string reason() const;
};

/// Split `text` and decode what was accepted; throws std::logic_error when that does not decode again.
DecodedBody decode_body(CodecId codec, std::string_view text, const BodyFacts& facts = test_facts(),
                        const BodyLimits& limits = {});

/// Write everything an event says, one `name=value` a line, for comparisons and messages.
std::string describe(const Event& event);

/// Well-formed bodies of every codec, for tests that mutilate them.
struct ExampleBody {
  CodecId codec;
  std::string_view name;
  std::string_view text;
};
const std::vector<ExampleBody>& example_bodies();

/// Run one body through split_body and decode_record and check everything that must hold for any bytes
/// whatever: what is accepted is JSON, decodes again to the same events, holds only UTF-8 without NUL and
/// bounded ids, and survives being written as a native event. Throws std::logic_error otherwise.
void check_any_body(CodecId codec, std::string_view body);

}  // namespace millrace
