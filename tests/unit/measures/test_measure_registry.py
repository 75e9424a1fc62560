"""A measure is added by its function and an entry of the registry: everything else follows."""

import inspect
import re

import numpy as np
import pandas as pd
import pytest
from invented import data

from modality_gap.config.tables import Column, load_tables
from modality_gap.measures import registry, tables
from modality_gap.measures.diagnostics import effective_dimension
from modality_gap.measures.gap import largest_share
from modality_gap.measures.registry import FIGURE1, MODELS_GAP, MODELS_RECALL, Measure, Pairs
from modality_gap.pages.findings.figure1 import figure1_tables
from modality_gap.pages.models import models_tables
from modality_gap.pages.words import NONE, cell

X, Y = np.eye(3)[[0, 1, 2, 0]], np.eye(3)[[1, 1, 2, 2]]
SIZE = Measure(
    lambda pairs: {"size": 4.5, "size_low": 4.0, "size_high": len(pairs.x) + 1.0},
    (Column("size", "length", "how large", True, "size of it", (FIGURE1, MODELS_GAP), "never"),),
)


@pytest.fixture
def one_more(monkeypatch):
    """The registry with one more measure of gap.csv, wherever it is used."""
    for module in (registry, tables):
        monkeypatch.setattr(module, "GAP", (*registry.GAP, SIZE))


