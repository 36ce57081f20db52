#include "stream/window_journal.h"

#include <span>

#include "base/hash.h"
#include "base/logging.h"
#include "stream/state_snapshot_bytes.h"

namespace millrace {
namespace {

constexpr std::string_view kMagic = "MRWNDJ01";
constexpr std::uint64_t kBytesMax = 256u << 20;

std::uint32_t checksum(std::string_view bytes) {
  return crc32c(std::as_bytes(std::span(bytes)));
}

/// Append an entry: its length, its checksum, itself.
void put_entry(const std::string& entry, std::string& out) {
  StateWriter writer(out);
  writer.put_u32(static_cast<std::uint32_t>(entry.size()));
  writer.put_u32(checksum(entry));
  out += entry;
}

/// Take the next entry, or nothing when it is not whole.
std::optional<std::string_view> take_entry(StateReader& in) {
  const auto size = in.u32();
  const auto sum = in.u32();
  const auto entry = in.raw(size);
  if (!in.ok() || checksum(entry) != sum) return std::nullopt;
  return entry;
}

void put_offsets(const std::vector<Offset>& offsets, StateWriter& out) {
  out.put_u64(offsets.size());
  for (const Offset offset : offsets) out.put_u64(offset.value());
}

std::vector<Offset> take_offsets(StateReader& in) {
  std::vector<Offset> offsets(in.count(sizeof(std::uint64_t)));
  for (Offset& offset : offsets) offset = Offset(in.u64());
  return offsets;
}

std::string encode(const WindowBase& base) {
  std::string bytes;
  StateWriter out(bytes);
  out.put_u64(base.number);
  put_offsets(base.next, out);
  out.put_text(base.marks);
  out.put_u64(base.published.size());
  for (const auto& [partition, offset] : base.published) {
    out.put_text(partition.topic);
    out.put_u32(partition.partition.value());
    out.put_u64(offset.value());
  }
  return bytes;
}

std::optional<WindowBase> decode_base(std::string_view bytes) {
  StateReader in(bytes);
  WindowBase base;
  base.number = in.u64();
  base.next = take_offsets(in);
  base.marks = in.text();
  const auto published = in.count(16);
  for (std::uint64_t i = 0; i < published; ++i) {
    std::string topic(in.text());
    const PartitionId partition(in.u32());
    base.published[{std::move(topic), partition}] = Offset(in.u64());
  }
  return in.done() ? std::optional(std::move(base)) : std::nullopt;
}

std::string encode(const WindowStep& step) {
  std::string bytes;
  StateWriter out(bytes);
  out.put_u64(step.number);
  out.put_i64(step.now);
  put_offsets(step.next, out);
  for (const bool exhausted : step.exhausted) out.put_u32(exhausted ? 1 : 0);
  return bytes;
}

std::optional<WindowStep> decode_step(std::string_view bytes) {
  StateReader in(bytes);
  WindowStep step;
  step.number = in.u64();
  step.now = in.i64();
  step.next = take_offsets(in);
  for (std::size_t i = 0; i < step.next.size(); ++i) step.exhausted.push_back(in.u32() != 0);
  return in.done() ? std::optional(std::move(step)) : std::nullopt;
}

}  // namespace

Status WindowJournal::open() {
  file_.reset();
  steps_.clear();
  MILLRACE_ASSIGN(const std::string bytes, read_file(env_, path_, kBytesMax));
  StateReader in(bytes);
  const bool known = in.raw(kMagic.size()) == kMagic;
  const auto first = known ? take_entry(in) : std::nullopt;
  auto base = first ? decode_base(*first) : std::nullopt;
  if (!base) return fail(Code::kCorrupt, "is no journal of windows, or damaged", path_.string());
  base_ = *std::move(base);
  std::size_t sound = bytes.size() - in.left();
  while (in.left() > 0) {
    const auto entry = take_entry(in);
    auto step = entry ? decode_step(*entry) : std::nullopt;
    if (!step || step->number != last_number() + 1 || step->next.size() != base_.next.size()) break;
    steps_.push_back(*std::move(step));
    sound = bytes.size() - in.left();
  }
  if (sound < bytes.size())
    log_warning("windows", "the journal's end is not whole and is left out",
                {field("bytes", bytes.size() - sound)});
  sound_bytes_ = sound;
  return {};
}

Status WindowJournal::restart(WindowBase base) {
  return write_anew(std::move(base), {});
}

Status WindowJournal::publish_from(const std::map<TopicPartition, Offset>& ends) {
  WindowBase base = base_;
  base.published.insert(ends.begin(), ends.end());
  return base == base_ ? Status{} : write_anew(std::move(base), steps_);
}

Status WindowJournal::write_anew(WindowBase base, std::vector<WindowStep> steps) {
  std::string bytes(kMagic);
  put_entry(encode(base), bytes);
  for (const WindowStep& step : steps) put_entry(encode(step), bytes);
  file_.reset();
  MILLRACE_TRY(write_file_atomically(env_, path_, bytes));
  base_ = std::move(base);
  steps_ = std::move(steps);
  sound_bytes_ = bytes.size();
  return {};
}

/// After a failure one cannot know what the file holds: then it is written anew with all that is sound.
Status WindowJournal::add(const WindowStep& step) {
  if (!file_) {
    MILLRACE_TRY(write_anew(base_, steps_));
    MILLRACE_ASSIGN(file_, env_.open(path_, OpenMode::kReadWrite));
  }
  std::string entry;
  put_entry(encode(step), entry);
  Status written = file_->write_at(sound_bytes_, std::as_bytes(std::span(entry)));
  if (written) written = file_->sync();
  if (!written) {
    file_.reset();
    return written;
  }
  sound_bytes_ += entry.size();
  steps_.push_back(step);
  return {};
}

}  // namespace millrace
