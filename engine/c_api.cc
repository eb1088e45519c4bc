// The engine for C: each function turns its arguments into C++, calls broadside/engine.h and turns the answer into C. Counters
// and listings are c_stats.cc's.
#include "broadside/c_api.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "engine/c_config.h"
#include "engine/c_engine.h"
#include "engine/c_values.h"

using broadside::CArguments;
using broadside::Engine;
using broadside::Published;
using broadside::Result;

namespace {

static_assert(BROADSIDE_SEND_TAKEN == static_cast<int>(broadside::SendOutcome::taken));
static_assert(BROADSIDE_SEND_UNKNOWN == static_cast<int>(broadside::SendOutcome::unknown));
static_assert(BROADSIDE_SEND_TOO_LARGE == static_cast<int>(broadside::SendOutcome::too_large));
static_assert(BROADSIDE_SEND_FULL == static_cast<int>(broadside::SendOutcome::full));
static_assert(BROADSIDE_RENEW_RENEWED == static_cast<int>(broadside::RenewOutcome::renewed));
static_assert(BROADSIDE_RENEW_UNKNOWN == static_cast<int>(broadside::RenewOutcome::unknown));
static_assert(BROADSIDE_RENEW_REFUSED == static_cast<int>(broadside::RenewOutcome::refused));

void give_published(const Published& made, broadside_published* published) {
  if (published == nullptr) return;
  *published = {.position = made.position.packed, .subscribers = made.subscribers, .is_duplicate = made.is_duplicate};
}

broadside_status finish_publish(CArguments& arguments, const Result<Published>& made, broadside_published* published) {
  if (made) give_published(*made, published);
  return arguments.finish(made);
}

// Calls `work` with the engine, unless that is null.
template <typename Work>
broadside_status with_engine(broadside_engine* engine, broadside_error* error, const Work& work) {
  CArguments arguments(error);
  if (arguments.need(engine, "engine")) work(*engine->engine);
  return arguments.status();
}

// A text as snprintf() gives it.
size_t give_text(const std::string& text, char* buffer, size_t size) {
  if (buffer != nullptr && size > 0) {
    const size_t kept = std::min(text.size(), size - 1);
    std::memcpy(buffer, text.data(), kept);
    buffer[kept] = '\0';
  }
  return text.size();
}

// Whether an answer that comes later can be for this engine at all.
bool need_token(CArguments& arguments, const broadside_engine* engine, broadside_token token) {
  if (!arguments.need(engine, "engine")) return false;
  if (token.shard >= engine->shard_count) arguments.refuse("token", "is none of this engine's");
  return arguments.are_good();
}

}  // namespace

broadside_status broadside_engine_create(const broadside_config* config, const broadside_hooks* hooks, broadside_engine** engine,
                                         broadside_error* error) {
  CArguments arguments(error);
  if (arguments.need(engine, "engine")) *engine = nullptr;
  const broadside_config known = broadside::known_config(arguments, config);
  broadside::Config read = read_config(arguments, known);
  const broadside_hooks known_hooks = arguments.sized_if_any(hooks, broadside_hooks_init, "hooks");
  if (!arguments.are_good()) return arguments.status();
  std::unique_ptr<broadside_engine> made(new (std::nothrow) broadside_engine(known_hooks, known.log, known.log_user));
  if (made == nullptr) return arguments.refuse(BROADSIDE_OUT_OF_MEMORY, "no memory for an engine");
  if (known.log != nullptr) read.log_sink = &made->log;
  Result<Engine> opened = Engine::create(read, &made->host);
  if (!opened) return arguments.finish(opened);
  made->engine = std::make_unique<Engine>(std::move(*opened));
  made->shard_count = static_cast<std::uint32_t>(made->engine->stats().shards.size());
  made->is_host_driven = read.is_host_driven;
  *engine = made.release();
  return BROADSIDE_OK;
}

broadside_status broadside_engine_start(broadside_engine* engine, broadside_error* error) {
  CArguments arguments(error);
  if (!arguments.need(engine, "engine")) return arguments.status();
  auto expected = broadside_engine::State::created;
  if (!engine->state.compare_exchange_strong(expected, broadside_engine::State::running)) {
    return arguments.refuse(BROADSIDE_STOPPED, "the engine has been started or stopped before");
  }
  engine->engine->start();
  return BROADSIDE_OK;
}

broadside_status broadside_engine_stop(broadside_engine* engine, broadside_error* error) {
  CArguments arguments(error);
  if (!arguments.need(engine, "engine")) return arguments.status();
  engine->state = broadside_engine::State::stopped;
  engine->engine->stop();
  return BROADSIDE_OK;
}

