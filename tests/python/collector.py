"""Takes traces as an OpenTelemetry collector does, read by the protocol's own definition: collector.py LOG-FILE

Prints its port. Each span becomes a line of LOG-FILE; what is no OTLP is answered with 400, and becomes a line that says so.
"""

import base64
import json
import pathlib
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import Parse, ParseError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

log = pathlib.Path(sys.argv[1])


def as_protobuf(value):
    """OTLP's JSON has these as hexadecimal digits, where that of protobuf has base64."""
    if isinstance(value, list):
        return [as_protobuf(one) for one in value]
    if not isinstance(value, dict):
        return value
    ids = ("traceId", "spanId", "parentSpanId")
    return {name: base64.b64encode(bytes.fromhex(one)).decode() if name in ids else as_protobuf(one) for name, one in value.items()}


def plain(value):
    return getattr(value, value.WhichOneof("value")) if value.WhichOneof("value") else None


def spans(body):
    request = Parse(json.dumps(as_protobuf(json.loads(body))), ExportTraceServiceRequest())
    for resource in request.resource_spans:
        about = {one.key: plain(one.value) for one in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                if len(span.trace_id) != 16 or len(span.span_id) != 8 or span.end_time_unix_nano < span.start_time_unix_nano:
                    raise ParseError("no span")
                yield {
                    "resource": about,
                    "trace": span.trace_id.hex(),
                    "id": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "name": span.name,
                    "kind": span.kind,
                    "from": span.start_time_unix_nano,
                    "to": span.end_time_unix_nano,
                    "events": len(span.events),
                    "attributes": {one.key: plain(one.value) for one in span.attributes},
                }


class Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            if self.path != "/v1/traces" or self.headers["content-type"] != "application/json":
                raise ValueError(f"{self.path}, {self.headers['content-type']}")
            lines, status = list(spans(body)), 200
        except (ValueError, ParseError) as error:
            lines, status = [{"wrong": str(error)}], 400
        with log.open("a") as out:
            out.write("".join(json.dumps(line) + "\n" for line in lines))
        answer = b"{}"
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
print(server.server_port, flush=True)
server.serve_forever()
