// Implements what of broadside/handler.h is not defined there.
#include "broadside/handler.h"

#include "proto/http_request.h"

namespace broadside {

std::string_view Request::header(std::string_view name) const {
  for (const RequestHeader& each : headers) {
    if (equals_ignoring_case(each.name, name)) return each.value;
  }
  return {};
}

}  // namespace broadside
