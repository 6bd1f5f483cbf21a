"""Nothing from outside becomes a program, a shell's words or SQL: the sources call no function that starts
one, and no statement of SQL is put together from pieces at run time; what varies is bound to parameters."""
import os
import re
import sys

from test_layers import sources, without_comments

TOP = os.environ.get("top_srcdir", ".")
STRING = r'"(?:\\.|[^"\\\n])*"'
STARTS = re.compile(r"\b(system|popen|wordexp|v?fork|exec(?:l|le|lp|v|ve|vp|vpe|veat)|fexecve|posix_spawnp?|dlopen)\s*\(")
WRITES = re.compile(r"\b(\w*(?:printf|strcat|strncat|stpcpy|memcpy|dcg_text_\w+))\s*\(((?:%s|[^;\"])*);" % STRING)
SQL = re.compile(r"\b(SELECT|INSERT INTO|REPLACE INTO|UPDATE \w+ SET|DELETE FROM|CREATE (TABLE|INDEX)|DROP|ALTER|ATTACH|VACUUM|PRAGMA|WHERE|ORDER BY)\b")
ASKS = re.compile(r"\b(sqlite3_(?:exec|prepare\w*|get_table|\w*printf))\s*\(")
# Whole numbers of ours, for which SQLite has no parameters; and the two functions that take the text of a statement.
NUMBERS = ["store/schema.c: snprintf: PRAGMA"]
TAKERS = {"store/sql.c"}


def faults(path, text):
    text = without_comments(text)
    bare = re.sub(STRING, '""', text)
    for match in STARTS.finditer(bare):
        yield f"{path}: {match[1]}: starts a program"
    for match in WRITES.finditer(text):
        sql = SQL.search("".join(re.findall(STRING, match[2])))
        if sql:
            yield f"{path}: {match[1]}: {sql[0]}"
    for match in ASKS.finditer(text):
        if path not in TAKERS and text[match.end():match.end() + 20] != 'q->db, "ROLLBACK", N':
            yield f"{path}: {match[1]}: a statement that store/sql.h does not know"


def main():
    found = []
    for path in sources(TOP):
        with open(os.path.join(TOP, path), encoding="utf-8") as f:
            found += faults(path, f.read())
    made_up = list(faults("store/x.c", 'f(); /* system(1) */ g("popen(2)"); execvp(a, b); snprintf(s, n, "SELECT 1 FROM jobs WHERE name=\'%s\'", name);\n'
                                       'strcat(s, " ORDER BY "); sqlite3_exec(db, s, 0, 0, 0); puts("SELECT");'))
    print("1..2")
    ok = found == NUMBERS
    print("%sok 1 - the sources start no program and write no SQL" % ("" if ok else "not "))
    for line in found if not ok else []:
        print("# " + line)
    blind = made_up != ["store/x.c: execvp: starts a program", "store/x.c: snprintf: SELECT", "store/x.c: strcat: ORDER BY",
                        "store/x.c: sqlite3_exec: a statement that store/sql.h does not know"]
    print("%sok 2 - a made-up source that does both is found out" % ("not " if blind else ""))
    for line in made_up if blind else []:
        print("# " + line)
    return blind or not ok


sys.exit(main())
