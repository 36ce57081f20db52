#include "source/file_ingest.h"

#include <algorithm>

#include "log/topics.h"

namespace millrace {
namespace {

constexpr std::uint64_t kRowsBetweenLooks = 1'024;

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

}  // namespace

FileIngest::FileIngest(const Context& context, const Path& path, Reading reading)
    : context_(context),
      path_(path),
      key_{.source = std::move(reading.source),
           .format = std::move(reading.format),
           .mapping = reading.mapping},
      sink_(context.log, context.env, context.limits, context.stop) {}

void FileIngest::report(const ReadProgress& progress) const {
  if (context_.on_chunk) context_.on_chunk(counts(), progress.bytes_done());
}

/// Learn the content's hash; return whether there is anything to do.
Result<bool> FileIngest::begin(std::string_view topic, bool again) {
  key_.topic = topic;
  MILLRACE_ASSIGN(key_.content, hash_file(context_.env, path_));
  if (!again) {
    MILLRACE_ASSIGN(was_loaded_before_, context_.ledger.is_loaded(key_));
  }
  return !was_loaded_before_;
}

/// Note that records will follow, and learn whether there are earlier ones that they replace.
Status FileIngest::begin_load() {
  MILLRACE_ASSIGN(const bool replaces, context_.ledger.begin(key_, path_, context_.env.now()));
  sink_.begin({.source = key_.source,
               .topic = key_.topic,
               .file = path_.filename().string(),
               .id = to_hex(key_.content),
               .replaces = replaces});
  return {};
}

/// Make everything durable, then remember the file if it was read to its end.
Status FileIngest::finish(Status read, const ReadProgress& progress) {
  if (log_failed()) return read;
  MILLRACE_TRY(sink_.flush());
  if (!read) return read;
  MILLRACE_ASSIGN(const auto content_read, progress.content_hash());
  if (content_read != key_.content)
    return fail(Code::kInvalid, "the file was changed while it was read", path_.string());
  return context_.ledger.finish(key_, context_.env.now());
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
      MILLRACE_TRY(sink_.quarantine(row.place, row.raw, codec_name(codec), row.problem));
    } else {
      MILLRACE_TRY(sink_.add_event(row, codec));
    }
    if (++rows_ % kRowsBetweenLooks == 0) report(texts);
  }
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
  if (log_failed() || (!status && status.error().code == Code::kOutOfRange)) return status;
  for (bool more = true; more;) {
    more = mapper.take_groups(mapped, context_.limits.batch_bytes);
    MILLRACE_TRY(sink_.add_mapped(opened.mapping.produce, mapped));
    report(*opened.rows);
  }
  return status;
}

Status FileIngest::read_rows_on(const Opened& opened, RowMapper& mapper, MappedRecords& mapped) {
  auto& rows = *opened.rows;
  const bool is_csv = opened.mapping.format == RowFormat::kCsv;
  const std::string_view shape = is_csv ? "csv" : "jsonl";  // a row of Parquet is kept as JSON
  std::optional<std::size_t> columns_bound;
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
      MILLRACE_TRY(sink_.quarantine(row.place, row.raw, shape, std::move(status).error()));
    }
    if (mapped.text.size() >= context_.limits.batch_bytes)
      MILLRACE_TRY(sink_.add_mapped(opened.mapping.produce, mapped));
    if (++rows_ % kRowsBetweenLooks == 0) report(rows);
  }
}

}  // namespace millrace
