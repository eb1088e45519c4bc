#include "tools/load/options.h"

#include <curl/curl.h>
#include <sched.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>

#include "tools/client_support.h"
#include "tools/load/payload.h"
#include "tools/quantity.h"

namespace broadside::tools::load {
namespace {

const char* const kTargetGroup = "Server";
const char* const kStreamsGroup = "Streams";
const char* const kPublishGroup = "Publishing";
const char* const kTroubleGroup = "Trouble";
const char* const kReportGroup = "Report and bounds";
const char* const kClientGroup = "The client itself";

constexpr std::uint32_t kStreamsMax = 4'000'000;
constexpr std::uint64_t kConflatedMax = 64 << 20;
constexpr std::uint32_t kTopicsMax = 0xffffff;  // Six digits of the payload.
// Of one thread's descriptors: its epoll set, what the process has open, and some for luck.
constexpr std::uint64_t kDescriptorsKept = 200;
// Of the 28,232 ports that one source address has by default (ip_local_port_range): a search for a free one among few is dear.
constexpr std::uint32_t kStreamsPerSource = 8'000;

CLI::Option* duration(CLI::App& command, const char* group, const std::string& flag, Nanos& target, const std::string& help) {
  const auto take = [flag, &target](const std::string& text) {
    const auto value = parse_duration_ms(text);
    constexpr std::uint64_t kDurationMsMax = 7ULL * 86'400'000;
    if (!value || *value > kDurationMsMax) {
      throw CLI::ValidationError(flag, "`" + text + "` is not a duration of a week at most, like 250ms, 10s or 1m");
    }
    target = static_cast<Nanos>(*value) * kMillisecond;
  };
  return command.add_option_function<std::string>(flag, take, help)
      ->group(group)
      ->type_name("DURATION")
      ->default_str(duration_text(static_cast<std::uint64_t>(target / kMillisecond)));
}

CLI::Option* size(CLI::App& command, const char* group, const std::string& flag, std::uint64_t& target, const std::string& help) {
  const auto take = [flag, &target](const std::string& text) {
    const auto value = parse_size_bytes(text);
    if (!value) throw CLI::ValidationError(flag, "`" + text + "` is not a size, like 256 or 10KiB");
    target = *value;
  };
  return command.add_option_function<std::string>(flag, take, help)
      ->group(group)
      ->type_name("SIZE")
      ->default_str(size_text(target));
}

template <typename Number>
CLI::Option* number(CLI::App& command, const char* group, const std::string& flag, Number& target, const std::string& help) {
  return command.add_option(flag, target, help)
      ->group(group)
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
}

CLI::Option* text(CLI::App& command, const char* group, const std::string& flag, std::string& target, const char* type,
                  const std::string& help) {
  return command.add_option(flag, target, help)->group(group)->type_name(type)->capture_default_str();
}

CLI::Option* headers(CLI::App& command, const std::string& flag, std::vector<std::string>& target, const std::string& help) {
  return command.add_option(flag, target, help)
      ->group(kTargetGroup)
      ->type_name("HEADER")
      ->allow_extra_args(false)
      ->check(CLI::Validator([](std::string& header) { return header_problem(header); }, ""));
}

std::string url_part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* bytes = nullptr;
  if (::curl_url_get(url, part, &bytes, flags) != CURLUE_OK || bytes == nullptr) return {};
  std::string text = bytes;
  ::curl_free(bytes);
  return text;
}

// What is wrong with `url`; empty if nothing is.
std::string parse_endpoint(const std::string& url, Endpoint& out) {
  CURLU* parsed = ::curl_url();
  const bool is_url = ::curl_url_set(parsed, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK;
  const std::string scheme = is_url ? url_part(parsed, CURLUPART_SCHEME) : "";
  out.url = url;
  out.host = url_part(parsed, CURLUPART_HOST);
  out.port = url_part(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  out.target = url_part(parsed, CURLUPART_PATH);
  if (const std::string query = url_part(parsed, CURLUPART_QUERY); !query.empty()) out.target += '?' + query;
  ::curl_url_cleanup(parsed);
  if (!is_url) return "'" + url + "' is not a URL; give one like http://127.0.0.1:8080/events/{topic}";
  if (scheme == "https") return "'" + url + "': the load client speaks plain http; measure TLS through a server that ends it";
  if (scheme != "http") return "'" + url + "' is not an http URL";
  if (out.host.starts_with('[')) out.host = out.host.substr(1, out.host.size() - 2);
  return {};
}

void add_target_options(CLI::App& command, LoadOptions& options) {
  text(command, kTargetGroup, "--server", options.server, "URL", "A Broadside server: its /events/{topic} for both directions");
  text(command, kTargetGroup, "--subscribe-url", options.subscribe_url, "URL", "Any server's event stream; {topic} is replaced");
  text(command, kTargetGroup, "--publish-url", options.publish_url, "URL",
       "Where to publish; {topic}, {key} and {sequence} are replaced");
  text(command, kTargetGroup, "--publish-method", options.publish_method, "METHOD", "Method of a publish");
  text(command, kTargetGroup, "--publish-body", options.publish_body, "TEMPLATE",
       "Its body: raw '{data}', a form 'topic={topic}&data={data}', or JSON '{\"data\":\"{data}\"}'");
  text(command, kTargetGroup, "--publish-type", options.publish_type, "TYPE", "Its Content-Type");
  headers(command, "--header", options.headers, "A header of every request, 'Name: value'; repeatable");
  headers(command, "--publish-header", options.publish_headers, "A header of every publish; repeatable");
}

void add_stream_options(CLI::App& command, LoadOptions& options) {
  number(command, kStreamsGroup, "--streams", options.streams, "Event streams to hold open");
  number(command, kStreamsGroup, "--topics", options.topics, "Topics; stream i is on topic i modulo this");
  text(command, kStreamsGroup, "--topic-prefix", options.topic_prefix, "NAME", "Topics are named NAME0, NAME1, ...");
  number(command, kStreamsGroup, "--ramp", options.ramp, "Streams opened a second; 0 = as fast as it goes");
  number(command, kStreamsGroup, "--rate", options.rate, "Visits a second that each stream asks a Broadside server for; 0 = any");
  command.add_flag("--resume", options.resumes, "Streams that come back send Last-Event-ID, and must miss nothing")
      ->group(kStreamsGroup);
}

void add_publish_options(CLI::App& command, LoadOptions& options) {
  number(command, kPublishGroup, "--publish-rate", options.publish_rate,
         "Events a second over all topics, also 0.5; 0 = only listens");
  number(command, kPublishGroup, "--burst", options.burst, "Events that are due at the same moment; the rate stays");
  size(command, kPublishGroup, "--size", options.event_bytes, "Data of an event, at least " + std::to_string(kPayloadBytesMin));
  number(command, kPublishGroup, "--keys", options.keys, "Event i has key i modulo this (`key=` in the query); 0 = none");
  command.add_flag("--conflated", options.is_conflated, "With --keys: lost is a key whose newest event does not come, no other")
      ->group(kPublishGroup);
  number(command, kPublishGroup, "--pipeline", options.pipeline, "Publishes under way at once, on one connection, in order");
  duration(command, kPublishGroup, "--warm-up", options.warm_up, "Events of this time before are checked, not measured");
  duration(command, kPublishGroup, "--duration", options.duration, "How long to measure");
  duration(command, kPublishGroup, "--grace", options.grace, "How long to wait for the last deliveries");
}

void add_trouble_options(CLI::App& command, LoadOptions& options) {
  number(command, kTroubleGroup, "--churn", options.churn, "Streams a second that are closed and opened again");
  duration(command, kTroubleGroup, "--storm-every", options.storm_every, "All streams drop at once, and come back; 0 = never");
  number(command, kTroubleGroup, "--slow", options.slow, "So many of the streams read slowly");
  size(command, kTroubleGroup, "--slow-rate", options.slow_bytes_per_second, "Bytes a second that a slow one reads");
  number(command, kTroubleGroup, "--stalled", options.stalled, "So many read nothing once they are open");
  number(command, kTroubleGroup, "--half-open", options.half_open,
         "So many vanish without FIN once they are open: nothing that is sent to them is ever acknowledged");
}

void add_client_options(CLI::App& command, LoadOptions& options) {
  number(command, kClientGroup, "--threads", options.threads, "Threads; 0 = as many as the limit of open files asks for");
  command.add_option("--cpus", options.cpus, "Run on these cores alone, e.g. 1 or 2,3")
      ->group(kClientGroup)
      ->type_name("LIST")
      ->delimiter(',')
      ->check(CLI::Range(0, CPU_SETSIZE - 1));
  number(command, kClientGroup, "--sources", options.sources,
         "Source addresses 127.0.0.2 and up, for a server on loopback; 0 = as many as needed");
  duration(command, kClientGroup, "--hold", options.hold,
           "Reads nothing for so long after each publish: the server's cost without a reader on its caches");
}

void add_report_options(CLI::App& command, LoadOptions& options) {
  number(command, kReportGroup, "--server-pid", options.server_pid, "Also measure this process: CPU a delivery, memory");
  text(command, kReportGroup, "--json", options.json_path, "FILE", "All figures as JSON; - = stdout, instead of the table");
  text(command, kReportGroup, "--plot", options.plot_path, "FILE.svg", "Latency over time and its distribution, by gnuplot");
  duration(command, kReportGroup, "--max-p99", options.max_p99, "Fail when the 99th percentile is above this; 0 = no bound");
  number(command, kReportGroup, "--max-loss", options.max_loss, "Fail when more deliveries are lost");
  command.add_flag("-q,--quiet", options.is_quiet, "No line a second")->group(kReportGroup);
}

// Threads that are needed so that none holds more descriptors than one table may.
std::string plan_threads(LoadOptions& options) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur < 2 * kDescriptorsKept) {
    return "the limit of open files is " + std::to_string(limit.rlim_cur) + "; raise it to 1024 at least: ulimit -n 1024";
  }
  const std::uint64_t per_thread = limit.rlim_cur - kDescriptorsKept;
  const auto needed = static_cast<std::uint32_t>((options.streams + per_thread - 1) / per_thread);
  if (options.threads == 0) options.threads = std::max(1U, needed);
  options.threads = std::min(options.threads, options.streams);
  if (options.threads < needed) {
    return "--threads " + std::to_string(options.threads) + ": " + std::to_string(options.streams) + " streams need " +
           std::to_string(needed) + " under this limit of open files";
  }
  if (options.sources == 0) {
    options.sources = (options.streams + kStreamsPerSource - 1) / kStreamsPerSource;
    if (options.churn > 0 || options.storm_every > 0) options.sources *= 2;  // Ports of closed connections rest for a minute.
  }
  return {};
}

}  // namespace

