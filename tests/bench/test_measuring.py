"""The measuring programs run, and their JSON has the fields that bench/README.md defines. On networks too
small for their speed to mean anything, and without PyTorch: in its place a program that speaks as peer.py."""
import json
import os
import re
import subprocess
import sys
import tempfile

TOP = os.environ.get("top_srcdir", ".")
PROGRAM = os.path.abspath(os.path.join(os.environ.get("top_builddir", "."), "bench", "dcgan-bench"))
TINY = ["--size", "16", "--nf", "4", "--batch", "4"]
failed = number = 0


def check(name, ok, why=""):
    global failed, number
    number += 1
    failed += not ok
    print(f"{'ok' if ok else 'not ok'} {number} - {name}" + (f"\n# {why}" if not ok else ""), flush=True)


def measure(script, *words):
    """Status, text, report."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "report.json")
        done = subprocess.run([sys.executable, os.path.join(TOP, "bench", script), "--program", PROGRAM, "--json", path, "--threads", "2", *words],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, check=False)
        if not os.path.exists(path):
            return done.returncode, done.stdout, {}
        with open(path, encoding="utf-8") as f:
            return done.returncode, done.stdout, json.load(f)


def fields_of(name):
    """What the README's table says of a list: its fields, in the order named."""
    with open(os.path.join(TOP, "bench", "README.md"), encoding="utf-8") as f:
        row = re.search(r"^\| `%s\[\]` \| (.*) \|$" % name, f.read(), re.M).group(1)
    return set(re.search(r"`((?:\w+ )+\w+)", row).group(1).split())


print("1..9")
status, text, report = measure("run", "--quick", "--rounds", "2", "--kernels", "openblas", "--layers", "all", "--no-peer", *TINY)
check("bench/run", status == 0 and report, text)
kernels = report.get("kernels", [])
check("it measures every layer of pytorch and paper at 64 and 32 pixels, in three passes",
      sorted({(r["arch"], r["size"]) for r in kernels}) == [("paper", 32), ("paper", 64), ("pytorch", 32), ("pytorch", 64)]
      # 64 pixels: 4x4 to z or to the output, three in the middle, one to the picture; 32 have one less.
      and [sum(r["arch"] == "paper" and r["size"] == s for r in kernels) for s in (64, 32)] == [3 * 6, 3 * 5], kernels)
check("its lists have the fields that are documented",
      all(report.get(k) and fields_of(k) <= set(report[k][0]) for k in ("kernels", "steps")) and "ceilings" in report, report)

with tempfile.TemporaryDirectory() as folder:
    peer = os.path.join(folder, "python")
    with open(peer, "w", encoding="utf-8") as f:
        f.write(f"#!{sys.executable}\n" + """
import sys
if sys.argv[1] == "-c":
    sys.exit(0)
print('{"ready": "torch 0", "threads": 2}', flush=True)
for _ in sys.stdin:
    fast = "--compile" in sys.argv and sys.argv[sys.argv.index("--precision") + 1] == "fp32"
    print('{"step_ms": %s, "images_per_s": %s, "steps": 1, "peak_mb": 1000}' % ((5, 800) if fast else (10, 400)), flush=True)
""")
    os.chmod(peer, 0o755)
    status, text, report = measure("run", "--rounds", "1", "--kernels", "openblas", "--layers", "none", "--python", peer, *TINY)
check("PyTorch's six settings take part", status == 0 and len(report.get("peers", [])) == 6, text)
check("peers and ratios have the fields that are documented",
      all(report.get(k) and fields_of(k) <= set(report[k][0]) for k in ("peers", "ratios")), report)
step = report.get("steps", [{"images_per_s": 0, "peak_mb": 0}])[0]
check("ratios are to the fastest", [(r["against"], r["scope"], r["images_per_s"], r["peak_mb"]) for r in report.get("ratios", [])]
      == [("torch fp32 channels-last compiled", s, round(step["images_per_s"] / 800, 3), round(step["peak_mb"] / 1000, 3))
          for s in ("same precision", "any precision")], report.get("ratios"))

status, text, report = measure("run", "--kernels", "nonsense", "--layers", "none", "--no-peer", *TINY)
check("a kernel table that there is not is said", status != 0 and 'found "nonsense"' in text, text)
status, text, report = measure("bars", "--only", "nonsense", "--no-peer")
check("a bar that there is not is said", status != 0 and ("no part nonsense" in text or "AVX2" in text), text)
done = subprocess.run([PROGRAM, "layers", "--kernel", "amx-loads", "--threads", "2", "--seconds", "0", *TINY], capture_output=True, text=True, check=False)
can = subprocess.run([PROGRAM, "layers", "--kernel", "avx512-bf16", "--threads", "2", "--seconds", "0", *TINY], capture_output=True, check=False).returncode == 0
check("what is around tiles is measured where the vectors are, and else refused",
      [json.loads(line)["kernel"] for line in done.stdout.splitlines()] == ["amx-loads"] * 3 * 4 if can
      else done.returncode == 2 and "amx-loads: " in done.stderr, done.stdout + done.stderr)
sys.exit(failed > 0)
