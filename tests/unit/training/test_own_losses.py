"""A loss of the user's from a file: what it may be, what is refused, and that it needs nothing but
the file and an entry of the configuration."""

import importlib.util
import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from scipy import stats
from small_study import STUDY, small_pairs
from snakemake.utils import update_config

from modality_gap.config.faults import faults_of
from modality_gap.config.follow_ups import temperature_family
from modality_gap.config.load import load_yaml
from modality_gap.config.model_files import loss_files, method_files
from modality_gap.config.rows import with_rows
from modality_gap.config.schema import schema_fault
from modality_gap.errors import InputError
from modality_gap.losses import main
from modality_gap.pages.after import follow_ups, losses
from modality_gap.paper.follow_ups import check_follow_ups, load_follow_ups, with_own_claims
from modality_gap.paper.loss_pairs import pairs_of_losses, with_other_towers
from modality_gap.training.loss_runs import LossRuns
from modality_gap.training.loss_tables import (
    COMPARED,
    PAIRED,
    differences,
    methods_table,
    named_differences,
)
from modality_gap.training.losses.catalogue import FOLLOW_UP_LOSSES
from modality_gap.training.losses.own import check_settings, loss_of, source_of
from modality_gap.training.losses.registry import FollowUpLoss
from modality_gap.training.recipes import recipes
from modality_gap.training.tables import summarise


@pytest.fixture(scope="module")
def pairs():
    return small_pairs()


@pytest.fixture(scope="module")
def guide(root):
    """The example of the guide: the file and the entry of the configuration."""
    text = (root / "docs/guide/after.md").read_text(encoding="utf-8")
    code = next(
        block
        for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        if block.startswith("# my_losses.py")
    )
    entry = next(
        block
        for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
        if block.startswith("loss_study:")
    )
    return code, yaml.safe_load(entry)["loss_study"]["methods"]


def run_study(study, pairs, seed):
    return LossRuns(study, pairs, seed).run()


def study(**methods) -> dict:
    return {**STUDY, "methods": {"clip": {"loss": "clip"}, **methods}}


