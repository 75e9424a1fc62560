"""What `make bench` computes: its ratios, fits, verdicts and plans."""

import json
import re
import subprocess
import sys
import tracemalloc

import cosines
import dag
import digits
import growth
import loss_sweep
import numpy as np
import overhead
import page
import pandas as pd
import parquet_mean
import parts
import pytest
import runtimes
import scale
import torch
import yaml
from bench import measured, random_pairs, save

from modality_gap.embeddings.stored import StoredVectors
from modality_gap.measures.gap import gap, mean_cosine, mean_vector
from modality_gap.measures.gap_intervals import gap_interval, mean_cosine_interval
from modality_gap.measures.loss_sweep import batched_sweep
from modality_gap.measures.shift import unit_gap_vector


def test_plain_loop_and_the_sweep_give_the_same_losses():
    torch = pytest.importorskip("torch")
    x, y = random_pairs(60, 32)
    u = unit_gap_vector(x, y)
    deltas = np.array([-5, -0.5, 0, 0.75, 4.75])
    ours = batched_sweep(x, y, deltas, loss_sweep.TEMPERATURES, 20).mean(axis=-1)
    # The loop in float64, as exact as the sweep is; the bench holds its float32 to 1e-6.
    exact = loss_sweep.plain_sweep(*map(torch.from_numpy, (x, y, u)), deltas, 20)
    np.testing.assert_allclose(ours, exact, rtol=1e-9, atol=1e-9)
    single = [torch.from_numpy(side).float() for side in (x, y, u)]
    plain = loss_sweep.plain_sweep(*single, deltas, 20)
    assert loss_sweep.largest_difference(ours, plain) < loss_sweep.TOLERANCE


def test_rounds_together_are_the_whole_sweep_and_a_difference_is_relative_above_one():
    parts = [loss_sweep.DELTAS[number::4] for number in range(4)]
    assert sorted(np.concatenate(parts)) == sorted(loss_sweep.DELTAS)
    assert len(loss_sweep.DELTAS) == 40
    exact = [parts[number][loss_sweep.held_exactly(number, 4)] for number in range(4)]
    assert sorted(exact) == [-3.25, 0, 2.25, 4.5]
    assert {loss_sweep.held_exactly(number, 50) for number in range(40)} == {0}
    plain = np.array([0.5, 100.0])
    assert loss_sweep.largest_difference(plain + np.array([1e-3, 1e-2]), plain) == pytest.approx(
        1e-3
    )


def test_random_pairs_are_unit_vectors_with_a_gap_and_alike_partners():
    x, y = random_pairs(5000, 64)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-12)
    assert 0.5 < gap(x, y) < 1.2
    assert (x * y).sum(axis=1).mean() > (x * y[::-1]).sum(axis=1).mean() + 0.05


def test_a_measure_is_the_median_of_its_rounds(tmp_path):
    row = measured("thing", "time", [3.0, 1.0, 2.0], "s", 7)
    assert (row["value"], row["low"], row["high"], row["rounds"], row["n"]) == (2, 1, 3, 3, 7)
    save("thing", [row], tmp_path)
    table = pd.read_csv(tmp_path / "thing.csv")
    assert not table.isna().any(axis=None)
    assert {"machine", "versions", "date"} <= set(table)


def test_rate_of_a_product_is_positive():
    assert cosines.product_rate(8, seconds=0.01) > 0


@pytest.mark.parametrize("power", [1, 2])
def test_exponent_of_a_power_law_with_a_start(power):
    sizes = [1000, 3000, 10_000, 30_000, 100_000]
    seconds = [2.0 * (n / 10_000) ** power for n in sizes]
    slope, error = growth.exponent(sizes, seconds)
    assert slope == pytest.approx(power)
    assert error == pytest.approx(0, abs=1e-9)
    # What does not grow hides the slope of the smaller sizes, which are not looked at.
    slope, _ = growth.exponent(sizes[::-1], [6.0, 1.8, 0.6, 0.1, 0.1])
    assert slope == pytest.approx(1, abs=1e-9)
    # By hand: slopes of 1 and 3 between sizes ten times apart make 2, with an error of 1/sqrt(3).
    slope, error = growth.exponent([10, 100, 1000], [1.0, 10.0, 10_000.0])
    assert slope == pytest.approx(2)
    assert error == pytest.approx(3**-0.5)


