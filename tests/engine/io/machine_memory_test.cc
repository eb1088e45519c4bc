// The bounds of control groups, in trees made up for it.
#include "engine/io/machine_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace broadside::io {
namespace {

class MachineMemoryTest : public ::testing::Test {
 protected:
  MachineMemoryTest() { EXPECT_NE(::mkdtemp(root_.data()), nullptr) << root_; }
  ~MachineMemoryTest() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path whole = root_ + path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text << '\n';
  }
  [[nodiscard]] std::uint64_t memory() const { return machine_memory(root_); }

 private:
  std::string root_ = (std::filesystem::temp_directory_path() / "broadside_XXXXXX").string();
};

TEST_F(MachineMemoryTest, is_the_machines_where_nothing_bounds_it) {
  const std::uint64_t machine = memory();
  EXPECT_GT(machine, 1U << 20);
  write("/proc/self/cgroup", "0::/system.slice/broadside.service");
  write("/sys/fs/cgroup/system.slice/broadside.service/memory.max", "max");
  EXPECT_EQ(memory(), machine);
  write("/sys/fs/cgroup/system.slice/broadside.service/memory.max", std::to_string(machine * 2));
  EXPECT_EQ(memory(), machine);
}

TEST_F(MachineMemoryTest, is_what_the_own_group_may_use) {
  write("/proc/self/cgroup", "0::/system.slice/broadside.service");
  write("/sys/fs/cgroup/system.slice/broadside.service/memory.max", "67108864");
  write("/sys/fs/cgroup/system.slice/other.service/memory.max", "1048576");
  EXPECT_EQ(memory(), 67108864U);
}

TEST_F(MachineMemoryTest, is_what_a_group_around_the_own_one_may_use_if_that_is_less) {
  write("/proc/self/cgroup", "0::/system.slice/broadside.service");
  write("/sys/fs/cgroup/system.slice/broadside.service/memory.max", "67108864");
  write("/sys/fs/cgroup/system.slice/memory.max", "33554432");
  EXPECT_EQ(memory(), 33554432U);
  write("/sys/fs/cgroup/memory.max", "16777216");
  EXPECT_EQ(memory(), 16777216U);
}

TEST_F(MachineMemoryTest, is_the_roots_where_the_own_group_is_not_to_be_seen) {
  write("/sys/fs/cgroup/memory.max", "67108864");
  EXPECT_EQ(memory(), 67108864U);
  write("/proc/self/cgroup", "0::/docker/0123456789ab");
  EXPECT_EQ(memory(), 67108864U);
  write("/proc/self/cgroup", "0::/");
  EXPECT_EQ(memory(), 67108864U);
}

TEST_F(MachineMemoryTest, is_what_the_memory_controller_of_the_first_version_says) {
  write("/proc/self/cgroup", "5:cpu,cpuacct:/elsewhere\n4:memory:/system.slice/broadside.service\n0::/system.slice");
  write("/sys/fs/cgroup/memory/elsewhere/memory.limit_in_bytes", "1048576");
  write("/sys/fs/cgroup/memory/system.slice/broadside.service/memory.limit_in_bytes", "67108864");
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  EXPECT_EQ(memory(), 67108864U);
}

}  // namespace
}  // namespace broadside::io
