"""What is measured of a set: the columns of gap.csv and diagnostics.csv, and where pages show them.

To add a measure, write its function, add an entry here and test the function. The tables of a run,
the pages and the documentation of the columns follow from the entry.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from modality_gap.config.tables import INTERVAL, Column
from modality_gap.data.tiles import chosen, sample_rows
from modality_gap.measures.cone import cosine_distribution
from modality_gap.measures.diagnostics import effective_dimension, resampled
from modality_gap.measures.gap import gap, gap_vector, largest_share, mean_cosine
from modality_gap.measures.gap_intervals import mean_cosine_interval, measure_gap
from modality_gap.measures.pair_sums import (
    PairSums,
    gap_of,
    gap_vector_of,
    mean_cosine_of,
    measure_gap_of,
)
from modality_gap.measures.retrieval import measure_recall, times_in_cluster
from modality_gap.measures.separability import measure_separability

# Where a page shows a column: the table of Figure 1, and two tables of the page of all models.
FIGURE1, MODELS_GAP, MODELS_RECALL = "figure1", "models_gap", "models_recall"


@dataclass(frozen=True)
class Pairs:
    """The pairs of a set with the settings of the run: unit vectors x, y (n, d), row i of both is
    one pair.

    `clusters` (n,), numbered from 0 to C - 1, says which pairs belong together and are not
    independent; None if all are independent. `sample` is the largest number of pairs for a measure
    that does not stream. `largest` is the largest number for a measure that compares every pair
    with every other. If `sums` are given, they are of all pairs of the set, and x, y are a sample
    of the pairs.
    """

    x: np.ndarray
    y: np.ndarray
    confidence: float
    sample: int
    seed: int
    clusters: np.ndarray | None = None
    resamples: int = 0
    threads: int = 1
    largest: int = 100_000
    sums: PairSums | None = None

    @cached_property
    def compared(self) -> "Pairs":
        """The pairs that are compared with every other pair: all pairs, or a seeded sample of
        them."""
        if len(self.x) <= self.largest:
            return self
        some = sample_rows(len(self.x), self.largest, self.seed)
        part = chosen(self.clusters, some)
        return replace(self, x=self.x[some], y=self.y[some], clusters=part)


@dataclass(frozen=True)
class Measure:
    """A measure: `of` returns the values of `columns` by name, with the ends of intervals."""

    of: Callable[[Pairs], dict]
    columns: tuple[Column, ...]


def _column(
    name: str, unit: str, meaning: str, label: str = "", *shown: str, empty: str = ""
) -> Column:
    """A column. Its `name` ends in ± if it has an interval; its `label` is its heading on pages."""
    bare = name.removesuffix(INTERVAL)
    return Column(bare, unit, meaning, name.endswith(INTERVAL), label, shown, empty)


def _cone(side: str) -> Callable[[Pairs], dict]:
    """Returns the function that measures modality a or b: its mean cosine with the interval, and
    its smallest cosine."""

    def of(pairs: Pairs) -> dict:
        compared = {"a": pairs.compared.x, "b": pairs.compared.y}[side]
        cosines = cosine_distribution(compared, bins=1, threads=pairs.threads)
        if pairs.sums:
            mean, low, high = mean_cosine_of(pairs.sums, side, pairs.confidence)
        else:
            vectors = {"a": pairs.x, "b": pairs.y}[side]
            same = times_in_cluster(vectors, pairs.clusters)
            low, high = mean_cosine_interval(vectors, pairs.confidence, pairs.clusters, same)
            mean = mean_cosine(vectors, same)
        return {
            f"mean_cosine_{side}": mean,
            f"mean_cosine_{side}_low": low,
            f"mean_cosine_{side}_high": high,
            f"min_cosine_{side}": cosines.minimum,
        }

    return of


def _gap(pairs: Pairs) -> dict:
    if pairs.sums:
        return measure_gap_of(pairs.sums, pairs.confidence)
    return measure_gap(pairs.x, pairs.y, pairs.confidence, pairs.clusters)


def _recall(pairs: Pairs) -> dict:
    some = pairs.compared
    return measure_recall(some.x, some.y, some.confidence, some.clusters)


def _separability(pairs: Pairs) -> dict:
    some = sample_rows(len(pairs.x), pairs.sample, pairs.seed)
    return measure_separability(
        pairs.x[some], pairs.y[some], pairs.confidence, pairs.seed, chosen(pairs.clusters, some)
    )


def _largest_share(pairs: Pairs) -> dict:
    length = gap_of(pairs.sums) if pairs.sums else gap(pairs.x, pairs.y)
    vector = gap_vector_of(pairs.sums) if pairs.sums else gap_vector(pairs.x, pairs.y)
    return {"largest5_share": largest_share(vector) if length else None}


def _dimensions(pairs: Pairs) -> dict:
    sides = {"a": pairs.x, "b": pairs.y, "both": np.concatenate([pairs.x, pairs.y])}
    return {f"effective_dimension_{side}": effective_dimension(x) for side, x in sides.items()}


# The columns of gap.csv. Every measure streams, except for the separability, which takes a sample.
GAP = (
    Measure(
        _gap,
        (
            _column(
                *("gap±", "length", "distance between the mean vectors of the two modalities"),
                *("gap", FIGURE1, MODELS_GAP),
            ),
            _column(
                *("gap_squared±", "number"),
                "squared gap without the bias of a finite sample; may be negative",
                *("squared gap without bias", FIGURE1),
            ),
        ),
    ),
    *(
        Measure(
            _cone(side),
            (
                _column(
                    *(f"mean_cosine_{side}±", "cosine"),
                    f"mean cosine of two different items of the {which} modality",
                    *(f"mean cosine {side}", FIGURE1, MODELS_GAP),
                ),
                _column(
                    *(f"min_cosine_{side}", "cosine"),
                    f"smallest cosine of two different items of the {which} modality",
                    f"smallest cosine {side}",
                ),
            ),
        )
        for side, which in (("a", "first"), ("b", "second"))
    ),
    Measure(
        lambda pairs: {"compared_n": len(pairs.compared.x)},
        (
            _column(
                *("compared_n", "count"),
                "pairs that the smallest cosines and recall are based on: all, or a random sample "
                "of a large set",
                "pairs compared",
            ),
        ),
    ),
    Measure(
        _recall,
        (
            _column(
                *("recall_items_a", "count"),
                "different vectors of the first modality; identical ones are one item of retrieval",
                "different vectors a",
            ),
            _column(
                *("recall_items_b", "count", "different vectors of the second modality"),
                "different vectors b",
            ),
            _column(
                *("recall1_chance", "share", "recall at 1 of a random choice", "chance of recall@1")
            ),
            *(
                _column(
                    *(f"recall{k}_{sides}±", "share"),
                    f"items of the {one} modality with a partner among the {k} nearest of the "
                    f"{other}",
                    f"recall@{k} {' to '.join(sides)}",
                    *((FIGURE1, MODELS_RECALL) if k == 1 else ()),
                )
                for k in (1, 5, 10)
                for sides, one, other in (("ab", "first", "second"), ("ba", "second", "first"))
            ),
        ),
    ),
    Measure(
        _separability,
        (
            _column(
                *("separability±", "share"),
                "held-out vectors that a linear classifier assigns to the right modality",
                *("separability", FIGURE1),
            ),
            _column(
                *("separability_n", "count", "vectors that the classifier was scored on"),
                "vectors of the separability",
            ),
        ),
    ),
    Measure(
        _largest_share,
        (
            _column(
                *("largest5_share", "share"),
                "part of the squared gap vector in its five largest coordinates",
                *("share in 5 dimensions", FIGURE1),
                empty="the gap is 0",
            ),
        ),
    ),
)
# The columns of diagnostics.csv, of a sample of the pairs, as all are held in memory at once.
DIAGNOSTICS = (
    Measure(
        lambda pairs: {"gap": gap(pairs.x, pairs.y)},
        (_column("gap", "length", "distance between the mean vectors of the two modalities"),),
    ),
    Measure(
        lambda pairs: resampled(
            pairs.x, pairs.y, pairs.resamples, pairs.confidence, pairs.seed, pairs.clusters
        ),
        (
            _column(
                *("rmg±", "share"),
                "relative modality gap: mean distance of partners over the sum of it and the mean "
                "distance within a modality (Schrodi et al., 2024)",
                *("relative gap", MODELS_GAP),
            ),
            _column(
                *("alignment±", "number"),
                "mean squared distance of partners (Wang and Isola, 2020)",
                *("alignment", MODELS_RECALL),
            ),
            _column(
                *("uniformity_a±", "nats"),
                "log of the mean of exp(-2 squared distance) of two items of the first modality",
                "uniformity a",
            ),
            _column("uniformity_b±", "nats", "the same for the second modality", "uniformity b"),
        ),
    ),
    Measure(
        _dimensions,
        (
            _column(
                *("effective_dimension_a", "count"),
                "principal components that hold 99 % of the variance of the first modality",
                *("effective dimension a", MODELS_RECALL),
            ),
            _column(
                *("effective_dimension_b", "count", "the same for the second modality"),
                *("effective dimension b", MODELS_RECALL),
            ),
            _column(
                *("effective_dimension_both", "count", "the same for both together"),
                *("effective dimension both", MODELS_RECALL),
            ),
        ),
    ),
)


def measured(measures: Iterable[Measure], pairs: Pairs) -> dict:
    """The values of all columns of some measures, by name, in the order of the measures."""
    row: dict = {}
    for measure in measures:
        values = measure.of(pairs)
        row |= {name: values[name] for column in measure.columns for name in column.names}
    return row


def columns() -> dict[str, list[Column]]:
    """The columns of the tables gap and diagnostics, by the names of these tables in
    config/tables.yaml."""
    return {
        name: [column for measure in measures for column in measure.columns]
        for name, measures in (("gap", GAP), ("diagnostics", DIAGNOSTICS))
    }


def label(name: str) -> str:
    """The name that pages and figures give a column. Raises LookupError if the column has no
    label."""
    labels = {
        column.name: column.label for some in columns().values() for column in some if column.label
    }
    return labels[name]


def columns_at(place: str) -> list[Column]:
    """The columns that a page shows at `place`, in the order of the registry."""
    return [column for some in columns().values() for column in some if place in column.shown]
