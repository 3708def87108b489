"""Helm, as far as `cargo xtask deploy` needs it: one request as JSON on stdin, one answer on stdout.

Renders and lints the chart at the path given; no cluster and no network is asked. Helm itself is in
the library: its project publishes no package of its own for the registries used here.
"""

import json
import sys

from helm_python.chart import Chart, lint
from helm_python.errors import HelmError


def answer(request):
    chart, values = request["chart"], request.get("values") or {}
    if request["do"] == "lint":
        return lint(chart, values, strict=True, namespace="plimsoll", with_subcharts=True)
    with Chart.load(chart) as loaded:
        loaded.validate_schema(values)
        return loaded.render(values, name="plimsoll", namespace="plimsoll", is_install=True)


try:
    print(json.dumps({"good": answer(json.load(sys.stdin))}))
except HelmError as why:
    print(json.dumps({"bad": str(why)}))
