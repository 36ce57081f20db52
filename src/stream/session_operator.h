#pragma once

#include <algorithm>
#include <cassert>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "stream/session_timers.h"
#include "stream/window.h"
#include "stream/window_key_index.h"

namespace millrace {

/// Groups the events of each key into sessions: an event at `t` stands for the window [t, t + gap), and
/// windows of one key that overlap become one. Events exactly a gap apart are two sessions.
///
/// A session is emitted when the watermark reaches its end. A late event joins what is still remembered (for
/// the allowed lateness) and is emitted at once, or, when it moves the session's end beyond the watermark,
/// once the watermark gets there. An event whose own window ended the allowed lateness ago is handed to
/// `on_too_late`, whatever it might have joined. (Apache Beam's sessions with its default trigger;
/// docs/streams.md.)
///
/// The order of panes depends on nothing but the events and watermarks: by end, then by when the session
/// began to be known. One thread.
template <Accumulator Value>
class SessionOperator {
 public:
  using Input = typename Value::Input;
  using Event = WindowEvent<Input>;
  using Sink = PaneSink<Value>;

  /// Needs options that `validate` accepts, of session windows. `use` must outlive the operator.
  SessionOperator(const WindowOptions& options, StateUse& use)
      : options_(options), use_(use), timers_(options.spec.gap / kBucketsPerGap) {
    assert(options.spec.kind == WindowKind::kSession);
  }
  SessionOperator(const SessionOperator&) = delete;
  SessionOperator& operator=(const SessionOperator&) = delete;
  ~SessionOperator() {
    for (const Session& session : sessions_) forget_use(session);
  }

  /// Add one event, judged by the watermark of the last `advance`.
  void add(const Event& event, Sink& sink) {
    const Window own{event.time, event.time + options_.spec.gap};
    if (own.end + options_.allowed_lateness <= watermark_) {
      ++use_.too_late;
      return sink.on_too_late(event, own);
    }
    const auto hash = static_cast<std::uint32_t>(hash64(event.key));
    const std::uint32_t number = join_or_begin(event.key, hash, own);
    Session& session = sessions_[number];
    const std::size_t bytes_before = session.value.bytes();
    session.value.add(event.input);
    use_.bytes += session.value.bytes() - bytes_before;
    session.last_offset = std::max(session.last_offset, event.offset);
    session.pending = true;
    if (session.window.end <= watermark_) emit(session, PaneTiming::kLate, sink);
    set_timer(number);
  }

  /// Move the watermark on and emit the sessions whose end it reached. It never moves back.
  void advance(TimeUs watermark, Sink& sink) {
    if (watermark <= watermark_) return;
    watermark_ = watermark;
    while (timers_.due_at_least() <= watermark && settle() && timers_.top().due <= watermark) {
      const std::uint32_t number = take_timer();
      Session& session = sessions_[number];
      if (session.pending) emit(session, PaneTiming::kOnTime, sink);
      if (due_of(session) <= watermark) {
        forget(number);
      } else {
        set_timer(number);
      }
    }
  }

  /// Return the watermark at which the next session ends or is forgotten, `kAfterAllTime` when there is none.
  TimeUs next_due() { return settle() ? timers_.top().due : kAfterAllTime; }

  /// The same: the oldest state is what is due next.
  TimeUs oldest() { return next_due(); }

  /// Make room: emit, early, the session that would end first, and forget it. Return the number of entries
  /// given up.
  std::size_t evict_oldest(Sink& sink) {
    if (!settle()) return 0;
    const std::uint32_t number = take_timer();
    if (sessions_[number].pending) emit(sessions_[number], PaneTiming::kEarly, sink);
    forget(number);
    return 1;
  }

  void save(StateWriter& out) const {
    out.put_i64(watermark_);
    out.put_u64(next_sequence_);
    const auto sessions = in_order();
    out.put_u64(sessions.size());
    for (const Session* session : sessions) save(*session, out);
  }

  /// Take over what `save` wrote; false when it is damaged. Needs an operator that has seen nothing.
  bool load(StateReader& in) {
    watermark_ = in.i64();
    const auto next_sequence = in.u64();
    const auto sessions = in.count(kSessionBytesMin);
    for (std::uint64_t i = 0; i < sessions; ++i) {
      if (!load_session(in)) return false;
    }
    next_sequence_ = next_sequence;
    return in.ok();
  }

