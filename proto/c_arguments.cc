#include "proto/c_arguments.h"

namespace broadside {
namespace {

// More than any structure of the API will ever need: a larger size was never set.
constexpr std::size_t kStructBytesMax = 4096;

static_assert(BROADSIDE_INVALID_ARGUMENT == 1 + static_cast<int>(Error::Code::invalid_argument));
static_assert(BROADSIDE_ADDRESS_IN_USE == 1 + static_cast<int>(Error::Code::address_in_use));
static_assert(BROADSIDE_UNAVAILABLE == 1 + static_cast<int>(Error::Code::unavailable));
static_assert(BROADSIDE_OUT_OF_MEMORY == 1 + static_cast<int>(Error::Code::out_of_memory));
static_assert(BROADSIDE_TOO_LARGE == 1 + static_cast<int>(Error::Code::too_large));
static_assert(BROADSIDE_STOPPED == 1 + static_cast<int>(Error::Code::stopped));

}  // namespace

broadside_status CArguments::refuse(broadside_status status, std::string_view message) {
  if (status_ != BROADSIDE_OK) return status_;
  status_ = status;
  if (error_ == nullptr) return status_;
  std::size_t size = std::min(message.size(), sizeof error_->message - 1);
  // Not inside a character.
  while (size < message.size() && size > 0 && (static_cast<unsigned char>(message[size]) & 0xc0U) == 0x80U) --size;
  std::memcpy(error_->message, message.data(), size);
  error_->message[size] = '\0';
  return status_;
}

broadside_status CArguments::refuse(const char* name, const char* what) {
  return refuse(BROADSIDE_INVALID_ARGUMENT, std::string(name) + " " + what);
}

broadside_status CArguments::refuse(const Error& error) {
  return refuse(static_cast<broadside_status>(error.code) + 1, error.message);
}

bool CArguments::check_size(std::size_t size, const char* name) {
  const bool is_good = size >= sizeof size && size <= kStructBytesMax;
  if (!is_good) refuse(name, "has no size: its _init function sets it");
  return is_good;
}

Event read_event(CArguments& arguments, const broadside_event* event) {
  const broadside_event known = arguments.sized(event, broadside_event_init, "event");
  Event read{.data = arguments.text(known.data, "event.data"),
             .type = arguments.text(known.type, "event.type"),
             .id = arguments.text(known.id, "event.id"),
             .retry_ms = {},
             .key = arguments.text(known.key, "event.key")};
  if (known.has_retry) read.retry_ms = known.retry_ms;
  return read;
}

}  // namespace broadside

const char* broadside_status_name(broadside_status status) {
  constexpr const char* kNames[] = {"ok",        "invalid_argument", "address_in_use", "unavailable", "out_of_memory",
                                    "too_large", "stopped"};
  return status >= 0 && static_cast<std::size_t>(status) < std::size(kNames) ? kNames[status] : "unknown";
}

const char* broadside_version() { return BROADSIDE_VERSION; }
std::uint32_t broadside_version_number() { return BROADSIDE_VERSION_NUMBER; }
