#!/usr/bin/env python3
"""The peer: the same training step in PyTorch. Speaks as `dcgan-bench step` does: a line of
JSON when ready, then one for every line on standard input.

Settings: --precision fp32|bf16 (autocast), --layout contiguous|channels-last, --compile."""
import argparse
import json
import resource
import sys
import time

import torch
from torch import nn

ap = argparse.ArgumentParser()
ap.add_argument("--precision", default="fp32")
ap.add_argument("--layout", default="contiguous")
ap.add_argument("--compile", action="store_true")
ap.add_argument("--arch", default="pytorch")
for name, value in (("size", 64), ("channels", 3), ("nf", 64), ("batch", 128), ("threads", 0)):
    ap.add_argument(f"--{name}", type=int, default=value)
ap.add_argument("--seconds", type=float, default=1)
a = ap.parse_args()
if a.threads:
    torch.set_num_threads(a.threads)


def networks():
    stages, base = 0, 7 if a.size == 28 else 4
    while base << stages < a.size:
        stages += 1
    paper = a.arch == "paper"
    up = lambda i, o: nn.ConvTranspose2d(i, o, 5, 2, 2, output_padding=1, bias=False) if paper else nn.ConvTranspose2d(i, o, 4, 2, 1, bias=False)
    down = lambda i, o: nn.Conv2d(i, o, 5, 2, 2, bias=False) if paper else nn.Conv2d(i, o, 4, 2, 1, bias=False)
    top = a.nf << (stages - 1)
    g = [nn.ConvTranspose2d(100, top, base, 1, 0, bias=False), nn.BatchNorm2d(top), nn.ReLU(True)]
    d = [down(a.channels, a.nf), nn.LeakyReLU(0.2, inplace=True)]
    for i in range(stages - 1, 0, -1):
        g += [up(a.nf << i, a.nf << (i - 1)), nn.BatchNorm2d(a.nf << (i - 1)), nn.ReLU(True)]
    g += [up(a.nf, a.channels), nn.Tanh()]
    for i in range(1, stages):
        d += [down(a.nf << (i - 1), a.nf << i), nn.BatchNorm2d(a.nf << i), nn.LeakyReLU(0.2, inplace=True)]
    d += [nn.Conv2d(top, 1, base, 1, 0, bias=False)]
    return nn.Sequential(*g), nn.Sequential(*d)


g, d = networks()
for net in (g, d):
    for m in net:
        if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(m.weight, 0, 0.02)
real = torch.rand(a.batch, a.channels, a.size, a.size) * 2 - 1
z = torch.randn(a.batch, 100, 1, 1)
if a.layout == "channels-last":
    g, d = g.to(memory_format=torch.channels_last), d.to(memory_format=torch.channels_last)
    real = real.to(memory_format=torch.channels_last)
opt_g, opt_d = (torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (g, d))
run_g, run_d = (torch.compile(g), torch.compile(d)) if a.compile else (g, d)
bce = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(a.batch), torch.zeros(a.batch)


def forward(net, x):
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.precision == "bf16"):
        return net(x)


def step():
    opt_d.zero_grad(set_to_none=True)
    bce(forward(run_d, real).float().flatten(), ones).backward()
    fake = forward(run_g, z)
    bce(forward(run_d, fake.detach()).float().flatten(), zeros).backward()
    opt_d.step()
    opt_g.zero_grad(set_to_none=True)
    bce(forward(run_d, fake).float().flatten(), ones).backward()
    opt_g.step()


for _ in range(2):
    step()
print(json.dumps({"ready": f"torch {torch.__version__}", "threads": torch.get_num_threads()}), flush=True)
for _ in sys.stdin:
    steps, first = 0, time.perf_counter()
    while True:
        step()
        steps += 1
        t = time.perf_counter() - first
        if t >= a.seconds:
            break
    print(json.dumps({"step_ms": t / steps * 1e3, "images_per_s": a.batch * steps / t, "steps": steps,
                      "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)
