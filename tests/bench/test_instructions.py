"""A training step's instructions, counted by valgrind, against the counts on record: a slower
step is noticed on a machine that is too busy, or too different, to measure time.

Counts are of one compiler's code for AVX2, so another compiler, other flags or a processor
without AVX2 skip this. `--record` after a change that was meant writes them anew:

    top_builddir=build/check python3 tests/bench/test_instructions.py --record"""
import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
RECORD = os.path.join(HERE, "instructions.json")
BUILD = os.environ.get("top_builddir", ".")
PROGRAM = os.path.join(BUILD, "bench", "dcgan-bench")
MORE = 0.02  # of the count on record: what is tolerated
CASES = {
    "pytorch": "--arch pytorch --size 32 --nf 16 --batch 16",
    "paper": "--arch paper --size 16 --nf 16 --batch 16",
    "paper-imagenet": "--arch paper-imagenet --size 16 --nf 8 --batch 8",
}


def count(words):
    run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=bench_counted_step",
                          PROGRAM, "count", "--kernel", "avx2", "--threads", "1", *words.split()],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    found = re.search(r"Collected : (\d+)", run.stdout)
    if run.returncode or not found or int(found.group(1)) < 1000000:
        raise RuntimeError(run.stdout[-2000:])
    return int(found.group(1))


def compiler():
    """What the counts depend on."""
    with open(os.path.join(BUILD, "Makefile"), encoding="utf-8") as f:
        made = dict(re.findall(r"^(CC|CFLAGS) = (.*)$", f.read(), re.M))
    version = subprocess.run([*made["CC"].split(), "-dumpfullversion", "-dumpmachine"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return " ".join([made["CC"].split()[0], *version, made["CFLAGS"]])


def reason_to_skip(record):
    if not os.environ.get("DCG_LONG") and "--record" not in sys.argv:
        return "a long test"
    if not shutil.which("valgrind"):
        return "no valgrind"
    probe = subprocess.run([PROGRAM, "count", "--kernel", "avx2", "--size", "16", "--nf", "2", "--batch", "2", "--threads", "1"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if probe.returncode:
        return probe.stderr.strip().removeprefix("dcgan-bench: ")
    if record and record["compiler"] != compiler():
        return f"counts are on record for \"{record['compiler']}\", this is \"{compiler()}\""
    return None


def main():
    record = None
    if "--record" not in sys.argv:
        with open(RECORD, encoding="utf-8") as f:
            record = json.load(f)
    why = reason_to_skip(record)
    if record is None:
        if why:
            sys.exit(why)
        with open(RECORD, "w", encoding="utf-8") as f:
            json.dump({"compiler": compiler(), "instructions": {name: count(words) for name, words in CASES.items()}}, f, indent=1)
            f.write("\n")
        return
    print(f"1..{len(CASES)}")
    for i, (name, words) in enumerate(CASES.items(), 1):
        title = f"{i} - {name}: a step takes no more instructions than on record"
        if why:
            print(f"ok {title} # SKIP {why}")
            continue
        found, known = count(words), record["instructions"][name]
        print(f"# {name}: {found} instructions, {known} on record ({found / known - 1:+.2%})")
        print(("ok " if found <= known * (1 + MORE) else "not ok ") + title, flush=True)


main()
