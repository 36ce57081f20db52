#include "source/file_ingest.h"

#include <algorithm>

#include <fmt/format.h>

#include "event/quarantine.h"
#include "log/topics.h"

namespace millrace {
namespace {

constexpr std::size_t kReadableBytesAfter = 64;  // what simdjson reads past the end
constexpr std::size_t kIdBytesMax = 512;         // as PUT /v1/items has it
constexpr std::uint64_t kRowsBetweenLooks = 1'024;
constexpr std::size_t kEventsMax = 10'000'000;

Result<char> first_byte(Env& env, const Path& path) {
  MILLRACE_ASSIGN(const auto file, FileReader::open(env, path));
  for (char c = ' ';;) {
    MILLRACE_ASSIGN(const auto n, file->read(std::span(&c, 1)));
    if (n == 0) return '\0';
    if (!std::string_view(" \t\r\n\xEF\xBB\xBF").contains(c)) return c;
  }
}

/// Tell by its first bytes how a file of rows is written.
Result<RowFormat> format_of(Env& env, const Path& path) {
  MILLRACE_ASSIGN(const bool parquet, is_parquet(env, path));
  if (parquet) return RowFormat::kParquet;
  MILLRACE_ASSIGN(const char first, first_byte(env, path));
  return first == '{' || first == '[' ? RowFormat::kJsonLines : RowFormat::kCsv;
}

Result<std::unique_ptr<RowReader>> open_as(Env& env, const Path& path, const OpenParquet& open_parquet,
                                           const Mapping& mapping) {
  MILLRACE_ASSIGN(const bool parquet, is_parquet(env, path));
  if (mapping.format == RowFormat::kParquet && !parquet) {
    return fail(Code::kInvalid, "this is not a Parquet file: it does not begin with PAR1", path.string());
  }
  if (mapping.format == RowFormat::kCsv) {
    if (parquet)
      return fail(Code::kInvalid, "this is a Parquet file, not CSV; say 'format: parquet'", path.string());
    MILLRACE_ASSIGN(auto file, FileReader::open(env, path));
    return open_csv(std::move(file), mapping.delimiter);
  }
  MILLRACE_ASSIGN(auto texts, open_json_texts(env, path, open_parquet));
  return read_json_rows(std::move(texts), mapping.unnest);
}

/// Return the name of the id column of a file that has no mapping.
std::string id_column(const std::vector<std::string>& columns, Produce produce) {
  const std::string long_name = produce == Produce::kItems ? "item_id" : "user_id";
  const bool has_id = std::ranges::find(columns, "id") != columns.end();
  const bool has_long = std::ranges::find(columns, long_name) != columns.end();
  return has_long && !has_id ? long_name : "id";
}

/// Return what a row that is put aside is known by: the id that its event would have, for its first piece.
std::string refused_id(std::string_view topic, std::string_view content, const RowPlace& place,
                       std::uint64_t piece) {
  auto id = fmt::format("{}:{}", content, place.text());
  if (piece > 1) id += fmt::format("#{}", piece);
  return topic == kEventsTopic ? id : fmt::format("{}:{}", topic, id);
}

std::string_view topic_of(Produce produce) {
  return produce == Produce::kEvents ? kEventsTopic : produce == Produce::kItems ? kItemsTopic : kUsersTopic;
}

}  // namespace

FileIngest::FileIngest(const Context& context, const Path& path, Reading reading)
    : context_(context),
      path_(path),
      key_{.source = std::move(reading.source),
           .format = std::move(reading.format),
           .mapping = reading.mapping},
      writer_(
          context.log, context.env,
          {.batch_bytes = context.limits.batch_bytes, .appends_in_flight = context.limits.appends_in_flight},
          context.stop) {}

BodyFacts FileIngest::facts() const {
  BodyFacts facts;
  facts.source = key_.source;
  facts.replaces = replaces_;
  facts.received_time = context_.env.now();
  return facts;
}

void FileIngest::report(const ReadProgress& progress) const {
  if (context_.on_chunk) context_.on_chunk(counts_, progress.bytes_done());
}

/// Learn the content's hash; return whether there is anything to do.
Result<bool> FileIngest::begin(std::string_view topic, bool again) {
  key_.topic = topic;
  MILLRACE_ASSIGN(key_.content, hash_file(context_.env, path_));
  content_hex_ = to_hex(key_.content);
  if (!again) {
    MILLRACE_ASSIGN(was_loaded_before_, context_.ledger.is_loaded(key_));
  }
  return !was_loaded_before_;
}

/// Note that records will follow, and learn whether there are earlier ones that they replace.
Status FileIngest::begin_load() {
  MILLRACE_ASSIGN(replaces_, context_.ledger.begin(key_, path_, context_.env.now()));
  return {};
}

/// Make everything durable, then remember the file if it was read to its end.
Status FileIngest::finish(Status read, const ReadProgress& progress) {
  if (log_failed_) return read;
  if (auto flushed = writer_.flush(); !flushed) {
    log_failed_ = true;
    return flushed;
  }
  if (!read) return read;
  MILLRACE_ASSIGN(const auto content_read, progress.content_hash());
  if (content_read != key_.content)
    return fail(Code::kInvalid, "the file was changed while it was read", path_.string());
  return context_.ledger.finish(key_, context_.env.now());
}

Status FileIngest::add_record(std::string_view topic, const NewRecord& record) {
  auto status = writer_.add(topic, record, spread_++);
  if (!status) log_failed_ = true;
  return status;
}

Status FileIngest::quarantine(const RowPlace& place, std::string_view raw, std::string_view codec,
                              Error reason) {
  if (!reason.where.empty()) reason.message = fmt::format("{}: {}", reason.where, reason.message);
  reason.where = fmt::format("{}:{}", path_.filename().string(), place.text());
  refused_pieces_ = place == refused_place_ ? refused_pieces_ + 1 : 1;
  refused_place_ = place;
  const auto id = refused_id(key_.topic, content_hex_, place, refused_pieces_);
  auto about = facts();
  about.message_id = id;
  const auto header = quarantine_header("ingest", codec, reason, about);
  ++counts_.quarantined;
  return add_record(kQuarantineTopic, {.attributes = header, .value = raw, .time = about.received_time});
}

Status FileIngest::add_split(const BodySplit& split) {
  const auto time = context_.env.now();
  for (const auto& record : split.accepted) {
    counts_.events += record.count;
    MILLRACE_TRY(add_record(kEventsTopic, {record.key, record.attributes, record.value, time, record.count}));
  }
  return {};
}

Status FileIngest::load_events(CodecId codec, bool again) {
  MILLRACE_ASSIGN(const bool wanted, begin(kEventsTopic, again));
  if (!wanted) return {};
  MILLRACE_ASSIGN(const auto texts, open_json_texts(context_.env, path_, context_.open_parquet,
                                                    context_.limits.event_bytes_max));
  MILLRACE_TRY(begin_load());
  auto status = read_events(*texts, codec);
  return finish(std::move(status), *texts);
}

Status FileIngest::read_events(JsonTexts& texts, CodecId codec) {
  for (Row row;;) {
    MILLRACE_ASSIGN(const auto step, texts.next(row));
    if (step == RowReader::Step::kEnd) return {};
    if (step == RowReader::Step::kBadRow) {
      MILLRACE_TRY(quarantine(row.place, row.raw, codec_name(codec), row.problem));
    } else {
      MILLRACE_TRY(add_element(row, codec));
    }
    if (++counts_.rows % kRowsBetweenLooks == 0) report(texts);
  }
}

Status FileIngest::add_element(const Row& row, CodecId codec) {
  const auto message_id = fmt::format("{}:{}", content_hex_, row.place.text());
  auto about = facts();
  about.message_id = message_id;
  const BodyLimits limits{context_.limits.event_bytes_max, context_.limits.event_bytes_max, kEventsMax};
  const auto split = split_body(codec, row.raw, about, limits, context_.env);
  if (!split) return quarantine(row.place, row.raw, codec_name(codec), split.error());
  for (const auto& refused : split->refused) {
    MILLRACE_TRY(quarantine(row.place, refused.value, codec_name(codec), refused.reason));
  }
  return add_split(*split);
}

Result<FileIngest::Opened> FileIngest::open_rows(const Mapping* mapping, Produce produce) {
  Opened opened;
  if (mapping != nullptr) {
    opened.mapping = *mapping;
  } else {
    MILLRACE_ASSIGN(opened.mapping.format, format_of(context_.env, path_));
  }
  MILLRACE_ASSIGN(opened.rows, open_as(context_.env, path_, context_.open_parquet, opened.mapping));
  if (mapping == nullptr) {
    opened.mapping =
        plain_mapping(produce, opened.mapping.format, id_column(opened.rows->columns(), produce));
  }
  return opened;
}

Status FileIngest::load_rows(const Mapping* mapping, Produce produce, bool again) {
  MILLRACE_ASSIGN(const bool wanted, begin(topic_of(produce), again));
  if (!wanted) return {};
  MILLRACE_ASSIGN(const auto opened, open_rows(mapping, produce));
  MILLRACE_TRY(begin_load());
  auto status = read_rows(opened);
  return finish(std::move(status), *opened.rows);
}

Status FileIngest::read_rows(const Opened& opened) {
  RowMapper mapper(opened.mapping, key_.content, context_.limits.group_bytes_max);
  MappedRecords mapped;
  auto status = read_rows_on(opened, mapper, mapped);
  // What came before an error of the file is kept, groups included; not so when they outgrew the memory.
  if (log_failed_ || (!status && status.error().code == Code::kOutOfRange)) return status;
  for (bool more = true; more;) {
    more = mapper.take_groups(mapped, context_.limits.batch_bytes);
    MILLRACE_TRY(add_mapped(opened.mapping.produce, mapped));
    report(*opened.rows);
  }
  return status;
}

Status FileIngest::read_rows_on(const Opened& opened, RowMapper& mapper, MappedRecords& mapped) {
  auto& rows = *opened.rows;
  const bool is_csv = opened.mapping.format == RowFormat::kCsv;
  const std::string_view shape = is_csv ? "csv" : "jsonl";  // a row of Parquet is kept as JSON
  std::size_t columns_bound = 0;
  if (is_csv) {
    auto bound = mapper.bind(rows.columns(), true);
    if (!bound && bound.error().where.empty()) bound.error().where = path_.string();
    MILLRACE_TRY(bound);
  }
  for (Row row;;) {
    MILLRACE_ASSIGN(const auto step, rows.next(row));
    if (step == RowReader::Step::kEnd) return {};
    Status status;
    if (step == RowReader::Step::kBadRow) {
      status = fail(row.problem);
    } else {
      if (!is_csv && rows.columns().size() != columns_bound) {
        MILLRACE_TRY(mapper.bind(rows.columns(), false));
        columns_bound = rows.columns().size();
      }
      status = mapper.map(row, mapped);
    }
    if (!status) {
      if (status.error().code == Code::kOutOfRange) return status;
      MILLRACE_TRY(quarantine(row.place, row.raw, shape, std::move(status).error()));
    }
    if (mapped.text.size() >= context_.limits.batch_bytes)
      MILLRACE_TRY(add_mapped(opened.mapping.produce, mapped));
    if (++counts_.rows % kRowsBetweenLooks == 0) report(rows);
  }
}

Status FileIngest::add_mapped(Produce produce, MappedRecords& mapped) {
  auto status = Status();
  if (!mapped.pieces.empty()) {
    status = produce == Produce::kEvents ? add_mapped_events(mapped)
                                         : add_mapped_changes(topic_of(produce), mapped);
  }
  mapped.clear();
  return status;
}

/// Check mapped events as the collector checks what comes over HTTP.
Status FileIngest::add_mapped_events(MappedRecords& mapped) {
  mapped.text.reserve(mapped.text.size() + kReadableBytesAfter);
  const BodyLimits limits{context_.limits.event_bytes_max, SIZE_MAX, kEventsMax};
  MILLRACE_ASSIGN(const auto split, split_body(CodecId::kNative, mapped.text, facts(), limits, context_.env));
  for (const auto& refused : split.refused) {
    const auto begin = static_cast<std::size_t>(refused.value.data() - mapped.text.data());
    const auto after = std::ranges::upper_bound(mapped.pieces, begin, {}, &MappedRecords::Piece::begin);
    MILLRACE_TRY(
        quarantine(std::prev(after)->place, refused.value, codec_name(CodecId::kNative), refused.reason));
  }
  return add_split(split);
}

Status FileIngest::add_mapped_changes(std::string_view topic, const MappedRecords& mapped) {
  const auto time = context_.env.now();
  for (const auto& piece : mapped.pieces) {
    const bool fits = piece.key.size() <= kIdBytesMax && !piece.key.contains('\0');
    if (!fits) {
      const Error reason{Code::kInvalid,
                         fmt::format("the id has more than {} bytes or holds a NUL", kIdBytesMax), ""};
      MILLRACE_TRY(quarantine(piece.place, mapped.json(piece), "change", reason));
      continue;
    }
    ++counts_.events;
    MILLRACE_TRY(add_record(topic, {.key = piece.key, .value = mapped.json(piece), .time = time}));
  }
  return {};
}

}  // namespace millrace
