#include "tools/load/options.h"

#include <curl/curl.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>

#include "tools/client_support.h"
#include "tools/load/payload.h"
#include "tools/option_table.h"

namespace broadside::tools::load {
namespace {

constexpr std::uint32_t kStreamsMax = 4'000'000;
constexpr std::uint64_t kConflatedMax = 64 << 20;
constexpr std::uint32_t kTopicsMax = 0xffffff;  // Six digits of the payload.
// Of one thread's descriptors: its epoll set, what the process has open, and some for luck.
constexpr std::uint64_t kDescriptorsKept = 200;
// Of the 28,232 ports that one source address has by default (ip_local_port_range): a search for a free one among few is dear.
constexpr std::uint32_t kStreamsPerSource = 8'000;

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
  if (scheme != "http" && scheme != "https") return "'" + url + "' is not an http or https URL";
  out.is_sealed = scheme == "https";
  if (out.host.starts_with('[')) out.host = out.host.substr(1, out.host.size() - 2);
  return {};
}

// Core numbers, "2,3".
Option cores_option(std::vector<int>& cpus) {
  const auto set = [&cpus](const Values& given) -> std::string {
    std::vector<int> cores;
    for (const std::string& text : given) {
      int core = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), core);
      if (error != std::errc() || end != text.data() + text.size() || core < 0 || core >= CPU_SETSIZE) {
        return "`" + text + "` is not the number of a core, 0 to " + std::to_string(CPU_SETSIZE - 1);
      }
      cores.push_back(core);
    }
    cpus = cores;
    return {};
  };
  const auto get = [&cpus] {
    Values cores;
    for (const int core : cpus) cores.push_back(std::to_string(core));
    return cores;
  };
  return {.key = "cpus",
          .type = "LIST",
          .help = "Run on these cores alone, e.g. 1 or 2,3",
          .set = set,
          .get = get,
          .kind = Option::Kind::list,
          .delimiter = ','};
}

void add_target_options(OptionTable& table, LoadOptions& options) {
  table.group("Server");
  table.text("server", options.server, "URL", "A Broadside server: its /events/{topic} for both directions");
  table.text("subscribe_url", options.subscribe_url, "URL", "Any server's event stream; {topic} is replaced");
  table.text("publish_url", options.publish_url, "URL", "Where to publish; {topic}, {key} and {sequence} are replaced");
  table.text("publish_method", options.publish_method, "METHOD", "Method of a publish");
  table.text("publish_body", options.publish_body, "TEMPLATE",
             "Its body: raw '{data}', a form 'topic={topic}&data={data}', or JSON '{\"data\":\"{data}\"}'");
  table.text("publish_type", options.publish_type, "TYPE", "Its Content-Type");
  table.list("header", options.headers, "HEADER", "A header of every request, 'Name: value'; repeatable", header_problem);
  table.text("token", options.token.text, "TOKEN", kTokenHelp);
  table.text("token_file", options.token.path, "FILE", kTokenFileHelp);
  table.list("publish_header", options.publish_headers, "HEADER", "A header of every publish; repeatable", header_problem);
}

void add_stream_options(OptionTable& table, LoadOptions& options) {
  table.group("Streams");
  table.number("streams", options.streams, "Event streams to hold open");
  table.number("topics", options.topics, "Topics; stream i is on topic i modulo this");
  table.text("topic_prefix", options.topic_prefix, "NAME", "Topics are named NAME0, NAME1, ...");
  table.number("ramp", options.ramp, "Streams opened a second; 0 = as fast as it goes");
  table.number("rate", options.rate, "Visits a second that each stream asks a Broadside server for; 0 = any");
  table.flag("resume", options.resumes, "Streams that come back send Last-Event-ID, and must miss nothing");
}

void add_publish_options(OptionTable& table, LoadOptions& options) {
  table.group("Publishing");
  table.number("publish_rate", options.publish_rate, "Events a second over all topics, also 0.5; 0 = only listens");
  table.number("burst", options.burst, "Events that are due at the same moment; the rate stays");
  table.size("size", options.event_bytes, "Data of an event, at least " + std::to_string(kPayloadBytesMin));
  table.number("keys", options.keys, "Event i has key i modulo this (`key=` in the query); 0 = none");
  table.flag("conflated", options.is_conflated, "With --keys: lost is a key whose newest event does not come, no other");
  table.number("pipeline", options.pipeline, "Publishes under way at once, on one connection, in order");
  table.duration("warm_up", options.warm_up, "Events of this time before are checked, not measured");
  table.duration("duration", options.duration, "How long to measure");
  table.duration("grace", options.grace, "How long to wait for the last deliveries");
}

void add_trouble_options(OptionTable& table, LoadOptions& options) {
  table.group("Trouble");
  table.number("churn", options.churn, "Streams a second that are closed and opened again");
  table.duration("storm_every", options.storm_every, "All streams drop at once, and come back; 0 = never");
  table.number("slow", options.slow, "So many of the streams read slowly");
  table.size("slow_rate", options.slow_bytes_per_second, "Bytes a second that a slow one reads");
  table.number("stalled", options.stalled, "So many read nothing once they are open");
  table.number("half_open", options.half_open,
               "So many vanish without FIN once they are open: nothing that is sent to them is ever acknowledged");
}

void add_report_options(OptionTable& table, LoadOptions& options) {
  table.group("Report and bounds");
  table.number("server_pid", options.server_pid, "Also measure this process: CPU a delivery, memory");
  table.text("json", options.json_path, "FILE", "All figures as JSON; - = stdout, instead of the table");
  table.text("plot", options.plot_path, "FILE.svg", "Latency over time and its distribution, by gnuplot");
  table.duration("max_p99", options.max_p99, "Fail when the 99th percentile is above this; 0 = no bound");
  table.number("max_loss", options.max_loss, "Fail when more deliveries are lost");
  table.flag("quiet", options.is_quiet, "No line a second").letter = 'q';
}

void add_client_options(OptionTable& table, LoadOptions& options) {
  table.group("The client itself");
  table.number("threads", options.threads, "Threads; 0 = as many as the limit of open files asks for");
  table.add(cores_option(options.cpus));
  table.number("sources", options.sources, "Source addresses 127.0.0.2 and up, for a server on loopback; 0 = as many as needed");
  table.duration("hold", options.hold,
                 "Reads nothing for so long after each publish: the server's cost without a reader on its caches");
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
  OptionTable table;
  add_target_options(table, options);
  add_stream_options(table, options);
  add_publish_options(table, options);
  add_trouble_options(table, options);
  add_report_options(table, options);
  add_client_options(table, options);
  // A prefix of its own: BROADSIDE_KEYS is the server's, and both may be started from one environment.
  table.add_to(command, "BROADSIDE_LOAD_");
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
  if (options.publish.is_sealed) {
    return "'" + options.publish_url + "': the load client subscribes over https, but publishes over plain http: --publish-url";
  }
  const Result<std::string> token = authorization_field(options.token);
  if (!token) return "--token: " + token.error().message;
  if (!token.value().empty()) options.headers.push_back(token.value());
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