void broadside_engine_destroy(broadside_engine* engine) { delete engine; }

int broadside_engine_poll_fd(const broadside_engine* engine) {
  return engine != nullptr && engine->is_host_driven ? engine->engine->poll_fd() : -1;
}

int broadside_engine_next_timeout_ms(broadside_engine* engine) {
  return engine != nullptr && engine->is_host_driven ? engine->engine->next_timeout_ms() : -1;
}

broadside_status broadside_engine_run_once(broadside_engine* engine, broadside_error* error) {
  CArguments arguments(error);
  if (!arguments.need(engine, "engine")) return arguments.status();
  if (!engine->is_host_driven) return arguments.refuse("engine", "has threads of its own: is_host_driven is false");
  if (engine->state != broadside_engine::State::running) return arguments.refuse(BROADSIDE_STOPPED, "the engine does not run");
  engine->engine->run_once();
  return BROADSIDE_OK;
}

broadside_status broadside_engine_start_drain(broadside_engine* engine, broadside_error* error) {
  return with_engine(engine, error, [](Engine& drained) { drained.start_drain(); });
}

broadside_status broadside_engine_wait_drained(broadside_engine* engine, bool* is_drained, broadside_error* error) {
  return with_engine(engine, error, [&](Engine& drained) {
    const bool is_empty = drained.wait_drained();
    if (is_drained != nullptr) *is_drained = is_empty;
  });
}

broadside_status broadside_engine_reconfigure(broadside_engine* engine, const broadside_config* config, broadside_error* error) {
  CArguments arguments(error);
  arguments.need(engine, "engine");
  const broadside::Config read = read_config(arguments, broadside::known_config(arguments, config));
  return arguments.are_good() ? arguments.finish(engine->engine->reconfigure(read)) : arguments.status();
}

size_t broadside_engine_listen_url(const broadside_engine* engine, size_t index, char* buffer, size_t buffer_size) {
  const std::vector<std::string> urls = engine != nullptr ? engine->engine->listen_urls() : std::vector<std::string>();
  return give_text(index < urls.size() ? urls[index] : std::string(), buffer, buffer_size);
}

size_t broadside_engine_describe_backend(const broadside_engine* engine, char* buffer, size_t buffer_size) {
  return give_text(engine != nullptr ? engine->engine->describe_backend() : std::string(), buffer, buffer_size);
}

broadside_status broadside_engine_publish(broadside_engine* engine, broadside_slice topic, const broadside_event* event,
                                          broadside_published* published, broadside_error* error) {
  CArguments arguments(error);
  arguments.need(engine, "engine");
  const std::string_view name = arguments.text(topic, "topic");
  const broadside::Event read = read_event(arguments, event);
  if (!arguments.are_good()) return arguments.status();
  return finish_publish(arguments, engine->engine->publish(name, read), published);
}

broadside_status broadside_engine_publish_batch(broadside_engine* engine, const broadside_batch_entry* batch, size_t count,
                                                broadside_published* published, size_t* bad_index, broadside_error* error) {
  CArguments arguments(error);
  arguments.need(engine, "engine");
  std::vector<broadside::BatchEntry> read;
  for (const broadside_batch_entry& entry : arguments.list(batch, count, "batch")) {
    if (!arguments.are_good()) break;
    if (bad_index != nullptr) *bad_index = read.size();
    read.push_back({.topic = arguments.text(entry.topic, "topic"), .event = read_event(arguments, entry.event)});
  }
  if (!arguments.are_good()) return arguments.status();
  std::vector<Published> made;
  const Result<broadside::Done> done = engine->engine->publish_batch(read, made, bad_index);
  if (done && published != nullptr) {
    for (const Published& each : made) give_published(each, published++);
  }
  return arguments.finish(done);
}

broadside_status broadside_engine_end(broadside_engine* engine, broadside_slice topic, broadside_published* published,
                                      bool* existed, broadside_error* error) {
  CArguments arguments(error);
  arguments.need(engine, "engine");
  const std::string_view name = arguments.text(topic, "topic");
  if (!arguments.are_good()) return arguments.status();
  return finish_publish(arguments, engine->engine->end(name, existed), published);
}

