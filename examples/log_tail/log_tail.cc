// tail -F for browsers. Each line of a growing file is an event, whose id is the line's place in the file. So a page resumes
// where it was also after this program has been restarted: the history is read from the file again, with the same ids.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "broadside/engine.h"
#include "examples/support/program.h"

namespace {

constexpr off_t kHistoryBytes = 1 << 20;  // Of the file, when the program starts.

// The lines of a file, also when it is renamed and begun anew (log rotation) or cut short.
class Tail {
 public:
  explicit Tail(std::string path) : path_(std::move(path)) {}
  Tail(const Tail&) = delete;
  Tail& operator=(const Tail&) = delete;
  ~Tail() { close_file(); }

  // Hands over each complete line that is new, as take(line, id).
  template <typename Take>
  void read_lines(Take&& take) {
    struct stat at_path {};
    const bool is_there = stat(path_.c_str(), &at_path) == 0;
    if (fd_ < 0 && is_there) open_file();
    if (fd_ < 0) return;
    read_open_file(take);  // Before another is opened: what was written last to a file that has been renamed.
    if (!is_there || at_path.st_ino == inode_) return;
    close_file();
    open_file();
    if (fd_ >= 0) read_open_file(take);
  }

 private:
  void open_file() {
    fd_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat opened {};
    if (fd_ < 0 || fstat(fd_, &opened) != 0) return;
    inode_ = opened.st_ino;
    offset_ = is_first_ ? std::max<off_t>(0, opened.st_size - kHistoryBytes) : 0;
    is_inside_line_ = offset_ > 0;
    is_first_ = false;
  }

  void close_file() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
    begun_.clear();
  }

  template <typename Take>
  void read_open_file(Take&& take) {
    struct stat now {};
    if (fstat(fd_, &now) == 0 && now.st_size < offset_ + static_cast<off_t>(begun_.size())) {
      offset_ = 0;
      begun_.clear();
      ++cuts_;  // The places begin again; the ids must not.
    }
    char buffer[64 << 10];
    ssize_t count = 0;
    while ((count = pread(fd_, buffer, sizeof buffer, offset_ + static_cast<off_t>(begun_.size()))) > 0) {
      begun_.append(buffer, static_cast<std::size_t>(count));
      std::size_t from = 0;
      for (std::size_t end = 0; (end = begun_.find('\n', from)) != std::string::npos; from = end + 1) {
        if (!std::exchange(is_inside_line_, false)) {
          const std::string place = std::to_string(offset_ + static_cast<off_t>(from));
          take(std::string_view(begun_).substr(from, end - from),
               std::to_string(inode_) + "." + std::to_string(cuts_) + ":" + place);
        }
      }
      begun_.erase(0, from);
      offset_ += static_cast<off_t>(from);
    }
  }

  const std::string path_;
  int fd_ = -1;
  ino_t inode_ = 0;
  off_t offset_ = 0;   // Of the first line that is not complete,
  std::string begun_;  // and what there is of it.
  int cuts_ = 0;
  bool is_first_ = true;
  bool is_inside_line_ = false;  // The history begins within a line, which is left out.
};

}  // namespace

int main(int argc, char** argv) {
  const examples::Flags flags(argc, argv, {{"--file", "/var/log/syslog"}});
  const examples::StopSignal stop;

  broadside::Config config;
  config.listen = {flags.text("--listen")};
  config.defaults.history_events = 10'000;
  config.defaults.history_bytes = 4 * kHistoryBytes;
  examples::PageHandler handler;
  auto engine = broadside::Engine::create(config, &handler);
  if (!engine) return examples::fail(engine.error());

  const auto publish = [&](std::string_view line, const std::string& id) {
    if (engine->publish("log", {.data = line, .id = id})) return;
    // A file holds what it likes; events are UTF-8 and have an end.
    std::string plain(line.substr(0, config.event_bytes_max));
    for (char& byte : plain) byte = static_cast<signed char>(byte) < 0 ? '?' : byte;
    examples::check(engine->publish("log", {.data = plain, .id = id}));
  };
  Tail tail(flags.text("--file"));
  tail.read_lines(publish);  // Before anybody asks for it.
  examples::start(*engine);
  while (!stop.wait(100)) tail.read_lines(publish);
}
