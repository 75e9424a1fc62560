"""What the pages say of recall under the shift."""

import pandas as pd
import pytest
from invented import peak_table

from modality_gap.pages.findings.recall import able_peaks, closing, recall_findings, recall_tables


@pytest.fixture
def tables():
    gap = pd.DataFrame(
        {
            "set": ["one", "weak", "raw"],
            "model": ["First", "Second", "First"],
            "weights": ["trained", "trained", "random"],
            "recall1_ab_low": [0.3, 0.01, 0.4],
            "recall1_ba_low": [0.3, 0.01, 0.4],
            "recall1_chance": [0.01] * 3,
        }
    )
    peak = pd.concat([peak_table().iloc[:2].assign(set=name) for name in gap["set"]])
    peak = peak.reset_index(drop=True)
    peak.loc[1, ["p_max_statistic", "gain"]] = [0.25, 0.04]
    return peak, gap


def test_models_near_chance_and_random_weights_say_nothing(tables):
    assert able_peaks(*tables)["model"].tolist() == ["First", "First"]
    peak, gap = tables
    assert closing(able_peaks(peak, gap[1:])) == ""
    (none,) = recall_findings(peak, gap[1:])
    assert none.text == "No trained model of this run retrieves well above chance."


def test_closing_and_the_best_shift(tables):
    closed, best = recall_findings(*tables)
    assert closed.text == (
        "With the gap closed, recall@1 (to texts) of First goes from 50.0 % to 35.0 % ("
        "-15.0 [-18.0, -14.0] points, n 1,500). From texts it clearly falls in 1 "
        "(First) of 1 model."
    )
    assert closed.claims == ("figure3.closing_lowers_recall",)
    assert "gains 4.0 [-1.0, 3.0] points (First, from texts, n 1,500): p 0.25" in best.text
    (table,) = recall_tables(*tables)
    assert [row[1] for row in table.rows] == ["to texts", "from texts"]
    assert all(len(row) == len(table.head) for row in table.rows)
    assert table.rows[0][3:6] == ["50.0 %", "35.0 %", "-15.0 [-18.0, -14.0]"]


def test_from_texts_only_clear_changes_are_named(tables):
    """To texts the first model falls; from texts it rises, and then nothing is clear."""
    peak, gap = tables
    second = peak[:2].assign(set="two", change_closed_low=-0.1, change_closed_high=0.1)
    both = pd.concat([gap, gap[:1].assign(set="two", model="Third")])
    peak.loc[1, ["change_closed_low", "change_closed_high"]] = [0.01, 0.2]
    told = recall_findings(pd.concat([peak, second], ignore_index=True), both)[0].text
    assert told.endswith("From texts it clearly rises in 1 (First) of 2 models.")
    told = recall_findings(second, both)[0].text
    assert told.endswith("From texts it clearly changes in none of 1 model.")


def test_the_other_models_are_sorted_by_their_intervals():
    row = peak_table().iloc[:1]  # from -0.18 to -0.14
    ends = {"A": (-0.2, -0.1), "B": (-0.1, 0.1), "C": (-0.3, -0.2), "D": (0.01, 0.2)}
    rows = [
        row.assign(model=name, change_closed_low=low, change_closed_high=high)
        for name, (low, high) in ends.items()
    ]
    assert closing(pd.concat(rows)).endswith(
        "n 1,500). It clearly falls in 1 (C) and clearly rises in 1 (D) of 3 others that retrieve."
    )
    assert closing(pd.concat(rows[:3])).endswith(
        "n 1,500). It clearly falls in 1 (C) of 2 others that retrieve."
    )
    assert closing(pd.concat(rows[:2])).endswith(
        "n 1,500). It clearly changes in none of 1 other that retrieves."
    )


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        # An interval that ends at 0 contains it.
        (-0.2, 0.0, "clearly changes in none"),
        (0.0, 0.2, "clearly changes in none"),
        (-0.2, -0.001, "clearly falls in 1 (B)"),
        (0.001, 0.2, "clearly rises in 1 (B)"),
    ],
)
def test_a_change_is_clear_if_its_interval_leaves_out_0(low, high, words):
    row = peak_table().iloc[:1]
    other = row.assign(model="B", change_closed_low=low, change_closed_high=high)
    told = closing(pd.concat([row.assign(model="A"), other]))
    assert told.endswith(f"It {words} of 1 other that retrieves.")
