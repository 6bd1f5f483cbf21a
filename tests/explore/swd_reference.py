#!/usr/bin/env python3
"""Values that tests/explore/test_swd.c compares with, worked out by numpy from the
definition: the pyramid by 2-D convolution over padded arrays, patches by sliding
windows, sorting by numpy. Run by hand; prints the C initialisers.

part 1: given pictures, places and directions: must agree to rounding.
part 2: numpy's own random places (the same in both sets) and directions, averaged over
some draws: must agree to within sampling error.
"""
import numpy as np

K1 = np.array([1, 4, 6, 4, 1]) / 16
KERNEL = np.outer(K1, K1)


def picture(p, which, h, w, c):
    y, x, k = np.meshgrid(np.arange(h), np.arange(w), np.arange(c), indexing="ij")
    v = x * (p % 5 + 1) * 3 + y * (p % 7 + 2) * 2 + k * 40 + (x * y + p * 13) % 11 * 9
    return (v + which * ((x * x + y * 3 + p) % 17) * 4) % 256


def convolve(a, kernel):
    """a: [h][w], border mirrored without repeating the edge."""
    padded = np.pad(a, 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))
    return np.einsum("hwij,ij->hw", windows, kernel)


def down(a):
    return convolve(a, KERNEL)[::2, ::2]


def up(a, shape):
    z = np.zeros(shape)
    z[::2, ::2] = a
    return convolve(z, 4 * KERNEL)


def pyramid(picture_hwc, levels):
    out = []
    planes = [picture_hwc[:, :, k].astype(float) for k in range(picture_hwc.shape[2])]
    for _ in range(levels - 1):
        smaller = [down(p) for p in planes]
        out.append(np.stack([p - up(s, p.shape) for p, s in zip(planes, smaller)], axis=2))
        planes = smaller
    out.append(np.stack(planes, axis=2))
    return out


def levels_of(h, w):
    n = 1
    while (h + 1) // 2 >= 16 and (w + 1) // 2 >= 16:
        h, w, n = (h + 1) // 2, (w + 1) // 2, n + 1
    return n


def describe(pictures, places):
    """[n][7][7][c], normalised for each channel."""
    d = np.concatenate([[pic[y:y + 7, x:x + 7] for y, x in pl] for pic, pl in zip(pictures, places)])
    d = d - d.mean(axis=(0, 1, 2), keepdims=True)
    return d / d.std(axis=(0, 1, 2), keepdims=True)


def distance(a, b, directions):
    """directions: [d][k], any length."""
    directions = directions / np.linalg.norm(directions, axis=0)
    pa = np.sort(a.reshape(len(a), -1) @ directions, axis=0)
    pb = np.sort(b.reshape(len(b), -1) @ directions, axis=0)
    return 1000 * np.abs(pa - pb).mean()


def given(count, patches, projections, h, w, c):
    levels = levels_of(h, w)
    sets = [[pyramid(picture(p, which, h, w, c), levels) for p in range(count)] for which in (0, 1)]
    i, k = np.meshgrid(np.arange(49 * c), np.arange(projections), indexing="ij")
    directions = ((i * 29 + k * 17 + i * k * 3) % 23 - 11).astype(float) + 0.25
    result = []
    for level in range(levels):
        hl, wl = sets[0][0][level].shape[:2]
        places = [[((p * 5 + q * 3) % (hl - 6), (p * 11 + q * 7) % (wl - 6)) for q in range(patches)] for p in range(count)]
        a, b = (describe([pic[level] for pic in s], places) for s in sets)
        result.append(distance(a, b, directions))
    return result


def drawn(count, patches, projections, h, w, c, draws):
    rng = np.random.default_rng(1)
    levels = levels_of(h, w)
    sets = [[pyramid(picture(p, which, h, w, c), levels) for p in range(count)] for which in (0, 1)]
    result = np.zeros((draws, levels))
    for draw in range(draws):
        for level in range(levels):
            hl, wl = sets[0][0][level].shape[:2]
            places = [list(zip(rng.integers(0, hl - 6, patches), rng.integers(0, wl - 6, patches))) for _ in range(count)]
            ab = [describe([pic[level] for pic in s], places) for s in sets]
            result[draw, level] = distance(*ab, rng.standard_normal((49 * c, projections)))
    return result.mean(axis=0), result.std(axis=0)


def main():
    for shape in ((32, 32, 1), (28, 28, 1), (64, 64, 3), (35, 50, 3)):
        print("\t{ %d, %d, %d, %d, { %s } }," % (*shape, levels_of(*shape[:2]), ", ".join("%.6f" % v for v in given(6, 20, 24, *shape))))
    for shape in ((32, 32, 1), (64, 64, 3)):
        mean, std = drawn(60, 128, 512, *shape, 8)
        print("\t{ %d, %d, %d, %d, { %s } }, /* +- %s */" % (*shape, levels_of(*shape[:2]), ", ".join("%.2f" % v for v in mean), ", ".join("%.2f" % v for v in std)))
    ramp = picture(3, 1, 18, 17, 1)
    print("halved", ["%.5f" % v for v in down(ramp[:, :, 0].astype(float))[[0, 0, 4, 8, 8], [0, 8, 3, 0, 8]]])
    print("detail", ["%.5f" % v for v in pyramid(ramp, 2)[0][:, :, 0][[0, 0, 9, 17, 17, 8], [0, 16, 4, 0, 16, 9]]])


main()
