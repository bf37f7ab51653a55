#!/usr/bin/env bash
# Makes the documentation a book in runs/book with mdBook, which is built into the cache first (some minutes, once), and looks at every link of it
# that does not leave the book.
#
#   NAS_CACHE=... scripts/verify-docs.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mkdir -p runs
book=$(scripts/tool.sh mdbook)
"$book" build docs 2>&1 | tee runs/book.log
if grep -qE 'WARN|ERROR' runs/book.log; then echo "mdbook complains: see above" >&2; exit 1; fi

python3 - runs/book <<'PYTHON'
import html.parser, pathlib, sys, urllib.parse

book = pathlib.Path(sys.argv[1]).resolve()


class Page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.ids, self.links = set(), []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        link = attributes.get("href") or attributes.get("src")
        if tag in ("a", "img", "link", "script") and link:
            self.links.append(link)


pages = {path: Page(path) for path in book.rglob("*.html")}
problems = []
for path, page in pages.items():
    if path.name in ("404.html", "toc.html"):
        continue
    for link in page.links:
        url = urllib.parse.urlsplit(link)
        if url.scheme or url.netloc:
            continue
        found = (path.parent / urllib.parse.unquote(url.path)).resolve() if url.path else path
        if not found.exists():
            problems.append(f"{path.relative_to(book)}: there is no {link}")
        elif url.fragment and found in pages and urllib.parse.unquote(url.fragment) not in pages[found].ids:
            problems.append(f"{path.relative_to(book)}: {link} has no such place")
for problem in problems:
    print(problem, file=sys.stderr)
print(f"book: {len(pages)} pages in {book}")
sys.exit(bool(problems))
PYTHON
