#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/env.h"

namespace millrace {

/// An Env in memory that fails and loses power on demand. Its clock moves only by `advance` and
/// `sleep_for`, its randomness comes from the seed.
///
/// What a loss of power leaves, as the worst of real disks and file systems would:
/// - of each 512-byte sector written since the file's last sync, any version since then; the last one
///   also torn: right up to some byte after the first changed one, zeros or garbage behind it;
/// - of the file's size, any since the last sync;
/// - of each creation, rename and removal whose directories were not synced since, all or nothing.
///
/// Threads: any, also of the files it hands out.
class FaultEnv final : public Env {
 public:
  static constexpr std::size_t kSectorBytes = 512;

  explicit FaultEnv(std::uint64_t seed = 1);
  ~FaultEnv() override;

  /// Lose power: keep what was synced, and of the rest what `seed` decides; otherwise as
  /// `restart_process`.
  void power_loss(std::uint64_t seed);

  /// End the process, as SIGKILL does: locks and injected faults are gone, files opened before answer kIo
  /// for ever, but everything written is still there.
  void restart_process();

  /// Answer kIo to everything that changes something, after `operations` more of them have been done:
  /// for the process, its end. `power_loss` and `restart_process` revive.
  void die_after(std::uint64_t operations);

  /// Make every sync of files, or of directories, a lie that changes nothing, to see that a test would
  /// notice.
  void set_ignore_sync(bool files, bool dirs);

  /// Let `bytes` more be written to new sectors, then answer kNoSpace; removing files gives back.
  /// Nothing: no limit.
  void set_space(std::optional<std::uint64_t> bytes);

  /// Fail the `n`-th write or sync from now on (0: the next) with kIo, once. A failed write may have
  /// written a part; a failed sync marks pages clean that never reached the disk.
  void fail_write(std::uint64_t n);
  void fail_sync(std::uint64_t n);

  /// Answer kDenied to everything that changes something.
  void set_read_only(bool read_only);

  /// Change a durable byte, as a decaying disk does.
  void flip_bits(const Path& path, std::uint64_t position, std::uint8_t mask);

  /// Cut a file durably, behind the back of whoever has it open.
  void cut_file(const Path& path, std::uint64_t bytes);

  /// Move both clocks on. `jump` moves only the wall clock, also back.
  void advance(DurationUs duration);
  void jump(DurationUs duration);

  /// Return how many operations that change something were done.
  std::uint64_t operations() const;

  Result<std::unique_ptr<File>> open(const Path& path, OpenMode mode) override;
  Status make_dirs(const Path& path) override;
  Result<std::vector<std::string>> list_dir(const Path& path) override;
  Status remove(const Path& path) override;
  Status rename(const Path& from, const Path& to) override;
  Status sync_dir(const Path& path) override;
  bool exists(const Path& path) override;
  Result<std::unique_ptr<FileLock>> lock(const Path& path) override;
  Result<std::uint64_t> free_bytes(const Path& path) override;
  TimeUs now() override;
  DurationUs steady_now() override;
  void sleep_for(DurationUs duration) override;
  void random_bytes(std::span<std::byte> into) override;

 private:
  class OpenFile;
  class HeldLock;

  /// A file or directory.
  struct Node {
    bool is_dir = false;
    std::string content;  ///< as programs see it
    std::string durable;  ///< as it would be after a loss of power now, when nothing else got through
    std::map<std::uint64_t, std::vector<std::string>> dirty;  ///< sector → its contents since the last sync
    std::vector<std::uint64_t> sizes;                         ///< since the last sync
  };
  using Tree = std::map<std::string, std::shared_ptr<Node>>;

  /// One change of names that a loss of power may still undo.
  struct NameChange {
    std::set<std::string> unsynced_dirs;
    std::string removed;  ///< path, empty when none
    std::string added;    ///< path, empty when none
    std::shared_ptr<Node> node;
  };

  static std::string normal(const Path& path);
  static std::string parent_of(const std::string& path);
  static std::uint64_t sectors(std::uint64_t bytes);  ///< that so many bytes take

  // All with mutex_ held.
  void end_process();
  Status begin_change(const std::string& path);
  Status write(Node& node, const std::string& path, std::uint64_t offset, std::string_view bytes);
  Status resize(Node& node, const std::string& path, std::uint64_t bytes);
  Status sync(Node& node, const std::string& path);
  std::uint64_t take_space(const Node& node, std::uint64_t offset, std::uint64_t bytes);
  void note_dirty(Node& node, std::uint64_t from, std::uint64_t to);
  void lose_pages(Node& node);
  void settle_names();
  void change_names(NameChange change);
  static void apply(const NameChange& change, Tree& tree);
  static bool has_children(const Tree& tree, const std::string& path);
  void settle(Node& node, std::mt19937_64& random) const;

  mutable std::mutex mutex_;
  Tree tree_;
  Tree durable_tree_;
  std::vector<NameChange> changes_;
  std::set<std::string> locks_;
  std::mt19937_64 random_;
  TimeUs now_us_ = 1'700'000'000 * kSecondUs;
  DurationUs steady_us_ = 0;
  std::uint64_t generation_ = 0;  ///< of power; files of an earlier one are dead
  std::uint64_t operations_ = 0;
  std::optional<std::uint64_t> operations_left_;
  std::optional<std::uint64_t> space_left_;
  std::optional<std::uint64_t> write_to_fail_;
  std::optional<std::uint64_t> sync_to_fail_;
  bool ignore_file_sync_ = false;
  bool ignore_dir_sync_ = false;
  bool read_only_ = false;
};

}  // namespace millrace
