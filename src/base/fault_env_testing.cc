#include "base/fault_env_testing.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace millrace {
namespace {

constexpr std::size_t kVersionsMax = 6;  ///< of one sector; more would only cost memory

std::uint64_t below(std::mt19937_64& random, std::uint64_t limit) {
  return random() % limit;
}

/// Return the sector as it is in `content`, zeros beyond its end.
std::string sector_of(const std::string& content, std::uint64_t sector) {
  const std::uint64_t from = sector * FaultEnv::kSectorBytes;
  std::string bytes = from < content.size() ? content.substr(from, FaultEnv::kSectorBytes) : std::string();
  bytes.resize(FaultEnv::kSectorBytes, '\0');
  return bytes;
}

void put_sector(std::string& content, std::uint64_t sector, const std::string& bytes) {
  const std::uint64_t from = sector * FaultEnv::kSectorBytes;
  if (from >= content.size()) return;
  const std::size_t size = std::min<std::size_t>(bytes.size(), content.size() - from);
  std::memcpy(content.data() + from, bytes.data(), size);
}

/// Keep `bytes` up to some place at or after the first byte that differs from `before`; behind it zeros, the
/// old bytes or garbage.
void tear(std::string& bytes, const std::string& before, std::mt19937_64& random) {
  const auto differs = std::ranges::mismatch(bytes, before).in1;
  if (differs == bytes.end()) return;
  const auto first = static_cast<std::size_t>(differs - bytes.begin());
  const std::uint64_t kind = below(random, 3);
  for (std::size_t i = first + below(random, bytes.size() - first); i < bytes.size(); ++i) {
    bytes[i] = kind == 0 ? '\0' : kind == 1 ? before[i] : static_cast<char>(random());
  }
}

}  // namespace

class FaultEnv::OpenFile final : public File {
 public:
  OpenFile(FaultEnv& env, std::string path, std::shared_ptr<Node> node, bool writable)
      : env_(env),
        path_(std::move(path)),
        node_(std::move(node)),
        writable_(writable),
        generation_(env.generation_) {}

  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    return change([&] {
      return env_.write(*node_, path_, offset, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    });
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const override {
    const std::lock_guard lock(env_.mutex_);
    MILLRACE_TRY(alive());
    if (node_->is_dir) return fail(Code::kInvalid, "is a directory", path_);
    if (offset >= node_->content.size()) return 0;
    const std::size_t size = std::min<std::size_t>(into.size(), node_->content.size() - offset);
    std::memcpy(into.data(), node_->content.data() + offset, size);
    return size;
  }

  Status sync() override {
    return change([&] { return env_.sync(*node_, path_); });
  }

  Status preallocate(std::uint64_t bytes) override {
    return change(
        [&] { return bytes > node_->content.size() ? env_.resize(*node_, path_, bytes) : Status(); });
  }

  Status truncate(std::uint64_t bytes) override {
    return change([&] { return env_.resize(*node_, path_, bytes); });
  }

  Result<std::uint64_t> size() const override {
    const std::lock_guard lock(env_.mutex_);
    MILLRACE_TRY(alive());
    return node_->content.size();
  }

 private:
  Status alive() const {
    return generation_ == env_.generation_ ? Status()
                                           : fail(Code::kIo, "opened before the process ended", path_);
  }

  template <class Change>
  Status change(Change apply) {
    const std::lock_guard lock(env_.mutex_);
    MILLRACE_TRY(alive());
    if (!writable_) return fail(Code::kDenied, "opened for reading only", path_);
    MILLRACE_TRY(env_.begin_change(path_));
    return apply();
  }

  FaultEnv& env_;
  const std::string path_;
  const std::shared_ptr<Node> node_;
  const bool writable_;
  const std::uint64_t generation_;
};

class FaultEnv::HeldLock final : public FileLock {
 public:
  HeldLock(FaultEnv& env, std::string path)
      : env_(env), path_(std::move(path)), generation_(env.generation_) {}
  ~HeldLock() override {
    const std::lock_guard lock(env_.mutex_);
    if (generation_ == env_.generation_) env_.locks_.erase(path_);
  }
  HeldLock(const HeldLock&) = delete;
  HeldLock& operator=(const HeldLock&) = delete;

