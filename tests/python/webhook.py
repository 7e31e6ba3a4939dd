"""Receives webhooks as Standard Webhooks says, by Python's own hmac: webhook.py SECRET-FILE LOG-FILE ANSWER-FILE

Prints its port. Each request becomes a line of LOG-FILE: what was answered, and what was sent. ANSWER-FILE holds the status to answer with.
"""

import base64
import hmac
import json
import pathlib
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

secret, log, answer = map(pathlib.Path, sys.argv[1:])
key = base64.b64decode(secret.read_text().strip().removeprefix("whsec_"), validate=True)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        ident, stamp = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        tag = hmac.new(key, f"{ident}.{stamp}.".encode() + body, "sha256").digest()
        given = [one.removeprefix("v1,") for one in self.headers["webhook-signature"].split(" ")]
        good = base64.b64encode(tag).decode() in given and abs(time.time() - int(stamp)) < 300
        status = int(answer.read_text()) if good else 401
        line = {"status": status, "id": ident, "path": self.path, "agent": self.headers["user-agent"], "body": json.loads(body)}
        with log.open("a") as out:
            out.write(json.dumps(line) + "\n")
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("location", "/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
