#include "base/yaml.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "base/text.h"

namespace millrace {
namespace internal {

struct YamlNode {
  YamlState* state;
  YAML::Node yaml;
  int line = 0;  ///< from 1
};

/// What all values of one document share. `opened` lists the maps that were looked into, for the search
/// for unknown keys.
struct YamlState {
  struct Opened {
    YAML::Node yaml;
    std::set<std::string, std::less<>> known;
    bool all_known = false;
  };
  struct Noted {
    int line;
    std::string message;
  };

  Path name;
  YamlReferences references = YamlReferences::kText;
  Env* env;
  YAML::Node top;
  std::vector<Opened> opened;
  std::vector<Noted> noted;

  std::string where(int line) const { return fmt::format("{}:{}", name.string(), line); }

  void note(int line, std::string message) { noted.push_back({line, std::move(message)}); }

  Opened& opened_of(const YAML::Node& yaml) {
    const auto found = std::ranges::find_if(opened, [&](const Opened& o) { return o.yaml.is(yaml); });
    if (found != opened.end()) return *found;
    return opened.emplace_back(yaml);
  }
};

}  // namespace internal

namespace {

using internal::YamlNode;
using internal::YamlState;

constexpr std::uint64_t kIncludedBytesMax = 1 << 20;
constexpr std::uint64_t kDocumentBytesMax = 16 << 20;

/// Notes where documents begin.
class Documents : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    begun.push_back(mark.pos);
    line = mark.line;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
  }
  void OnMapEnd() override {}

  std::vector<int> begun;  ///< positions in the text
  int line = 0;            ///< of the last
};

int line_of(const YAML::Node& yaml) {
  return yaml.Mark().line + 1;
}

std::string describe(const YAML::Node& yaml) {
  if (yaml.IsMap()) return "a map";
  if (yaml.IsSequence()) return "a list";
  if (yaml.IsScalar()) return fmt::format("'{}'", yaml.Scalar().substr(0, kShownBytesMax));
  return "nothing";
}

/// Return what `${kind:argument}` stands for. Errors never hold a value.
Result<std::string> look_up(const YamlState& state, std::string_view reference) {
  const auto colon = reference.find(':');
  const auto kind = reference.substr(0, colon);
  const std::string argument(colon == std::string_view::npos ? "" : reference.substr(colon + 1));
  if (kind == "env") {
    const char* value = std::getenv(argument.c_str());
    if (value == nullptr)
      return fail(Code::kInvalid, fmt::format("the environment variable {} is not set", argument));
    return value;
  }
  if (kind == "file") {
    MILLRACE_ASSIGN(auto content,
                    read_file(*state.env, state.name.parent_path() / argument, kIncludedBytesMax));
    if (content.ends_with('\n')) content.pop_back();
    if (content.ends_with('\r')) content.pop_back();
    return content;
  }
  return fail(Code::kInvalid,
              fmt::format("'${{{}}}' is neither ${{env:NAME}} nor ${{file:PATH}}", reference));
}

Result<std::string> expand(const YamlState& state, std::string_view raw) {
  std::string out;
  for (std::size_t at = 0; at < raw.size();) {
    const auto open = raw.find("${", at);
    out += raw.substr(at, open - at);
    if (open == std::string_view::npos) break;
    const auto close = raw.find('}', open);
    if (close == std::string_view::npos) return fail(Code::kInvalid, "'${' without its '}'");
    MILLRACE_ASSIGN(const auto value, look_up(state, raw.substr(open + 2, close - open - 2)));
    out += value;
    at = close + 1;
  }
  return out;
}

void refuse_repeated_keys(YamlState& state, const YAML::Node& map) {
  std::set<std::string> seen;
  for (const auto& entry : map) {
    if (!entry.first.IsScalar()) {
      state.note(line_of(entry.first), "a key has to be text");
    } else if (!seen.insert(entry.first.Scalar()).second) {
      state.note(line_of(entry.first), fmt::format("key '{}' is given twice", entry.first.Scalar()));
    }
  }
}

void refuse_unknown_keys(YamlState& state, const YamlState::Opened& opened) {
  const std::vector<std::string> known(opened.known.begin(), opened.known.end());
  for (const auto& entry : opened.yaml) {
    const auto& key = entry.first.Scalar();
    if (opened.all_known || !entry.first.IsScalar() || opened.known.contains(key)) continue;
    const auto nearest = nearest_name(key, known);
    auto message = fmt::format("unknown key '{}'", key.substr(0, kShownBytesMax));
    message += nearest.empty() ? fmt::format("; known here: {}", fmt::join(known, ", "))
                               : fmt::format("; did you mean '{}'?", nearest);
    state.note(line_of(entry.first), std::move(message));
  }
}

std::shared_ptr<YamlNode> make_node(YamlState& state, YAML::Node yaml, int line) {
  return std::make_shared<YamlNode>(YamlNode{&state, std::move(yaml), line});
}

}  // namespace

