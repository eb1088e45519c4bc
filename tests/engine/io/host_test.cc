// What is said about the machine.
#include "engine/io/host.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace broadside::io {
namespace {

TEST(KernelVersion, is_read_from_the_release) {
  const struct {
    const char* release;
    const char* expected;
  } cases[] = {{"6.18.44-cloud", "6.18"},
               {"5.19", "5.19"},
               {"6.1.0-21-amd64", "6.1"},
               {"10.0-rc1", "10.0"},
               {"", "0.0"},
               {"six", "0.0"},
               {"6", "0.0"},
               {"6.", "0.0"}};
  for (const auto& one : cases) EXPECT_EQ(parse_kernel_version(one.release).text(), one.expected) << one.release;
}

TEST(KernelVersion, is_compared_by_number) {
  const KernelVersion version{6, 13};
  EXPECT_TRUE(version.is_at_least(6, 13));
  EXPECT_TRUE(version.is_at_least(6, 9));
  EXPECT_TRUE(version.is_at_least(5, 19));
  EXPECT_FALSE(version.is_at_least(6, 14));
  EXPECT_FALSE(version.is_at_least(7, 0));
}

TEST(OpenFilesLimit, is_raised_to_the_hard_one) {
  const std::uint64_t before = open_files_limit();
  EXPECT_GE(raise_open_files_limit(), before);
  EXPECT_EQ(raise_open_files_limit(), open_files_limit());
}

TEST(UringFailure, is_explained_with_what_to_do) {
  const struct {
    int error;
    UringObstacles obstacles;
    const char* expected;
  } cases[] = {
      {EPERM, {2, false, 0}, "kernel.io_uring_disabled is 2"},
      {EPERM, {2, true, 0}, "kernel.io_uring_disabled is 2"},
      {EPERM, {1, false, 0}, "kernel.io_uring_group"},
      {EPERM, {0, true, 0}, "seccomp"},
      {ENOSYS, {-1, true, 0}, "seccomp"},
      {ENOSYS, {-1, false, 0}, "built without io_uring"},
      {EPERM, {0, false, 0}, "security module"},
      {ENOMEM, {0, false, 65536}, "RLIMIT_MEMLOCK is 64 KiB"},
      {EMFILE, {0, false, 0}, "ulimit -n"},
      {EINVAL, {0, false, 0}, "Invalid argument"},
  };
  for (const auto& one : cases) {
    const std::string text = explain_uring_failure(one.error, one.obstacles);
    EXPECT_NE(text.find(one.expected), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace broadside::io
