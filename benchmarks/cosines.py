"""All-pairs cosines of 100,000 vectors of 512 dimensions, against the machine's matrix product.

The histogram (exact: each bin's count is numpy.histogram's of the same cosines), minimum and
maximum see each unordered pair once, in tiles, in float64, the precision of all statistics here;
the mean is from the sum of vectors. The rate is that of the products needed, n (n - 1) / 2 of
2 d operations each, by the whole time. It is held against a plain numpy product, 4,096 x 512 by
512 x 4,096, in the same precision, on all cores, taken before and after.

It runs in this process, so peak memory is all that Python, the packages, the vectors (n d, 8 bytes
each) and the tiles need. Writes results/bench/cosines.csv.
"""

import argparse

import numpy as np
from bench import CORES, Clock, measured, peak_memory_mb, random_pairs, save, say

from modality_gap.measures.cone import cosine_distribution

BINS = 200
SIDE = 4096


def product_rate(d: int, seconds: float = 1.5) -> float:
    """Operations per second (1e9) of a plain product of SIDE x d by d x SIDE in float64: the median
    of as many as fit into `seconds`."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((SIDE, d)), rng.standard_normal((d, SIDE))
    out, rates, whole = np.empty((SIDE, SIDE)), [], Clock()
    while whole.seconds() < seconds or len(rates) < 4:
        clock = Clock()
        np.matmul(a, b, out=out)
        rates.append(2 * SIDE**2 * d / clock.seconds() / 1e9)
    return float(np.median(rates[1:]))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=512)
    settings = parser.parse_args(arguments)
    n, d = settings.vectors, settings.dimensions
    products = [product_rate(d)]
    say(f"matrix product: {products[0]:.1f}e9 operations/s")
    x = random_pairs(n, d)[0]
    clock = Clock()
    distribution = cosine_distribution(x, BINS, threads=CORES)
    seconds = clock.seconds()
    memory = peak_memory_mb()
    products.append(product_rate(d))
    assert distribution.counts.sum() == n * (n - 1)
    rate = n * (n - 1) * d / seconds / 1e9
    say(f"all pairs of {n:,} x {d}: {seconds:.1f} s")
    subject = "all-pairs cosines"
    save(
        "cosines",
        [
            measured(subject, "time", seconds, "s", n),
            measured(subject, "rate", rate, "1e9 operations/s", n),
            measured(subject, "matrix product", products, "1e9 operations/s", SIDE),
            measured(subject, "share of matrix product", rate / np.mean(products), "ratio", n),
            measured(subject, "peak memory", memory, "MB", n),
        ],
    )


if __name__ == "__main__":
    main()
