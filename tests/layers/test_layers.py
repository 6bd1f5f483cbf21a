"""The include rule of ARCHITECTURE.md, held over the real tree.

Every room names the rooms it may include; a few headers of other people's libraries
belong to one room each. The rule is then tried on made-up trees, each with one
violation, so that a checker gone blind is found out.
"""
import os
import re
import sys
import tempfile

# Room -> rooms whose headers it may include, besides its own. The order is the house's:
# a room may only name rooms that stand before it.
ROOMS = {
    "core/base": (),
    "core/kernel": ("core/base",),
    "core/nn": ("core/base", "core/kernel"),
    "core/data": ("core/base",),
    "core/explore": ("core/base", "core/kernel", "core/nn", "core/data"),
    "core/train": ("core/base", "core/kernel", "core/nn", "core/data", "core/explore"),
    "core": ("core/base", "core/kernel", "core/nn", "core/data", "core/explore", "core/train"),  # dcgan.h
    "store": ("core/base",),
    "jobs": ("core/base", "core/kernel", "core/nn", "core/data", "core/explore", "core/train", "store"),
    "api": ("core/base", "core/kernel", "core/nn", "core/data", "core/explore", "core/train", "store", "jobs"),
    "daemon": ("core/base", "core/kernel", "core/nn", "core/data", "core/explore", "core/train", "store", "jobs", "api"),
}

# System header (regular expression) -> files or folders that may include it.
OWNERS = (
    (r"sqlite3(ext)?\.h", ("store/",)),
    (r"microhttpd\.h", ("api/",)),
    (r"(openblas/)?(cblas|lapacke|openblas_config)\.h", ("core/kernel/",)),
    (r"[a-z0-9]*intrin\.h|arm_(neon|sve)\.h", ("core/kernel/",)),
    # In core only where parameters and a checkpoint's header become JSON.
    (r"(cjson/)?cJSON(_Utils)?\.h", ("jobs/", "api/", "daemon/", "core/train/params_json.", "core/train/metadata.c",
                                     "core/train/safetensors")),
    (r"(jpeglib|jerror|turbojpeg|png|zlib)\.h|webp/.*|stb/.*", ("core/data/",)),
    (r"nettle/.*", ("core/base/",)),
    (r"ini\.h", ("daemon/",)),
)

INCLUDE = re.compile(r"^[ \t]*#[ \t]*(?:include|include_next|import)\b[ \t]*(.*)$", re.M)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def without_comments(text):
    """Comments blanked, line numbers kept; strings (and so quoted includes) left alone."""
    def blank(match):
        s = match.group()
        return s if s[0] in "\"'" else re.sub(r"[^\n]", " ", s)
    return COMMENT.sub(blank, text)


