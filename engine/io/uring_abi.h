// Constants of the io_uring interface that are newer than the packaged liburing (2.3), under names of our own: newer
// headers define theirs as enumerators, so an #ifdef cannot ask for them.
#pragma once

#include <cstdint>

namespace broadside::io {

// Kernel 6.8: installs a fixed file as a plain descriptor (fd = slot, IOSQE_FIXED_FILE). For handing streams over.
constexpr std::uint8_t kOpFixedFdInstall = 54;
// Kernel 6.7: IORING_OP_URING_CMD on a socket. off = command, addr = level | name << 32, file_index = length of the
// value, addr3 = address of the value.
constexpr std::uint64_t kSocketCommandSetsockopt = 3;

constexpr std::uint32_t kFeatureNoIowait = 1U << 17;  // Kernel 6.15.
constexpr std::uint32_t kEnterNoIowait = 1U << 7;     // A waiting shard is idle, not in iowait.

// From 6.13 one enter runs at most this many deferred completions unless it waits for more.
constexpr std::uint32_t kDeferredPerEnter = 20;

}  // namespace broadside::io
