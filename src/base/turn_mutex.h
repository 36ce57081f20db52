#pragma once

#include <atomic>
#include <chrono>
#include <shared_mutex>
#include <thread>

namespace millrace {

/// A shared mutex under which neither side starves. The system's lets readers in as long as any reader is
/// inside, so that busy readers can keep a writer out for ever; here new readers wait while a writer does,
/// and a writer with more to do gives way in between. Fits std::unique_lock and std::shared_lock.
class TurnMutex {
 public:
  void lock() {
    ++writers_waiting_;
    mutex_.lock();
    --writers_waiting_;
  }
  void unlock() { mutex_.unlock(); }

  /// Let readers in who wait. A writer calls it, unlocked, between two of its locks.
  void give_way() const {
    if (readers_waiting_ > 0) std::this_thread::sleep_for(kGiveWay);
  }

  bool try_lock_shared() { return writers_waiting_ == 0 && mutex_.try_lock_shared(); }
  void unlock_shared() { mutex_.unlock_shared(); }
  void lock_shared() {
    lock_shared_while([] {
      std::this_thread::sleep_for(kPause);
      return true;
    });
  }

  /// Try to lock; between two tries call `pause`, which gives up by returning false. Returns whether it
  /// is locked.
  template <class Pause>
  bool lock_shared_while(Pause pause) {
    if (try_lock_shared()) return true;
    ++readers_waiting_;
    bool locked = false;
    while (!locked && pause()) locked = try_lock_shared();
    --readers_waiting_;
    return locked;
  }

 private:
  static constexpr std::chrono::microseconds kPause{20};
  static constexpr std::chrono::microseconds kGiveWay{100};

  std::shared_mutex mutex_;
  std::atomic<int> writers_waiting_{0};
  std::atomic<int> readers_waiting_{0};
};

}  // namespace millrace