def test_growth_goes_to_100_000_pairs_of_all_that_sees_every_pair():
    stops = {name: max(sizes) for name, (_, _, sizes) in growth.STATISTICS.items()}
    assert stops.pop("diagnostics") == scale.SAMPLE
    assert min(stops.values()) == 100_000
    assert growth.STATISTICS.keys() >= growth.QUADRATIC


def test_growth_writes_what_its_bars_are_held_against(root, tmp_path, monkeypatch):
    def made_up(name: str, n: int) -> dict:
        return {"seconds": n ** (2 if name in growth.QUADRATIC else 1) / 1e4, "mb": 1.0}

    monkeypatch.setattr(growth, "measure_apart", made_up)
    monkeypatch.setattr(growth, "save", lambda name, rows: save(name, rows, tmp_path))
    growth.main([])
    tables = page.read_tables(tmp_path)
    assert not tables["growth_exponents"].isna().any(axis=None)
    bars = yaml.safe_load((root / "benchmarks" / "bars.yaml").read_text(encoding="utf-8"))
    held = [bar for bar in bars if bar["table"] == "growth_exponents"]
    assert {bar["subject"] for bar in held} == growth.STATISTICS.keys()
    for bar in held:
        assert page.verdict(bar, page.value_of(tables, bar)) == page.MET
        assert (bar["at_most"] > 2) == (bar["subject"] in growth.QUADRATIC)
    # Two sizes are no evidence of how anything grows.
    umap, d, sizes = growth.STATISTICS["UMAP"]
    monkeypatch.setitem(growth.STATISTICS, "UMAP", (umap, d, sizes[:2]))
    growth.main([])
    tables = page.read_tables(tmp_path)
    unknown = [bar["subject"] for bar in held if page.value_of(tables, bar) is None]
    assert unknown == ["UMAP"]


def test_growth_measures_seconds_and_memory_of_a_call():
    found = growth.measure_apart("all-pairs cosines", 3000)  # this process has memory to spare
    assert found["seconds"] > 0
    assert 8 * 1024**2 / 1e6 < found["mb"] < 2000  # a tile, at least, and not every pair's cosine


def test_mean_streamed_from_a_file_is_the_mean_of_its_unit_vectors(tmp_path):
    path = tmp_path / "vectors.parquet"
    parquet_mean.write_vectors(path, 3000, 4)
    x = StoredVectors(path)
    assert parquet_mean.read_alone(path) == len(x) == 3000
    np.testing.assert_allclose(mean_vector(x), x[:].mean(axis=0), atol=1e-14)
    parquet_mean.main(f"--rows 2000 --dimensions 4 --rounds 1 --folder {tmp_path}".split())
    table = pd.read_csv(tmp_path / "parquet_mean.csv").set_index("quantity")
    assert (table["subject"] == "rows of 4 dimensions").all()
    share = table.loc["mean", "value"] / table.loc["pyarrow alone", "value"]
    assert table.loc["share of pyarrow alone", "value"] == pytest.approx(share, rel=1e-6)


def test_parts_are_read_summed_and_put_together(tmp_path):
    files = [parts.write_parts(tmp_path, number, 700, 8) for number in range(2)]
    assert parts.read_alone(files[0]) == 1400
    row = parts.put_together([parts.sum_files(paths) for paths in files])
    sides = [
        np.concatenate([StoredVectors(paths[side])[:] for paths in files]) for side in range(2)
    ]
    assert row["n"] == 1400
    assert row["gap"] == pytest.approx(gap(*sides), rel=1e-12)
    assert row["mean_cosine_b"] == pytest.approx(mean_cosine(sides[1]), rel=1e-12)
    parts.main(f"--parts 2 --rows 500 --dimensions 4 --tar 20 --folder {tmp_path}".split())
    table = pd.read_csv(tmp_path / "parts.csv").set_index("quantity")
    subjects = table.pop("subject")
    assert subjects.iloc[-1] == "tars of pictures" and (table["value"].iloc[-1] > 0)
    assert (subjects.iloc[:-1] == "pairs of 4 dimensions").all()
    assert set(table.index) > {"times of reading", "memory", "time for one part more"}
    assert not list(tmp_path.glob("tmp*"))


