"""What the page of figures says of the theorems. Each row of the tables says another thing."""

import pandas as pd
import pytest
from invented import theorem_tables

from modality_gap.pages.findings.theory import theorem1_findings, theorem2_findings


@pytest.fixture
def tables():
    return theorem_tables()


def test_a_share_is_below_its_bound_if_its_whole_interval_is(tables):
    shares, decay = tables["theorem1"], tables["theorem1_decay"]
    text = (
        "The share is clearly below its bound in 2 of 3 cases that the theorem covers. At the "
        "slowest, it falls as d_out^-1.50 [-1.62, -1.38]."
    )
    # The case that is not covered is below its bound, and does not count.
    for order in (1, -1):
        (found,) = theorem1_findings(shares[::order], decay[::order])
        assert found.text == text
    (all_of,) = theorem1_findings(shares[:2], decay)
    assert all_of.text.startswith("The share is clearly below its bound in all 2 cases that")
    (one,) = theorem1_findings(shares[2:], decay[:0])
    assert one.text == (
        "The share is clearly below its bound in none of 1 case that the theorem covers."
    )
    assert theorem1_findings(shares[3:], decay) == []


@pytest.mark.parametrize(
    ("low", "high", "cases"),
    [
        (0.7, 0.69, "1 of 2 cases"),
        # The intervals touch.
        (0.7, 0.7, "none of 2 cases"),
        (0.5, 0.69, "none of 2 cases"),
    ],
)
def test_a_share_is_above_beta_if_the_intervals_are_apart(tables, low, high, cases):
    """The first case has intervals that touch; the estimate is above beta in both."""
    shares = tables["theorem2"]
    shares.loc[1, ["ratio_low", "beta_high"]] = low, high
    for rows in (shares, shares[::-1]):
        (found,) = theorem2_findings(rows)
        assert found.text == f"The share is clearly above beta in {cases} (layers and widths)."
    if low > high:
        (alone,) = theorem2_findings(shares[1:])
        assert "in the one case (layers" in alone.text
        both = pd.concat([shares[1:]] * 2)
        assert "in all 2 cases (layers" in theorem2_findings(both)[0].text
