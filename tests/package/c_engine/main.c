/* An embedder: says where it listens, then publishes each line of its input to the topic `lines`. */
#include <stdio.h>
#include <string.h>

#include "broadside/c_api.h"

int main(void) {
  const broadside_slice listen = broadside_text("127.0.0.1:0");
  broadside_config config;
  broadside_config_init(&config);
  config.listen = &listen;
  config.listen_count = 1;
  broadside_engine* engine;
  broadside_error error;
  if (broadside_engine_create(&config, NULL, &engine, &error) != BROADSIDE_OK) return fprintf(stderr, "%s\n", error.message), 1;
  broadside_engine_start(engine, NULL);
  char line[1000];
  broadside_engine_listen_url(engine, 0, line, sizeof line);
  puts(line), fflush(stdout);
  while (fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    const broadside_event event = {.size = sizeof event, .data = broadside_text(line)};
    if (broadside_engine_publish(engine, broadside_text("lines"), &event, NULL, NULL) != BROADSIDE_OK) return 1;
  }
  broadside_engine_destroy(engine);
  return 0;
}
