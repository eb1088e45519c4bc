// What a ring refuses to do, whoever asks it.
#include "engine/io/uring_ring.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace broadside::io {
namespace {

class RingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (ring_.open(4, 8) != 0) GTEST_SKIP() << "no io_uring here";
  }
  // How the kernel answers a zeroed request of this kind.
  int result_of(std::uint8_t opcode, std::uint8_t flags = 0) {
    io_uring_sqe* entry = ring_.try_queue(opcode, 1);
    entry->fd = -1;
    entry->flags = flags;
    ring_.submit_and_look(10 * kSecond);
    int answer = 0;
    EXPECT_EQ(ring_.reap([&answer](std::uint64_t, std::int32_t result, std::uint32_t) { answer = result; }), 1U);
    return answer;
  }

  Ring ring_;
};

TEST_F(RingTest, says_that_it_is_restricted) { EXPECT_TRUE(ring_.is_restricted()); }

TEST_F(RingTest, does_what_the_backend_needs) {
  EXPECT_EQ(result_of(IORING_OP_RECV), -EBADF);
  EXPECT_EQ(result_of(IORING_OP_SEND, IOSQE_FIXED_FILE), -EBADF);
  EXPECT_EQ(result_of(IORING_OP_ASYNC_CANCEL), -ENOENT);
}

TEST_F(RingTest, refuses_operations_that_the_backend_does_not_need) {
  for (const std::uint8_t opcode : {IORING_OP_OPENAT, IORING_OP_OPENAT2, IORING_OP_CONNECT, IORING_OP_SOCKET, IORING_OP_WRITE,
                                    IORING_OP_UNLINKAT, IORING_OP_SPLICE, IORING_OP_NOP}) {
    EXPECT_EQ(result_of(opcode), -EACCES) << "operation " << int{opcode};
  }
}

TEST_F(RingTest, refuses_flags_that_the_backend_does_not_need) {
  EXPECT_EQ(result_of(IORING_OP_RECV, IOSQE_ASYNC), -EACCES);
  EXPECT_EQ(result_of(IORING_OP_RECV, IOSQE_IO_LINK), -EACCES);
}

TEST_F(RingTest, refuses_registrations_that_the_backend_does_not_need) {
  EXPECT_EQ(io_uring_register_personality(ring_.raw()), -EACCES);
  EXPECT_EQ(io_uring_register_iowq_aff(ring_.raw(), 0, nullptr), -EACCES);
}

TEST_F(RingTest, cannot_be_freed_of_its_restrictions) {
  EXPECT_EQ(::syscall(SYS_io_uring_register, ring_.raw()->ring_fd, IORING_REGISTER_RESTRICTIONS, nullptr, 0), -1);
  EXPECT_EQ(errno, EACCES);
  EXPECT_EQ(result_of(IORING_OP_OPENAT), -EACCES);
}

}  // namespace
}  // namespace broadside::io
