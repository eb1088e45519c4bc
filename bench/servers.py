"""The servers that are measured: how each is started on its core, and how its streams and its publishing are reached."""

import base64
import contextlib
import dataclasses
import hashlib
import hmac
import http.client
import importlib.util
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile

import measure

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
NCHAN_MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_nchan_module.so")


@dataclasses.dataclass
class Target:
    """A running server."""

    name: str
    address: str  # HOST:PORT
    pid: int  # The process that does the work.
    subscribe: str  # Path with {topic}.
    publish: str
    load_flags: list  # How its publishing differs from a POST of the raw data.

    def flags(self):
        """Flags of `broadside load`."""
        if self.name.startswith("broadside"):  # Its metrics name the backend, so it is told apart.
            return ["--server", f"http://{self.address}"]
        return ["--subscribe-url", f"http://{self.address}{self.subscribe}", "--publish-url", f"http://{self.address}{self.publish}",
                *self.load_flags]


@dataclasses.dataclass
class Kind:
    """A server that may be started: `make` gives the command and its environment, for a folder of its own and a port."""

    name: str
    make: object  # (options, folder, port, subscribers) -> (command, environment)
    missing: object  # (options) -> what is not installed, or ""
    subscribe: str = "/events/{topic}"
    publish: str = "/events/{topic}"
    load_flags: tuple = ()
    has_worker: bool = False  # The work is done by the child of the process that is started.

    @contextlib.contextmanager
    def running(self, options, subscribers):
        """The server on its core, for so many subscribers, until the `with` ends."""
        missing = self.missing(options)
        if missing:
            raise measure.Failed(missing)
        with tempfile.TemporaryDirectory(prefix="broadside-bench-") as name:
            folder = pathlib.Path(name)
            folder.chmod(0o755)  # nginx's worker is another user when root starts it.
            port = free_port()
            command, environment = self.make(options, folder, port, subscribers)
            with measure.Program(measure.pinned(command, measure.SERVER_CORE, options), environment) as program:
                wait_for_port(program, port)
                pid = worker_of(program) if self.has_worker else program.pid
                yield Target(self.name, f"127.0.0.1:{port}", pid, self.subscribe, self.publish, list(self.load_flags))
                if not program.is_running():
                    raise measure.Failed(f"{self.name} ended while it was measured ({program.process.returncode}): {program.last_words()}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(program, port):
    def answers():
        if not program.is_running():
            raise measure.Failed(f"{program.name} ended: {program.last_words()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    measure.wait_until(answers, 20, f"{program.name} accepts connections")


def worker_of(program):
    def children():
        return pathlib.Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
    measure.wait_until(children, 10, f"{program.name} has a worker")
    return int(children()[0])


def publish(target, topic, data):
    """One event, by hand; for what needs one to be there."""
    connection = http.client.HTTPConnection(target.address, timeout=10)
    connection.request("POST", target.publish.replace("{topic}", topic), body=data, headers={"Content-Type": "text/plain"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status not in (200, 201, 202):
        raise measure.Failed(f"{target.name}: a publish was answered with {answer.status}")


def metric(address, name):
    """A sample of a Broadside's /metrics; of this machine it is shown without a token."""
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("GET", "/metrics")
    found = re.search(rf"^broadside_{name} (\S+)$", connection.getresponse().read().decode(), re.MULTILINE)
    connection.close()
    if not found:
        raise measure.Failed(f"/metrics has no {name}")
    return float(found.group(1))


def open_files():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def needs(*commands):
    def missing(_):
        absent = [command for command in commands if not shutil.which(command, path=search_path())]
        return f"not installed: {', '.join(absent)}" if absent else ""
    return missing


def search_path():
    return os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/go/bin"


def found(command):
    return shutil.which(command, path=search_path())


def needs_program(path):
    return lambda options: "" if path(options).exists() else f"not built: {path(options).name}"


def make_broadside(backend):
    def make(options, _, port, subscribers):
        flags = getattr(options, "serve_flags", [])
        # Some more than the subscribers: those of a churn are counted until their end is seen.
        limit = [] if "--max-connections" in flags else ["--max-connections", subscribers + 500]
        return [measure.program(options), "serve", "--listen", f"http://127.0.0.1:{port}", "--shards", 1, "--backend", backend, *limit,
                *flags], {}
    return make


def make_certificate(folder):
    """cert.pem and key.pem, good for this run: ECDSA P-256."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                    "-subj", "/CN=localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (folder / "key.pem").chmod(0o644)


def make_floor(*flags):
    return lambda options, _, port, __: ([measure.floor_program(options), f"127.0.0.1:{port}", *flags], {})


def make_nchan(_, folder, port, __):
    text = (PEERS / "nchan" / "nginx.conf").read_text(encoding="utf-8")
    values = {"MODULE": NCHAN_MODULE, "FILES": open_files(), "CONNECTIONS": open_files() - 500, "PORT": port}
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    return [found("nginx"), "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"], {}


def nchan_missing(options):
    return needs("nginx")(options) or ("" if NCHAN_MODULE.exists() else "not installed: libnginx-mod-nchan")


def make_go(_, folder, port, __):
    hub = folder / "hub"
    subprocess.run([found("go"), "build", "-o", hub, PEERS / "go" / "hub.go"], check=True,
                   env={**os.environ, "GO111MODULE": "off", "GOFLAGS": ""}, cwd=folder)
    return [hub, port], {"GOMAXPROCS": "1"}


def make_node(_, __, port, ___):
    return [found("node"), PEERS / "node" / "broadcast.js", port], {}


def make_starlette(_, __, port, ___):
    return [sys.executable, PEERS / "starlette" / "broadcast.py", port], {}


def starlette_missing(_):
    absent = [module for module in ("sse_starlette", "uvicorn") if importlib.util.find_spec(module) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


MERCURE_KEY = "a key of this benchmark alone, 32 bytes and more"


def mercure_token():
    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
    head = part(b'{"alg":"HS256","typ":"JWT"}') + "." + part(b'{"mercure":{"publish":["*"]}}')
    return head + "." + part(hmac.digest(MERCURE_KEY.encode(), head.encode(), hashlib.sha256))


def make_mercure(_, folder, port, __):
    (folder / "Caddyfile").write_text(
        "{\n  auto_https off\n  admin off\n  persist_config off\n  log {\n    level ERROR\n  }\n}\n"
        f"http://127.0.0.1:{port} {{\n  mercure {{\n    transport local\n    anonymous\n    heartbeat 15s\n"
        f'    publisher_jwt "{MERCURE_KEY}"\n    subscriber_jwt "{MERCURE_KEY}"\n  }}\n}}\n', encoding="utf-8")
    return [found("mercure"), "run", "--config", folder / "Caddyfile", "--adapter", "caddyfile"], {
        "GOMAXPROCS": "1", "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}


def centrifugo_missing(options):
    if needs("centrifugo")(options):
        return needs("centrifugo")(options)
    said = subprocess.run([found("centrifugo"), "version"], capture_output=True, text=True).stdout
    version = re.search(r"v?(\d+)\.\d+", said)
    return "" if version and int(version.group(1)) >= 6 else "centrifugo 6 or newer is needed: the names of its settings have changed"


def make_centrifugo(_, folder, port, __):
    (folder / "config.json").write_text(json.dumps({
        "http_server": {"address": "127.0.0.1", "port": str(port)},
        "log": {"level": "error"},
        "client": {"insecure": True, "allowed_origins": ["*"]},
        "http_api": {"insecure": True},
        "uni_sse": {"enabled": True},
        "channel": {"without_namespace": {"history_size": 1000, "history_ttl": "3600s"}},
    }), encoding="utf-8")
    return [found("centrifugo"), "--config", folder / "config.json"], {"GOMAXPROCS": "1"}


FLOOR = Kind("floor", make_floor(), needs_program(measure.floor_program))
WATCHED_FLOOR = Kind("floor, watched", make_floor("--watch"), needs_program(measure.floor_program))
KINDS = [
    Kind("broadside-uring", make_broadside("uring"), needs_program(measure.program)),
    Kind("broadside-epoll", make_broadside("epoll"), needs_program(measure.program)),
    Kind("nchan", make_nchan, nchan_missing, "/sub/{topic}", "/pub/{topic}", has_worker=True),
    Kind("node", make_node, needs("node")),
    Kind("go", make_go, needs("go")),
    Kind("mercure", make_mercure, needs("mercure"), "/.well-known/mercure?topic={topic}", "/.well-known/mercure",
         ("--publish-type", "application/x-www-form-urlencoded", "--publish-body", "topic={topic}&data={data}",
          "--publish-header", f"Authorization: Bearer {mercure_token()}")),
    Kind("centrifugo", make_centrifugo, centrifugo_missing,
         "/connection/uni_sse?cf_connect=%7B%22subs%22%3A%7B%22{topic}%22%3A%7B%7D%7D%7D", "/api/publish",
         ("--publish-type", "application/json", "--publish-body", '{"channel":"{topic}","data":"{data}"}')),
    Kind("sse-starlette", make_starlette, starlette_missing),
    FLOOR,
]


def kinds(chosen):
    """The kinds of these names, in the order of KINDS; all if none is named."""
    known = {kind.name for kind in KINDS}
    for name in chosen:
        if name not in known:
            raise measure.Failed(f"no server is called {name}: {', '.join(sorted(known))}")
    return [kind for kind in KINDS if not chosen or kind.name in chosen]