bool YamlValue::is_text() const {
  return node_->yaml.IsScalar();
}
bool YamlValue::is_list() const {
  return node_->yaml.IsSequence();
}
bool YamlValue::is_map() const {
  return node_->yaml.IsMap();
}
std::string YamlValue::where() const {
  return node_->state->where(node_->line);
}
void YamlValue::error(std::string message) const {
  node_->state->note(node_->line, std::move(message));
}

std::optional<std::string> YamlValue::text(std::string_view expected) const {
  if (!is_text()) {
    error(fmt::format("expected {}, found {}", expected, describe(node_->yaml)));
    return std::nullopt;
  }
  if (node_->state->references == YamlReferences::kText) return node_->yaml.Scalar();
  auto text = expand(*node_->state, node_->yaml.Scalar());
  if (text) return *std::move(text);
  error(text.error().text());
  return std::nullopt;
}

void YamlValue::read(std::string& into) const {
  if (auto value = text("text")) into = *std::move(value);
}

void YamlValue::read(bool& into) const {
  constexpr auto kExpected = "true or false";
  const auto value = text(kExpected);
  if (!value) return;
  const bool yes = *value == "true" || *value == "yes" || *value == "on";
  const bool no = *value == "false" || *value == "no" || *value == "off";
  if (!yes && !no) return error(fmt::format("expected {}, found {}", kExpected, describe(node_->yaml)));
  into = yes;
}

void YamlValue::read(double& into, double min, double max) const {
  const auto value = text("a number");
  if (!value) return;
  double number = 0;
  const auto [end, problem] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (problem != std::errc() || end != value->data() + value->size()) {
    return error(fmt::format("expected a number, found {}", describe(node_->yaml)));
  }
  if (!(number >= min && number <= max))
    return error(fmt::format("expected a number from {} to {}, found {}", min, max, describe(node_->yaml)));
  into = number;
}

void YamlValue::read(std::vector<std::string>& into) const {
  std::vector<std::string> texts;
  for (const auto& value : is_text() ? std::vector{*this} : list()) {
    auto text = value.text("text");
    if (!text) return;
    texts.push_back(*std::move(text));
  }
  if (is_text() || is_list()) into = std::move(texts);
}

void YamlValue::read_duration(DurationUs& into, DurationUs min, DurationUs max) const {
  const auto value = text("a duration such as 30s or 7d");
  if (!value) return;
  const auto duration = parse_duration(*value);
  if (!duration)
    return error(fmt::format("expected a duration such as 30s or 7d, found {}", describe(node_->yaml)));
  if (*duration < min || *duration > max) {
    return error(
        fmt::format("expected a duration from {} ms to {} ms", min / kMillisecondUs, max / kMillisecondUs));
  }
  into = *duration;
}

void YamlValue::read_bytes(std::uint64_t& into, std::uint64_t min, std::uint64_t max) const {
  const auto value = text("a size such as 64MB");
  if (!value) return;
  const auto bytes = parse_bytes(*value);
  if (!bytes) return error(fmt::format("expected a size such as 64MB, found {}", describe(node_->yaml)));
  if (*bytes < min || *bytes > max)
    return error(fmt::format("expected a size from {} to {} bytes", min, max));
  into = *bytes;
}

std::optional<std::int64_t> YamlValue::integer(std::int64_t min, std::int64_t max) const {
  const auto value = text("a whole number");
  if (!value) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(value->data(), value->data() + value->size(), number);
  const bool whole = problem != std::errc::invalid_argument && end == value->data() + value->size();
  if (!whole) {
    error(fmt::format("expected a whole number, found {}", describe(node_->yaml)));
  } else if (problem != std::errc() || number < min || number > max) {
    error(fmt::format("expected a whole number from {} to {}, found {}", min, max, describe(node_->yaml)));
  } else {
    return number;
  }
  return std::nullopt;
}

std::optional<std::size_t> YamlValue::choice(const std::vector<std::string>& words) const {
  const auto expected = fmt::format("one of {}", fmt::join(words, ", "));
  const auto value = text(expected);
  if (!value) return std::nullopt;
  const auto found = std::ranges::find(words, *value);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  error(fmt::format("expected {}, found {}", expected, describe(node_->yaml)));
  return std::nullopt;
}

YamlMap YamlValue::map() const {
  const auto& yaml = node_->yaml;
  if (yaml.IsNull()) return YamlMap(make_node(*node_->state, YAML::Node(YAML::NodeType::Map), node_->line));
  if (yaml.IsMap()) {
    const auto opened_before = node_->state->opened.size();
    node_->state->opened_of(yaml);
    if (node_->state->opened.size() > opened_before) refuse_repeated_keys(*node_->state, yaml);
    return YamlMap(node_);
  }
  error(fmt::format("expected a map, found {}", describe(yaml)));
  return YamlMap(make_node(*node_->state, YAML::Node(YAML::NodeType::Map), node_->line));
}

