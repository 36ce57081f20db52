#include "source/file_follower.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include <fmt/format.h>
#include <pthread.h>

#include "base/logging.h"
#include "base/text.h"
#include "source/follow_state.h"
#include "source/followed_rows.h"

namespace millrace {
namespace {

constexpr std::uint64_t kLinesAtOnce = 4'096;  // between two looks at the clock and at whether to stop
constexpr DurationUs kRetryWait = kSecondUs;

/// Return whether `name` is `base` put away: with numbers behind it, as programs that rotate logs name them.
bool is_rotated(std::string_view name, std::string_view base) {
  if (!name.starts_with(base) || name.size() < base.size() + 2) return false;
  const auto suffix = name.substr(base.size());
  return (suffix[0] == '.' || suffix[0] == '-') &&
         suffix.find_first_not_of("0123456789.-_T") == std::string_view::npos;
}

struct Candidate {
  Path path;
  FileIdentity identity;
  std::filesystem::file_time_type written;
};

/// Return the file and those that were put away, the oldest first, the file itself last.
std::vector<Candidate> candidates_of(Env& env, const Path& path) {
  std::vector<Candidate> all;
  const auto dir = path.has_parent_path() ? path.parent_path() : Path(".");
  const auto names = env.list_dir(dir);
  const auto base = path.filename().string();
  for (const auto& name : names ? *names : std::vector<std::string>{}) {
    if (!is_rotated(name, base)) continue;
    std::error_code error;
    const auto written = std::filesystem::last_write_time(dir / name, error);
    const auto identity = identity_of(dir / name);
    if (!error && identity) all.push_back({dir / name, *identity, written});
  }
  std::ranges::sort(all, {}, &Candidate::written);
  if (const auto identity = identity_of(path)) all.push_back({path, *identity, {}});
  return all;
}

}  // namespace

/// Follows one file.
struct FileFollower::Thread {
 public:
  Thread(EventLog& log, Env& env, Path state_path, FollowedFile file, const FollowOptions& options);
  ~Thread();

 private:
  const Mapping* mapping() const { return file_.mapping ? &*file_.mapping : nullptr; }
  void run(const std::stop_token& stop);
  void wait(const std::stop_token& stop, DurationUs duration);
  void complain(const Error& error);

  Status follow(const std::stop_token& stop);
  Status open_first();
  Status open_file(const Path& path, const FileIdentity& identity, std::optional<FollowState> from);
  Result<bool> read_some(const std::stop_token& stop);
  Result<bool> look_after_file();
  Result<bool> move_on();
  Status note();
  void measure();

  EventLog& log_;
  Env& env_;
  const Path state_path_;
  const FollowedFile file_;
  const FollowOptions options_;
  const std::vector<std::string> topics_;

  std::unique_ptr<RecordSink> sink_;
  FollowState state_;
  std::unique_ptr<FollowedRows> rows_;
  GrowingLines* lines_ = nullptr;  ///< owned by rows_
  KnownRecords known_;
  bool is_dirty_ = false;  ///< lines were read since the last note
  DurationUs noted_at_ = 0;
  DurationUs grew_at_ = 0;
  std::uint64_t looked_size_ = 0;  ///< of the file, when its head was last compared
  std::string last_complaint_;

  prometheus::Counter& lines_read_;
  prometheus::Gauge& behind_;

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  ///< last: it uses all the others
};

FileFollower::Thread::Thread(EventLog& log, Env& env, Path state_path, FollowedFile file,
                             const FollowOptions& options)
    : log_(log),
      env_(env),
      state_path_(std::move(state_path)),
      file_(std::move(file)),
      options_(options),
      topics_(FollowedRows::topics(mapping())),
      lines_read_(metrics::counter("millrace_follow_lines_total", "Lines read of followed files",
                                   {{"file", file_.name}})),
      behind_(metrics::gauge("millrace_follow_behind_bytes", "Bytes of followed files not read yet",
                             {{"file", file_.name}})),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

FileFollower::Thread::~Thread() {
  thread_.request_stop();
  thread_.join();
}

void FileFollower::Thread::wait(const std::stop_token& stop, DurationUs duration) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, std::chrono::microseconds(duration), [] { return false; });
}