 private:
  static constexpr DurationUs kBucketsPerGap = 32;
  static constexpr std::uint32_t kNone = 0xffff'ffff;
  static constexpr std::size_t kSessionBytesMin = 44;
  static constexpr std::uint32_t kEmittedMax = 1u << 30;
  static constexpr std::size_t kTableBytes = 16 + sizeof(SessionTimers::Timer);

  struct Session {
    Window window;
    std::uint64_t sequence = 0;    ///< 0: the place is free
    TimeUs timer = kAfterAllTime;  ///< when its valid timer is due; never later than `due_of`
    Offset last_offset;
    std::uint32_t hash = 0;
    std::uint32_t next = kNone;  ///< another session of the same key
    std::uint32_t generation = 0;
    std::int32_t emitted = 0;  ///< how many sessions that were emitted it stands for
    bool pending = false;      ///< holds something not emitted
    std::string key;           ///< keeps its memory when the place is used again
    Value value;
  };

  /// Return when something has to be done with it: emitted at its end, or forgotten.
  TimeUs due_of(const Session& session) const {
    return session.window.end + (session.pending ? 0 : options_.allowed_lateness);
  }

  /// Return the session that `own` belongs to: what it overlaps, made one, or a new one.
  std::uint32_t join_or_begin(std::string_view key, std::uint32_t hash, const Window& own) {
    const auto head = index_.find(hash, [&](std::uint32_t number) { return sessions_[number].key == key; });
    if (!head) return begin(key, hash, own, kNone);
    std::uint32_t joined = kNone;
    for (std::uint32_t number = *head; number != kNone;) {
      const std::uint32_t next = sessions_[number].next;
      if (sessions_[number].window.overlaps(own)) joined = joined == kNone ? number : merge(joined, number);
      number = next;
    }
    if (joined == kNone) return begin(key, hash, own, *head);
    Window& window = sessions_[joined].window;
    window = {std::min(window.start, own.start), std::max(window.end, own.end)};
    return joined;
  }

  /// Make two sessions of a key one: the one known longer stays.
  std::uint32_t merge(std::uint32_t a, std::uint32_t b) {
    if (sessions_[a].sequence > sessions_[b].sequence) std::swap(a, b);
    Session& into = sessions_[a];
    const Session& from = sessions_[b];
    use_.bytes -= into.value.bytes();
    into.value.merge(from.value);
    use_.bytes += into.value.bytes();
    into.window = {std::min(into.window.start, from.window.start),
                   std::max(into.window.end, from.window.end)};
    into.last_offset = std::max(into.last_offset, from.last_offset);
    into.emitted += from.emitted;
    into.pending = into.pending || from.pending;
    forget(b);
    return a;
  }

  /// Make a session; `head` is the first of the same key, which the index knows.
  std::uint32_t begin(std::string_view key, std::uint32_t hash, const Window& window, std::uint32_t head) {
    const std::uint32_t number = free_place();
    Session& session = sessions_[number];
    session.window = window;
    session.sequence = ++next_sequence_;
    session.hash = hash;
    session.key = key;
    if (head == kNone) {
      index_.insert(hash, number);
    } else {
      session.next = std::exchange(sessions_[head].next, number);
    }
    ++use_.entries;
    use_.bytes += bytes_of(session);
    return number;
  }

  std::uint32_t free_place() {
    if (free_.empty()) {
      sessions_.emplace_back();
      return static_cast<std::uint32_t>(sessions_.size() - 1);
    }
    const std::uint32_t number = free_.back();
    free_.pop_back();
    return number;
  }

  void forget(std::uint32_t number) {
    unlink(number);
    Session& session = sessions_[number];
    forget_use(session);
    std::string key = std::move(session.key);
    key.clear();
    session = Session{.generation = session.generation + 1, .key = std::move(key)};
    free_.push_back(number);
  }

  /// Take a session out of the list of its key.
  void unlink(std::uint32_t number) {
    const Session& session = sessions_[number];
    std::uint32_t at =
        *index_.find(session.hash, [&](std::uint32_t other) { return sessions_[other].key == session.key; });
    if (at == number) {
      if (session.next == kNone) return index_.erase(session.hash, number);
      return index_.replace(session.hash, number, session.next);
    }
    while (sessions_[at].next != number) at = sessions_[at].next;
    sessions_[at].next = session.next;
  }

