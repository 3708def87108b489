"""Holds Datadog's files to the models of Datadog's own client: datadog.py DASHBOARD MONITORS

Every object has to become a model, with no part left unparsed and no key that the model does not
name; lists and enumerations are checked as the client does. What does not fit is printed, and the
exit status is 1. Otherwise the metrics and tags of all queries are printed, one query a line:
`metric tag,tag,…`.
"""

import json
import re
import sys

from datadog_api_client.configuration import Configuration
from datadog_api_client.model_utils import ModelComposed, OpenApiModel, validate_and_convert_types
from datadog_api_client.v1.model.dashboard import Dashboard
from datadog_api_client.v1.model.monitor import Monitor

QUERY = re.compile(r"(?:avg|sum|min|max|count):([\w.]+)\{([^}]*)\}(?:\s+by\s+\{([^}]*)\})?")


def faults(model, place):
    """Where `model` is not what Datadog's specification says."""
    if isinstance(model, (list, tuple)):
        for at, one in enumerate(model):
            yield from faults(one, f"{place}[{at}]")
        return
    if not isinstance(model, OpenApiModel):
        return
    if getattr(model, "_unparsed", False):
        yield f"{place}: not understood"
        return
    if isinstance(model, ModelComposed):
        for one in model._composed_instances:
            yield from faults(one, place)
        return
    known = set(model.openapi_types)
    for key, value in model._data_store.items():
        if key not in known:
            yield f"{place}.{key}: no such key in {type(model).__name__}"
        yield from faults(value, f"{place}.{key}")


def read(value, model, place):
    try:
        made = validate_and_convert_types(value, (model,), [place], True, True, Configuration())
    except Exception as why:  # the client has a dozen kinds of them
        return [f"{place}: {why}"]
    return list(faults(made, place))


def queries(value):
    if isinstance(value, dict):
        for key, one in value.items():
            if key == "query" and isinstance(one, str):
                yield one
            else:
                yield from queries(one)
    elif isinstance(value, list):
        for one in value:
            yield from queries(one)


def main(dashboard, monitors):
    with open(dashboard) as file:
        board = json.load(file)
    with open(monitors) as file:
        watched = json.load(file)
    wrong = read(board, Dashboard, "dashboard")
    for at, one in enumerate(watched):
        wrong += read(one, Monitor, f"monitors[{at}]")
    names = {one["name"] for one in board["template_variables"]}
    asked = list(queries(board)) + [one["query"] for one in watched]
    for query in asked:
        found = QUERY.search(query)
        if not found:
            wrong.append(f"{query}: no query of a metric")
            continue
        scope = [one.strip() for one in found[2].split(",")]
        unknown = [one for one in scope if one.startswith("$") and one[1:] not in names]
        wrong += [f"{query}: no template variable {one}" for one in unknown]
        tags = [one.split(":")[0] for one in scope if not one.startswith(("$", "*"))]
        tags += [one.strip() for one in (found[3] or "").split(",") if one.strip()]
        if not wrong:
            print(found[1], ",".join(tags))
    for one in wrong:
        print(one, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