RULES = """
rule first:
    script:
        "../scripts/do_this.py"


use rule first as second with:
    output:
        "x",


rule third:
    script:
        "../scripts/do_that.py"
"""


def test_overhead_is_what_jobs_and_their_imports_leave_of_the_cores():
    assert overhead.scripts_of_rules(RULES) == {
        "first": "do_this",
        "second": "do_this",
        "third": "do_that",
    }
    jobs = pd.DataFrame({"rule": ["first", "second", "third"], "wall_s": [60.0, 20.0, 1.0]})
    found = overhead.shares(jobs, {"first": 3.0, "second": 3.0, "third": 5.0}, 50.0, 2)
    assert found["share without a job"] == pytest.approx(0.19)
    assert found["share of start-up"] == pytest.approx(0.07)  # a job is no shorter than nothing
    assert found["overhead and start-up"] == pytest.approx(0.26)


def test_last_run_is_none_where_another_was_begun_since(tmp_path):
    jobs = pd.DataFrame(
        {
            "rule": ["first", "second", "third"],
            "job": ["first", "second/a.b", "third"],
            "in_this_run": [True, True, False],
            "finished": ["2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z", "2025-12-31T00:00:00Z"],
            "wall_s": [30.0, 40.0, 50.0],
        }
    )
    jobs.to_csv(tmp_path / "run.csv", index=False)
    start = pd.Timestamp("2026-01-01").timestamp()

    def begin(*names: str, later: float = 0) -> None:
        record = {
            "started": start + later,
            "cores": 2,
            "jobs": [
                {"rule": name, "planned": name in names, "log": f"results/logs/{log}.log"}
                for name, log in [
                    ("first", "first"),
                    ("second", "second/a.b"),
                    ("third", "third"),
                    ("write_methods", "write_methods"),
                ]
            ],
        }
        (tmp_path / "run.json").write_text(json.dumps(record))

    begin("first", "second", "write_methods")
    found, wall, cores = overhead.last_run(tmp_path)
    assert (list(found["rule"]), wall, cores) == (["first", "second"], 120, 2)
    begin("second", "write_methods")
    assert overhead.last_run(tmp_path) is None
    begin("first", "second", later=3600)
    assert overhead.last_run(tmp_path) is None
    begin("first", "second", "third")
    assert overhead.last_run(tmp_path) is None


def test_start_up_is_of_the_imports_alone_and_names_large_packages():
    source = "import json\nlog_to(1)\nfrom scipy import stats\nraise SystemExit(1)\n"
    assert "raise" not in overhead.head_of(source)
    seconds, large = overhead.start_up(source)
    assert seconds > 0
    assert large == ["scipy"]


def test_every_script_of_a_rule_is_there_and_plots_load_nothing_large(root):
    rules = "\n".join(path.read_text() for path in (root / "rules").glob("*.smk"))
    scripts = set(overhead.scripts_of_rules(rules).values())
    assert all((root / "scripts" / f"{name}.py").is_file() for name in scripts)
    # All drawing scripts' imports in one process: what one of them loads is seen.
    heads = [
        overhead.head_of((root / "scripts" / f"{name}.py").read_text())
        for name in scripts
        if "/plot_" in name
    ]
    assert len(heads) > 20
    assert overhead.start_up("\n".join(heads))[1] == []


BARS = [
    ({"at_least": 20}, 20.0, "met"),
    ({"at_least": 20}, 19.9, "missed"),
    ({"at_most": 0.25}, 0.25, "met"),
    ({"at_most": 0.25}, 0.26, "missed"),
    ({"at_most": 0.25}, None, "not measured"),
]


@pytest.mark.parametrize(("bar", "value", "expected"), BARS)
def test_verdict_follows_the_bar(bar, value, expected):
    assert page.verdict(bar, value) == expected


