// A transport without cryptography, for tests of the engine: records with a number, a length and a checksum, scrambled by their
// number, so that any that is lost, doubled, out of order, torn or sent with a number of another is found out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "broadside/transport.h"

namespace broadside::test {

enum class ToyRecord : char { hello = 'H', data = 'D', end = 'E' };

// Makes records; the client's and the server's side alike.
class ToySealer final : public StreamSealer {
 public:
  static constexpr std::size_t kHeaderBytes = 7;   // Type, number, length.
  static constexpr std::size_t kTrailerBytes = 4;  // Checksum.

  explicit ToySealer(std::uint32_t number = 0, std::size_t content_bytes_max = 8192, std::uint32_t worn_at = UINT32_MAX)
      : StreamSealer(kHeaderBytes, kTrailerBytes, content_bytes_max), number_(number), worn_at_(worn_at) {}

  void seal(char* record, std::size_t bytes) noexcept override { seal_as(ToyRecord::data, record, bytes); }
  void take_back(std::uint32_t records) noexcept override { number_ -= records; }
  void seal_end(std::string& out) noexcept override { append(ToyRecord::end, {}, out); }
  [[nodiscard]] bool is_worn() const noexcept override { return number_ >= worn_at_; }
  [[nodiscard]] bool start_in_kernel(int /*fd*/) noexcept override { return false; }

  // Appends a whole record.
  void append(ToyRecord type, std::string_view content, std::string& out);
  [[nodiscard]] std::uint32_t number() const { return number_; }

 private:
  void seal_as(ToyRecord type, char* record, std::size_t bytes);
  std::uint32_t number_;
  std::uint32_t worn_at_;
};

// Opens what a ToySealer has made, from its first record on.
class ToyOpener {
 public:
  // Appends to `plain` the content of every whole record.
  void feed(std::string_view bytes, std::string& plain);
  [[nodiscard]] bool has_hello() const { return has_hello_; }
  [[nodiscard]] bool is_ended() const { return is_ended_; }
  [[nodiscard]] bool is_inside_record() const { return !pending_.empty(); }
  // How many bytes the record under way lacks at least.
  [[nodiscard]] std::size_t missing_bytes() const;
  // The first thing that was wrong; empty if nothing was.
  [[nodiscard]] const std::string& violation() const { return violation_; }

 private:
  std::string pending_;
  std::uint32_t number_ = 0;
  bool has_hello_ = false;
  bool is_ended_ = false;
  std::string violation_;
};

// The server's side: established with the client's hello, which it answers with its own.
class ToyTransport final : public Transport {
 public:
  explicit ToyTransport(std::uint32_t worn_at) : worn_at_(worn_at) {}

  Outcome on_received(std::string_view bytes, std::string& plain, std::string& out) noexcept override;
  [[nodiscard]] bool is_established() const noexcept override { return has_answered_; }
  bool seal(std::string_view plain, std::string& out) noexcept override;
  void seal_end(std::string& out) noexcept override { sealer_.seal_end(out); }
  std::unique_ptr<StreamSealer> begin_stream() noexcept override {
    return std::make_unique<ToySealer>(sealer_.number(), 8192, worn_at_);
  }

 private:
  ToyOpener opener_;
  ToySealer sealer_;
  std::uint32_t worn_at_;
  bool has_answered_ = false;
};

class ToyTransportFactory final : public TransportFactory {
 public:
  // Streams are worn with the record of this number.
  explicit ToyTransportFactory(std::uint32_t worn_at = UINT32_MAX) : worn_at_(worn_at) {}
  std::unique_ptr<Transport> make_transport() noexcept override { return std::make_unique<ToyTransport>(worn_at_); }

 private:
  std::uint32_t worn_at_;
};

}  // namespace broadside::test
