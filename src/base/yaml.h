#pragma once

#include <concepts>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/result.h"

namespace millrace {

namespace internal {
struct YamlState;
struct YamlNode;
}  // namespace internal

class YamlMap;

/// What `${env:NAME}` and `${file:PATH}` are in the values of a document.
enum class YamlReferences : bool {
  kText,    ///< text like any other: in what others may have written, or names and values of data stand in
  kExpand,  ///< what they name: in the configuration
};

/// One value of a YAML file: text, a list or a map. A `read` that fails leaves its target as it was and
/// notes what was expected; `YamlDocument::finish` reports all that was noted. Text of a configuration may
/// hold `${env:NAME}` (a variable of the environment) and `${file:PATH}` (a file's content without its last
/// line break; relative to the YAML file); what these stand for is never part of a message.
/// Copies refer to the same value; none may outlive its document. One thread at a time.
class YamlValue {
 public:
  bool is_text() const;
  bool is_list() const;
  bool is_map() const;

  /// Return "millrace.yaml:12".
  std::string where() const;

  /// Note an error at this value.
  void error(std::string message) const;

  void read(std::string& into) const;
  void read(bool& into) const;  ///< true, false, yes, no, on, off
  void read(double& into, double min = -std::numeric_limits<double>::infinity(),
            double max = std::numeric_limits<double>::infinity()) const;
  /// Read a list of texts, or a single text as a list of one.
  void read(std::vector<std::string>& into) const;

  template <std::integral Integer>
  void read(Integer& into, Integer min = std::numeric_limits<Integer>::min(),
            Integer max = std::numeric_limits<Integer>::max()) const {
    constexpr auto kLargest = std::numeric_limits<std::int64_t>::max();
    const auto clip = [](Integer n) {
      return std::cmp_greater(n, kLargest) ? kLargest : static_cast<std::int64_t>(n);
    };
    if (const auto n = integer(clip(min), clip(max))) into = static_cast<Integer>(*n);
  }

  void read_duration(DurationUs& into, DurationUs min = 0,
                     DurationUs max = std::numeric_limits<DurationUs>::max()) const;
  void read_bytes(std::uint64_t& into, std::uint64_t min = 0,
                  std::uint64_t max = std::numeric_limits<std::uint64_t>::max()) const;

  /// Read one of a few words, each of which stands for a value.
  template <class Value>
  void read_choice(Value& into, std::initializer_list<std::pair<std::string_view, Value>> choices) const {
    std::vector<std::string> words;
    for (const auto& [word, value] : choices) words.emplace_back(word);
    if (const auto chosen = choice(words)) into = (choices.begin() + *chosen)->second;
  }

  /// Return it as a map; when it is none that is noted, and the map is an empty one.
  YamlMap map() const;

  /// Return the values of a list; when it is none that is noted, and there are none.
  std::vector<YamlValue> list() const;

 private:
  friend class YamlMap;
  friend class YamlDocument;
  explicit YamlValue(std::shared_ptr<internal::YamlNode> node) : node_(std::move(node)) {}

  std::optional<std::int64_t> integer(std::int64_t min, std::int64_t max) const;
  std::optional<std::size_t> choice(const std::vector<std::string>& words) const;
  std::optional<std::string> text(std::string_view expected) const;

  std::shared_ptr<internal::YamlNode> node_;
};

/// A map of a YAML file. Each key that is asked for, in whatever way, counts as known; `finish` of the
/// document refuses the others. Copies share the same map.
class YamlMap {
 public:
  /// Return the value of `key` if it is given.
  std::optional<YamlValue> find(std::string_view key) const;

  /// Read `key` into `into` if it is given, with the limits of `YamlValue::read`; return whether it is.
  template <class T, class... Limits>
  bool optional(std::string_view key, T& into, Limits... limits) const {
    const auto value = find(key);
    if (value) value->read(into, static_cast<T>(limits)...);
    return value.has_value();
  }

  /// As `optional`, and note an error when it is not given.
  template <class T, class... Limits>
  void required(std::string_view key, T& into, Limits... limits) const {
    if (!optional(key, into, limits...)) missing(key);
  }

  bool optional_duration(std::string_view key, DurationUs& into, DurationUs min = 0,
                         DurationUs max = std::numeric_limits<DurationUs>::max()) const;
  bool optional_bytes(std::string_view key, std::uint64_t& into, std::uint64_t min = 0,
                      std::uint64_t max = std::numeric_limits<std::uint64_t>::max()) const;

  template <class Value>
  bool optional_choice(std::string_view key, Value& into,
                       std::initializer_list<std::pair<std::string_view, Value>> choices) const {
    const auto value = find(key);
    if (value) value->read_choice(into, choices);
    return value.has_value();
  }

  /// Return the map under `key`; an empty one when it is not given.
  YamlMap map(std::string_view key) const;

  /// Return the list under `key`; an empty one when it is not given.
  std::vector<YamlValue> list(std::string_view key) const;

  /// Return all keys, which the user chose, in the order of the file. All count as known.
  std::vector<std::pair<std::string, YamlValue>> entries() const;

  std::string where() const;
  void error(std::string message) const;

  /// Note that `key` has to be given.
  void missing(std::string_view key) const;

 private:
  friend class YamlValue;
  friend class YamlDocument;
  explicit YamlMap(std::shared_ptr<internal::YamlNode> node) : node_(std::move(node)) {}

  std::shared_ptr<internal::YamlNode> node_;
};

/// A YAML file whose top is a map. A reader of a configuration looks like this:
///
///     MILLRACE_ASSIGN(const auto yaml, YamlDocument::load(env, "millrace.yaml", YamlReferences::kExpand));
///     const auto root = yaml.root();
///     root.optional("listen", config.listen);
///     const auto log = root.map("log");
///     log.optional("partitions", config.partitions, 1, 1024);
///     log.optional_duration("retention", config.retention);
///     MILLRACE_TRY(yaml.finish());
class YamlDocument {
 public:
  /// Parse `text`; `name` is what messages call it, and the place relative files start from.
  /// Errors: kInvalid, `where` with the line.
  static Result<YamlDocument> parse(std::string_view text, const Path& name,
                                    YamlReferences references = YamlReferences::kText,
                                    Env& env = Env::system());

  /// Read and parse the file at `path`. Errors: those of `read_file`; kInvalid.
  static Result<YamlDocument> load(Env& env, const Path& path,
                                   YamlReferences references = YamlReferences::kText);

  YamlMap root() const;

  /// Refuse what was not asked for, and report everything noted, in the order of the file: `where` is
  /// the first place, and each further error is a line of the message with its own.
  /// Errors: kInvalid.
  Status finish() const;

 private:
  explicit YamlDocument(std::shared_ptr<internal::YamlState> state) : state_(std::move(state)) {}

  std::shared_ptr<internal::YamlState> state_;
};

}  // namespace millrace
