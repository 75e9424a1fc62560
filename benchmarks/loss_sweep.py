"""The loss sweep of Figure 3(b-d), against a plain loop.

5,000 pairs of 512 dimensions, 40 shifts, 6 temperatures; in batches of 50, and all 5,000 at once.
The plain loop does what the released notebook does: for each temperature and each shift it moves
all vectors, puts them back on the sphere, and for each batch multiplies the matrices and takes both
cross-entropies; in torch, float32, on all cores. It takes the batches as slices (the notebook's
come from a loader). Both compute the same numbers, to one millionth (of the loss where that is
above 1): asserted with the loop in float64, as over 5,000 pairs float32 itself rounds by more: in
batches at every shift, else at one a round. How far the float32 loop is off stands beside.

The two take turns, a round each. Over the full batch the plain loop takes minutes: there a round is
every `rounds`-th shift, so that all rounds together are the whole sweep. Writes
results/bench/loss_sweep.csv.
"""

import argparse

import numpy as np
import torch
from bench import CORES, Clock, measured, random_pairs, save, say
from torch.nn.functional import cross_entropy, normalize

from modality_gap.measures.loss_sweep import batched_sweep
from modality_gap.measures.shift import unit_gap_vector

TEMPERATURES = [1 / 100, 1 / 50, 1 / 30, 1 / 20, 1 / 10, 1]
DELTAS = np.arange(-20, 20) * 0.25
TOLERANCE = 1e-6


@torch.inference_mode()
def plain_sweep(
    x: torch.Tensor, y: torch.Tensor, u: torch.Tensor, deltas: np.ndarray, batch_size: int
) -> np.ndarray:
    """Loss (temperatures, deltas) of unit vectors x, y (n, d), mean over batches."""
    right = torch.arange(batch_size)
    losses = np.empty((len(TEMPERATURES), len(deltas)))
    for row, temperature in enumerate(TEMPERATURES):
        for column, delta in enumerate(deltas):
            moved_x = normalize(x - delta / 2 * u)
            moved_y = normalize(y + delta / 2 * u)
            of_batches = []
            for start in range(0, len(x) - batch_size + 1, batch_size):
                batch = slice(start, start + batch_size)
                logits = moved_x[batch] @ moved_y[batch].T / temperature
                loss = (cross_entropy(logits, right) + cross_entropy(logits.T, right)) / 2
                of_batches.append(loss.item())
            losses[row, column] = np.mean(of_batches)
    return losses


def largest_difference(ours: np.ndarray, plain: np.ndarray) -> float:
    """Of two tables of losses, relative where a loss is above 1."""
    return float((np.abs(ours - plain) / np.maximum(1, np.abs(plain))).max())


def held_exactly(number: int, rounds: int) -> int:
    """Which of a round's shifts is held against the loop in float64, which is slow: over all rounds
    0 (in four rounds) and others that lie far apart, to both sides of it."""
    shifts = len(DELTAS[number::rounds])
    return (shifts // 2 + number * (shifts // rounds)) % shifts


def compare(x: np.ndarray, y: np.ndarray, batch_size: int, rounds: int, subject: str) -> list[dict]:
    """Rows of one batch size."""
    sides = [torch.from_numpy(vectors).float() for vectors in (x, y)]
    u = torch.from_numpy(unit_gap_vector(x, y)).float()
    exact_sides = [torch.from_numpy(vectors) for vectors in (x, y, unit_gap_vector(x, y))]
    seconds, difference, rounding = {"plain loop": [], "this project": []}, 0.0, 0.0
    shares = rounds if batch_size == len(x) else 1
    for number in range(rounds):
        deltas = DELTAS[number % shares :: shares]
        checked = [held_exactly(number, rounds)] if shares > 1 else list(range(len(deltas)))
        clock = Clock()
        plain = plain_sweep(*sides, u, deltas, batch_size)
        seconds["plain loop"].append(clock.seconds() * shares)
        clock = Clock()
        ours = batched_sweep(x, y, deltas, TEMPERATURES, batch_size, CORES).mean(axis=-1)
        seconds["this project"].append(clock.seconds() * shares)
        rounding = max(rounding, largest_difference(ours, plain))
        exact = plain_sweep(*exact_sides, deltas[checked], batch_size)
        difference = max(difference, largest_difference(ours[:, checked], exact))
        assert difference < TOLERANCE, f"{subject}: the losses differ by {difference:.2g}"
        both = ", ".join(f"{way} {of[-1]:.2f} s" for way, of in seconds.items())
        say(f"{subject}, round {number + 1} of {rounds}, whole sweep: {both}")
    ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
    losses = shares * len(checked) * len(TEMPERATURES), len(DELTAS) * len(TEMPERATURES)
    return [
        *(measured(subject, way, values, "s", len(x)) for way, values in seconds.items()),
        measured(subject, "times faster", ratios, "ratio", len(x)),
        measured(subject, "largest difference", difference, "ratio", losses[0]),
        measured(subject, "rounding of float32", rounding, "ratio", losses[1]),
    ]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=4)
    settings = parser.parse_args(arguments)
    x, y = random_pairs(settings.pairs, 512)
    save(
        "loss_sweep",
        compare(x, y, 50, settings.rounds, "batches of 50")
        + compare(x, y, settings.pairs, settings.rounds, "full batch"),
    )


if __name__ == "__main__":
    main()
