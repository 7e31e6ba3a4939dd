"""Reads the metrics of `consign serve` with the parser of Prometheus' own client: metrics.py URL. Prints an object by sample and labels."""

import json
import sys
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families

with urllib.request.urlopen(sys.argv[1], timeout=60) as answer:
    assert answer.headers["content-type"].startswith("application/openmetrics-text"), answer.headers
    text = answer.read().decode()
found = {}
for family in text_string_to_metric_families(text):
    # Conventions of Prometheus: one prefix, help for all, times in seconds.
    assert family.name.startswith("consign_") and family.documentation.endswith("."), family
    assert family.type in ("counter", "gauge"), family
    for sample in family.samples:
        labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()) if value)
        assert set(sample.labels) <= {"tenant", "kind", "policy", "target", "source", "trigger", "result", "outcome", "state"}, sample
        key = f"{sample.name}{{{labels}}}"
        assert key not in found, key
        found[key] = sample.value
print(json.dumps(found))