@pytest.mark.parametrize(
    ("device", "chosen", "expected"),
    [
        ("CPU, Xeon, AMX", "bfloat16", [(3, 3.4), (0.9999, 0.99985)]),
        ("CPU, EPYC, AVX512", "bfloat16", [(1.8, 3.4), (0.9999, 0.99985)]),
        ("CPU, Xeon, AVX512", "float32", [(1, 1.1)]),
        ("CPU, Xeon, AMX", "float32_onnx", [(1.2, 1.9), (0.99999, 0.999999)]),
        ("NVIDIA H100", "bfloat16", [(0.9999, 0.99985)]),
    ],
)
def test_extraction_is_held_to_what_its_device_and_precision_allow(device, chosen, expected):
    speed = ("project / dataloader in float32", "ratio of speeds")
    rows = [
        ("float32", *speed, 1.1, 1.0),
        ("bfloat16", *speed, 3.4, 3.3),
        ("bfloat16", "project against float32", "cosine", 0.99995, 0.99985),
        ("float32_onnx", *speed, 1.9, 1.8),
        ("float32_onnx", "project against float32", "cosine", 1, 0.999999),
    ]
    table = pd.DataFrame(rows, columns=["precision", "way", "measure", "value", "low"])
    found = page.extraction_bars(table.assign(device=device, auto_precision=chosen))
    assert [(bar["at_least"], value) for bar, value in found] == expected
    without = page.extraction_bars(
        table[:0].reindex([0]).assign(device=device, auto_precision=chosen)
    )
    assert [value for _, value in without] == [None] * len(expected)
    if device.startswith("CPU"):
        words = found[0][0]["words"]
        assert f"in {chosen}, which auto chooses here" in words


def test_page_says_what_was_measured_and_what_was_not(root, tmp_path):
    rows = [
        measured("batches of 50", "times faster", [30.0], "ratio", 5000),
        measured("full batch", "times faster", [4.0], "ratio", 5000),
    ]
    save("loss_sweep", rows, tmp_path)
    page.main(["--folder", str(tmp_path), "--output", str(tmp_path / "bench.html")])
    html = (tmp_path / "bench.html").read_text(encoding="utf-8")
    for words in ("<td>30</td><td>met</td>", "<td>4</td><td>missed</td>", "<td>not measured</td>"):
        assert words in html
    bars = yaml.safe_load((root / "benchmarks" / "bars.yaml").read_text(encoding="utf-8"))
    assert all(bar["table"] in page.TITLES and len(bar) == 5 for bar in bars)


def test_digits_holds_the_worst_seed_to_its_bars(root, tmp_path, monkeypatch):
    steps = {"steps": 2, "warmup": 1, "batch_size": 8}
    config = yaml.safe_load((root / "config" / "config.yaml").read_text(encoding="utf-8"))
    config["datasets"]["placed_digits"] |= {"pairs": 12, "test_fraction": 0.02}
    config["training"]["digit_clip"] |= steps
    monkeypatch.setattr(digits.yaml, "safe_load", lambda _: config)
    seen = {}

    def one_seed(config, pairs, seed):
        seen[seed] = learnt(config, pairs, seed)
        return seen[seed]

    learnt = digits.one_seed
    monkeypatch.setattr(digits, "one_seed", one_seed)
    digits.main(["--seeds", "2", "--folder", str(tmp_path)])
    table = pd.read_csv(tmp_path / "digits.csv")
    assert [*seen] == [0, 1] and set(table["n"]) == {32}  # two in a hundred of 1,620 combinations
    found = table.set_index("quantity")["value"]
    for what in (*digits.RECALLS, digits.ACCURACY):
        assert found[f"lowest {what}"] == pytest.approx(min(one[what] for one in seen.values()))
    # Of 32 items, one found is chance.
    assert set(found[list(digits.RECALLS)] * 2) <= set(range(65))
    monkeypatch.undo()
    bars = yaml.safe_load((root / "benchmarks" / "bars.yaml").read_text(encoding="utf-8"))
    held = [bar for bar in bars if bar["table"] == "digits"]
    assert len(held) == 4
    assert all(page.value_of({"digits": table}, bar) is not None for bar in held)


