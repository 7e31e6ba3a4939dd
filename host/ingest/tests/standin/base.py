"""What the stand-ins for platforms share: a server on a port of its own that throttles, fails and stops answering as it is told.

Written from the platforms' public documents, and not from Consign's code. Standard library alone. A stand-in prints its port, and ends when its input does.

    GET  /_dump       what a reader should have by now, as JSON
    POST /_settle     what is there now was read: it is what the next dump holds
    POST /_change     things happen: new messages, edits, deletions
    POST /_set        {"name": value}: see Standin.settings
    GET  /_held       answers when a request is being held (hold_after)
"""

import email.utils
import json
import random
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = ["fixing", "libor", "ok", "später", "日本", "rate", "buy", "sell", "lunch?", "🎉", "a & b", "done", "5 < 6"]


class Problem(Exception):
    """An answer that is no success."""

    def __init__(self, status, body, headers=()):
        super().__init__(status)
        self.status, self.body, self.headers = status, body, dict(headers)


class Standin:
    """A platform. `answer` gets a request and gives what is answered as JSON."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lock = threading.RLock()
        self.freed = threading.Condition(self.lock)
        self.address = ""
        self.asked = 0
        self.burst = 0
        self.is_holding = False
        # forbidden: ids that are refused; failing: ids for which it fails, with retry_after; always: every request is answered so, with retry_after; page: the most that a page has.
        # throttle: how often of a hundred a request begins a burst of refusals; hold_after: so many requests from now on nothing is answered.
        self.settings = {"throttle": 0, "hold_after": None, "page": 3, "retry_after": "0", "forbidden": [], "failing": [], "always": None}

    def text(self):
        return " ".join(self.random.choice(WORDS) for _ in range(self.random.randint(1, 6))) + f" {self.random.randint(0, 10**9)}"

    def throttled(self):
        """Refuses some requests, some of them several times on end."""
        if self.settings["always"]:
            raise Problem(self.settings["always"], {"error": {"code": "TooManyRequests"}}, {"Retry-After": self.settings["retry_after"]})
        if self.burst == 0 and self.random.randrange(100) < self.settings["throttle"]:
            self.burst = self.random.randint(1, 4)
        if self.burst:
            self.burst -= 1
            after = self.random.choice([self.settings["retry_after"], email.utils.formatdate(time.time(), usegmt=True)])
            raise Problem(self.random.choice([429, 429, 503, 504]), {"ok": False, "error": "ratelimited"}, {"Retry-After": after})

    def hold(self):
        """Answers nothing any more, until it is told to."""
        left = self.settings["hold_after"]
        if left is None:
            return
        if left > 0:
            self.settings["hold_after"] = left - 1
            return
        self.is_holding = True
        self.freed.notify_all()
        while self.settings["hold_after"] is not None:
            self.freed.wait()
        self.is_holding = False
        raise Problem(503, {}, {"Retry-After": "0"})

    def control(self, path, body):
        if path == "/_dump":
            return self.dump()
        if path == "/_settle":
            return self.settle()
        if path == "/_change":
            return self.change()
        if path == "/_set":
            self.settings.update(body)
            self.freed.notify_all()
            return self.settings
        if path == "/_asked":
            return self.asked
        if path == "/_held":
            while not self.is_holding:
                self.freed.wait()
            return True
        raise Problem(404, {})


def serve(standin):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Else each answer waits for the acknowledgement of its head.
        disable_nagle_algorithm = True

        def handle_any(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            url = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
            path = urllib.parse.unquote(url.path)
            status, headers = 200, {}
            try:
                with standin.lock:
                    if path.startswith("/_"):
                        answer = standin.control(path, json.loads(body or b"{}"))
                    else:
                        standin.asked += 1
                        standin.hold()
                        answer = standin.answer(self.command, url.path, query, self.headers, body)
            except Problem as problem:
                status, answer, headers = problem.status, problem.body, problem.headers
            data = json.dumps(answer).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                # Whoever asked is gone.
                self.close_connection = True

        do_GET = do_POST = handle_any

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    standin.address = f"http://127.0.0.1:{server.server_address[1]}"
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