def test_the_example_of_the_guide_is_in_every_table(guide, pairs, tmp_path, monkeypatch):
    code, methods = guide
    (tmp_path / "my_losses.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    ((name, entry),) = methods.items()
    asked = study(**methods)
    runs, steps = run_study(asked, pairs, 3)
    changes = differences(runs, recipes(asked), asked, 0.95)
    for table in (runs, steps, changes):
        assert name in set(table["method"])
    plain, _ = run_study(study(), pairs, 3)
    # The others are as they were.
    pd.testing.assert_frame_equal(runs[runs["method"] == "clip"], plain)
    assert loss_files(asked) == ["my_losses.py"]
    assert entry["loss"].startswith("my_losses.py:") and entry["settings"]
    # Its setting has an effect.
    other = {name: {**entry, "settings": dict.fromkeys(entry["settings"], 3.0)}}
    again, _ = run_study(study(**other), pairs, 3)
    of = [table[table["method"] == name]["gap"].to_numpy() for table in (runs, again)]
    assert not np.allclose(*of)


WRITTEN = """
import torch

NUMBER = 3

def fine(x, y, logit_scale, batch, weight=1.0):
    return weight * ((x - y) ** 2).sum(dim=1).mean()

def of_two(x, y, logit_scale, batch, times=1.0, more=0.0):
    return times * (x * y).sum() + more

def drawn(x, y, logit_scale, batch):
    return (x * y * torch.rand(x.shape)).mean()

def raising(x, y, logit_scale, batch):
    return x @ y

def a_matrix(x, y, logit_scale, batch):
    return x @ y.T

def a_number(x, y, logit_scale, batch):
    return 3.0

def not_finite(x, y, logit_scale, batch):
    return (x * y).sum() * torch.nan

def from_a_teacher(x, y, logit_scale, batch):
    return (x * batch.teacher[0]).sum()

def one_side(x, y, logit_scale, batch):
    return (x**2)[:, 0].mean()

def infinite(x, y, logit_scale, batch):
    return (x**2 + y**2).sum() * torch.inf

def flat(x, y, logit_scale, batch):
    return 0 * x.sum() + y.mean()

def of_any(x, y, logit_scale, batch, **settings):
    return (x * y).sum()

def no_side(x, y, logit_scale, batch):
    return torch.tensor(1.0)

class WithState:
    def __init__(self, items, dim, seed, rate=0.5):
        self.seen = torch.zeros(items)
        self.rate = rate

    def __call__(self, x, y, logit_scale, batch):
        self.seen[batch.rows] += self.rate
        return (x * y).sum(dim=1).mean() * self.seen.max()
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(WRITTEN)
    return path


@pytest.mark.parametrize(
    ("loss", "settings", "sentence"),
    [
        ("nothing.py:f", {}, "mine.loss: the file {folder}/nothing.py does not exist. Correct"),
        (
            "mine.py:absent",
            {},
            "mine.loss: {folder}/mine.py has no function absent; correct the na",
        ),
        ("mine.py:NUMBER", {}, "mine.loss: {folder}/mine.py has no function NUMBER; correct"),
        ("broken.py:f", {}, "mine.loss: {folder}/broken.py cannot be run (SyntaxError: "),
        ("mine.txt:f", {}, "mine.loss: {folder}/mine.txt is not a Python file. Give"),
        ("mine.py:raising", {}, "mine.loss: {folder}/mine.py:raising raises RuntimeError ("),
        ("mine.py:from_a_teacher", {}, "mine.loss: this loss starts from a trained model; set"),
        ("mine.py:a_matrix", {}, "the loss gives an array of the shape (16, 16) at step 0; return"),
        ("mine.py:a_number", {}, "the loss gives float at step 0; return one finite number"),
        ("mine.py:not_finite", {}, "the loss gives nan at step 0; return one finite number"),
        ("mine.py:infinite", {}, "the loss gives inf at step 0; return one finite number"),
        ("mine.py:flat", {}, "the loss has no gradient with respect to x; compute the loss from"),
        (
            "mine.py:one_side",
            {},
            "the loss has no gradient with respect to y; compute the loss from",
        ),
        (
            "mine.py:no_side",
            {},
            "the loss has no gradient with respect to x; compute the loss from",
        ),
        (
            "mine.py:fine",
            {"wait": 2},
            "settings.wait: the loss has no such setting; give one of we",
        ),
        ("mine.py:raising", {"wait": 2}, "settings.wait: the loss has no such setting; remove it."),
    ],
)
def test_what_is_no_loss_is_refused_before_any_training(file, pairs, loss, settings, sentence):
    (file.parent / "broken.py").write_text("def f(:\n")
    (file.parent / "mine.txt").write_text("def f(x, y, logit_scale, batch):\n    return x.mean()\n")
    asked = study(mine={"loss": f"{file.parent}/{loss}", "settings": settings})
    with pytest.raises(InputError) as caught:
        run_study({**asked, "optimisation": None}, pairs, 3)
    text = str(caught.value)
    assert text.startswith("loss_study.methods.mine.")
    assert sentence.format(folder=file.parent) in text
    assert "\n" not in text


def test_settings_are_those_that_the_loss_takes_besides_what_it_is_given(file):
    of_class, of_any = (loss_of("k", f"{file}:{name}") for name in ("WithState", "of_any"))
    check_settings("k", of_class, {"rate": 1})
    check_settings("k", of_any, {"rate": 1, "anything": 2})
    for name in ("items", "dim", "seed", "batch"):
        with pytest.raises(InputError, match=f"k.{name}: the loss has no such setting; give one"):
            check_settings("k", of_class, {name: 1})
    before = source_of(of_class)
    assert before == source_of(of_any)  # a digest of the whole file
    file.write_text(WRITTEN + "# more")
    assert source_of(of_class) != before


def test_a_missing_file_is_found_with_the_configuration(root, file):
    config = with_rows(load_yaml(root / "config/config.yaml"))
    config["loss_study"]["methods"]["mine"] = {"loss": f"{file}:fine"}
    config["posthoc"]["methods"]["moved"] = {"method": f"{file}:fine"}
    other = file.parent / "measure.py"
    other.write_text("")
    config["posthoc"]["measures"]["own"] = {"measure": f"{other}:of"}
    assert loss_files(config["loss_study"]) == [str(file)]
    assert set(method_files(config["posthoc"])) == {str(file), str(other)}
    assert not [fault for fault in faults_of(config) if "does not exist" in fault]
    file.unlink()
    other.unlink()
    assert [fault for fault in faults_of(config) if "does not exist" in fault] == [
        f"posthoc.methods.moved.method: the file {file} does not exist. Correct the path.",
        f"posthoc.measures.own.measure: the file {other} does not exist. Correct the path.",
        f"loss_study.methods.mine.loss: the file {file} does not exist. Correct the path.",
    ]


def test_a_class_and_a_loss_that_draws_for_itself(file, pairs):
    asked = study(
        state={"loss": f"{file}:WithState", "settings": {"rate": 0.1}, "label": "With a state"},
        drawn={"loss": f"{file}:drawn"},
    )
    one, other = (run_study(asked, pairs, 3)[0] for _ in range(2))
    pd.testing.assert_frame_equal(one, other)
    assert one.groupby("method").size().to_dict() == {"clip": 2, "drawn": 2, "state": 2}


def test_the_command_takes_a_file(file, tmp_path, capsys):
    rows = np.random.default_rng(0).normal(size=(2, 6, 4))
    for side, values in zip("xy", rows, strict=True):
        np.save(tmp_path / f"{side}.npy", values)
    given = [f"--{side}={tmp_path / side}.npy" for side in "xy"]
    target = tmp_path / "g.npz"
    more = ["--scale", "7", "--set", "weight=2", "--gradient", str(target)]
    main([f"{file}:fine", *given, *more])
    x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in rows)
    expected = 2 * ((x - y) ** 2).sum(axis=1).mean()
    assert float(capsys.readouterr().out) == pytest.approx(expected)
    assert np.allclose(np.load(target)["x"], 4 * (x - y) / 6)
    both = ["--set", "times=3", "--set", "more=5"]
    main([f"{file}:of_two", *given, *both, "--scale", "7", "--gradient", str(target)])
    assert float(capsys.readouterr().out) == pytest.approx(3 * (x * y).sum() + 5)
    with pytest.raises(SystemExit, match=r"error: the loss: .* has no function no; correct"):
        main([f"{file}:no", *given, "--scale", "7"])


SIDES = """
def sides(x, y, logit_scale, batch):
    others = (1, batch.a, batch.b), (10, *batch.views), (100, *batch.teacher)
    return sum(times * ((x * a).sum() + 3 * (y * b).sum()) for times, a, b in others)
"""


def test_the_command_has_a_file_for_each_side_of_all_that_a_loss_may_see(tmp_path):
    """Frozen inputs, second views and the frozen start; of what is not given, x and y."""
    (tmp_path / "sides.py").write_text(SIDES)
    names = ("x", "y", "a", "b", "view-x", "view-y", "teacher-x", "teacher-y")
    units = np.random.default_rng(0).normal(size=(8, 5, 4))
    units /= np.linalg.norm(units, axis=2, keepdims=True)
    rows = dict(zip(names, units, strict=True))
    for name, values in rows.items():
        np.save(tmp_path / f"{name}.npy", values)
    target = tmp_path / "g.npz"
    for given, wanted in (
        (rows, [(1, "a", "b"), (10, "view-x", "view-y"), (100, "teacher-x", "teacher-y")]),
        (["x", "y"], [(111, "x", "y")]),
    ):
        files = [f"--{name}={tmp_path}/{name}.npy" for name in given]
        main([f"{tmp_path}/sides.py:sides", *files, "--scale", "7", "--gradient", str(target)])
        found = np.load(target)
        of_x = sum(times * rows[one] for times, one, _ in wanted)
        of_y = sum(3 * times * rows[other] for times, _, other in wanted)
        np.testing.assert_allclose(found["x"], of_x, atol=1e-9)
        np.testing.assert_allclose(found["y"], of_y, atol=1e-9)


TOLD = """
import torch

def told(x, y, logit_scale, batch):
    drawn = torch.rand((), generator=batch.generator, dtype=x.dtype)
    return drawn + 10 * batch.bias + 1000 * logit_scale + (x * batch.raw_x).sum()

class Counted:
    def __init__(self, pairs, dimension, seed, step=0.5):
        self.told = 100 * pairs + 10 * dimension + seed + step

    def __call__(self, x, y, logit_scale, batch):
        return self.told + 0 * y.sum()
"""


def test_the_command_passes_on_the_seed_the_bias_and_the_rows_as_they_are(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "told.py").write_text(TOLD)
    x, y = 3 * np.random.default_rng(0).normal(size=(2, 6, 4))
    for name, rows in (("x", x), ("y", y)):
        np.save(f"{name}.npy", rows)
    given = ["--x=x.npy", "--y=y.npy", "--scale", "2"]
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    for more, seed, bias in ((["--seed", "5", "--bias", "-3"], 5, -3), ([], 0, -10)):
        main(["told.py:told", *given, *more])
        drawn = torch.rand((), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        expected = float(drawn) + 10 * bias + 2000 + lengths.sum()
        assert float(capsys.readouterr().out) == pytest.approx(expected, abs=1e-9)
    found = np.load("gradient_told.npz")
    np.testing.assert_allclose(found["x"], x + x / lengths)  # at the unit and at the raw rows
    np.testing.assert_allclose(found["x_sphere"], np.zeros((6, 4)), atol=1e-12)
    np.testing.assert_array_equal(found["y"], np.zeros((6, 4)))
    main(["told.py:Counted", *given, "--seed", "7", "--set", "step=0.25"])
    assert float(capsys.readouterr().out) == 647.25


@pytest.mark.parametrize(
    ("values", "words"),
    [(np.ones(6), "the array has 1 axes"), (np.array([{}], dtype=object), "cannot be read")],
)
def test_the_command_takes_matrices_of_numbers_alone(tmp_path, values, words):
    np.save(tmp_path / "x.npy", values)
    file = f"={tmp_path / 'x.npy'}"
    with pytest.raises(SystemExit, match=words):
        main(["clip", f"--x{file}", f"--y{file}", "--scale", "7"])


SEEING = """
def seeing(x, y, logit_scale, batch):
    print(batch.step, batch.steps, len(batch.rows), len(batch.a), batch.bias)
    return ((x - y) ** 2).sum(dim=1).mean()
"""


def test_a_loss_knows_its_step_of_all_steps(pairs, tmp_path, capsys):
    (tmp_path / "seeing.py").write_text(SEEING)
    run_study(study(mine={"loss": f"{tmp_path}/seeing.py:seeing"}), pairs, 3)
    told = [tuple(map(float, line.split())) for line in capsys.readouterr().out.splitlines()]
    for run in (told[-8:-4], told[-4:]):  # of two seeds; before them it was tried
        assert run == [(step, 4, 16, 16, 0) for step in range(4)]


PROJECT_FILE = """
WEIGHT = 2.0
SHAPE, KIND, MASK, ON = (1, 2), "soft", b"\\x01", True
class Part:
    half = 0.5
def helper(x): return x * Part.half
def mine(x, y): return WEIGHT * helper(x) * len(SHAPE) * len(KIND) * len(MASK) * ON
def other(x, y): return x
"""


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("WEIGHT = 2.0", "WEIGHT = 3.0", True),
        ("half = 0.5", "half = 0.25", True),
        ("(1, 2)", "(1, 3)", True),
        ("soft", "hard", True),
        ("x01", "x02", True),
        ("True", "False", True),
        ("return x * Part", "return -x * Part", True),
        ("y): return x\n", "y): return y\n", False),
    ],
)
def test_a_loss_is_trained_again_when_anything_that_it_uses_changes(tmp_path, old, new, changes):
    digests = set()
    for number, text in enumerate((PROJECT_FILE, PROJECT_FILE.replace(old, new))):
        path = tmp_path / f"made_{number}.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location("modality_gap.training.losses.made", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        digests.add(source_of(FollowUpLoss("mine", "", "mine", module.mine)))
    del sys.modules["modality_gap.training.losses.made"]
    assert len(digests) == (2 if changes else 1)


DRAW = """
import runpy
from types import SimpleNamespace


class Files(SimpleNamespace):
    def __iter__(self):
        return iter(vars(self).values())

    def __getitem__(self, name):
        return vars(self)[name]


runpy.run_path({script!r}, init_globals={{"snakemake": SimpleNamespace(
    input=Files(summary="summary.csv"),
    output=Files(svg="loss.svg", narrow="loss.narrow.svg", pdf="loss.pdf"),
    params=Files(family=["clip"], after_training=[]), log=["log"],
)}})
"""


def test_a_loss_from_a_file_is_in_table_figure_page_and_ledger(
    root, pairs, file, tmp_path, monkeypatch
):
    """With nothing but its entry in the configuration, which claims something of it."""
    monkeypatch.chdir(tmp_path)
    claims = [
        {"metric": "gap", "is": "lower"},
        {"metric": "gap", "than": "other", "is": "higher"},
    ]
    entry = {"loss": "mine.py:fine", "label": "My & own loss", "claims": claims}
    asked = study(theirs=entry, other={"loss": "cyclip"})
    schema = load_yaml(root / "config/schema/config.yaml")["properties"]["loss_study"]
    of_methods = schema["properties"]["methods"]
    assert schema_fault({"clip": {"loss": "clip"}, "theirs": entry}, of_methods) is None
    metric = of_methods["additionalProperties"]["properties"]["claims"]["items"]["properties"]
    assert metric["metric"]["enum"] == [*PAIRED]
    wrong = {**entry, "claims": [{"metric": "g", "is": "lower"}]}
    assert "g" in schema_fault({"clip": {"loss": "clip"}, "theirs": wrong}, of_methods)
    trained = LossRuns(asked, pairs, 3)
    runs, _ = trained.run()
    chosen = recipes(asked)
    assert (
        chosen["theirs"].identity()
        == recipes(study(theirs={**entry, "claims": []}))["theirs"].identity()
    )
    names = ["method", "label", "seed", "temperature", *COMPARED]
    changes, summary = (
        differences(runs, chosen, asked, 0.95),
        summarise(runs[names], names[:2], 0.95),
    )
    for table in (runs, changes, summary):
        assert "theirs" in set(table["method"])
    # The figure.
    runs.to_csv("runs.csv", index=False)
    summary.to_csv("summary.csv", index=False)
    code = DRAW.format(script=str(root / "scripts/after/plot_follow_up_losses.py"))
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env={**os.environ, "PYTHONPATH": str(root / "scripts")},
    )
    assert "My &amp; own loss" in (tmp_path / "loss.svg").read_text(encoding="utf-8")
    # The page.
    told = methods_table(runs, chosen, trained.traits, asked, 0.95)
    data = {"losses_summary": summary, "losses_difference": changes, "losses_methods": told}
    shown = losses.shown(data, "clip", 0.95, ["clip"])
    assert "My & own loss" in [row[0] for row in shown.gaps.rows]
    assert "My & own loss" in [row[0] for row in shown.table.rows]
    # The ledger.
    known = load_follow_ups(root / "config/ledger/follow_ups.yaml")
    ledger = with_own_claims(known, asked["methods"])
    named = pairs_of_losses(asked, {"papers": [], "needs": {}})
    assert named == [["theirs", "other"]]
    tables = {"losses_difference": changes, "losses_pairs": named_differences(runs, named, 0.95)}
    judged = check_follow_ups(ledger, {f"after/{name}.csv": of for name, of in tables.items()})
    rows = judged.set_index("id").loc[["own.theirs.1", "own.theirs.2"]]
    change = changes[(changes["method"] == "theirs")].set_index("metric").loc["gap"]
    assert rows["measured"].iloc[0] == pytest.approx(change["difference"])
    gaps = runs[runs["split"] == 0].pivot(index="seed", columns="method", values="gap")
    paired = (gaps["theirs"] - gaps["other"]).to_numpy()
    assert paired.all() and rows["measured"].iloc[1] == pytest.approx(paired.mean())
    ends = stats.t.interval(0.95, len(paired) - 1, paired.mean(), stats.sem(paired))
    assert list(rows[["low", "high"]].iloc[1].astype(float)) == pytest.approx(ends)
    assert set(rows["part"]) == {"Your configuration"} and not set(rows["verdict"]) & {"not run"}
    (section,) = follow_ups.sections(ledger, judged.astype(str))[-1:]
    assert section.statements[0].says == "My & own loss: gap is lower than with its baseline."
    assert section.statements[1].says == "My & own loss: gap is higher than with other."
    assert with_own_claims(known, {"clip": {"loss": "clip"}}) == known
    assert temperature_family({**asked["methods"], "theirs": {**entry, "loss": "clip"}}, "clip")


def test_every_pair_of_losses_that_is_asked_for_is_compared_once(root):
    ledger = load_follow_ups(root / "config/ledger/follow_ups.yaml")
    claims = [
        {"metric": "gap", "than": than, "is": "lower"} for than in ("clip", "clip", "mine_3x4")
    ]
    asked = {**study(mine={"loss": "cua", "claims": claims}), "towers": []}
    with pytest.raises(
        InputError, match=r"loss_study\.methods\.mine\.claims\.2\.than is 'mine_3x4'"
    ):
        pairs_of_losses(asked, ledger)
    asked["towers"] = [{"hidden_layers": 3, "dim": 4}]
    found = pairs_of_losses(asked, ledger)
    assert found[:2] == [["mine", "clip"], ["mine", "mine_3x4"]]
    both = pairs_of_losses(asked, with_other_towers(ledger, asked))
    assert both.count(["slap_3x4", "slap_3x4.towers"]) == both.count(["slap", "slap.towers"]) == 1
    assert len(both) - 2 == 2 * (len(found) - 2)
    assert with_other_towers(ledger, study()) == ledger
    wanted = [["sigmoid", "sigmoid_no_bias"], ["clip_tau_07", "clip_tau_40"], ["slap", "slap_20"]]
    assert all(found.count(pair) == 1 for pair in wanted)
    config = load_yaml(root / "config/config.yaml")
    update_config(config, load_yaml(root / "config/losses.yaml"))
    methods = config["loss_study"]["methods"]
    names = {name.removesuffix(".towers") for pair in found[2:] for name in pair}
    assert names <= methods.keys()


def test_a_digest_of_a_loss_is_the_same_in_every_process(root):
    """Jobs of their own find each other's runs by it. The order of sets differs by process."""
    code = (
        "from modality_gap.training.losses.catalogue import FOLLOW_UP_LOSSES as losses;"
        "from modality_gap.training.losses.own import source_of;"
        "print(*map(source_of, losses.values()))"
    )
    env = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": str(root / "scripts")}
    other = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    found = [source_of(loss) for loss in FOLLOW_UP_LOSSES.values()]
    assert other.stdout.split() == found
    assert len(set(found)) > len(found) / 2
