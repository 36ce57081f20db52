#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "event/event.h"
#include "recommend/recommender.h"

namespace millrace {

/// The system's Env with clocks of its own: the wall clock stands, the steady one goes on by
/// `steady_step` at each look at it.
class ClockEnv : public Env {
 public:
  std::atomic<TimeUs> wall = 1'800'000'000 * kSecondUs;
  std::atomic<DurationUs> steady = 0;
  std::atomic<DurationUs> steady_step = 0;

  TimeUs now() override { return wall; }
  DurationUs steady_now() override { return steady += steady_step; }
  void sleep_for(DurationUs duration) override { steady += duration; }

  Result<std::unique_ptr<File>> open(const Path& path, OpenMode mode) override {
    return real_.open(path, mode);
  }
  Status make_dirs(const Path& path) override { return real_.make_dirs(path); }
  Result<std::vector<std::string>> list_dir(const Path& path) override { return real_.list_dir(path); }
  Status remove(const Path& path) override { return real_.remove(path); }
  Status rename(const Path& from, const Path& to) override { return real_.rename(from, to); }
  Status sync_dir(const Path& path) override { return real_.sync_dir(path); }
  bool exists(const Path& path) override { return real_.exists(path); }
  Result<std::unique_ptr<FileLock>> lock(const Path& path) override { return real_.lock(path); }
  Result<std::uint64_t> free_bytes(const Path& path) override { return real_.free_bytes(path); }
  void random_bytes(std::span<std::byte> into) override { real_.random_bytes(into); }

 private:
  Env& real_ = Env::system();
};

/// One event for a test, with texts of its own.
struct Deed {
  EventType type = EventType::kItemView;
  std::string user;
  std::vector<std::string> items;
  TimeUs time = 0;
  std::string session;
  std::string anonymous;
  std::string country;
  std::string order;
  std::string source = "web";
  std::string message_id;
  double value = 0;  ///< of ratings
  int quantity = 0;  ///< 0: not said
  bool in_cart = false;
  std::string type_name;  ///< of custom events
};

/// Call `use` with `deed` as an Event.
void as_event(const Deed& deed, const std::function<void(const Event&)>& use);

/// A recommender under test with what tests keep asking of it.
class Scene {
 public:
  static constexpr TimeUs kStart = 1'700'000'000 * kSecondUs;

  explicit Scene(RecommenderOptions options = plain_options()) : recommender(env, std::move(options)) {}

  /// No diversity and no place for new items, so that lists are in plain order.
  static RecommenderOptions plain_options();

  void item(std::string id, std::string category = {}, std::string price = {}, std::string name = {});
  /// Apply a deed; without a time it is a second after the one before.
  void apply(Deed deed);
  /// Everybody named looks at all `items` in one session each.
  void views(std::initializer_list<std::string> users, const std::vector<std::string>& items);

  Recommendations recommend(RecommendRequest request);
  std::vector<std::string> ids(RecommendRequest request);

  ClockEnv env;
  Recommender recommender;
  TimeUs time = kStart;
};

std::vector<std::string> ids_of(const Recommendations& answer);

}  // namespace millrace
