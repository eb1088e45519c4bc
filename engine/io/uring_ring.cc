// See uring_ring.h. Submits by itself instead of through io_uring_submit(), so that one enter can submit, wait with a
// timeout and pass flags that liburing 2.3 does not know.
#include "engine/io/uring_ring.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <iterator>
#include <new>

#include "base/assert.h"
#include "engine/io/host.h"
#include "engine/io/uring_abi.h"

namespace broadside::io {
namespace {

constexpr std::uint32_t kPlainFlags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
// Begins disabled, so that it can be restricted before anything is submitted.
constexpr std::uint32_t kCommonFlags = kPlainFlags | IORING_SETUP_R_DISABLED;
// Best first: 6.1, 6.0, 5.19, and what only resembles a Linux. Tried downwards while the kernel says EINVAL; there is no
// feature bit for them.
constexpr std::uint32_t kFlagLadder[] = {
    kCommonFlags | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    kCommonFlags | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN,
    kCommonFlags | IORING_SETUP_COOP_TASKRUN,
    kCommonFlags,
    kPlainFlags,
};

// All that this backend asks a ring for. What is not here is refused (EACCES) to whoever gets hold of the ring's descriptor or
// of this process: files, processes and new connections among it.
constexpr std::uint8_t kOperations[] = {
    IORING_OP_ACCEPT, IORING_OP_ASYNC_CANCEL, IORING_OP_CLOSE,   IORING_OP_POLL_ADD,  IORING_OP_READ,
    IORING_OP_RECV,   IORING_OP_SEND,         IORING_OP_SENDMSG, IORING_OP_URING_CMD,
};
constexpr std::uint8_t kEntryFlags = IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
constexpr std::uint8_t kRegistrations[] = {
    IORING_REGISTER_PROBE,  IORING_REGISTER_RING_FDS, IORING_UNREGISTER_RING_FDS,   IORING_REGISTER_PBUF_RING,
    IORING_REGISTER_FILES2, IORING_UNREGISTER_FILES,  IORING_REGISTER_FILES_UPDATE, IORING_REGISTER_EVENTFD,
};

// io_uring_register(). The shared library of liburing 2.3 has no symbols for what is registered here. 0 or an errno.
int enter_register(const io_uring& ring, unsigned operation, const void* argument, unsigned count) {
  return ::syscall(SYS_io_uring_register, ring.ring_fd, operation, argument, count) == 0 ? 0 : errno;
}

// Lets a disabled ring do that much and no more. False if the kernel does not know all of it.
bool restrict_to_needs(const io_uring& ring) {
  io_uring_restriction rules[std::size(kOperations) + std::size(kRegistrations) + 1]{};
  io_uring_restriction* rule = rules;
  for (const std::uint8_t operation : kOperations) {
    rule->opcode = IORING_RESTRICTION_SQE_OP;
    (rule++)->sqe_op = operation;
  }
  for (const std::uint8_t registration : kRegistrations) {
    rule->opcode = IORING_RESTRICTION_REGISTER_OP;
    (rule++)->register_op = registration;
  }
  rule->opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
  rule->sqe_flags = kEntryFlags;
  return enter_register(ring, IORING_REGISTER_RESTRICTIONS, rules, std::size(rules)) == 0;
}

// A process that has just ended gives the memory of its rings back late (6.18: a restart got ENOMEM at once).
constexpr int kMemoryRetries = 10;
constexpr timespec kMemoryRetryPause{.tv_sec = 0, .tv_nsec = 20 * kMillisecond};

}  // namespace

Ring::~Ring() {
  if (is_open_) io_uring_queue_exit(&ring_);
}

int Ring::open(std::uint32_t submissions, std::uint32_t completions) {
  BROADSIDE_ASSERT(!is_open_);
  BROADSIDE_ASSERT(completions >= submissions);
  int retries = 0;
  std::size_t rung = 0;
  for (;;) {
    io_uring_params parameters{};
    parameters.flags = kFlagLadder[rung];
    parameters.cq_entries = completions;
    const int error = -io_uring_queue_init_params(submissions, &ring_, &parameters);
    if (error == 0) break;
    if (error == EINVAL && rung + 1 < std::size(kFlagLadder)) {
      ++rung;
    } else if (error == ENOMEM && completions > submissions * 2) {
      completions /= 2;
    } else if (error == ENOMEM && retries < kMemoryRetries) {
      ++retries;
      ::nanosleep(&kMemoryRetryPause, nullptr);
    } else {
      return error;
    }
  }
  is_open_ = true;
  if ((ring_.flags & IORING_SETUP_R_DISABLED) != 0) {
    is_restricted_ = restrict_to_needs(ring_);
    // Makes this thread the one that submits.
    if (const int error = enter_register(ring_, IORING_REGISTER_ENABLE_RINGS, nullptr, 0); error != 0) return error;
  }
  if (!has_feature(IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP)) return ENOSYS;
  const std::uint32_t entries = *ring_.sq.kring_entries;
  // Entry i is always submitted from place i. A newer liburing may have asked for a ring without this array.
  if (ring_.sq.array != nullptr) {
    for (std::uint32_t i = 0; i < entries; ++i) ring_.sq.array[i] = i;
  }
  headers_.reset(new (std::nothrow) msghdr[entries]());
  if (headers_ == nullptr) return ENOMEM;
  // Saves the lookup of the ring's descriptor in each enter. Before 6.0 it "succeeds" and deadlocks on some kernels.
  is_descriptor_registered_ = kernel_version().is_at_least(6, 0) && io_uring_register_ring_fd(&ring_) == 1;
  return 0;
}

bool Ring::supports(int opcode) {
  io_uring_probe* probe = io_uring_get_probe_ring(&ring_);
  if (probe == nullptr) return false;
  const bool is_supported = io_uring_opcode_supported(probe, opcode) != 0;
  io_uring_free_probe(probe);
  return is_supported;
}

io_uring_sqe* Ring::try_queue(std::uint8_t opcode, std::uint64_t user_data) {
  BROADSIDE_ASSERT(is_open_);
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  if (entry == nullptr) return nullptr;
  *entry = io_uring_sqe{};
  entry->opcode = opcode;
  entry->user_data = user_data;
  return entry;
}

std::uint32_t Ring::queued() const { return ring_.sq.sqe_tail - io_uring_smp_load_acquire(ring_.sq.khead); }

msghdr& Ring::header_of(const io_uring_sqe* entry) { return headers_[static_cast<std::size_t>(entry - ring_.sq.sqes)]; }

int Ring::enter(std::uint32_t wait_count, std::uint32_t flags, Nanos timeout) {
  ring_.sq.sqe_head = ring_.sq.sqe_tail;
  io_uring_smp_store_release(ring_.sq.ktail, ring_.sq.sqe_tail);
  int descriptor = ring_.ring_fd;
  if (is_descriptor_registered_) {
    flags |= IORING_ENTER_REGISTERED_RING;
    descriptor = ring_.enter_ring_fd;
  }
  if (wait_count == 0) return io_uring_enter(static_cast<unsigned>(descriptor), queued(), 0, flags, nullptr);
  __kernel_timespec limit{};
  limit.tv_sec = timeout / kSecond;
  limit.tv_nsec = timeout % kSecond;
  io_uring_getevents_arg argument{};
  argument.ts = reinterpret_cast<std::uint64_t>(&limit);
  flags |= IORING_ENTER_EXT_ARG;
  if (has_feature(kFeatureNoIowait)) flags |= kEnterNoIowait;
  return io_uring_enter2(static_cast<unsigned>(descriptor), queued(), wait_count, flags, reinterpret_cast<sigset_t*>(&argument),
                         sizeof argument);
}

void Ring::submit() {
  while (queued() > 0) {
    const int result = enter(0, 0, 0);
    if (result >= 0 || result == -EINTR) continue;
    // No memory for a request, or (old kernels) completions that overflowed have to be fetched first.
    BROADSIDE_ASSERT(result == -EAGAIN || result == -EBUSY || result == -ENOMEM || result == -EBADR);
    if (result != -EAGAIN && result != -ENOMEM) {
      enter(0, IORING_ENTER_GETEVENTS, 0);
      return;  // The caller reaps and calls again.
    }
    ::sched_yield();
  }
}

void Ring::submit_and_look(Nanos timeout) {
  BROADSIDE_ASSERT(timeout >= 0);
  const int result = enter(timeout > 0 ? 1 : 0, IORING_ENTER_GETEVENTS, timeout);
  // Fewer submitted than queued returns without waiting: the rest goes with the next enter.
  BROADSIDE_ASSERT(result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN || result == -EBUSY ||
                   result == -ENOMEM || result == -EBADR);
}

}  // namespace broadside::io
