/// @file
/// What a connection's bytes pass through on their way between the engine and the socket, where they do not go as they are: TLS.
/// Implemented by the host, as `broadside serve` does; the engine itself knows no cryptography. While a connection speaks HTTP it
/// has a Transport, which may be large; a stream only has a StreamSealer, of which there are as many as subscribers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace broadside {

/// Seals what one stream is sent, in records. It should be small. One thread at a time.
class StreamSealer {
 public:
  static constexpr std::size_t kHeaderBytesMax = 16;   ///< header_bytes() at most.
  static constexpr std::size_t kTrailerBytesMax = 32;  ///< trailer_bytes() at most.

  virtual ~StreamSealer() = default;
  StreamSealer(const StreamSealer&) = delete;
  StreamSealer& operator=(const StreamSealer&) = delete;

  /// What a record has before the bytes that it carries.
  [[nodiscard]] std::size_t header_bytes() const { return header_bytes_; }
  /// What it has behind them.
  [[nodiscard]] std::size_t trailer_bytes() const { return trailer_bytes_; }
  /// How many of them the peer takes in one record.
  [[nodiscard]] std::size_t content_bytes_max() const { return content_bytes_max_; }
  /// Makes the next record in place: `bytes` bytes stand at `record` + header_bytes(), and there is room for the trailer behind.
  virtual void seal(char* record, std::size_t bytes) noexcept = 0;
  /// The newest `records` have not left, and never will: the next one takes the place of the first of them.
  virtual void take_back(std::uint32_t records) noexcept = 0;
  /// Appends what tells the peer that nothing comes behind it.
  virtual void seal_end(std::string& out) noexcept = 0;
  /// Whether the keys have sealed so much that the stream should end soon, and the subscriber come back.
  [[nodiscard]] virtual bool is_worn() const noexcept = 0;
  /// Gives the keys to the kernel's TLS: from here on it seals itself what is written to the plain descriptor `fd`, and this
  /// sealer is done with. False if it does not; then all is as before.
  [[nodiscard]] virtual bool start_in_kernel(int fd) noexcept = 0;

 protected:
  /// Header and trailer at most as above; content 64 bytes or more, below 64 KiB.
  StreamSealer(std::size_t header_bytes, std::size_t trailer_bytes, std::size_t content_bytes_max)
      : content_bytes_max_(static_cast<std::uint16_t>(content_bytes_max)),
        header_bytes_(static_cast<std::uint8_t>(header_bytes)),
        trailer_bytes_(static_cast<std::uint8_t>(trailer_bytes)) {}

 private:
  std::uint16_t content_bytes_max_;
  std::uint8_t header_bytes_;
  std::uint8_t trailer_bytes_;
};

/// A connection that speaks HTTP. One thread at a time.
class Transport {
 public:
  /// What came of received bytes.
  enum class Outcome : std::uint8_t {
    open,    ///< It goes on.
    ended,   ///< The peer has said that nothing more comes from it.
    failed,  ///< Nothing more can be understood or sealed: what `out` holds is sent, then the connection is closed.
  };

  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  /// Takes what has come from the peer. Appends to `plain` what it says, and to `out` what it has to be sent, as it is.
  virtual Outcome on_received(std::string_view bytes, std::string& plain, std::string& out) noexcept = 0;
  /// Until then on_received() may take long: the engine bounds how many of those it calls in a turn.
  [[nodiscard]] virtual bool is_established() const noexcept = 0;
  /// Appends `plain`, sealed, to `out`. False: it cannot be. Requires: is_established(), not failed.
  virtual bool seal(std::string_view plain, std::string& out) noexcept = 0;
  /// Appends what tells the peer that nothing comes behind it.
  virtual void seal_end(std::string& out) noexcept = 0;
  /// Goes on where this transport has come to: from here on the one or the other is used, and the peer is only sent to. Null if
  /// that cannot be. Requires: is_established().
  virtual std::unique_ptr<StreamSealer> begin_stream() noexcept = 0;
};

/// Makes the transports of the listeners whose address begins with `https://`.
class TransportFactory {
 public:
  virtual ~TransportFactory() = default;
  /// For one accepted connection; any thread. Null if there is no memory: it is closed.
  virtual std::unique_ptr<Transport> make_transport() noexcept = 0;
};

}  // namespace broadside
