#!/usr/bin/env python3
"""Values that tests/explore/test_ms_ssim.c compares with, worked out by numpy from the
definition in another way than core/explore/ms_ssim.c: whole two-dimensional windows, moments about
their own mean, scales by reshaping, all in float64. Run by hand; prints the C initialisers.
"""
import numpy as np

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def picture(p, which, h, w, c):
    y, x, k = np.meshgrid(np.arange(h), np.arange(w), np.arange(c), indexing="ij")
    v = x * (p % 5 + 1) * 3 + y * (p % 7 + 2) * 2 + k * 40 + (x * y + p * 13) % 11 * 9
    return (v + which * ((x * x + y * 3 + p) % 17) * 4) % 256


def window(size):
    i = np.arange(size) - (size - 1) / 2
    g = np.exp(-(i[:, None] ** 2 + i[None, :] ** 2) / (2 * (1.5 * size / 11) ** 2))
    return g / g.sum()


def terms(a, b):
    """Mean SSIM and mean contrast-and-structure of two planes."""
    size = min(11, *a.shape)
    g = window(size)
    pa, pb = (np.lib.stride_tricks.sliding_window_view(v, (size, size)) for v in (a, b))
    ma, mb = (np.einsum("yxij,ij->yx", p, g) for p in (pa, pb))
    da, db = pa - ma[..., None, None], pb - mb[..., None, None]
    va, vb, cov = (np.einsum("yxij,yxij,ij->yx", p, q, g) for p, q in ((da, da), (db, db), (da, db)))
    contrast = (2 * cov + C2) / (va + vb + C2)
    return (contrast * (2 * ma * mb + C1) / (ma ** 2 + mb ** 2 + C1)).mean(), contrast.mean()


def halve(a):
    a = np.pad(a, ((0, a.shape[0] % 2), (0, a.shape[1] % 2)), mode="edge")
    return a.reshape(a.shape[0] // 2, 2, a.shape[1] // 2, 2).mean(axis=(1, 3))


def ms_ssim(a, b):
    planes = [(a[:, :, k].astype(float), b[:, :, k].astype(float)) for k in range(a.shape[2])]
    product = 1.0
    for scale, weight in enumerate(WEIGHTS):
        ssim, contrast = np.mean([terms(p, q) for p, q in planes], axis=0)
        product *= max(ssim if scale == 4 else contrast, 0) ** weight
        planes = [(halve(p), halve(q)) for p, q in planes]
    return product


def blend(p, q, share, shape):
    """As rounded in C."""
    return np.floor(((100 - share) * picture(p, 0, *shape) + share * picture(q, 1, *shape)) / 100)


def main():
    for shape in ((16, 16, 1), (28, 28, 1), (32, 32, 3), (64, 64, 3), (35, 50, 3), (200, 180, 1)):
        values = [ms_ssim(picture(p, 0, *shape), blend(p, p + 1, share, shape)) for p, share in ((0, 10), (3, 25), (5, 50))]
        print("\t{ %d, %d, %d, { %s } }," % (*shape, ", ".join("%.9f" % v for v in values)))
    shape = (64, 64, 3)
    ring = [blend(p, p + 2, 20, shape) for p in (0, 1, 0, 4, 0)]
    print("mean of a ring of 5: %.9f" % np.mean([ms_ssim(ring[i], ring[(i + 1) % 5]) for i in range(5)]))
    a, b = (np.full((64, 64, 1), v) for v in (100, 130))
    print("flat 100 and 130: %.9f" % ms_ssim(a, b))
    up = np.add.outer(np.arange(64), np.arange(64))[:, :, None]
    print("a ramp and its negative: %.9f" % ms_ssim(up, 126 - up))


main()
