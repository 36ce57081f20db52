#include "lake/raw_file.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include <fmt/format.h>
#include <simdjson.h>

namespace millrace {
namespace {

/// Raw bytes after which a frame ends. Each begins with nothing learnt: with 256 KiB the same bytes took a
/// sixth more time.
constexpr std::size_t kFrameBytes = 1 << 20;

constexpr std::string_view kTwinSuffix = ".meta";

void append_number(std::int64_t number, std::string& out) {
  const fmt::format_int text(number);
  out.append(text.data(), text.size());
}

void append_number(std::uint64_t number, std::string& out) {
  const fmt::format_int text(number);
  out.append(text.data(), text.size());
}

bool is_plain(char c) {
  return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

/// Return how many bytes at the front can stand in a JSON string as they are. Looks at eight at a time.
std::size_t plain_prefix(std::string_view text) {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::uint64_t kOnes = 0x0101'0101'0101'0101;
  constexpr std::uint64_t kHighs = kOnes << 7;
  // The lowest high bit that is set marks the first byte below `n`, or equal to `c`; those above it mean
  // nothing.
  const auto below = [](std::uint64_t word, std::uint64_t n) { return (word - kOnes * n) & ~word & kHighs; };
  const auto equal = [&](std::uint64_t word, std::uint64_t c) { return below(word ^ (kOnes * c), 1); };
  std::size_t i = 0;
  for (; i + sizeof(std::uint64_t) <= text.size(); i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + i, sizeof word);
    const std::uint64_t odd =
        (word & kHighs) | below(word, ' ') | equal(word, '"') | equal(word, '\\') | equal(word, 0x7F);
    if (odd != 0) return i + static_cast<std::size_t>(std::countr_zero(odd)) / 8;
  }
  while (i < text.size() && is_plain(text[i])) ++i;
  return i;
}

/// Append bytes as what stands in a JSON string: each byte as the character of that number. Nearly all of
/// ours are plain text, which so stays readable, and compresses better than base64 would.
void append_bytes(std::string_view bytes, std::string& out) {
  for (;;) {
    const std::size_t run = plain_prefix(bytes);
    out.append(bytes.substr(0, run));
    bytes.remove_prefix(run);
    if (bytes.empty()) return;
    static constexpr std::string_view kDigits = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(bytes.front());
    const char escape[] = {'\\', 'u', '0', '0', kDigits[byte >> 4], kDigits[byte & 15]};
    out.append(escape, sizeof escape);
    bytes.remove_prefix(1);
  }
}

/// Take back what `append_bytes` wrote, after JSON's escapes were read; false when it holds other characters.
bool take_bytes(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      out += text[i];
      continue;
    }
    if ((byte & 0xFC) != 0xC0 || i + 1 == text.size()) return false;  // two bytes of UTF-8, up to U+00FF
    out += static_cast<char>((byte & 3) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3F));
  }
  return true;
}

std::string file_name(const LakePart& part, Offset first, Offset last) {
  return fmt::format("{}-{}-{}.jsonl.zst", part.source.partition.value(), first.value(), last.value());
}

}  // namespace

std::string twin_dataset(std::string_view dataset) {
  return std::string(dataset) + std::string(kTwinSuffix);
}

std::string twin_key(const LakeFile& data) {
  LakeFile twin = data;
  twin.part.dataset = twin_dataset(data.part.dataset);
  return twin.key();
}

std::string hour_path(std::int64_t hour) {
  const std::string date = format_date(hour * kHourUs);
  const std::int64_t hour_of_day = (hour % 24 + 24) % 24;
  return fmt::format("year={}/month={}/day={}/hour={:02}", date.substr(0, 4), date.substr(5, 2),
                     date.substr(8), hour_of_day);
}

std::optional<std::int64_t> hour_of_path(std::string_view path) {
  const auto value = [&](std::string_view name) {
    const std::size_t at = path.find(name);
    return at == std::string_view::npos ? std::string_view() : path.substr(at + name.size(), 2);
  };
  const std::size_t year = path.find("year=");
  if (year == std::string_view::npos) return std::nullopt;
  const auto time = parse_time(fmt::format("{}-{}-{}T{}:00:00Z", path.substr(year + 5, 4), value("month="),
                                           value("day="), value("hour=")));
  if (!time) return std::nullopt;
  return *time / kHourUs - (*time % kHourUs < 0 ? 1 : 0);
}

// ---- Building

Status RawFileBuilder::add(const Record& record) {
  note(record.offset, record.offset, 1);
  const std::size_t at = data_.lines.size();
  data_.lines.append(record.value);
  // A line must stay one line. Between the parts of a JSON text a space means what a line's end means.
  bool changed = false;
  for (const char end : {'\n', '\r'}) {
    char* rest = data_.lines.data() + at;
    char* const stop = data_.lines.data() + data_.lines.size();
    while (rest != stop) {
      rest = static_cast<char*>(std::memchr(rest, end, static_cast<std::size_t>(stop - rest)));
      if (rest == nullptr) break;
      *rest++ = ' ';
      changed = true;
    }
  }
  data_.lines += '\n';
  add_twin(record, changed);
  return flush_full();
}

void RawFileBuilder::add_twin(const Record& record, bool value_changed) {
  std::string& out = twin_.lines;
  out += R"({"offset":)";
  append_number(record.offset.value(), out);
  out += R"(,"time":)";
  append_number(record.time, out);
  out += R"(,"count":)";
  append_number(std::uint64_t{record.count}, out);
  out += R"(,"key":")";
  append_bytes(record.key, out);
  out += R"(","attributes":")";
  append_bytes(record.attributes, out);
  if (value_changed) {
    out += R"(","value":")";
    append_bytes(record.value, out);
  }
  out += "\"}\n";
}