def test_runtimes_get_the_tower_that_torch_has(tmp_path, monkeypatch):
    # OpenVINO is not among this project's packages; if it is missing, another takes its place.
    if not runtimes.find_spec("openvino"):
        monkeypatch.setattr(runtimes, "find_spec", lambda name: name)
        monkeypatch.setattr(runtimes, "version", lambda name: "1.2")
        monkeypatch.setattr(
            runtimes, "openvino_way", lambda file, batch, _: runtimes.onnx_way(file, batch)
        )
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    monkeypatch.setattr(runtimes, "MINILM", runtimes.MINILM | sizes | {"intermediate_size": 32})
    threads = torch.get_num_threads()
    monkeypatch.setattr(runtimes.torch, "set_num_threads", lambda number: None)
    arguments = f"--batch-size 3 --rounds 2 --threads {threads} --folder {tmp_path} --towers"
    runtimes.main([*arguments.split(), "MiniLM text"])
    table = pd.read_csv(tmp_path / "runtimes.csv").set_index(["subject", "quantity"])
    assert len(table) == 1 + 2 * 4
    for name in ("ONNX Runtime", "OpenVINO"):
        found = table.loc[f"MiniLM text, {name}"]
        assert 0.999999 < found.loc[runtimes.COSINE, "value"] < 1.000001
        assert found.loc[runtimes.TIMES, "low"] <= found.loc[runtimes.TIMES, "high"]
        assert (found["n"] == 3).all()


RATES = {
    "machine": "toy",
    "date": "2026-01-01",
    "stream_gb_s": 1.0,
    "open_gb_s": 0.5,
    "parts_gb_s": 0.25,
    "parts_times": 1.5,
    "parts_mb": 300.0,
    "make_gb_s": 0.5,
    "parts_machine": "toy of another kind",
    "parts_date": "2026-01-02",
    "pairs_s": 1e8,
    "dag_s": 34.0,
    "dag_jobs": 10_000,
    "start_s": 4.0,
    "run_jobs": 1000,
    "run_s": 30.0,
}


def test_plan_by_hand_and_every_number_of_its_page_is_there(root):
    found = scale.plan(RATES)
    # 400 million / 2,000 + 400 million / 8,000 + 2,000 starts of 60 s.
    assert found["gpu_h"] == pytest.approx((200_000 + 50_000 + 120_000) / 3600)
    assert found["vectors_tb"] == pytest.approx(1.6384)
    assert found["pass_h"] == pytest.approx(819.2 / 3600)
    assert found["statistics_h"] == pytest.approx((2 + 6) * 819.2 / 3600)
    assert found["memory_gb"] == pytest.approx(22.4)
    assert found["sums_h"] == pytest.approx(1638.4 / 0.25 / 3600)
    assert found["sums_min"] == pytest.approx(1638.4 / 0.25 / 60 / 64)
    assert found["part_s"] == pytest.approx(1.6384 / 0.25)
    assert found["kept_gb"] == pytest.approx(1000 * (3 * 2.097152e-3 + 2 * 1.024e-2))
    # 50.2 KB of each pair; the images of a part, one start, and those of all parts.
    assert found["made_h"] == pytest.approx(20_080 / 0.5 / 3600)
    assert found["made_min"] == pytest.approx(20_080 / 0.5 / 60 / 64)
    assert found["made_part_min"] == pytest.approx(20.08 / 0.5 / 60)
    assert (found["tars"], found["files_per_part"], found["drawn_gb"]) == (40_000, 40, 6.4)
    assert found["every_job"] == 4000
    assert found["dag_min"] == pytest.approx((4 + 0.4 * 30) / 60)
    assert found["scheduling_min"] == pytest.approx(2)
    assert found["all_pairs_years"] == pytest.approx(8e16 / 1e8 / 3.1536e7, rel=1e-6)
    text = scale.page(RATES)
    assert "{" not in text and "nan" not in text
    config = yaml.safe_load((root / "config" / "config.yaml").read_text(encoding="utf-8"))
    assert (config["sample"], config["compare_at_most"]) == (scale.SAMPLE, scale.LARGEST)


