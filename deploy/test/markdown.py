#!/usr/bin/env python3
"""markdown.py [--write]: checks that README.md has the table of proxies.tsv, or writes it."""

import pathlib
import re
import sys

here = pathlib.Path(__file__).parent.parent
readme = here / "README.md"
rows = [line.split("\t") for line in (here / "proxies.tsv").read_text().splitlines()]
rows.insert(1, ["---"] * len(rows[0]))
table = "".join("| %s |\n" % " | ".join(row) for row in rows)
old = readme.read_text()
new = re.sub(r"(?m)^\| through \|.*\n(\|.*\n)*", lambda _: table, old, count=1)
if "--write" in sys.argv:
    readme.write_text(new)
elif new != old or table not in old:
    sys.exit("README.md has another table than proxies.tsv; deploy/check --write writes both")