/// Log what is in the way, once until it changes.
void FileFollower::Thread::complain(const Error& error) {
  const auto text = error.text();
  if (text == last_complaint_) return;
  last_complaint_ = text;
  log_warning("follow", text, {field("file", file_.name), field("path", file_.path.string())});
}

void FileFollower::Thread::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), fmt::format("follow-{}", file_.name).substr(0, 15).c_str());
  while (!stop.stop_requested()) {
    const auto status = follow(stop);
    if (!status && status.error().code != Code::kCancelled) complain(status.error());
    // What was handed over but not noted is found in the log.
    lines_ = nullptr;
    rows_.reset();
    sink_.reset();
    if (!stop.stop_requested()) wait(stop, kRetryWait);
  }
}

/// Find where to go on, then bring line after line into the log until something fails.
Status FileFollower::Thread::follow(const std::stop_token& stop) {
  sink_ = std::make_unique<RecordSink>(log_, env_, options_.limits, stop);
  sink_->leave_out(
      [this](std::string_view topic, const NewRecord& record) { return known_.take(topic, record.value); });
  rows_ = std::make_unique<FollowedRows>(file_.codec, mapping(), *sink_, options_.limits);
  MILLRACE_TRY(open_first());
  noted_at_ = grew_at_ = env_.steady_now();
  while (!stop.stop_requested()) {
    MILLRACE_ASSIGN(const bool any, read_some(stop));
    if (env_.steady_now() - noted_at_ >= options_.save_interval) {
      measure();
      MILLRACE_TRY(note());
    }
    if (any) continue;
    known_.clear();  // what was in the log is before this place
    MILLRACE_ASSIGN(const bool moved, look_after_file());
    measure();
    if (!moved) wait(stop, options_.poll_interval);
  }
  return {};  // the next start finds in the log what was read since the last note
}

/// Open the file that was read last, under whatever name it lies now, or the oldest that was not read.
Status FileFollower::Thread::open_first() {
  MILLRACE_ASSIGN(auto noted, load_follow_state(env_, state_path_));
  known_.clear();
  if (noted) MILLRACE_TRY(known_.find(log_, noted->log_ends, file_.source));
  const auto candidates = candidates_of(env_, file_.path);
  if (noted) {
    const auto same = std::ranges::find(candidates, noted->file, &Candidate::identity);
    if (same != candidates.end()) return open_file(same->path, same->identity, noted);
    if (!candidates.empty()) {
      log_warning("follow",
                  fmt::format("the file that was read up to byte {} is gone; what came behind that is lost",
                              with_thousands(noted->place.offset)),
                  {field("file", file_.name), field("path", file_.path.string())});
    }
  }
  MILLRACE_ASSIGN(const auto identity, identity_of(file_.path));
  return open_file(file_.path, identity, std::nullopt);
}

/// Open a file where `from` left it, or at its beginning when there is nothing, or it is not that file any
/// more.
Status FileFollower::Thread::open_file(const Path& path, const FileIdentity& identity,
                                       std::optional<FollowState> from) {
  const auto open_at = [&](const GrowingLines::Place& place) {
    return GrowingLines::open(env_, path, place, options_.limits.event_bytes_max);
  };
  MILLRACE_ASSIGN(auto lines, open_at(from ? from->place : GrowingLines::Place{}));
  if (from) {
    MILLRACE_ASSIGN(const bool same, lines->still_begins(from->head));
    if (!same) {
      from.reset();
      MILLRACE_ASSIGN(lines, open_at({}));
    }
  }
  if (!from) known_.clear();
  state_ = from ? *std::move(from) : FollowState{.file = identity, .id = new_uuid(env_)};
  lines_ = lines.get();
  rows_->begin(std::move(lines), state_.id);
  sink_->begin(
      {.source = file_.source, .topic = topics_.front(), .file = path.filename().string(), .id = state_.id});
  looked_size_ = 0;
  grew_at_ = env_.steady_now();
  last_complaint_.clear();
  log_info("follow", "reads on",
           {field("file", file_.name), field("path", path.string()), field("byte", state_.place.offset)});
  is_dirty_ = true;
  return note();  // before its first line, so that whatever comes of it is found by the next start
}

