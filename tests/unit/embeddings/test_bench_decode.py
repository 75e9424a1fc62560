"""The decoding benchmark, on a very small model: it measures what it says."""

import importlib.util
import json

import pandas as pd
import pytest
from test_bench_extract import SMALL


@pytest.fixture(scope="module")
def bench(root):
    spec = importlib.util.spec_from_file_location("decode", root / "benchmarks" / "decode.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_workers_are_named(bench):
    assert [bench.subject(kind, n) for kind in ("threads", "processes") for n in (1, 2)] == [
        "1 thread", "2 threads", "1 process", "2 processes"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("most", "expected"), [(1, [1, 2]), (2, [1, 2]), (6, [1, 2, 4, 6]), (16, [1, 2, 4, 8, 16])]
)
def test_numbers_of_workers_double(bench, most, expected):
    assert bench.numbers_of_workers(most) == expected


def test_ratios_are_of_the_rates_and_no_cell_is_empty(bench, tmp_path):
    architecture = tmp_path / "bench-clip.json"
    architecture.write_text(json.dumps(SMALL))
    output = tmp_path / "bench" / "decode.csv"
    bench.main(
        f"--items 6 --decoded 12 --rounds 1 --batch-size 4 --workers 2 --folder {output.parent} "
        f"--architecture {architecture}".split()
    )
    table = pd.read_csv(output)
    assert list(output.parent.iterdir()) == [output]  # the pictures are gone
    assert not table.isna().any(axis=None)
    values = table.set_index(["subject", "quantity"])["value"]
    rate = "pictures per second"
    for kind, one in (("threads", "1 thread"), ("processes", "1 process")):
        ratio = values[f"2 {kind}", rate] / values[one, rate]
        assert values[f"2 {kind}", f"times {one}"] == pytest.approx(ratio)
        assert values[f"2 {kind}", f"times {one}, by processor time"] > 0
    ceiling = max(values["2 threads", rate], values["2 processes", rate])
    ceiling = min(ceiling, values["model alone", rate])
    share = values["extraction", "share of ceiling"]
    assert share == pytest.approx(values["extraction", rate] / ceiling)
    assert {"decode: exact", "decode: scaled"} <= {subject for subject, _ in values.index}
