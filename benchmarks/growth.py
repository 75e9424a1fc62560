"""How time and memory of each statistic grow with the number of pairs.

Each statistic is measured at several n, each time in a process of its own that makes its pairs (512
dimensions; UMAP 64), begins to count and calls the function that the workflow calls. Memory is the
peak less what the process held before: packages and the vectors themselves, 16 n d bytes. An
exponent is the slope of log time against log n over the largest three sizes, where starts of
threads and data that fit the processor's cache weigh least, with its standard error. 1 is linear;
what looks at every pair of pairs is quadratic by its nature. What is fast is measured beyond
100,000 pairs too.

The diagnostics, of which the workflow never takes more than its `sample` of 5,000, stop there.
Writes results/bench/growth.csv and growth_exponents.csv.
"""

import argparse
import json
import subprocess
import sys

import numpy as np
from bench import (
    CORES,
    Clock,
    measured,
    peak_since_reset_mb,
    random_pairs,
    reset_peak_memory,
    save,
    say,
)

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
FURTHER = (*SIZES, 200_000, 400_000)  # of what is so fast that only these take seconds
SAMPLED = (1_000, 3_000, 5_000)  # where the workflow takes a sample, and time grows fast
FIRST_CALL = 100  # pairs, before the clock starts
FITTED = 3  # sizes, the largest


def _gap(x, y):
    from modality_gap.measures.gap_intervals import gap_interval

    return gap_interval(x, y, 0.95)


def _mean_cosine(x, y):
    from modality_gap.measures.gap_intervals import mean_cosine_interval

    return mean_cosine_interval(x, 0.95)


def _loss_sweep(x, y):
    from modality_gap.measures.loss_sweep import loss_landscape

    deltas = np.arange(-20, 20) * 0.25
    return loss_landscape(x, y, deltas, [1 / 100, 1 / 50, 1 / 30, 1 / 20, 1 / 10, 1], 50, CORES)


def _all_pairs(x, y):
    from modality_gap.measures.cone import cosine_distribution

    return cosine_distribution(x, 200, threads=CORES)


def _recall(x, y):
    from modality_gap.measures.retrieval import partner_ranks

    return partner_ranks(x, y)


def _separability(x, y):
    from modality_gap.measures.gap import linear_separability

    return linear_separability(x, y, 0)


def _diagnostics(x, y):
    from modality_gap.measures.registry import Pairs
    from modality_gap.measures.tables import measure_diagnostics

    return measure_diagnostics(Pairs(x, y, 0.95, len(x), 0, resamples=1000))


def _umap(x, y):
    from modality_gap.measures.projection import umap_2d

    return umap_2d(np.concatenate([x, y]), 15, 0.1, 0)


def _first_umap(x, y):
    # Numba compiles at the first call, from 4,096 points on another search for neighbours.
    _umap(x[:2_100], y[:2_100]) if len(x) > 2_000 else _umap(x[:FIRST_CALL], y[:FIRST_CALL])


# Function, dimensions, sizes.
STATISTICS = {
    "gap": (_gap, 512, FURTHER),
    "mean cosine": (_mean_cosine, 512, FURTHER),
    "loss sweep": (_loss_sweep, 512, FURTHER),
    "linear separability": (_separability, 512, FURTHER),
    "all-pairs cosines": (_all_pairs, 512, SIZES),
    "retrieval recall": (_recall, 512, SIZES),
    "diagnostics": (_diagnostics, 512, SAMPLED),
    "UMAP": (_umap, 64, SIZES),
}
QUADRATIC = {"all-pairs cosines", "retrieval recall", "diagnostics"}


def measure_here(statistic: str, n: int) -> dict[str, float]:
    """Seconds and MB of one call, in this process."""
    function, d, _ = STATISTICS[statistic]
    x, y = random_pairs(n, d)
    if function is _umap:
        _first_umap(x, y)
    else:
        function(x[:FIRST_CALL], y[:FIRST_CALL])  # imports
    before = reset_peak_memory()
    clock = Clock()
    function(x, y)
    return {"seconds": clock.seconds(), "mb": max(0.0, peak_since_reset_mb() - before)}


def measure_apart(statistic: str, n: int) -> dict[str, float]:
    """The same in a new process."""
    command = [sys.executable, __file__, "--one", statistic, str(n)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{statistic} at n = {n}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def exponent(sizes: list[int], seconds: list[float]) -> tuple[float, float]:
    """Slope of log seconds against log n over the largest FITTED sizes, and its standard error."""
    largest = np.argsort(sizes)[-FITTED:]
    a, b = np.log(np.array([sizes, seconds], dtype=float)[:, largest])
    centred = a - a.mean()
    slope = (centred @ b) / (centred @ centred)
    rest = b - b.mean() - slope * centred
    return float(slope), float(np.sqrt((rest @ rest) / (FITTED - 2) / (centred @ centred)))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--most", type=int, default=FURTHER[-1], help="no more pairs than so many")
    parser.add_argument("--one", nargs=2, metavar=("STATISTIC", "N"), help="one measure, as JSON")
    settings = parser.parse_args(arguments)
    if settings.one:
        print(json.dumps(measure_here(settings.one[0], int(settings.one[1]))))
        return
    rows, exponents = [], []
    for statistic, (_, _, sizes) in STATISTICS.items():
        sizes, seconds = [n for n in sizes if n <= settings.most], []
        for n in sizes:
            result = measure_apart(statistic, n)
            seconds.append(result["seconds"])
            rows += [
                measured(statistic, "time", result["seconds"], "s", n),
                measured(statistic, "memory", result["mb"], "MB", n),
            ]
            say(f"{statistic}, n = {n:,}: {result['seconds']:.2f} s, {result['mb']:.0f} MB")
        if len(sizes) >= FITTED:  # two sizes fit any line
            slope, error = exponent(sizes, seconds)
            kind = "quadratic" if statistic in QUADRATIC else "linear"
            row = measured(statistic, "exponent", slope, "power", FITTED)
            ends = {"low": slope - error, "high": slope + error}
            exponents.append({**row, **ends, "nature": kind})
    save("growth", rows)
    save("growth_exponents", exponents)


if __name__ == "__main__":
    main()
