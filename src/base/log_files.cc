#include "base/log_files.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include <fmt/format.h>
#include <pthread.h>

#include "base/metrics.h"

namespace millrace {
namespace {

constexpr std::string_view kSuffix = ".jsonl";

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return {};
  return number;
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

std::string LogPosition::text() const {
  return fmt::format("{}:{}", file, byte);
}

std::optional<LogPosition> LogPosition::parse(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {};
  const auto file = number_in(text.substr(0, colon));
  const auto byte = number_in(text.substr(colon + 1));
  if (!file || !byte) return {};
  return LogPosition{*file, *byte};
}

std::map<std::uint64_t, Path> list_log_files(Env& env, const Path& dir) {
  std::map<std::uint64_t, Path> files;
  const auto names = env.list_dir(dir);
  if (!names) return files;
  for (const std::string& name : *names) {
    if (!name.ends_with(kSuffix)) continue;
    if (const auto number = number_in(std::string_view(name).substr(0, name.size() - kSuffix.size())))
      files[*number] = dir / name;
  }
  return files;
}

LogFiles::LogFiles(Env& env, Path dir, const LogFilesOptions& options)
    : env_(env),
      dir_(std::move(dir)),
      options_(options),
      file_bytes_(std::max<std::uint64_t>(1, std::min(options.file_bytes, options.bytes_max / 4))),
      dropped_total_(metrics::counter("millrace_log_lines_dropped_total",
                                      "Log lines that are in no file because the disk took no more")) {
  (void)open_newest();  // else the first line tries again
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "logging");
}

LogFiles::~LogFiles() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Status LogFiles::open_newest() {
  MILLRACE_TRY(env_.make_dirs(dir_));
  files_ = list_log_files(env_, dir_);
  if (files_.empty()) return open_file(1);
  MILLRACE_TRY(open_file(files_.rbegin()->first));
  const LogPosition at = end();
  if (at.byte == 0) return {};
  std::byte last{};
  MILLRACE_TRY(file_->read_at(at.byte - 1, {&last, 1}));
  if (last == std::byte('\n')) return {};
  // A crash tore the line. Whatever it was, the next one begins anew.
  MILLRACE_TRY(file_->write_at(at.byte, bytes_of("\n")));
  const std::lock_guard lock(mutex_);
  ++end_.byte;
  return {};
}

Status LogFiles::open_file(std::uint64_t number) {
  const Path path = dir_ / fmt::format("{:06}{}", number, kSuffix);
  MILLRACE_ASSIGN(auto file, env_.open(path, OpenMode::kCreatePrivate));
  MILLRACE_ASSIGN(const std::uint64_t size, file->size());
  file_ = std::move(file);
  files_[number] = path;
  const std::lock_guard lock(mutex_);
  end_ = {number, size};
  return {};
}

/// Begin the next file when this one is full. The oldest ones go first: on a full disk that is the room.
Status LogFiles::make_room(std::uint64_t bytes) {
  const LogPosition at = end();
  if (at.byte == 0 || at.byte + bytes <= file_bytes_) return {};
  while (files_.size() > 1 && files_.size() >= options_.bytes_max / file_bytes_) {
    if (const Status removed = env_.remove(files_.begin()->second);
        !removed && removed.error().code != Code::kNotFound)
      return removed;
    files_.erase(files_.begin());
  }
  return open_file(at.file + 1);
}

Status LogFiles::write(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    text += line;
    text += '\n';
  }
  if (!file_) MILLRACE_TRY(open_newest());
  MILLRACE_TRY(make_room(text.size()));
  const LogPosition at = end();
  if (Status written = file_->write_at(at.byte, bytes_of(text)); !written) {
    (void)file_->truncate(at.byte);  // half a line is worse than none; all are tried again
    return written;
  }
  const std::lock_guard lock(mutex_);
  end_.byte += text.size();
  return {};
}

std::string LogFiles::loss_line(std::uint64_t lost) const {
  return fmt::format(
      R"({{"time":"{}","level":"warning","component":"logging","message":"lines were lost: the disk took no more","lines":{}}})",
      format_time(env_.now()), lost);
}

void LogFiles::run() {
  std::unique_lock lock(mutex_);
  const auto retry = std::chrono::microseconds(options_.retry_interval);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || !waiting_.empty() || lost_ > 0; });
    if (failing_ && !stopping_) changed_.wait_for(lock, retry, [&] { return stopping_; });
    if (waiting_.empty() && lost_ == 0) return;
    std::vector<std::string> lines = std::exchange(waiting_, {});
    const std::uint64_t lost = std::exchange(lost_, 0);
    if (lost > 0) lines.push_back(loss_line(lost));
    busy_ = true;
    lock.unlock();
    const bool written = write(lines).has_value();
    lock.lock();
    busy_ = false;
    failing_ = !written;
    ++tries_;
    if (written) {
      waiting_bytes_ = 0;
      for (const std::string& line : waiting_) waiting_bytes_ += line.size();
    } else {
      if (lost > 0) lines.pop_back();
      lost_ += lost;
      lines.insert(lines.end(), std::make_move_iterator(waiting_.begin()),
                   std::make_move_iterator(waiting_.end()));
      waiting_ = std::move(lines);
    }
    changed_.notify_all();
    if (stopping_ && (!written || waiting_.empty())) return;
  }
}

void LogFiles::add(std::string_view line) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || waiting_bytes_ + line.size() > options_.waiting_bytes_max) {
      ++lost_;
      dropped_total_.Increment();
    } else {
      waiting_.emplace_back(line);
      waiting_bytes_ += line.size();
    }
  }
  changed_.notify_all();
}

bool LogFiles::flush() {
  std::unique_lock lock(mutex_);
  // The write that is under way may have begun before what was queued last.
  const std::uint64_t enough = tries_ + (busy_ ? 2 : 1);
  const auto all = [&] { return waiting_.empty() && lost_ == 0 && !busy_; };
  changed_.wait(lock, [&] { return all() || tries_ >= enough; });
  return all();
}

LogPosition LogFiles::end() const {
  const std::lock_guard lock(mutex_);
  return end_;
}

LogPosition LogFiles::wait_for_more(LogPosition seen, DurationUs wait) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::microseconds(wait), [&] { return stopping_ || end_ > seen; });
  return end_;
}

}  // namespace millrace
