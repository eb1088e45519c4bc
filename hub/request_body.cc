// See request_body.h.
#include "hub/request_body.h"

#include "proto/http_request.h"
#include "proto/http_tokens.h"

namespace broadside::hub {

bool is_body_ndjson(const Request& request) {
  const std::string_view type = request.header("Content-Type");
  return equals_ignoring_case(without_white_space(type.substr(0, type.find(';'))), "application/x-ndjson");
}

bool is_body_encoded(const Request& request) {
  const std::string_view encoding = request.header("Content-Encoding");
  return encoding.data() != nullptr && !equals_ignoring_case(without_white_space(encoding), "identity");
}

}  // namespace broadside::hub