std::vector<YamlValue> YamlValue::list() const {
  std::vector<YamlValue> values;
  const auto& yaml = node_->yaml;
  if (!yaml.IsSequence() && !yaml.IsNull()) error(fmt::format("expected a list, found {}", describe(yaml)));
  if (!yaml.IsSequence()) return values;
  for (const auto& element : yaml)
    values.push_back(YamlValue(make_node(*node_->state, element, line_of(element))));
  return values;
}

std::optional<YamlValue> YamlMap::find(std::string_view key) const {
  auto& state = *node_->state;
  state.opened_of(node_->yaml).known.emplace(key);
  for (const auto& entry : node_->yaml) {
    if (!entry.first.IsScalar() || entry.first.Scalar() != key) continue;
    // An empty value has no place of its own; its key has.
    return YamlValue(
        make_node(state, entry.second, line_of(entry.second.IsNull() ? entry.first : entry.second)));
  }
  return std::nullopt;
}

bool YamlMap::optional_duration(std::string_view key, DurationUs& into, DurationUs min,
                                DurationUs max) const {
  const auto value = find(key);
  if (value) value->read_duration(into, min, max);
  return value.has_value();
}

bool YamlMap::optional_bytes(std::string_view key, std::uint64_t& into, std::uint64_t min,
                             std::uint64_t max) const {
  const auto value = find(key);
  if (value) value->read_bytes(into, min, max);
  return value.has_value();
}

YamlMap YamlMap::map(std::string_view key) const {
  const auto value = find(key);
  if (value) return value->map();
  return YamlMap(make_node(*node_->state, YAML::Node(YAML::NodeType::Map), node_->line));
}

std::vector<YamlValue> YamlMap::list(std::string_view key) const {
  const auto value = find(key);
  return value ? value->list() : std::vector<YamlValue>();
}

std::vector<std::pair<std::string, YamlValue>> YamlMap::entries() const {
  auto& state = *node_->state;
  state.opened_of(node_->yaml).all_known = true;
  std::vector<std::pair<std::string, YamlValue>> all;
  for (const auto& entry : node_->yaml) {
    if (!entry.first.IsScalar()) continue;
    all.emplace_back(entry.first.Scalar(), YamlValue(make_node(state, entry.second, line_of(entry.first))));
  }
  return all;
}

std::string YamlMap::where() const {
  return node_->state->where(node_->line);
}
void YamlMap::error(std::string message) const {
  node_->state->note(node_->line, std::move(message));
}
void YamlMap::missing(std::string_view key) const {
  error(fmt::format("'{}' is missing", key));
}

Result<YamlDocument> YamlDocument::parse(std::string_view text, const Path& name, YamlReferences references,
                                         Env& env) {
  auto state = std::make_shared<YamlState>();
  state->name = name;
  state->references = references;
  state->env = &env;
  try {
    // Not YAML::LoadAll, which never ends where the text goes on with what begins no document, such as ",".
    Documents documents;
    std::istringstream in{std::string(text)};
    for (YAML::Parser parser(in); documents.begun.size() < 2 && parser.HandleNextDocument(documents);) {
    }
    if (documents.begun.size() > 1 && documents.begun[0] == documents.begun[1])
      return fail(Code::kInvalid, "cannot be read from here on", state->where(documents.line + 1));
    if (documents.begun.size() > 1)
      return fail(Code::kInvalid, "holds more than one YAML document", name.string());
    if (documents.begun.size() == 1) state->top = YAML::Load(std::string(text));
  } catch (const YAML::Exception& problem) {
    return fail(Code::kInvalid, problem.msg, state->where(problem.mark.line + 1));
  }
  if (state->top.IsNull()) state->top = YAML::Node(YAML::NodeType::Map);
  return YamlDocument(std::move(state));
}

Result<YamlDocument> YamlDocument::load(Env& env, const Path& path, YamlReferences references) {
  MILLRACE_ASSIGN(const auto text, read_file(env, path, kDocumentBytesMax));
  return parse(text, path, references, env);
}

YamlMap YamlDocument::root() const {
  return YamlValue(make_node(*state_, state_->top, 1)).map();
}

Status YamlDocument::finish() const {
  auto& state = *state_;
  for (const auto& opened : state.opened) refuse_unknown_keys(state, opened);
  state.opened.clear();
  if (state.noted.empty()) return {};
  std::ranges::stable_sort(state.noted, {}, &YamlState::Noted::line);
  Error error{Code::kInvalid, state.noted.front().message, state.where(state.noted.front().line)};
  for (std::size_t i = 1; i < state.noted.size(); ++i) {
    error.message += fmt::format("\n{}: {}", state.where(state.noted[i].line), state.noted[i].message);
  }
  return fail(std::move(error));
}

}  // namespace millrace