def test_every_name_is_a_column_and_every_column_has_a_value():
    x = np.random.default_rng(0).normal(size=(2, 30, 8))
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    pairs = Pairs(*x, 0.9, 20, 0, np.arange(30) // 2, resamples=20)
    for measures in (registry.GAP, registry.DIAGNOSTICS):
        for measure in measures:
            names = {name for column in measure.columns for name in column.names}
            assert measure.of(pairs).keys() == names
    meanings = {column.name: column.meaning for column in registry.columns()["gap"]}
    for name in ("mean_cosine_b", "min_cosine_b"):
        assert meanings[name].endswith("items of the second modality")
    assert meanings["recall1_ba"].startswith("items of the second modality with a partner")
    labels = [column.label for column in registry.columns_at(FIGURE1)]
    assert len(labels) == len(set(labels)) > 5
    assert all(labels)


def test_pages_show_these_measures_in_this_order():
    both = ["gap", "mean_cosine_a", "mean_cosine_b"]
    recalls = ["recall1_ab", "recall1_ba"]
    dimensions = [f"effective_dimension_{side}" for side in ("a", "b", "both")]
    for place, names in (
        (FIGURE1, ["gap", "gap_squared", *both[1:], *recalls, "separability", "largest5_share"]),
        (MODELS_GAP, [*both, "rmg"]),
        (MODELS_RECALL, [*recalls, "alignment", *dimensions]),
    ):
        assert [column.name for column in registry.columns_at(place)] == names


def test_a_unit_says_what_kind_of_number_a_measure_is():
    known = {column.name: column for some in registry.columns().values() for column in some}
    x = np.random.default_rng(0).normal(size=(2, 30, 8))
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    row: dict = {}
    for measures in (registry.GAP, registry.DIAGNOSTICS):
        row |= registry.measured(measures, Pairs(*x, 0.9, 20, 0, resamples=20))
    for name, column in known.items():
        assert (column.unit == "count") == isinstance(row[name], int), name
        assert (column.unit == "cosine") == ("cosine" in name), name
        assert (column.unit == "nats") == ("uniformity" in name), name
        assert column.unit != "share" or 0 <= row[name] <= 1, name
        # In diagnostics.csv the gap, which comes last here, has no interval.
        assert column.interval == (name != "gap" and f"{name}_low" in row), name
    of = {
        unit: [name for name in known if known[name].unit == unit] for unit in ("length", "number")
    }
    assert of == {"length": ["gap"], "number": ["gap_squared", "alignment"]}
    shares = ("recall1_chance", "recall5_ab", "separability", "largest5_share", "rmg")
    assert {known[name].unit for name in shares} == {"share"}
    # Headings name the modality, the direction and the number as the columns do.
    for name, heading in (
        ("recall10_ba", "recall@10 b to a"), ("recall1_ab", "recall@1 a to b"),
        ("mean_cosine_b", "mean cosine b"), ("min_cosine_a", "smallest cosine a"),
        ("recall_items_a", "different vectors a"), ("recall_items_b", "different vectors b"),
        ("uniformity_a", "uniformity a"), ("effective_dimension_both", "effective dimension both"),
        ("alignment", "alignment"), ("separability", "separability"),
        ("gap_squared", "squared gap without bias"), ("largest5_share", "share in 5 dimensions"),
        ("compared_n", "pairs compared"), ("recall1_chance", "chance of recall@1"),
    ):  # fmt: skip
        assert registry.label(name) == heading


def test_a_meaning_says_what_its_column_is_named_for():
    """The modality or direction, the number of neighbours, and numbers that a function has."""
    named = {"a": "first", "b": "second"}
    of = {
        (table, column.name): column.meaning
        for table, some in registry.columns().items()
        for column in some
    }
    for (table, name), meaning in of.items():
        *start, end = name.split("_")
        if recall := re.fullmatch(r"recall(\d+)", start[0] if start else ""):
            if end != "chance":
                query, gallery = (named[side] for side in end)
                assert meaning == (
                    f"items of the {query} modality with a partner among the {recall[1]} nearest "
                    f"of the {gallery}"
                )
        elif end in named:
            first = of[table, "_".join([*start, "a"])]
            assert "first" in first and "second" not in first
            assert f"{named[end]} modality" in meaning, name
    gap, diagnostics = (
        {column: meaning for (table, column), meaning in of.items() if table == one}
        for one in ("gap", "diagnostics")
    )
    assert (
        gap["gap"]
        == diagnostics["gap"]
        == ("distance between the mean vectors of the two modalities")
    )
    assert "squared gap without the bias" in gap["gap_squared"] and "negative" in gap["gap_squared"]
    assert gap["mean_cosine_a"].startswith("mean cosine of two different items")
    assert gap["min_cosine_a"].startswith("smallest cosine of two different items")
    assert gap["separability"].startswith("held-out vectors") and "right" in gap["separability"]
    assert gap["recall1_chance"] == "recall at 1 of a random choice"
    assert "identical ones are one item" in gap["recall_items_a"]
    share = inspect.signature(effective_dimension).parameters["share"].default
    assert f"hold {share:.0%}".replace("%", " %") in diagnostics["effective_dimension_a"]
    assert diagnostics["effective_dimension_both"] == "the same for both together"
    assert inspect.signature(largest_share).parameters["dimensions"].default == 5
    assert "its five largest coordinates" in gap["largest5_share"]
    assert "exp(-2 squared distance)" in diagnostics["uniformity_a"]
    assert diagnostics["alignment"].startswith("mean squared distance of partners")
    assert "(Schrodi et al., 2024)" in diagnostics["rmg"]


def test_a_new_measure_is_in_the_table_with_its_interval(one_more):
    row = tables.measure_set(Pairs(X, Y, 0.95, 4, 0))
    assert list(row)[-3:] == ["size", "size_low", "size_high"]
    assert (row["size"], row["size_low"], row["size_high"]) == (4.5, 4.0, 5.0)


def test_figures_and_pages_call_a_measure_the_same(one_more):
    assert registry.label("size") == "size of it"
    assert (registry.label("gap"), registry.label("rmg")) == ("gap", "relative gap")
    with pytest.raises(LookupError):
        registry.label("unknown")


def test_a_new_measure_is_documented(one_more, root):
    _, documented = load_tables(root / "config" / "tables.yaml", registry.columns())
    table = next(table for table in documented if table.path == "statistics/gap.csv")
    assert table.columns[-1].meaning == "how large"
    assert table.names[-3:] == ["size", "size_low", "size_high"]
    assert table.empty == {"largest5_share": "the gap is 0", "size": "never"}


def test_a_new_measure_is_on_both_pages(one_more):
    made = data()
    gap = made["gap"].assign(size=4.5, size_low=4.0, size_high=5.0)
    (table,) = figure1_tables(gap)
    assert table.head[-1] == "size of it"
    assert {row[-1] for row in table.rows} == {"4.500 [4.000, 5.000]"}
    empty = pd.DataFrame(columns=["set", "temperature", "distance"])
    models = models_tables(gap, diagnostics_of(gap), empty)["gap"]
    place = models.head.index("size of it")
    assert {row[place] for row in models.rows} == {"4.500 [4.000, 5.000]"}


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (Column("size", "count", ""), "1,234"),
        (Column("size", "share", ""), "1234.000"),
        (Column("size", "share", "", True), "1234.000 [1.000, 2000.000]"),
        (Column("size", "count", "", True), "1234.000 [1.000, 2000.000]"),
        (Column("none", "count", ""), NONE),
        (Column("none", "share", "", True), NONE),
    ],
)
def test_a_cell_of_a_page(column, text):
    row = {"size": 1234, "size_low": 1.0, "size_high": 2000.0, "none": float("nan")}
    assert cell(row, column) == text


def diagnostics_of(gap: pd.DataFrame) -> pd.DataFrame:
    """A row per set with every column of diagnostics.csv."""
    names = {
        name: 1.0
        for measure in registry.DIAGNOSTICS
        for column in measure.columns
        for name in column.names
    }
    return pd.DataFrame({"set": gap["set"], **names})