  void forget_use(const Session& session) {
    if (session.sequence == 0) return;
    --use_.entries;
    use_.bytes -= bytes_of(session);
  }

  static std::size_t bytes_of(const Session& session) {
    return sizeof(Session) + kTableBytes + session.key.size() + session.value.bytes();
  }

  void emit(Session& session, PaneTiming timing, Sink& sink) {
    sink.on_pane(
        {session.key, session.window, timing, session.value, session.last_offset, 1 - session.emitted});
    session.emitted = 1;
    session.pending = false;
    if (options_.accumulation == Accumulation::kAccumulate) return;
    use_.bytes -= session.value.bytes();
    session.value = Value();
    use_.bytes += session.value.bytes();
    session.last_offset = Offset();
  }

  /// See to it that a timer is due no later than the session. One that is due earlier is put off when it
  /// comes up
  /// (`settle`), so that an event which only makes a session longer costs no timer.
  void set_timer(std::uint32_t number) {
    Session& session = sessions_[number];
    const TimeUs due = due_of(session);
    if (session.timer <= due) return;
    session.timer = due;
    timers_.push({due, session.sequence, number, ++session.generation});
  }

  /// Make the first timer a valid one that is exact; false when there is none.
  bool settle() {
    while (!timers_.empty()) {
      const auto timer = timers_.top();
      Session& session = sessions_[timer.session];
      const bool valid = session.sequence != 0 && session.generation == timer.generation;
      if (valid && due_of(session) == timer.due) return true;
      timers_.pop();
      if (!valid) continue;
      session.timer = kAfterAllTime;
      set_timer(timer.session);
    }
    return false;
  }

  /// Remove the first timer, which is settled, and return its session.
  std::uint32_t take_timer() {
    const std::uint32_t number = timers_.top().session;
    timers_.pop();
    sessions_[number].timer = kAfterAllTime;
    return number;
  }

  /// Return all sessions by sequence number.
  std::vector<const Session*> in_order() const {
    std::vector<const Session*> sessions;
    for (const Session& session : sessions_) {
      if (session.sequence != 0) sessions.push_back(&session);
    }
    std::ranges::sort(sessions, {}, [](const Session* session) { return session->sequence; });
    return sessions;
  }

  static void save(const Session& session, StateWriter& out) {
    out.put_text(session.key);
    out.put_i64(session.window.start);
    out.put_i64(session.window.end);
    out.put_u64(session.sequence);
    out.put_u64(session.last_offset.value());
    out.put_u32(static_cast<std::uint32_t>(session.emitted));
    out.put_u32(session.pending ? 1 : 0);
    session.value.encode(out);
  }

  bool load_session(StateReader& in) {
    const std::string_view key = in.text();
    const TimeUs start = in.i64();
    const Window window{start, in.i64()};
    const auto sequence = in.u64();
    const Offset last_offset(in.u64());
    const auto emitted = in.u32();
    const auto pending = in.u32();
    if (!in.ok() || window.start < kTimeMin || window.end > kTimeMax + kWindowSpanMax) return false;
    if (window.end - window.start < options_.spec.gap || sequence == 0 || emitted > kEmittedMax) return false;
    const auto hash = static_cast<std::uint32_t>(hash64(key));
    const auto head = index_.find(hash, [&](std::uint32_t number) { return sessions_[number].key == key; });
    const std::uint32_t number = begin(key, hash, window, head.value_or(kNone));
    Session& session = sessions_[number];
    session.sequence = sequence;
    session.last_offset = last_offset;
    session.emitted = static_cast<std::int32_t>(emitted);
    session.pending = pending != 0;
    use_.bytes -= session.value.bytes();
    const bool whole = session.value.decode(in) && in.ok();
    use_.bytes += session.value.bytes();
    set_timer(number);
    return whole;
  }

  const WindowOptions options_;
  StateUse& use_;
  TimeUs watermark_ = kBeforeAllTime;
  std::uint64_t next_sequence_ = 0;
  std::vector<Session> sessions_;
  std::vector<std::uint32_t> free_;
  KeyIndex index_;  ///< the first session of each key
  SessionTimers timers_;
};

}  // namespace millrace