broadside_status broadside_topic_open(broadside_engine* engine, broadside_slice name, broadside_topic** topic,
                                      broadside_error* error) {
  CArguments arguments(error);
  if (arguments.need(topic, "topic")) *topic = nullptr;
  arguments.need(engine, "engine");
  const std::string_view read = arguments.text(name, "name");
  if (!arguments.are_good()) return arguments.status();
  Result<broadside::TopicHandle> opened = engine->engine->open_topic(read);
  if (!opened) return arguments.finish(opened);
  *topic = new (std::nothrow) broadside_topic{std::move(*opened)};
  return *topic != nullptr ? BROADSIDE_OK : arguments.refuse(BROADSIDE_OUT_OF_MEMORY, "no memory for a topic's handle");
}

broadside_status broadside_topic_publish(broadside_topic* topic, const broadside_event* event, broadside_published* published,
                                         broadside_error* error) {
  CArguments arguments(error);
  arguments.need(topic, "topic");
  const broadside::Event read = read_event(arguments, event);
  if (!arguments.are_good()) return arguments.status();
  return finish_publish(arguments, topic->handle.publish(read), published);
}

broadside_slice broadside_topic_name(const broadside_topic* topic) {
  return topic != nullptr ? broadside::slice_of(topic->handle.name()) : broadside_slice{};
}

void broadside_topic_close(broadside_topic* topic) { delete topic; }

broadside_status broadside_engine_adopt(broadside_engine* engine, int fd, const broadside_subscribe_request* request,
                                        const broadside_adopt_options* options, broadside_error* error) {
  CArguments arguments(error);
  arguments.need(engine, "engine");
  const broadside::SubscribeRequest read = read_subscription(arguments, request);
  const broadside_adopt_options known = arguments.sized_if_any(options, broadside_adopt_options_init, "options");
  const broadside::AdoptOptions adopting{.admission = broadside::read_admission(arguments, known.admission),
                                         .is_head_written = known.is_head_written};
  return arguments.are_good() ? arguments.finish(engine->engine->adopt(fd, read, adopting)) : arguments.status();
}

broadside_status broadside_engine_decide(broadside_engine* engine, broadside_token token, const broadside_decision* decision,
                                         broadside_error* error) {
  CArguments arguments(error);
  broadside::SubscribeDecision read = read_decision(arguments, decision);
  if (need_token(arguments, engine, token)) engine->engine->decide(broadside::token_of(token), std::move(read));
  return arguments.status();
}

broadside_status broadside_engine_respond(broadside_engine* engine, broadside_token token, const broadside_response* response,
                                          broadside_error* error) {
  CArguments arguments(error);
  broadside::Response read = read_response(arguments, response);
  if (need_token(arguments, engine, token)) engine->engine->respond(broadside::token_of(token), std::move(read));
  return arguments.status();
}

broadside_status broadside_engine_start_send_to(broadside_engine* engine, broadside_slice connection,
                                                const broadside_event* event, broadside_send_sink done, void* user,
                                                broadside_error* error) {
  CArguments arguments(error);
  arguments.need(engine, "engine");
  const std::string_view id = arguments.text(connection, "connection");
  const broadside::Event read = read_event(arguments, event);
  if (!arguments.are_good()) return arguments.status();
  const auto told = std::make_shared<broadside::COnce<broadside_send_outcome>>(done, user, BROADSIDE_SEND_STOPPED);
  const Result<broadside::Done> started = engine->engine->start_send_to(
      id, read, [told](broadside::SendOutcome outcome) { told->call(static_cast<broadside_send_outcome>(outcome)); });
  if (!started) told->forget();
  return arguments.finish(started);
}

broadside_status broadside_engine_start_renew(broadside_engine* engine, broadside_slice connection, uint64_t expires_ms,
                                              broadside_renew_check allows, broadside_renew_sink done, void* user,
                                              broadside_error* error) {
  CArguments arguments(error);
  arguments.need(engine, "engine");
  const std::string_view id = arguments.text(connection, "connection");
  if (!arguments.are_good()) return arguments.status();
  const auto told = std::make_shared<broadside::COnce<broadside_renew_outcome>>(done, user, BROADSIDE_RENEW_STOPPED);
  engine->engine->start_renew(
      id, expires_ms,
      [allows, user](const broadside::SubscriberView& subscriber) {
        return allows == nullptr || allows(user, broadside::CSubscriber(subscriber).get());
      },
      [told](broadside::RenewOutcome outcome) { told->call(static_cast<broadside_renew_outcome>(outcome)); });
  return BROADSIDE_OK;
}

void broadside_set_failure_handler(broadside_failure_handler handler) { broadside::set_failure_handler(handler); }