 private:
  FaultEnv& env_;
  const std::string path_;
  const std::uint64_t generation_;
};

FaultEnv::FaultEnv(std::uint64_t seed) : random_(seed) {
  auto root = std::make_shared<Node>();
  root->is_dir = true;
  tree_["/"] = durable_tree_["/"] = root;
}

FaultEnv::~FaultEnv() = default;

// ---- Faults

void FaultEnv::power_loss(std::uint64_t seed) {
  const std::lock_guard lock(mutex_);
  std::mt19937_64 random(seed);
  const std::uint64_t kept_of_four = below(random, 5);
  for (const NameChange& change : changes_) {
    if (below(random, 4) < kept_of_four) apply(change, durable_tree_);
  }
  changes_.clear();
  // An entry in a directory that is itself not there is out of reach.
  std::erase_if(durable_tree_, [&](const auto& entry) {
    return entry.first != "/" && !durable_tree_.contains(parent_of(entry.first));
  });
  tree_ = durable_tree_;
  for (const auto& [path, node] : tree_) settle(*node, random);
  end_process();
}

void FaultEnv::restart_process() {
  const std::lock_guard lock(mutex_);
  end_process();
}

void FaultEnv::end_process() {
  locks_.clear();
  ++generation_;
  operations_left_.reset();
  write_to_fail_.reset();
  sync_to_fail_.reset();
}

/// Decide what of the unsynced bytes got through, and make that the durable content.
void FaultEnv::settle(Node& node, std::mt19937_64& random) const {
  if (!node.sizes.empty()) node.durable.resize(node.sizes[below(random, node.sizes.size())], '\0');
  const std::uint64_t mood = below(random, 4);  // all, none, or each for itself
  for (const auto& [sector, versions] : node.dirty) {
    const std::string before = sector_of(node.durable, sector);
    const std::uint64_t choice = mood == 0   ? versions.size()
                                 : mood == 1 ? 0
                                             : below(random, versions.size() + 1);
    if (choice == 0) continue;
    std::string bytes = versions[choice - 1];
    if (mood > 1 && choice == versions.size() && below(random, 4) == 0) tear(bytes, before, random);
    put_sector(node.durable, sector, bytes);
  }
  node.content = node.durable;
  node.dirty.clear();
  node.sizes.clear();
}

void FaultEnv::die_after(std::uint64_t operations) {
  const std::lock_guard lock(mutex_);
  operations_left_ = operations;
}

void FaultEnv::set_ignore_sync(bool files, bool dirs) {
  const std::lock_guard lock(mutex_);
  ignore_file_sync_ = files;
  ignore_dir_sync_ = dirs;
}

void FaultEnv::set_space(std::optional<std::uint64_t> bytes) {
  const std::lock_guard lock(mutex_);
  space_left_ = bytes;
}

void FaultEnv::fail_write(std::uint64_t n) {
  const std::lock_guard lock(mutex_);
  write_to_fail_ = n;
}

void FaultEnv::fail_sync(std::uint64_t n) {
  const std::lock_guard lock(mutex_);
  sync_to_fail_ = n;
}

void FaultEnv::set_read_only(bool read_only) {
  const std::lock_guard lock(mutex_);
  read_only_ = read_only;
}

void FaultEnv::flip_bits(const Path& path, std::uint64_t position, std::uint8_t mask) {
  const std::lock_guard lock(mutex_);
  Node& node = *tree_.at(normal(path));
  for (std::string* bytes : {&node.content, &node.durable}) {
    if (position < bytes->size()) (*bytes)[position] = static_cast<char>((*bytes)[position] ^ mask);
  }
}

void FaultEnv::cut_file(const Path& path, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  Node& node = *tree_.at(normal(path));
  node.content.resize(bytes, '\0');
  node.durable = node.content;
  node.dirty.clear();
  node.sizes.clear();
}

void FaultEnv::advance(DurationUs duration) {
  const std::lock_guard lock(mutex_);
  now_us_ += duration;
  steady_us_ += duration;
}

void FaultEnv::jump(DurationUs duration) {
  const std::lock_guard lock(mutex_);
  now_us_ += duration;
}

std::uint64_t FaultEnv::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

Status FaultEnv::begin_change(const std::string& path) {
  if (operations_left_ && *operations_left_ == 0) return fail(Code::kIo, "the process is dead", path);
  if (operations_left_) --*operations_left_;
  ++operations_;
  if (read_only_) return fail(Code::kDenied, "read-only file system", path);
  return {};
}

// ---- Bytes

/// Return how many of the bytes fit on the disk, and take the space for them.
std::uint64_t FaultEnv::take_space(const Node& node, std::uint64_t offset, std::uint64_t bytes) {
  if (!space_left_) return bytes;
  const std::uint64_t present = sectors(node.content.size()) * kSectorBytes;
  const std::uint64_t wanted = sectors(std::max(offset + bytes, present)) * kSectorBytes - present;
  const std::uint64_t given = std::min(wanted, *space_left_ / kSectorBytes * kSectorBytes);
  *space_left_ -= given;
  if (given == wanted) return bytes;
  return present + given > offset ? std::min(bytes, present + given - offset) : 0;
}

Status FaultEnv::write(Node& node, const std::string& path, std::uint64_t offset, std::string_view bytes) {
  const bool fails = write_to_fail_ && (*write_to_fail_)-- == 0;
  if (fails) {
    write_to_fail_.reset();
    bytes = bytes.substr(0, below(random_, bytes.size() + 1));
  }
  const std::string_view fits = bytes.substr(0, take_space(node, offset, bytes.size()));
  if (!fits.empty()) {
    if (offset + fits.size() > node.content.size()) {
      if (node.sizes.empty()) node.sizes.push_back(node.durable.size());
      node.content.resize(offset + fits.size(), '\0');
      node.sizes.push_back(node.content.size());
    }
    std::memcpy(node.content.data() + offset, fits.data(), fits.size());
    note_dirty(node, offset, offset + fits.size());
  }
  if (fails) return fail(Code::kIo, "cannot write: injected failure", path);
  if (fits.size() < bytes.size())
    return fail(Code::kNoSpace, "cannot write: no space left (free some space)", path);
  return {};
}

Status FaultEnv::resize(Node& node, const std::string& path, std::uint64_t bytes) {
  const std::uint64_t before = node.content.size();
  if (bytes > before && take_space(node, before, bytes - before) < bytes - before) {
    return fail(Code::kNoSpace, "cannot resize: no space left (free some space)", path);
  }
  if (bytes < before && space_left_) *space_left_ += (sectors(before) - sectors(bytes)) * kSectorBytes;
  if (node.sizes.empty()) node.sizes.push_back(node.durable.size());
  node.content.resize(bytes, '\0');
  node.sizes.push_back(bytes);
  if (bytes < before) note_dirty(node, bytes, before);
  return {};
}

void FaultEnv::note_dirty(Node& node, std::uint64_t from, std::uint64_t to) {
  for (std::uint64_t sector = from / kSectorBytes; sector * kSectorBytes < to; ++sector) {
    auto& versions = node.dirty[sector];
    if (versions.size() == kVersionsMax) versions.erase(versions.begin() + 1);
    versions.push_back(sector_of(node.content, sector));
  }
}

Status FaultEnv::sync(Node& node, const std::string& path) {
  if (sync_to_fail_ && (*sync_to_fail_)-- == 0) {
    sync_to_fail_.reset();
    lose_pages(node);
    return fail(Code::kIo, "cannot sync: injected failure", path);
  }
  if (ignore_file_sync_) return {};
  // Not the whole content: sectors that a failed sync lost are clean and stay lost.
  node.durable.resize(node.content.size(), '\0');
  for (const auto& [sector, versions] : node.dirty) put_sector(node.durable, sector, versions.back());
  node.dirty.clear();
  node.sizes.clear();
  return {};
}

/// Mark some dirty sectors clean without having written them: programs see them, the disk never will.
void FaultEnv::lose_pages(Node& node) {
  std::erase_if(node.dirty, [&](const auto&) { return below(random_, 2) == 0; });
}

// ---- Files

Result<std::unique_ptr<File>> FaultEnv::open(const Path& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  const std::string name = normal(path);
  if (!tree_.contains(name)) {
    const bool may_make = mode == OpenMode::kCreate || mode == OpenMode::kCreatePrivate;
    if (!may_make || !tree_.contains(parent_of(name))) {
      return fail(Code::kNotFound, "cannot open: no such file", name);
    }
    MILLRACE_TRY(begin_change(name));
    change_names({{}, "", name, std::make_shared<Node>()});
  }
  const auto& node = tree_.at(name);
  if (node->is_dir && mode != OpenMode::kRead)
    return fail(Code::kInvalid, "cannot open: is a directory", name);
  if (mode != OpenMode::kRead && read_only_) return fail(Code::kDenied, "read-only file system", name);
  return std::make_unique<OpenFile>(*this, name, node, mode != OpenMode::kRead);
}

bool FaultEnv::exists(const Path& path) {
  const std::lock_guard lock(mutex_);
  return tree_.contains(normal(path));
}

Result<std::unique_ptr<FileLock>> FaultEnv::lock(const Path& path) {
  MILLRACE_TRY(open(path, OpenMode::kCreate));
  const std::lock_guard lock(mutex_);
  const std::string name = normal(path);
  if (!locks_.insert(name).second) return fail(Code::kExists, "process 1 holds the lock", name);
  return std::make_unique<HeldLock>(*this, name);
}

Result<std::uint64_t> FaultEnv::free_bytes(const Path&) {
  const std::lock_guard lock(mutex_);
  return space_left_.value_or(1ull << 40);
}

// ---- Clocks and randomness

TimeUs FaultEnv::now() {
  const std::lock_guard lock(mutex_);
  return now_us_;
}

DurationUs FaultEnv::steady_now() {
  const std::lock_guard lock(mutex_);
  return steady_us_;
}

void FaultEnv::sleep_for(DurationUs duration) {
  advance(duration);
}

void FaultEnv::random_bytes(std::span<std::byte> into) {
  const std::lock_guard lock(mutex_);
  for (std::byte& byte : into) byte = static_cast<std::byte>(random_());
}

}  // namespace millrace