/// Read what is there, up to a bound; return whether there was anything.
Result<bool> FileFollower::Thread::read_some(const std::stop_token& stop) {
  MILLRACE_ASSIGN(const auto count, rows_->read(kLinesAtOnce, stop));
  if (count == 0) return false;
  lines_read_.Increment(static_cast<double>(count));
  grew_at_ = env_.steady_now();
  is_dirty_ = true;
  return true;
}

/// See whether the file was truncated or put away, and go to the next one; return whether it did.
Result<bool> FileFollower::Thread::look_after_file() {
  MILLRACE_ASSIGN(const auto size, lines_->size());
  if (size != looked_size_) {
    looked_size_ = size;
    MILLRACE_ASSIGN(const bool same, lines_->still_begins(state_.head));
    if (!same) {
      log_info("follow", "the file was truncated; reads it from its beginning", {field("file", file_.name)});
      MILLRACE_ASSIGN(const auto identity, identity_of(file_.path));
      MILLRACE_TRY(open_file(file_.path, identity, std::nullopt));
      return true;
    }
    if (state_.head.bytes < GrowingLines::Head::kBytesMax) {
      MILLRACE_ASSIGN(state_.head, lines_->head());
    }
  }
  const auto now = identity_of(file_.path);
  const bool put_away = now && *now != state_.file;
  if (!put_away || env_.steady_now() - grew_at_ < options_.rotate_wait) return false;
  return move_on();
}

/// Finish a file that was put away and open the one begun after it.
Result<bool> FileFollower::Thread::move_on() {
  lines_->close_last_line();
  MILLRACE_ASSIGN([[maybe_unused]] const bool any, read_some({}));
  const auto candidates = candidates_of(env_, file_.path);
  const auto here = std::ranges::find(candidates, state_.file, &Candidate::identity);
  // Where it is gone altogether, those put away may have been read before it.
  const auto next = here == candidates.end() ? candidates.end() - !candidates.empty() : here + 1;
  if (next == candidates.end()) return false;
  MILLRACE_TRY(open_file(next->path, next->identity, std::nullopt));
  return true;
}

/// Wait until what was read is durable, and note how far that is.
Status FileFollower::Thread::note() {
  noted_at_ = env_.steady_now();
  // Until what the log holds of the lines behind the last note is passed, that note has to stay.
  if (!is_dirty_ || !known_.is_empty()) return {};
  MILLRACE_TRY(sink_->flush());
  state_.place = lines_->place();
  MILLRACE_ASSIGN(state_.log_ends, ends_of(log_, topics_));
  if (state_.head.bytes == 0) {
    MILLRACE_ASSIGN(state_.head, lines_->head());
  }
  MILLRACE_TRY(save_follow_state(env_, state_path_, state_));
  is_dirty_ = false;
  return {};
}

void FileFollower::Thread::measure() {
  const auto size = lines_->size();
  if (size) behind_.Set(static_cast<double>(*size - std::min(*size, lines_->place().offset)));
}

FileFollower::FileFollower(EventLog& log, Env& env, Path state_dir, std::vector<FollowedFile> files,
                           const FollowOptions& options) {
  if (files.empty()) return;
  if (const auto made = env.make_dirs(state_dir); !made) log_error("follow", made.error().text());
  for (auto& file : files) {
    auto state_path = state_dir / (file.name + ".json");
    threads_.push_back(std::make_unique<Thread>(log, env, std::move(state_path), std::move(file), options));
  }
}

FileFollower::~FileFollower() = default;

}  // namespace millrace
