"""What the measuring programs share: dcgan-bench, PyTorch beside it, and ceilings. README.md defines the fields."""
import json
import os
import platform
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
KERNELS = ("openblas", "avx2", "avx512", "avx512-bf16", "amx-bf16")
BASE = {"arch": "pytorch", "size": 64, "channels": 3, "nf": 64, "batch": 128}
# PyTorch's settings: (precision, layout, compiled); the first are the quick ones.
PEERS = [("fp32", "channels-last", False), ("bf16", "channels-last", False), ("fp32", "contiguous", False), ("bf16", "contiguous", False),
         ("fp32", "channels-last", True), ("bf16", "channels-last", True)]
QUICK_PEERS = PEERS[:2]
AVX2_ONLY = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


def add_options(parser):
    parser.add_argument("--program", default=os.path.join(HERE, "..", "build", "bench", "dcgan-bench"))
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--threads", type=int, default=0, help="default: one for each processor")
    parser.add_argument("--rounds", type=int, default=0)


def add_peer_options(parser):
    parser.add_argument("--python", default=sys.executable, help="a Python that has torch")
    parser.add_argument("--no-peer", action="store_true")


def threads_of(args):
    return args.threads or len(os.sched_getaffinity(0))


def cpu():
    try:
        return next(line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def words(setting):
    return [w for k, v in setting.items() for w in (f"--{k}", str(v))]


def lines(program, *command):
    done = subprocess.run([program, *command], check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def ceilings(program, threads):
    return lines(program, "ceilings", "--threads", str(threads), "--seconds", "0.5")[0]


def precision_of(kernel):
    return "bf16" if "bf16" in kernel else "fp32"


def ceiling_of(kernel, c):
    """The rate of the instructions that a table, or PyTorch in a precision, computes with; None: not known here."""
    if kernel.endswith("bf16"):
        tiles = c.get("bf16_tile_gflops") if kernel in ("amx-bf16", "torch-bf16") else None
        return tiles or c.get("bf16_zmm_gflops")
    return c.get("fp32_ymm_gflops") if kernel == "avx2" else c.get("fp32_zmm_gflops") or c.get("fp32_ymm_gflops")


def usable(program, kernels):
    """Those of the tables that this processor has; says why others are left out."""
    found = []
    for name in kernels:
        probe = subprocess.run([program, "step", "--kernel", name, *words({"size": 16, "nf": 2, "batch": 2, "threads": 1})],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if probe.returncode == 0:
            found.append(name)
        else:
            print(f"skipped {name}: {probe.stderr.strip()}")
    return found


class Contender:
    """A process that measures whole steps when told to."""

    def __init__(self, name, command, env=None, **info):
        self.name, self.info, self.results = name, info, []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
        ready = self.process.stdout.readline()
        if not ready:
            self.close()
            raise RuntimeError(f"{name} did not start")
        self.ready = json.loads(ready)

    def measure(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.results.append(json.loads(self.process.stdout.readline()))

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def median(self, field):
        return statistics.median(r[field] for r in self.results)


def ours(program, kernel, setting, seconds):
    return Contender(kernel, [program, "step", *words(setting), "--kernel", kernel, "--seconds", str(seconds)],
                     kernel=kernel, precision=precision_of(kernel))


def why_no_peer(args, arch):
    """None: there is one."""
    if args.no_peer:
        return "asked not to"
    if arch == "paper-imagenet":
        return "peer.py has no paper-imagenet"
    if subprocess.run([args.python, "-c", "import torch"], stderr=subprocess.DEVNULL, check=False).returncode:
        return f"{args.python} has no torch (pip install torch==2.13.0, or Debian's python3-torch; --python names another)"
    return None


def peers(python, settings, setting, seconds, env=None):
    found = []
    for precision, layout, compiled in settings:
        name = f"torch {precision} {layout}" + (" compiled" if compiled else "")
        command = [python, os.path.join(HERE, "peer.py"), *words(setting), "--precision", precision, "--layout", layout, "--seconds", str(seconds)]
        try:
            found.append(Contender(name, command + ["--compile"] * compiled, env, precision=precision, layout=layout, compiled=compiled))
        except RuntimeError as e:
            print(f"skipped {e}")
    return found


def in_turns(contenders, rounds):
    """One measurement of each a round, so that a noisy moment of the machine meets them all."""
    for _ in range(rounds):
        for c in contenders:
            c.measure()
    for c in contenders:
        c.close()


def row_of(c, setting, gflop, top):
    """A contender's row of steps[] or peers[]: medians over the rounds."""
    row = {**c.info, "name": c.name, **{k: setting[k] for k in ("arch", "size", "nf", "batch")},
           **{f: round(c.median(f), 3) for f in ("images_per_s", "step_ms", "peak_mb")}}
    row["gflops"] = round(gflop / row["step_ms"] * 1e3, 1)
    row["of_ceiling"] = round(row["gflops"] / top, 3) if top else None
    if "components_ms" in c.results[0]:
        row["components_ms"] = {k: round(statistics.median(r["components_ms"][k] for r in c.results), 2) for k in c.results[0]["components_ms"]}
    return row


def ratios_of(step, peer_rows):
    """A step over the best peer of its precision, and of any."""
    found = []
    for scope, of in (("same precision", [p for p in peer_rows if p["precision"] == step["precision"]]), ("any precision", peer_rows)):
        if of:
            best = max(of, key=lambda p: p["images_per_s"])
            found.append({"kernel": step["kernel"], "against": best["name"], "scope": scope,
                          "images_per_s": round(step["images_per_s"] / best["images_per_s"], 3), "peak_mb": round(step["peak_mb"] / best["peak_mb"], 3)})
    return found


def layers(program, kernel, setting, seconds, c):
    """Rows of kernels[]: each convolution alone."""
    rows = lines(program, "layers", *words(setting), "--kernel", kernel, "--seconds", str(seconds))
    top = ceiling_of(kernel, c)
    return [{"arch": setting["arch"], "size": setting["size"], **row, "of_ceiling": round(row["gflops"] / top, 3) if top else None} for row in rows]


def write_json(path, report):
    if path:
        with open(path, "w", encoding="utf-8") as f:
            json.dump(report, f, indent=1)
            f.write("\n")
