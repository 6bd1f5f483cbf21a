"""What README.md, ARCHITECTURE.md, CONTRIBUTING.md and docs/ point to is there: files that
they link to, and paths of the tree that they name. Names of functions and types, too."""
import os
import re
import sys

TOP = os.environ.get("top_srcdir", ".")
PAGES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/admin.md", "docs/api.md", "docs/quality.md")
ROOMS = "core store jobs api daemon web tests tools docs bench".split()
CORE_ROOMS = "base kernel nn data explore train".split()


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def missing_paths(page, text):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not re.match(r"[a-z]+:|docs/images/", target) and not os.path.exists(
                os.path.join(TOP, os.path.dirname(page), target)):
            yield "link to " + target
    for path in re.findall(r"`((?:[a-z_]+/)+(?:[\w.-]*\w)?)`", text):
        room = path.split("/")[0]
        if room in CORE_ROOMS:
            path = "core/" + path
        elif room not in ROOMS:
            continue
        if not os.path.exists(os.path.join(TOP, path)):
            yield path


def unknown_names(text, sources):
    for name in re.findall(r"`(?:struct |enum )?(dcg_\w+)`", text):
        if not re.search(r"\b%s\b" % name, sources):
            yield name


def main():
    sources = ""
    for room in ("core", "store", "jobs", "api", "daemon"):
        for folder, _, files in os.walk(os.path.join(TOP, room)):
            for name in files:
                if name.endswith((".c", ".h")):
                    sources += read(os.path.relpath(os.path.join(folder, name), TOP))
    failed = 0
    print("1..%d" % (len(PAGES) + 1))
    for i, page in enumerate(PAGES, 1):
        text = read(page)
        wrong = list(missing_paths(page, text)) + list(unknown_names(text, sources))
        failed += bool(wrong)
        print("%sok %d - %s speaks of what is there" % ("not " if wrong else "", i, page))
        for what in wrong:
            print("# " + what)
    made_up = list(missing_paths("x.md", "[a](nowhere.md) `core/base/nowhere.c` `base/error.h` `jobs/`")) + list(
        unknown_names("`dcg_strerror` `struct dcg_nowhere`", sources))
    good = made_up == ["link to nowhere.md", "core/base/nowhere.c", "dcg_nowhere"]
    failed += not good
    print("%sok %d - a made-up page is found out" % ("" if good else "not ", len(PAGES) + 1))
    return failed > 0


sys.exit(main())
