// A client of the codec alone: writes an event and reads it again, byte by byte, as it might come in.
#include <iostream>
#include <string>
#include <string_view>

#include "broadside/sse.h"
#include "broadside/version.h"

class Printer final : public broadside::SseDecoder::Sink {
 public:
  void on_event(const broadside::DecodedEvent& event) noexcept override { std::cout << event.type << ' ' << event.data << '\n'; }
};

int main() {
  const broadside::Event event{.data = "two\nlines", .type = "note", .id = "7"};
  if (!broadside::check_sse_event(event)) return 1;
  std::string bytes;
  broadside::append_sse_event(bytes, event);
  broadside::SseDecoder decoder;
  Printer printer;
  for (const char& byte : bytes) decoder.feed(std::string_view(&byte, 1), printer);
  std::cout << decoder.last_event_id() << ' ' << broadside::kVersion << '\n';
}
