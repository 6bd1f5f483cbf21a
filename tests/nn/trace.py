#!/usr/bin/env python3
"""Record training steps of PyTorch, for tests/nn/test_trace.c.

    pip install torch==2.13.0 numpy
    python3 tests/nn/trace.py tests/nn/trace.bin

Builds each architecture anew from its description in the paper and in pytorch/examples
(nothing here is shared with core/nn), takes a few full steps in double precision with
torch's own layers, losses and Adam, and writes what went in and what came out as fp32.

The file: records of "NAME COUNT\\n" followed by COUNT little-endian floats. A case begins
with "case NAME" 10: arch size channels ngf ndf z_dim batch weight_decay label_smoothing ema;
the first record of all is "torch VERSION" 0.
"""
import sys

import numpy as np
import torch
from torch import nn

STEPS = 3
# name, arch, size, channels, ngf, ndf, z_dim, batch, weight_decay, label_smoothing, ema
CASES = [
    ("paper-64", 0, 64, 3, 2, 2, 5, 4, 0.0, 0.0, 0.0),
    ("pytorch-64", 1, 64, 3, 2, 3, 5, 4, 0.0, 0.0, 0.0),
    ("paper-imagenet-32", 2, 32, 3, 2, 2, 6, 4, 0.0, 0.0, 0.0),
    ("pytorch-28-grey", 1, 28, 1, 5, 3, 7, 5, 1e-5, 0.1, 0.9),
    ("paper-28", 0, 28, 3, 3, 3, 4, 3, 2.5e-5, 0.0, 0.0),
    ("pytorch-128", 1, 128, 1, 1, 1, 3, 3, 0.0, 0.2, 0.99),
    ("paper-imagenet-16", 2, 16, 1, 4, 3, 4, 6, 0.0, 0.0, 0.5),
]


def generator(arch, size, channels, nf, z):
    base = 7 if size == 28 else 4
    widths, side = [], base
    while side < size:
        side *= 2
        widths.insert(0, nf * 2 ** len(widths))
    layers = [nn.ConvTranspose2d(z, widths[0], base, 1, 0, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    for i, w in enumerate(widths):
        last = i + 1 == len(widths)
        out = channels if last else widths[i + 1]
        if arch == 0:
            layers.append(nn.ConvTranspose2d(w, out, 5, 2, 2, output_padding=1, bias=False))
        elif arch == 1:
            layers.append(nn.ConvTranspose2d(w, out, 4, 2, 1, bias=False))
        else:
            layers += [nn.ConvTranspose2d(w, w, 3, 2, 1, output_padding=1, bias=False), nn.BatchNorm2d(w), nn.ReLU(),
                       nn.ConvTranspose2d(w, out, 3, 1, 1, bias=False)]
        layers += [nn.Tanh()] if last else [nn.BatchNorm2d(out), nn.ReLU()]
    return nn.Sequential(*layers)


def discriminator(arch, size, channels, nf):
    layers, inp, w = [], channels, nf
    while size not in (4, 7):
        first = inp == channels and not layers
        if arch == 2:
            layers.append(nn.Conv2d(inp, w, 3, 1, 1, bias=False))
            layers += ([] if first else [nn.BatchNorm2d(w)]) + [nn.LeakyReLU(0.2)]
            layers += [nn.Conv2d(w, w, 3, 2, 1, bias=False), nn.BatchNorm2d(w), nn.LeakyReLU(0.2)]
        else:
            layers.append(nn.Conv2d(inp, w, 5 - arch, 2, 2 - arch, bias=False))
            layers += ([] if first else [nn.BatchNorm2d(w)]) + [nn.LeakyReLU(0.2)]
        size, inp, w = size // 2, w, w * 2
    layers.append(nn.Conv2d(inp, 1, size, 1, 0, bias=False))
    return nn.Sequential(*layers)


def pictures(step, shape):
    """Real pictures by formula, so that the file need not hold them: a multiplicative hash."""
    i = np.arange(np.prod(shape), dtype=np.uint64) + np.uint64(step * 1000003)
    return ((i * np.uint64(2654435761) % np.uint64(2**32)) >> np.uint64(24)).reshape(shape) / 127.5 - 1


def main(path):
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    out = open(path, "wb")

    def put(name, values):
        v = np.asarray(values, dtype="<f4").ravel()
        out.write(f"{name} {v.size}\n".encode() + v.tobytes())

    put(f"torch {torch.__version__}", [])
    for case in CASES:
        name, arch, size, channels, ngf, ndf, z_dim, batch, decay, smooth, ema = case
        torch.manual_seed(len(name) * 1000 + size)
        g, d = generator(arch, size, channels, ngf, z_dim), discriminator(arch, size, channels, ndf)
        for net in (g, d):
            for m in net:
                if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)):
                    # Larger than the paper's 0.02: so narrow a network would hardly react.
                    nn.init.normal_(m.weight, 0, 0.2)
                elif isinstance(m, nn.BatchNorm2d):
                    nn.init.normal_(m.weight, 1, 0.02)
                    nn.init.normal_(m.bias, 0, 0.1)
            with torch.no_grad():  # what is recorded in fp32 is what is used
                for p in net.parameters():
                    p.copy_(p.float().double())
        average = {k: p.detach().clone() for k, p in g.named_parameters()}
        put(f"case {name}", case[1:])
        arrays = lambda net: [(k, v) for k, v in net.state_dict().items() if not k.endswith("tracked")]
        for prefix, net in (("G", g), ("D", d)):
            for k, v in arrays(net):
                put(f"{prefix}.main.{k}", v)
        adam = lambda net: torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999), weight_decay=decay)
        opt_g, opt_d = adam(g), adam(d)
        bce = nn.BCEWithLogitsLoss()
        for step in range(STEPS):
            x = torch.from_numpy(pictures(step, (batch, channels, size, size)))
            z = torch.randn(batch, z_dim, 1, 1).float().double()
            put(f"z{step}", z)
            opt_d.zero_grad()
            real = d(x)
            fake_images = g(z)
            loss_real = bce(real, torch.full_like(real, 1 - smooth))
            loss_real.backward()
            fake = d(fake_images.detach())
            loss_fake = bce(fake, torch.zeros_like(fake))
            loss_fake.backward()
            for k, p in d.named_parameters():
                put(f"D.main.{k}.grad{step}", p.grad)
            opt_d.step()
            opt_g.zero_grad()
            after = d(fake_images)
            loss_g = bce(after, torch.ones_like(after))
            loss_g.backward()
            for k, p in g.named_parameters():
                put(f"G.main.{k}.grad{step}", p.grad)
            opt_g.step()
            for k, p in g.named_parameters():
                average[k] = ema * average[k] + (1 - ema) * p.detach()
            put(f"losses{step}", [(loss_real + loss_fake).item(), loss_g.item(), torch.sigmoid(real).mean().item(),
                                  torch.sigmoid(fake).mean().item(), torch.sigmoid(after).mean().item()])
        for prefix, net in (("G", g), ("D", d)):
            for k, v in arrays(net):
                put(f"{prefix}.main.{k}.after", v)
        if ema:
            for k, v in average.items():
                put(f"G.main.{k}.average", v)
        with torch.no_grad():
            g.eval()
            put("running", g(z[:1]))


if __name__ == "__main__":
    main(sys.argv[1])
