"""A server of files for the tests of fetching, by Python's own http.server: what comes from it, well or badly, and what it saw.

It listens on 127.0.0.1 and 127.0.0.2 (two hosts, as far as anybody can tell) and, where a certificate is given, with TLS on 127.0.0.1. It prints one line of
JSON with its ports, and ends when its standard input does. The path says what is to happen; addresses that messages name lose their query, so it is all there.
"""

import base64
import hashlib
import http.server
import json
import socket
import ssl
import sys
import threading
import time

SEEN, COUNTS, LOCK = [], {}, threading.Lock()
HEADS = {"pdf": b"%PDF-1.7\n", "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "html": b"<!DOCTYPE html><html><title>x</title>", "any": b""}


def body(kind, length, seed):
    head = HEADS[kind][:length]
    return head + hashlib.shake_256(seed.encode()).digest(length - len(head))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, data=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(data), **{name.replace("_", "-"): value for name, value in headers.items()}}.items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        what, *rest = self.path.split("?")[0].strip("/").split("/")
        if what == "seen":
            with LOCK:
                return self.answer(200, json.dumps(SEEN).encode())
        if what == "sha":
            return self.answer(200, hashlib.sha256(body(rest[0], int(rest[1]), rest[2])).hexdigest().encode())
        with LOCK:
            host = self.server.server_address[0]
            SEEN.append({"host": host, "path": self.path, "token": self.headers.get("Authorization"), "encoding": self.headers.get("Accept-Encoding")})
            COUNTS[self.path] = COUNTS.get(self.path, 0) + 1
            count = COUNTS[self.path]
        getattr(self, "do_" + what)(count, *rest)

    def do_file(self, _, kind, length, seed, *name):
        self.answer(200, body(kind, int(length), seed), Content_Type="application/octet-stream")

    def do_private(self, _, token, *rest):
        if self.headers.get("Authorization") == "Bearer " + token:
            return self.do_file(0, *rest)
        # As Slack does.
        self.answer(200, b"<!DOCTYPE html><html><title>Sign in</title></html>", Content_Type="text/html; charset=utf-8")

    def do_status(self, _, status, *after):
        # An answer without a body that has one spoils what comes next on its connection.
        self.answer(int(status), b"" if status == "204" else b"no", Retry_After=after[0] if after else None)

    def do_flaky(self, count, times, *rest):
        return self.answer(503, b"") if count <= int(times) else self.do_file(0, *rest)

    def do_to(self, _, address):
        self.answer(302, b"over there", Location=bytes.fromhex(address).decode())

    def do_nowhere(self, _):
        self.answer(302, b"")

    def do_round(self, _, number):
        self.answer(302, b"", Location="/round/%d" % (int(number) + 1))

    def do_hops(self, _, number, *rest):
        return self.answer(302, b"", Location="/".join(["/hops", str(int(number) - 1), *rest])) if int(number) else self.do_file(0, *rest)

    def do_cut(self, count, length, *times):
        """Half of what was promised; after some times all of it."""
        whole = body("any", int(length), "cut")
        self.send_response(200)
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(whole if times and count > int(times[0]) else whole[: len(whole) // 2])
        self.close_connection = True

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def do_chunked(self, _, kind, length, seed, how):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        whole = body(kind, int(length), seed)
        for start in range(0, len(whole), 1000):
            self.chunk(whole[start : start + 1000])
        if how == "whole":
            self.chunk(b"")
        self.close_connection = True

    def do_huge(self, _):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while True:
                self.chunk(bytes(65536))
        except OSError:
            self.close_connection = True

    def do_promised(self, _, length):
        self.send_response(200)
        self.send_header("Content-Length", length)
        self.end_headers()
        self.close_connection = True

    def do_packed(self, _, name):
        self.answer(200, body("any", 100, "packed"), Content_Encoding=name)

    def do_garbage(self, _):
        self.wfile.write(hashlib.shake_256(b"garbage").digest(1000))
        self.close_connection = True

    def do_headers(self, _):
        """A head that never ends."""
        try:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while True:
                self.wfile.write(b"X-More: " + b"x" * 1000 + b"\r\n")
        except OSError:
            self.close_connection = True

    def do_slow(self, _):
        """Something comes all the time, and never all."""
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x")
                time.sleep(0.02)
        except OSError:
            self.close_connection = True

    def do_silent(self, _):
        """No answer until whoever asked goes away."""
        self.connection.recv(1)
        self.close_connection = True

    def do_page(self, _, kind):
        self.answer(200, body("html", 500, "page"), Content_Type=kind.replace("_", "/"))

    def do_v1(self, _, shares, encoded, *rest):
        """Microsoft Graph's shares: sends on to where the file opens without a token, which the path says where Graph's has it in the query."""
        if self.headers.get("Authorization") != "Bearer t0ken" or shares != "shares" or rest != ("driveItem", "content") or encoded[:2] != "u!":
            return self.answer(401)
        self.answer(302, Location=base64.urlsafe_b64decode(encoded[2:] + "==").decode() + "?tempauth=x")

    def do_CONNECT(self):
        """As a proxy that leads every name to this machine."""
        with LOCK:
            SEEN.append({"host": "proxy", "path": self.path, "token": self.headers.get("Authorization"), "encoding": None})
        there = socket.create_connection(("127.0.0.1", int(self.path.rsplit(":", 1)[1])))
        self.wfile.write(b"HTTP/1.1 200 yes\r\n\r\n")
        threading.Thread(target=self.pump, args=(there, self.connection), daemon=True).start()
        self.pump(self.connection, there)
        self.close_connection = True

    def pump(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def do_later(self, _, milliseconds, *rest):
        time.sleep(int(milliseconds) / 1000)
        self.do_file(0, *rest)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def serve(host, context=None):
    server = Server((host, 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


ports = {"one": serve("127.0.0.1"), "two": serve("127.0.0.2")}
if len(sys.argv) > 2:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[1], sys.argv[2])
    ports["tls"] = serve("127.0.0.1", tls)
print(json.dumps(ports), flush=True)
sys.stdin.read()
