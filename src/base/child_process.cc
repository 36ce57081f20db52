#include "base/child_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace millrace {
namespace {

constexpr int kWaitStepMs = 5;
constexpr std::size_t kReadBytes = 64 << 10;

struct Pipe {
  UniqueFd read, write;

  static Result<Pipe> make() {
    std::array<int, 2> fds;
    if (pipe2(fds.data(), O_CLOEXEC) != 0)
      return fail(Code::kIo, "no pipe: " + std::generic_category().message(errno));
    return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
  }
};

void do_not_block(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/// The environment of a child, made before the fork since little is allowed after it.
std::vector<std::string> environment_of(const ChildOptions& options) {
  std::vector<std::string> all;
  for (const auto& [name, value] : options.environment) all.push_back(name + "=" + value);
  const std::size_t own = all.size();
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('=') + 1);
    bool replaced = false;
    for (std::size_t i = 0; i < own; ++i) replaced |= all[i].starts_with(name);
    if (!replaced) all.emplace_back(text);
  }
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// What the child does between fork and exec: system calls only.
struct Launch {
  int in, out, failed;
  bool own_group;
  pid_t parent;
  char* const* arguments;
  char* const* environment;

  [[noreturn]] void run() const {
    if (own_group) setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);  // it died before it could be watched
    signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    // Whatever the parent has open closes with exec, so that nobody but us holds a pipe of ours open.
    syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
    if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
      execvpe(arguments[0], arguments, environment);
    const int reason = errno;
    [[maybe_unused]] const ssize_t ignored = ::write(failed, &reason, sizeof reason);
    _exit(127);
  }
};

Error cannot_run(const std::string& program, int reason) {
  const Code code = reason == ENOENT ? Code::kNotFound : reason == EACCES ? Code::kDenied : Code::kIo;
  return {code, fmt::format("cannot run '{}': {}", program, std::generic_category().message(reason)), {}};
}

std::string describe_end(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return fmt::format("exit code {}", info.si_status);
  return fmt::format("signal {} ({})", info.si_status, strsignal(info.si_status));
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const ChildOptions& options) {
  MILLRACE_ASSIGN(Pipe in, Pipe::make());
  MILLRACE_ASSIGN(Pipe out, Pipe::make());
  MILLRACE_ASSIGN(Pipe failed, Pipe::make());
  std::vector<std::string> words = options.command;
  std::vector<std::string> variables = environment_of(options);
  const std::vector<char*> arguments = pointers_to(words);
  const std::vector<char*> environment = pointers_to(variables);
  const Launch launch = {in.read.get(), out.write.get(),  failed.write.get(), options.own_group,
                         getpid(),      arguments.data(), environment.data()};
  const pid_t pid = fork();
  if (pid == 0) launch.run();
  if (pid < 0) return fail(Code::kIo, "no new process: " + std::generic_category().message(errno));
  if (options.own_group) setpgid(pid, pid);  // whoever of the two comes first
  ChildProcess child(pid, options.own_group);
  failed.write.reset();
  int reason = 0;
  ssize_t n = 0;
  while ((n = ::read(failed.read.get(), &reason, sizeof reason)) < 0 && errno == EINTR) {
  }
  if (n > 0) return fail(cannot_run(options.command.front(), reason));
  child.input_ = std::move(in.write);
  child.output_ = std::move(out.read);
  do_not_block(child.input());
  do_not_block(child.output());
  return child;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      own_group_(other.own_group_),
      input_(std::move(other.input_)),
      output_(std::move(other.output_)),
      ended_(std::move(other.ended_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this == &other) return *this;
  kill();
  pid_ = std::exchange(other.pid_, 0);
  own_group_ = other.own_group_;
  input_ = std::move(other.input_);
  output_ = std::move(other.output_);
  ended_ = std::move(other.ended_);
  return *this;
}

ChildProcess::~ChildProcess() {
  kill();
}

std::optional<std::string> ChildProcess::reap(bool block) {
  if (pid_ == 0) return ended_;
  siginfo_t info{};
  int waited = 0;
  do {
    waited = waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT | (block ? 0 : WNOHANG));
  } while (waited != 0 && errno == EINTR);
  if (waited == 0 && info.si_pid == 0) return {};
  // While it is a zombie its number, and so that of its group, is nobody else's.
  if (own_group_) ::kill(-pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
  ended_ = waited == 0 ? describe_end(info) : "no longer our child";
  return ended_;
}

std::optional<std::string> ChildProcess::wait(int limit_ms) {
  for (int waited = 0;; waited += kWaitStepMs) {
    if (auto ended = reap(false)) return ended;
    if (waited >= limit_ms) return {};
    poll(nullptr, 0, kWaitStepMs);
  }
}

void ChildProcess::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

void ChildProcess::kill() {
  if (pid_ == 0) return;
  ::kill(own_group_ ? -pid_ : pid_, SIGKILL);
  reap(true);
}

Status LineReader::read(int fd) {
  bytes_.erase(0, std::exchange(taken_, 0));
  const std::size_t before = bytes_.size();
  bytes_.resize(before + kReadBytes);
  const ssize_t n = ::read(fd, bytes_.data() + before, kReadBytes);
  const int reason = errno;
  bytes_.resize(before + static_cast<std::size_t>(n > 0 ? n : 0));
  if (n == 0) return fail(Code::kNotFound, "the pipe has come to its end");
  if (n < 0 && reason != EAGAIN && reason != EINTR)
    return fail(Code::kIo, std::generic_category().message(reason));
  if (bytes_.size() > line_bytes_max_ + kReadBytes ||
      (bytes_.size() > line_bytes_max_ && !bytes_.contains('\n')))
    return fail(Code::kInvalid, fmt::format("a line has more than {} bytes", line_bytes_max_));
  return {};
}

std::optional<std::string> LineReader::next() {
  const std::size_t end = bytes_.find('\n', taken_);
  if (end == std::string::npos) return {};
  std::string line = bytes_.substr(taken_, end - taken_);
  taken_ = end + 1;
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

}  // namespace millrace
