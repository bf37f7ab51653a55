#!/usr/bin/env python3
"""A preprocessor of mdBook: links that lead out of docs/, to code or to other pages of the project, lead to the repository."""

import json
import posixpath
import re
import sys

REPOSITORY = "https://github.com/nas-operator/nas-operator/blob/main/"
LINK = re.compile(r"(\]\()((?![a-z]+:|#)[^()\s]+)(\))")


def rewritten(page, text):
    def target(found):
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), found[2]))
        is_page = path.startswith("docs/") and re.search(r"\.(md|svg|json)(#|$)", path)
        # mdBook calls a README index.html.
        link = re.sub(r"(^|/)README\.md", r"\1index.md", found[2]) if is_page else REPOSITORY + path
        return found[1] + link + found[3]

    return LINK.sub(target, text)


def walk(items):
    for item in items:
        chapter = item.get("Chapter") if isinstance(item, dict) else None
        if chapter:
            if chapter.get("path"):
                chapter["content"] = rewritten(chapter["path"], chapter["content"])
            walk(chapter["sub_items"])


if sys.argv[1:2] == ["supports"]:
    sys.exit(0)
_, book = json.load(sys.stdin)
walk(book.get("items", book.get("sections", [])))
json.dump(book, sys.stdout)
