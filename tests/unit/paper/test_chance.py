"""What counts as better than chance."""

import pandas as pd
import pytest

from modality_gap.paper.chance import classifies, recall_over_chance, retrieves


def rows(*values):
    """Lower ends of recall@1 in the two directions and n, by row."""
    table = pd.DataFrame(values, columns=["recall1_ab_low", "recall1_ba_low", "n"])
    return table.assign(recall1_chance=1 / table["n"])


def test_the_lower_direction_decides_at_five_times_chance():
    table = rows((0.5, 0.06, 100), (0.05, 0.2, 100), (0.049, 0.2, 100), (0.9, 0.0, 99))
    assert list(recall_over_chance(table)) == pytest.approx([6.0, 5.0, 4.9, 0.0])
    assert list(retrieves(table)) == [True, True, False, False]


def test_the_released_models_that_retrieve_are_clip_and_videoclip():
    # Lower ends of Wilson's intervals of the recalls measured on the released features.
    table = rows((0.508, 0.462, 500), (0.282, 0.167, 100), (0.00204, 0.0123, 500), (0.01, 0.0, 99))
    assert list(retrieves(table)) == [True, True, False, False]


@pytest.mark.parametrize(("low", "above"), [(0.26, True), (0.25, False), (0.2, False)])
def test_a_task_is_above_chance_where_its_lower_end_is(low, above):
    assert classifies({"default_low": low, "chance": 0.25}) is above
