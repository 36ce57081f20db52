#include "source/http_streams.h"

#include <algorithm>
#include <stop_token>
#include <thread>

#include <fmt/format.h>
#include <pthread.h>

#include "base/hash.h"
#include "base/logging.h"
#include "base/text.h"
#include "log/topics.h"
#include "source/follow_state.h"
#include "source/followed_rows.h"
#include "source/http_fetcher.h"
#include "source/http_page.h"
#include "source/http_position.h"

namespace millrace {
namespace {

constexpr DurationUs kRetryMin = kSecondUs / 2;
constexpr DurationUs kRetryMax = kMinuteUs;
constexpr DurationUs kRetryDenied = 10 * kSecondUs;
constexpr std::size_t kPaddingAfterBody = 64;

/// The items of one page after the other, as JSON texts.
class PageTexts final : public JsonTexts {
 public:
  /// The first of `items` has the number `first`, from 1. What they point to must outlive this.
  PageTexts(std::vector<std::string_view> items, std::uint64_t first)
      : items_(std::move(items)), first_(first) {}

  Result<RowReader::Step> next(Row& row) override {
    if (next_ == items_.size()) return RowReader::Step::kEnd;
    row.place = {.line = first_ + next_};
    row.raw = items_[next_++];
    return RowReader::Step::kRow;
  }

  std::uint64_t bytes_done() const override { return 0; }
  Result<Hash128> content_hash() const override { return fail(Code::kInvalid, "an API has no such hash"); }

 private:
  const std::vector<std::string_view> items_;
  const std::uint64_t first_;
  std::size_t next_ = 0;
};

}  // namespace

/// One source and its thread.
class HttpStreams::Stream {
 public:
  Stream(const Tools& tools, HttpSource source);

  const HttpSource& source() const { return source_; }
  FollowStatus status() const { return watch_.board().read(); }
  void start() {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  void request_stop() { thread_.request_stop(); }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run(const std::stop_token& stop);
  DurationUs pause_after(const Error& error);

  Status follow(const std::stop_token& stop);
  Status begin(const std::stop_token& stop);
  Status finish_pending();
  Status read_next(const std::stop_token& stop);
  Status take(HttpStep step);
  Status note_pending(const HttpResponse& answer, const HttpPage& page);
  Result<HttpStep> step_of(const HttpPage& page, HttpPass& pass);
  Status put_aside(std::string_view body, const Error& reason);
  Status save();
  void show(bool ended);
  Result<HttpPage> page_of(std::string& body, std::string_view link) const;

  const Tools& tools_;
  const HttpSource source_;
  const Path note_;
  const std::vector<std::string> topics_;
  FollowWatch watch_;
  HttpFetcher fetcher_;
  prometheus::Counter& pages_read_;
  prometheus::Counter& items_taken_;

  std::unique_ptr<RecordSink> sink_;
  std::unique_ptr<FollowedRows> rows_;
  KnownRecords known_;
  HttpPosition position_;
  HttpPass pass_;
  bool is_known_ = false;        ///< `position_` is what is in the log …
  bool in_page_ = false;         ///< … but for this page, of which some may be
  bool is_dirty_ = false;        ///< the note lacks what came since
  bool waits_ = false;           ///< for `every`
  bool is_hopeless_ = false;     ///< its pages never end, or do not fit what is configured
  std::uint64_t put_aside_ = 0;  ///< hash of the answer that was put aside last
  DurationUs pause_ = kRetryMin;
  std::jthread thread_;  ///< last: it uses all of the above
};

HttpStreams::Stream::Stream(const Tools& tools, HttpSource source)
    : tools_(tools),
      source_(std::move(source)),
      note_(tools.state_dir / (source_.name + ".api.json")),
      topics_(FollowedRows::topics(source_.mapping ? &*source_.mapping : nullptr)),
      watch_(tools.log, tools.env,
             {.source = source_.name,
              .outage_after = source_.outage_after,
              .stale = "nothing came from the API since"}),
      fetcher_(source_, tools.env),
      pages_read_(
          metrics::counter("millrace_follow_pages_total", "Pages read of APIs", {{"source", source_.name}})),
      items_taken_(metrics::counter("millrace_follow_items_total", "Items of APIs that were new",
                                    {{"source", source_.name}})) {}

void HttpStreams::Stream::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), fmt::format("follow-{}", source_.name).substr(0, 15).c_str());
  while (!stop.stop_requested()) {
    const auto ended = follow(stop);
    // What was handed over but not noted is found in the log.
    rows_.reset();
    sink_.reset();
    if (stop.stop_requested() || ended) return;
    if (is_hopeless_) {
      watch_.failed(ended.error(), FollowStatus::State::kStopped);
      return;
    }
    watch_.failed(ended.error());
    sleep_until_stop(pause_after(ended.error()), stop);
  }
}

