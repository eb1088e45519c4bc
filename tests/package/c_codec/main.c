/* A client of the codec alone: writes an event and reads it again, byte by byte, as it might come in. */
#include <stdio.h>

#include "broadside/c_sse.h"

#if BROADSIDE_VERSION_NUMBER < 1000
#error too old
#endif

static void print(broadside_slice text, const char* end) { printf("%.*s%s", (int)text.size, text.data, end); }

static void on_event(void* user, const broadside_sse_event* event) {
  (void)user;
  print(event->type, " ");
  print(event->data, "\n");
}

int main(void) {
  broadside_event event;
  broadside_event_init(&event);
  event.data = broadside_text("two\nlines");
  event.type = broadside_text("note");
  event.id = broadside_text("7");
  char bytes[100];
  size_t size = 0;
  broadside_sse_decoder* decoder;
  if (broadside_sse_write_event(&event, bytes, sizeof bytes, &size, NULL) != BROADSIDE_OK) return 1;
  if (broadside_sse_decoder_create(0, &decoder, NULL) != BROADSIDE_OK) return 1;
  broadside_sse_sink sink;
  broadside_sse_sink_init(&sink);
  sink.on_event = on_event;
  for (size_t at = 0; at < size; ++at) {
    const broadside_slice byte = {bytes + at, 1};
    if (broadside_sse_decoder_feed(decoder, byte, &sink, NULL) != BROADSIDE_OK) return 1;
  }
  print(broadside_sse_decoder_last_event_id(decoder), " ");
  puts(broadside_version());
  broadside_sse_decoder_destroy(decoder);
  return 0;
}
