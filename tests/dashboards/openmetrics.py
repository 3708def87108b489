"""Reads OpenMetrics from standard input with the strict parser of Prometheus' Python client, and
prints each family: its name, its type, how many samples it has. What is not OpenMetrics 1.0 makes
the exit status 1.
"""

import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

try:
    for family in text_string_to_metric_families(sys.stdin.read()):
        print(family.name, family.type, len(family.samples))
except ValueError as why:
    print(why, file=sys.stderr)
    sys.exit(1)