/// Return how long to wait before the next try: half to all of a time that doubles, or longer when the API
/// says so.
DurationUs HttpStreams::Stream::pause_after(const Error& error) {
  std::uint16_t random = 0;
  tools_.env.random_bytes(std::as_writable_bytes(std::span(&random, 1)));
  const DurationUs least = error.code == Code::kDenied || error.code == Code::kInvalid ? kRetryDenied : 0;
  const DurationUs pause = std::max(pause_, least);
  pause_ = std::min(2 * pause_, kRetryMax);
  return std::max(pause / 2 + pause * random / 65'536 / 2, fetcher_.asked_to_wait().value_or(0));
}

/// Read page after page until something fails.
Status HttpStreams::Stream::follow(const std::stop_token& stop) {
  MILLRACE_TRY(begin(stop));
  while (!stop.stop_requested()) {
    if (waits_ && !sleep_until_stop(source_.every, stop)) break;
    waits_ = false;
    if (auto read = read_next(stop); !read) {
      if (!in_page_ && is_dirty_) MILLRACE_TRY(save());
      return read;
    }
  }
  return in_page_ || !is_dirty_ ? Status() : save();
}

/// Get ready to read; at first, and after a page that failed in its midst, go on where the note says.
Status HttpStreams::Stream::begin(const std::stop_token& stop) {
  sink_ = std::make_unique<RecordSink>(tools_.log, tools_.env, tools_.limits, stop);
  sink_->leave_out(
      [this](std::string_view topic, const NewRecord& record) { return known_.take(topic, record.value); });
  rows_ = std::make_unique<FollowedRows>(source_.codec, source_.mapping ? &*source_.mapping : nullptr, *sink_,
                                         tools_.limits);
  if (!is_known_ || in_page_) {
    MILLRACE_ASSIGN(auto noted, load_http_position(tools_.env, note_));
    position_ = noted ? *std::move(noted) : HttpPosition{.id = new_uuid(tools_.env)};
    pass_ = {};
    is_dirty_ = false;
  } else if (is_dirty_) {
    MILLRACE_TRY(save());  // what is pending must not get into the log without its note
  }
  MILLRACE_TRY(finish_pending());
  is_known_ = true;
  return {};
}

/// Bring the rest of a page that was under way into the log.
Status HttpStreams::Stream::finish_pending() {
  known_.clear();
  if (!position_.pending) return {};
  MILLRACE_TRY(known_.find(tools_.log, position_.pending->log_ends, source_.source));
  auto body = position_.pending->body;
  const auto page = page_of(body, position_.pending->link);
  if (!page)
    return fail(
        Error(page.error())
            .with_context(fmt::format("the answer that is kept in {}, which may be removed to read the API "
                                      "from its beginning",
                                      note_.string())));
  HttpPass alone;
  MILLRACE_ASSIGN(auto step, step_of(*page, alone));
  return take(std::move(step));
}

Result<HttpPage> HttpStreams::Stream::page_of(std::string& body, std::string_view link) const {
  body.reserve(body.size() + kPaddingAfterBody);
  return read_page(body, link, source_);
}

Status HttpStreams::Stream::read_next(const std::stop_token& stop) {
  MILLRACE_ASSIGN(const auto target, target_of(source_, position_));
  auto asked = fetcher_.get(target, stop);
  const bool is_absent = !asked && is_behind_last_page(source_, position_, fetcher_.status());
  if (is_absent) asked = HttpResponse();
  if (!asked && asked.error().code == Code::kInvalid && fetcher_.status() != 0 && !position_.at.empty())
    asked.error().message +=
        fmt::format("; asked for {}: if that has expired, remove {} to read the API from its beginning",
                    position_.text(source_), note_.string());
  MILLRACE_ASSIGN(auto answer, std::move(asked));
  pages_read_.Increment();
  const auto page = is_absent ? HttpPage() : page_of(answer.body, answer.header("Link"));
  if (!page) {
    MILLRACE_TRY(put_aside(answer.body, page.error()));
    return fail(Error(page.error()).with_context(position_.text(source_)));
  }
  MILLRACE_ASSIGN(auto step, step_of(*page, pass_));
  if (!step.fresh.empty() || !step.refused.empty()) MILLRACE_TRY(note_pending(answer, *page));
  MILLRACE_TRY(take(std::move(step)));
  watch_.works();
  pause_ = kRetryMin;
  return {};
}

Result<HttpStep> HttpStreams::Stream::step_of(const HttpPage& page, HttpPass& pass) {
  auto step = next_step(source_, position_, page, pass, tools_.env.now());
  is_hopeless_ = !step;
  return step;
}

Status HttpStreams::Stream::save() {
  MILLRACE_TRY(save_http_position(tools_.env, note_, position_));
  is_dirty_ = false;
  return {};
}

/// Keep the answer before anything of it is in the log.
Status HttpStreams::Stream::note_pending(const HttpResponse& answer, const HttpPage& page) {
  MILLRACE_ASSIGN(auto log_ends, ends_of(tools_.log, topics_));
  const bool in_header = source_.paging.kind == HttpPaging::Kind::kLink && source_.paging.next.empty();
  position_.pending = {answer.body,
                       in_header && page.next ? fmt::format("<{}>; rel=\"next\"", *page.next) : "",
                       std::move(log_ends)};
  is_dirty_ = true;
  return save();
}

/// Bring what is new on a page into the log, and go on behind it.
Status HttpStreams::Stream::take(HttpStep step) {
  in_page_ = true;
  sink_->begin({.source = source_.source,
                .topic = topics_.front(),
                .file = fmt::format("{} {}", source_.name, position_.text(source_)),
                .id = position_.id});
  const auto fresh = step.fresh.size();
  // Begun anew: what the page becomes must depend on it alone, lest it be unknown when it is taken again.
  rows_->begin(std::make_unique<PageTexts>(std::move(step.fresh), position_.items + 1), position_.id);
  MILLRACE_TRY(rows_->read(UINT64_MAX, {}));  // a page is bounded, and half of it must not pass for all
  for (std::size_t i = 0; i < step.refused.size(); ++i)
    MILLRACE_TRY(sink_->quarantine(
        {.line = position_.items + fresh + i + 1}, step.refused[i], rows_->shape(),
        {Code::kInvalid,
         fmt::format("it has no '{}', or none of the kind that the others have, by which 'since' of the "
                     "source goes on",
                     source_.since->field),
         ""}));
  MILLRACE_TRY(sink_->flush());
  known_.clear();
  in_page_ = false;
  items_taken_.Increment(static_cast<double>(fresh));
  const bool moved =
      position_.pending || step.after.at != position_.at || step.after.since != position_.since;
  position_ = std::move(step.after);
  is_dirty_ = is_dirty_ || moved;
  if (step.ended) pass_ = {};
  waits_ = step.ended;
  show(step.ended);
  if (step.ended && is_dirty_) MILLRACE_TRY(save());
  return {};
}

/// Keep an answer that could not be read, once.
Status HttpStreams::Stream::put_aside(std::string_view body, const Error& reason) {
  const auto hash = hash64(body);
  if (std::exchange(put_aside_, hash) == hash) return {};
  sink_->begin({.source = source_.source,
                .topic = topics_.front(),
                .file = fmt::format("{} {}", source_.name, position_.text(source_)),
                .id = fmt::format("{}:{:x}", position_.id, hash)});
  MILLRACE_TRY(sink_->quarantine({}, body, rows_->shape(), reason));
  return sink_->flush();
}

void HttpStreams::Stream::show(bool ended) {
  watch_.board().change([&](FollowStatus& status) {
    status.position = position_.text(source_);
    status.seen_time = tools_.env.now();
    status.idle = ended;
  });
}

HttpStreams::HttpStreams(Tools tools, std::vector<HttpSource> sources) : tools_(std::move(tools)) {
  for (auto& source : sources) streams_.push_back(std::make_unique<Stream>(tools_, std::move(source)));
}

HttpStreams::~HttpStreams() {
  stop();
}

void HttpStreams::start() {
  if (streams_.empty()) return;
  if (const auto made = tools_.env.make_dirs(tools_.state_dir); !made)
    log_error("follow", made.error().text());
  if (const auto made = tools_.log.create_topic(kSourceEventsTopic, tools_.topic); !made)
    log_error("follow", "could not make the topic of events", {field("error", made.error().text())});
  for (const auto& stream : streams_) stream->start();
}

void HttpStreams::stop() {
  for (const auto& stream : streams_) stream->request_stop();
  for (const auto& stream : streams_) stream->join();
}

std::vector<HttpStreams::Entry> HttpStreams::list() const {
  std::vector<Entry> entries;
  for (const auto& stream : streams_)
    entries.push_back({stream->source().name, stream->source().url.without_query(), stream->status()});
  return entries;
}

}  // namespace millrace