def sources(root):
    for top in ("core", "store", "jobs", "api", "daemon"):
        for folder, names, files in os.walk(os.path.join(root, top)):
            names.sort()
            for name in sorted(files):
                if name.endswith((".c", ".h", ".inc", ".S")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def violations(root):
    """(lines that tell of each violation, number of includes looked at)"""
    wrong, looked_at = [], 0
    for path in sources(root):
        room = os.path.dirname(path)
        while room and room not in ROOMS:
            room = os.path.dirname(room)
        # core itself is a room of one header: a folder below it must be on the map.
        if not room or (room == "core" and os.path.dirname(path) != "core"):
            wrong.append("%s: its folder is not on the map of tests/layers" % path)
            continue
        with open(os.path.join(root, path), encoding="utf-8") as f:
            text = without_comments(f.read())
        for match in INCLUDE.finditer(text):
            looked_at += 1
            where = "%s:%d" % (path, text.count("\n", 0, match.start()) + 1)
            reason = judge(root, room, path, match.group(1).strip())
            if reason:
                wrong.append("%s: %s" % (where, reason))
    return wrong, looked_at


def judge(root, room, path, what):
    """Why this include is against the rule, or None."""
    quoted = re.fullmatch(r'"([^"]*)"', what)
    system = re.fullmatch(r"<([^>]*)>", what)
    if not quoted and not system:
        return "an include must name its file: %s" % what
    name = (quoted or system).group(1)
    for pattern, owners in OWNERS:
        if re.fullmatch(pattern, name) and not path.startswith(owners):
            return "<%s> belongs to %s" % (name, " ".join(owners))
    if ".." in name.split("/"):
        return "\"%s\" climbs out of its folder" % name
    # As the compiler looks: -Icore -I.
    target = next((d + name for d in ("core/", "") if os.path.isfile(os.path.join(root, d + name))), None)
    if target is None:
        if system or name == "config.h":
            return None
        return "\"%s\" is neither room/file nor config.h" % name
    if system:
        return "<%s> is ours: include it in quotes" % name
    other = os.path.dirname(target)
    while other and other not in ROOMS:
        other = os.path.dirname(other)
    if other == room or other in ROOMS[room]:
        return None
    return "%s may not include \"%s\" (only %s)" % (room, name, " ".join(ROOMS[room]) or "its own")


CLEAN = {
    "core/base/error.h": "#include <stdarg.h>\n",
    "core/kernel/kernel.h": '#include "base/error.h"\n',
    "core/kernel/blas.c": '#include <cblas.h>\n#include <immintrin.h>\n#include "kernel/kernel.h"\n',
    "core/nn/net.h": '#include "kernel/kernel.h"\n',
    "core/data/picture.h": '#include "base/error.h"\n',
    "core/train/trainer.h": '#include "nn/net.h"\n#include "data/picture.h"\n',
    "core/train/params_json.h": "#include <cjson/cJSON.h>\n",
    "core/dcgan.h": '#include "train/trainer.h"\n',
    "store/store.h": '#include "base/error.h"\n',
    "store/store.c": '#include "config.h"\n#include <sqlite3.h>\n#include "store/store.h"\n',
    "jobs/jobs.h": '#include <cjson/cJSON.h>\n#include "store/store.h"\n#include "train/trainer.h"\n',
    "api/api.h": '#include <microhttpd.h>\n#include "jobs/jobs.h"\n/* #include <sqlite3.h> */\n',
    "daemon/main.c": '#include "api/api.h"\n// #include <cblas.h>\n',
}

# What is added to the clean tree -> what the checker must say of it.
FAULTS = (
    ("core/base/log.c", '#include "kernel/kernel.h"\n', "core/base may not include"),
    ("core/kernel/up.c", '#include "nn/net.h"\n', "core/kernel may not include"),
    ("core/nn/side.c", '#include "data/picture.h"\n', "core/nn may not include"),
    ("core/data/side.c", '#include "kernel/kernel.h"\n', "core/data may not include"),
    ("core/train/up.c", '  #  include "store/store.h"\n', "core/train may not include"),
    ("core/nn/whole.c", '#include "dcgan.h"\n', "core/nn may not include"),
    ("store/up.c", '#include "jobs/jobs.h"\n', "store may not include"),
    ("store/side.c", '#include "train/trainer.h"\n', "store may not include"),
    ("jobs/up.c", '#include "api/api.h"\n', "jobs may not include"),
    ("jobs/sql.c", "#include <sqlite3.h>\n", "belongs to store/"),
    ("api/ini.c", "#include <ini.h>\n", "belongs to daemon/"),
    ("daemon/web.c", "#include <microhttpd.h>\n", "belongs to api/"),
    ("core/nn/blas.c", "#include <cblas.h>\n", "belongs to core/kernel/"),
    ("core/base/simd.c", "#include <immintrin.h>\n", "belongs to core/kernel/"),
    ("core/train/simd.c", "#include <xmmintrin.h>\n", "belongs to core/kernel/"),
    ("store/json.c", "#include <cjson/cJSON.h>\n", "belongs to jobs/"),
    ("core/train/trainer.c", "#include <cjson/cJSON.h>\n", "belongs to jobs/"),
    ("core/train/climb.c", '#include "../../jobs/jobs.h"\n', "climbs out"),
    ("core/nn/macro.c", "#define X <sqlite3.h>\n#include X\n", "must name its file"),
    ("core/nn/quoted.c", '#include "sqlite3.h"\n', "belongs to store/"),
    ("core/nn/after.c", 'char s[] = "/*";\n#include <sqlite3.h>\n', "belongs to store/"),
    ("store/ours.c", "#include <base/error.h>\n", "is ours"),
    ("core/extra/new.c", "", "not on the map"),
    ("api/lost.c", '#include "nowhere.h"\n', "neither room/file"),
)


def tree(folder, files):
    for path, text in files.items():
        path = os.path.join(folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    return folder


def main():
    failed, number = 0, 0

    def ok(good, what, details=()):
        nonlocal failed, number
        number += 1
        failed += not good
        print("%sok %d - %s" % ("" if good else "not ", number, what))
        for line in () if good else details:
            print("# " + line)

    print("1..%d" % (3 + len(FAULTS)))
    wrong, looked_at = violations(os.environ.get("top_srcdir", "."))
    ok(not wrong and looked_at > 50, "the tree keeps the include rule (%d includes)" % looked_at, wrong)
    seen = set()
    backwards = [r for r, may in ROOMS.items() if not set(may) <= seen or seen.add(r)]
    ok(not backwards, "the map of rooms has no cycle", backwards)
    with tempfile.TemporaryDirectory() as folder:
        wrong, looked_at = violations(tree(folder, CLEAN))
        ok(not wrong and looked_at == 21, "a clean tree passes (%d includes)" % looked_at, wrong)
    for path, text, expected in FAULTS:
        with tempfile.TemporaryDirectory() as folder:
            wrong, _ = violations(tree(folder, {**CLEAN, path: text}))
            ok(len(wrong) == 1 and wrong[0].startswith(path) and re.search(expected, wrong[0]) is not None,
               "a fault in %s is found" % path, wrong)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
