# Usage: openmetrics.py FILE
# Reads a metrics file as OpenMetrics and as the older Prometheus text, which node_exporter speaks, and prints what the
# former holds. Both have to see the same.
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

with open(sys.argv[1], encoding="utf-8", newline="") as file:
    text = file.read()


def samples(families):
    return [(s.name, tuple(sorted(s.labels.items())), float(s.value)) for f in families for s in f.samples]


families = list(openmetrics(text))
assert samples(families) == samples(prometheus(text)), "the two parsers differ"
for family in families:
    assert family.type == "gauge" and family.documentation, family.name
    assert all(sample.name == family.name for sample in family.samples), family.name
    print("family", family.name, family.unit or "-")
for name, labels, value in samples(families):
    print("sample", name, ",".join(f"{key}={text}" for key, text in labels), repr(value))
