#!/usr/bin/env python3
"""Checks the documentation without a network: every link between files of the project leads somewhere, also to its heading; every page of docs/
is in the book's table of contents, once; every reason of a condition is on the page of troubleshooting. Prints each problem with its file and line; ends with 1 if there is one."""

import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^()\s]+(?:\([^()]*\))?)\)")
problems = []


def prose(path):
    """The lines that are not code, by number."""
    fenced = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            yield number, re.sub(r"`[^`]*`", "", line), line


def anchors(path):
    """The names of a page's headings, as GitHub and mdBook make them."""
    names = {}
    for _, _, line in prose(path):
        found = re.match(r"#+ (.*)", line)
        if found:
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", found[1]).lower()
            name = re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")
            count = names.get(name, -1) + 1
            names[name] = count
            yield name if count == 0 else f"{name}-{count}"


def check(page):
    for number, line, _ in prose(page):
        for target in LINK.findall(line):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve() if path else page
            where = f"{page.relative_to(root)}:{number}"
            if not found.exists():
                problems.append(f"{where}: there is no {target}")
            elif root not in found.parents and found != root:
                problems.append(f"{where}: {target} leads out of the project")
            elif anchor and found.suffix == ".md" and anchor not in set(anchors(found)):
                problems.append(f"{where}: {target} has no such heading")


listed = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], cwd=root, capture_output=True, text=True, check=True
).stdout.split()
pages = [root / name for name in listed if (root / name).exists()]
for page in pages:
    check(page)

summary = root / "docs/SUMMARY.md"
if summary.exists():
    told = [(summary.parent / target).resolve() for _, line, _ in prose(summary) for target in LINK.findall(line)]
    for page in pages:
        if summary.parent in page.parents and page != summary and told.count(page) != 1:
            problems.append(f"docs/SUMMARY.md: lists {page.relative_to(root)} {told.count(page)} times")

# The reasons of conditions, as the operator's code sets them: each has its row in the page that people look them up in.
REASON = re.compile(
    r'Kind::\w+,\s*(?:true|false),\s*"([A-Z]\w+)"|reason: "([A-Z]\w+)"|(?:refuse|block|wait)\(\s*"([A-Z]\w+)"|\(\s*"([A-Z]\w+)",\s*(?:format!|message|"the)|(?:else \{|=>) "([A-Z]\w+)"'
)
page = (root / "docs/troubleshooting.md").read_text()
reasons = set()
for source in sorted((root / "operator/src").rglob("*.rs")):
    if source.name in ("events.rs", "metrics.rs", "conditions.rs"):
        continue
    code = source.read_text().split("#[cfg(test)]")[0]
    reasons |= {word for found in REASON.findall(code) for word in found if word}
ends = (root / "search/src/reason.rs").read_text().split("impl End {")[1].split("impl ")[0]
reasons |= set(re.findall(r'=> "([A-Z]\w+)"', ends))
for reason in sorted(reasons):
    if f"`{reason}`" not in page:
        problems.append(f"docs/troubleshooting.md: says nothing of the reason {reason}")

for problem in problems:
    print(problem, file=sys.stderr)
if not problems:
    print(f"docs: {len(pages)} pages, every link leads somewhere")
sys.exit(bool(problems))