def test_rates_are_read_from_the_measures(tmp_path):
    save(
        "parquet_mean",
        [
            measured("rows of 32 dimensions", "mean", 0.2, "GB/s", 10**7),
            measured("rows of 512 dimensions", "mean", 0.5, "GB/s", 10**6),
            measured("rows of 512 dimensions", "opening and checking", 0.1, "GB/s", 10**6),
        ],
        tmp_path,
    )
    rate = measured("all-pairs cosines", "rate", 102.4, "1e9 operations/s", 100)
    save("cosines", [rate], tmp_path)
    values = {"rate of a core": 0.3, "memory": 200.0}
    values["processor time, times of reading"] = 1.4
    rows = [measured("pairs of 512 dimensions", name, one, "", 9) for name, one in values.items()]
    rows.append(measured("tars of pictures", "made into parts, rate of a core", 0.7, "GB/s", 9))
    save("parts", rows, tmp_path)
    ways = {"start": (3.0, 1), "dry run": (33.0, 10_000), "run that does nothing": (9.0, 1000)}
    save("dag", [measured(way, "CPU time", s, "s", n) for way, (s, n) in ways.items()], tmp_path)
    found = scale.measured(tmp_path)
    assert (found["stream_gb_s"], found["open_gb_s"]) == (0.5, 0.1)
    assert found["pairs_s"] == pytest.approx(1e8)
    assert [found[f"parts_{name}"] for name in ("gb_s", "times", "mb")] == [0.3, 1.4, 200]
    assert found["make_gb_s"] == 0.7
    assert (found["run_jobs"], found["run_s"], found["dag_jobs"]) == (1000, 9, 10_000)


class Counted(np.ndarray):
    """Vectors that count how many rows of them were read."""

    rows_read = 0

    def __getitem__(self, wanted):
        found = np.asarray(self)[wanted]
        Counted.rows_read += len(found)
        return found


def test_gap_and_mean_cosine_take_as_many_readings_and_numbers_as_the_plan_says():
    n = 50_000
    x, y = random_pairs(n, 2)
    Counted.rows_read, peaks = 0, []
    for function, sides in (
        (gap, [x.view(Counted), y]),
        (gap_interval, [x.view(Counted), y, 0.95]),
        (mean_cosine, [x.view(Counted)]),
        (mean_cosine_interval, [x.view(Counted), 0.95]),
    ):
        tracemalloc.start()
        function(*sides)
        peaks.append(tracemalloc.get_traced_memory()[1] / (8 * n))
        tracemalloc.stop()
    assert Counted.rows_read == scale.READINGS * n
    # Beside a few tiles of 8,192 rows.
    assert scale.INTERVAL_NUMBERS <= max(peaks) < scale.INTERVAL_NUMBERS + 1


def test_fixed_lines_of_the_plan_stand_in_the_committed_page(root):
    template = (root / "benchmarks" / "scale.md.in").read_text(encoding="utf-8").splitlines()
    page = root / "docs" / "explanation" / "scale.md"
    committed = page.read_text(encoding="utf-8").splitlines()
    assert len(template) == len(committed)
    for fixed, line in zip(template, committed, strict=True):
        assert re.fullmatch(".+".join(map(re.escape, re.split(r"{[^}]*}", fixed))), line), line


def test_executor_that_does_nothing_is_found_and_the_copy_has_all_that_a_run_reads(root):
    code = (
        "from snakemake_executor_plugin_noop import Executor; Executor.__abstractmethods__ and 1/0"
    )
    folder = root / "benchmarks" / "noop"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    assert all((root / part).exists() for part in dag.PARTS)


def test_where_there_is_no_proc_memory_is_the_systems(monkeypatch):
    import bench

    def absent(*_args, **_settings):
        raise FileNotFoundError

    here = bench.resident_mb()
    monkeypatch.setattr(bench.Path, "read_text", absent)
    assert bench.resident_mb() == pytest.approx(here, rel=0.2)
    monkeypatch.setattr(bench, "peak_mb", lambda: 300)
    assert bench.peak_memory_mb() == bench.peak_since_reset_mb() == 300
