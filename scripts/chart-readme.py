#!/usr/bin/env python3
"""Writes the table of values in charts/nas-operator/README.md out of charts/nas-operator/values.yaml: names, defaults, comments.

It reads values.yaml by its lines, as that file is written: two spaces for each level, a comment above what it is about.
"""

import pathlib
import re

chart = pathlib.Path(__file__).resolve().parent.parent / "charts/nas-operator"
BEGIN, END = "<!-- values: made by `make generate` -->", "<!-- end of values -->"


def rows(text):
    """(name, default, comment) of each value; a comment above a name that has values below it is a row without a default."""
    path, comment = [], []
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if not line.strip():
            comment = []
        elif line.lstrip().startswith("#"):
            comment.append(line.strip().lstrip("# "))
        else:
            found = re.fullmatch(r"( *)([\w]+):(?: (.+))?", line)
            if not found:
                raise SystemExit(f"values.yaml:{at + 1}: cannot read {line!r}")
            indent, name, value = found.groups()
            path = path[: len(indent) // 2] + [name]
            if value is not None or comment:
                yield ".".join(path), value, " ".join(comment)
            comment = []


def table(text):
    lines = ["| value | default | what |", "|---|---|---|"]
    for name, default, comment in rows(text):
        shown = "" if default is None else f"`{default}`"
        lines.append(f"| `{name}` | {shown} | {comment.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


readme = chart / "README.md"
before, rest = readme.read_text().split(BEGIN)
after = rest.split(END)[1]
made = table((chart / "values.yaml").read_text())
readme.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}")
