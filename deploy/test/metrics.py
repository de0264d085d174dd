#!/usr/bin/env python3
"""metrics.py RULES: compares the dashboard and the alerts with prometheus/metrics.txt.

The list must be that of package metrics. Every metric must be in it, with the labels that are asked for, and every metric
of the list must be looked at by something. Writes the dashboard's queries as recording
rules to RULES, so that promtool can parse them. Prints what is wrong; exit code 1 then.
"""

import json
import pathlib
import re
import sys

here = pathlib.Path(__file__).parent.parent
OF_PROMETHEUS = {"job", "instance", "le"}
known, bad, listed = {}, [], {}
for line in (here / "prometheus/metrics.txt").read_text().splitlines():
    if line and not line.startswith("#"):
        name, kind, labels = line.split()
        listed[name] = set(labels.split(",")) - {"-"}
        labels = listed[name] | OF_PROMETHEUS
        for suffix in ("_bucket", "_sum", "_count") if kind == "histogram" else ("",):
            known[name + suffix] = labels
used = set()

# The metrics that the program has, as package metrics documents them.
package = (here.parent / "metrics/doc.go").read_text()
exported = {name: set(re.findall(r"\w+", labels)) for name, labels in re.findall(r"(?m)^//\t(draftwire_\w+)(?:\{(.*)\})?", package)}
for name in exported.keys() | {name for name in listed if name.startswith("draftwire_")}:
    if exported.get(name) != listed.get(name):
        bad.append("%s: metrics.txt says %s, metrics/doc.go %s" % (name, listed.get(name), exported.get(name)))


def look(where, query):
    of_query = set()
    for name, _, matchers in re.findall(r"\b((?:draftwire|process|go)_\w+|up)\b(?!\s*\()(\{([^}]*)\})?", query):
        used.add(name)
        if name not in known:
            bad.append("%s: no metric %s" % (where, name))
            continue
        of_query |= known[name]
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers):
            if label not in known[name]:
                bad.append("%s: %s has no label %s" % (where, name, label))
    for labels in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", query):
        for label in re.findall(r"\w+", labels):
            if label not in of_query:
                bad.append("%s: nothing in %s has the label %s" % (where, query, label))


board = json.loads((here / "grafana/draftwire.json").read_text())
queries = []
ids, cells = set(), {}
for panel in board["panels"]:
    if panel["id"] in ids:
        bad.append("two panels have the id %d" % panel["id"])
    ids.add(panel["id"])
    at = panel["gridPos"]
    for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
        if cell in cells or cell[0] > 23:
            bad.append("%s does not fit: %s" % (panel["title"], cells.get(cell)))
            break
        cells[cell] = panel["title"]
    queries += [(panel["title"], target["expr"]) for target in panel.get("targets", ())]
queries += [(note["name"], note["expr"]) for note in board["annotations"]["list"]]
for variable in board["templating"]["list"]:
    if variable["type"] == "query":
        look(variable["name"], variable["query"]["query"].removeprefix("label_values("))
for where, query in queries:
    look(where, query)
rules = (here / "prometheus/alerts.yml").read_text()
for rule in rules.split("- alert: ")[1:]:
    name, body = rule.split("\n", 1)
    look(name, re.sub(r"(?m)^\s*#.*|summary: .*|description: .*", "", body))

for name in known:
    base = re.sub("_(bucket|sum|count)$", "", name)
    if name.startswith("draftwire_") and not any(u.startswith(base) for u in used):
        bad.append("nobody looks at " + name)

with open(sys.argv[1], "w") as out:
    print("groups:\n  - name: dashboard\n    rules:", file=out)
    for i, (_, query) in enumerate(queries):
        query = query.replace("$__rate_interval", "5m").replace("$instance", ".*")
        print("      - {record: 'dashboard:%d', expr: %s}" % (i, json.dumps(query)), file=out)
print("\n".join(bad) if bad else "%d queries, %d metrics" % (len(queries), len(used)))
sys.exit(bool(bad))