Status RawFileBuilder::add_lines(std::string_view data, std::string_view twin, const LakeFile& from) {
  note(from.first, from.last, from.records);
  // In pieces, so that the frames are not larger than those of records that came one by one.
  for (; !data.empty(); data.remove_prefix(std::min(data.size(), kFrameBytes))) {
    data_.lines.append(data.substr(0, kFrameBytes));
    MILLRACE_TRY(flush_full());
  }
  for (; !twin.empty(); twin.remove_prefix(std::min(twin.size(), kFrameBytes))) {
    twin_.lines.append(twin.substr(0, kFrameBytes));
    MILLRACE_TRY(flush_full());
  }
  return {};
}

void RawFileBuilder::note(Offset first, Offset last, std::uint64_t records) {
  if (!first_) first_ = first;
  last_ = last;
  records_ += records;
}

Status RawFileBuilder::flush(Stream& stream) {
  stream.raw_bytes += stream.lines.size();
  MILLRACE_TRY(compressor_.append(stream.lines, stream.frames));
  stream.lines.clear();
  return {};
}

Status RawFileBuilder::flush_full() {
  if (data_.lines.size() >= kFrameBytes) MILLRACE_TRY(flush(data_));
  if (twin_.lines.size() >= kFrameBytes) MILLRACE_TRY(flush(twin_));
  return {};
}

std::size_t RawFileBuilder::bytes() const {
  return data_.lines.size() + data_.frames.size() + twin_.lines.size() + twin_.frames.size();
}

BuiltFile RawFileBuilder::built(Stream& stream, const LakePart& part, TimeUs created) const {
  LakeFile file{.part = part,
                .name = file_name(part, *first_, last_),
                .first = *first_,
                .last = last_,
                .records = records_,
                .raw_bytes = stream.raw_bytes,
                .bytes = stream.frames.size(),
                .checksum = hash128(stream.frames),
                .created = created};
  return {std::move(file), std::move(stream.frames)};
}

Result<BuiltPair> RawFileBuilder::finish(LakePart part, TimeUs created) {
  for (Stream* stream : {&data_, &twin_}) {
    if (!stream->lines.empty()) MILLRACE_TRY(flush(*stream));
  }
  BuiltFile data = built(data_, part, created);
  part.dataset = twin_dataset(part.dataset);
  return BuiltPair{std::move(data), built(twin_, part, created)};
}

// ---- Reading back

namespace {

/// Takes lines off the front of a text that ends with a line's end.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }

  /// Return the next line; nothing when it has no end.
  std::optional<std::string_view> next() {
    const std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return line;
  }

 private:
  std::string_view rest_;
};

simdjson::error_code read_field(simdjson::ondemand::field field, RawTwinLine& line) {
  std::string_view name;
  if (const auto error = field.unescaped_key().get(name)) return error;
  auto& value = field.value();
  if (name == "offset") return value.get(line.offset);
  if (name == "time") return value.get(line.time);
  if (name == "count") return value.get(line.count);
  std::string_view text;
  if (const auto error = value.get(text)) return error;
  std::string* into = name == "key"          ? &line.key
                      : name == "attributes" ? &line.attributes
                      : name == "value"      ? &line.value.emplace()
                                             : nullptr;
  return into == nullptr || take_bytes(text, *into) ? simdjson::SUCCESS : simdjson::INCORRECT_TYPE;
}

/// Read one line of a twin; behind it lie at least kPadding bytes.
Result<RawTwinLine> read_twin(simdjson::ondemand::parser& parser, std::string_view text) {
  RawTwinLine line;
  simdjson::ondemand::document document;
  simdjson::ondemand::object object;
  auto error = parser.iterate(text.data(), text.size(), text.size() + RawRecords::kPadding).get(document);
  if (!error) error = document.get_object().get(object);
  if (!error) {
    for (auto field : object) {
      error = field.error();
      if (!error) error = read_field(field.value_unsafe(), line);
      if (error) break;
    }
  }
  if (error)
    return fail(Code::kCorrupt, fmt::format("a line of the twin: {}", simdjson::error_message(error)));
  return line;
}

}  // namespace

Result<RawRecords> RawRecords::parse(std::string data, std::string twin) {
  static_assert(kPadding >= simdjson::SIMDJSON_PADDING);
  RawRecords out;
  out.data_ = std::move(data);
  Lines values(std::string_view(out.data_).substr(0, out.data_.size() - kPadding));
  Lines twins(std::string_view(twin).substr(0, twin.size() - kPadding));
  simdjson::ondemand::parser parser;
  while (!values.done() && !twins.done()) {
    const auto value = values.next();
    const auto text = twins.next();
    if (!value || !text) return fail(Code::kCorrupt, "a line has no end");
    MILLRACE_ASSIGN(RawTwinLine line, read_twin(parser, *text));
    out.add(std::move(line), *value);
  }
  if (!values.done() || !twins.done()) return fail(Code::kCorrupt, "its twin has another number of lines");
  return out;
}

void RawRecords::add(RawTwinLine line, std::string_view value) {
  const RawTwinLine& kept = twins_.emplace_back(std::move(line));
  records_.push_back({.offset = Offset(kept.offset),
                      .time = kept.time,
                      .count = static_cast<std::uint32_t>(kept.count),
                      .key = kept.key,
                      .attributes = kept.attributes,
                      .value = kept.value ? std::string_view(*kept.value) : value});
}

}  // namespace millrace
