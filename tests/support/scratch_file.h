// A file of a test's own, gone with it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace broadside::test {

class ScratchFile {
 public:
  explicit ScratchFile(std::string_view text) {
    const int fd = mkstemp(path_.data());
    EXPECT_GE(fd, 0) << path_;
    close(fd);
    write(text);
  }
  ~ScratchFile() { unlink(path_.c_str()); }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  void write(std::string_view text) const { std::ofstream(path_, std::ios::trunc | std::ios::binary) << text; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "broadside_XXXXXX").string();
};

}  // namespace broadside::test