std::string Endpoint::authority() const { return (host.find(':') == std::string::npos ? host : '[' + host + ']') + ':' + port; }

void add_load_options(CLI::App& command, LoadOptions& options) {
  add_target_options(command, options);
  add_stream_options(command, options);
  add_publish_options(command, options);
  add_trouble_options(command, options);
  add_report_options(command, options);
  add_client_options(command, options);
}

std::string check_load_options(LoadOptions& options) {
  while (options.server.ends_with('/')) options.server.pop_back();
  const bool is_foreign = !options.subscribe_url.empty();
  if (!is_foreign) {
    options.subscribe_url = options.server + "/events/{topic}";
    if (options.rate > 0) options.subscribe_url += "?rate=" + std::to_string(options.rate);
  }
  if (options.publish_url.empty() && is_foreign && options.publish_rate > 0) {
    return "--subscribe-url without --publish-url: say where to publish, or --publish-rate 0 to listen only";
  }
  if (options.publish_url.empty()) {
    options.publish_url = options.server + "/events/{topic}";
    if (options.keys > 0) options.publish_url += "?key={key}";
  }
  if (std::string wrong = parse_endpoint(options.subscribe_url, options.subscribe); !wrong.empty()) return wrong;
  if (std::string wrong = parse_endpoint(options.publish_url, options.publish); !wrong.empty()) return wrong;
  if (options.streams == 0 || options.streams > kStreamsMax) return "--streams is 1 to " + std::to_string(kStreamsMax);
  if (options.topics == 0 || options.topics > kTopicsMax) return "--topics is 1 to " + std::to_string(kTopicsMax);
  if (options.is_conflated && options.keys == 0) return "--conflated: say how many keys there are (--keys)";
  if (options.is_conflated && std::uint64_t{options.streams} * options.keys_of_topic() > kConflatedMax) {
    return "--conflated: --streams times --keys is " + std::to_string(kConflatedMax) + " at most, four bytes of memory each";
  }
  if (options.handicapped() > options.streams) return "--slow, --stalled and --half-open together are more than --streams";
  if (options.event_bytes < kPayloadBytesMin) {
    return "--size is " + std::to_string(kPayloadBytesMin) + " at least: topic, sequence and time have to fit";
  }
  if (options.burst == 0 || options.pipeline == 0) return "--burst and --pipeline are 1 at least";
  if (options.publish_rate > 1e6) return "--publish-rate is 1,000,000 at most";
  if (options.duration < kMillisecond) return "--duration is 1ms at least";
  if (options.publish_body.find("{data}") == std::string::npos) return "--publish-body has to contain {data}";
  return plan_threads(options);
}

std::string fill_template(std::string_view text, const TemplateValues& values) {
  struct Name {
    std::string_view mark;
    std::string_view value;
  };
  const Name names[] = {
      {"{topic}", values.topic}, {"{key}", values.key}, {"{sequence}", values.sequence}, {"{data}", values.data}};
  std::string out;
  while (!text.empty()) {
    const std::size_t brace = text.find('{');
    out += text.substr(0, brace);
    if (brace == std::string_view::npos) break;
    text.remove_prefix(brace);
    const auto* name =
        std::find_if(std::begin(names), std::end(names), [&](const Name& one) { return text.starts_with(one.mark); });
    if (name != std::end(names)) {
      out += name->value;
      text.remove_prefix(name->mark.size());
    } else {
      out += '{';
      text.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace broadside::tools::load
