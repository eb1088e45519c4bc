// From what a handshake has agreed on to the keys of the server's records, by OpenSSL's key derivations.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "hub/tls/record_sealer.h"

namespace broadside::hub {

using Bytes = std::span<const unsigned char>;

// RFC 8446, section 7.3, out of server_application_traffic_secret_0. `digest` is the handshake's ("SHA256"). Both are empty only
// where OpenSSL has no memory, or was built without what they need.
[[nodiscard]] std::optional<WriteKeys> tls13_write_keys(AeadCipher cipher, const char* digest, Bytes secret);

// RFC 5246, section 6.3: the server's part of the key block.
[[nodiscard]] std::optional<WriteKeys> tls12_write_keys(AeadCipher cipher, const char* digest, Bytes master_secret,
                                                        Bytes client_random, Bytes server_random);

}  // namespace broadside::hub
