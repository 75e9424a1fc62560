"""The registry of losses: a loss more is accepted, swept, trained and shown."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import copy_project

from modality_gap.config.check import check_config
from modality_gap.config.losses import DECLARED_LOSSES, trained_with
from modality_gap.data.formats import FORMATS
from modality_gap.embeddings.sets import normalise
from modality_gap.encoders.build import ENCODERS
from modality_gap.errors import InputError
from modality_gap.measures.loss_minimum import _effects_of_rows, matrix_effects, softmax_effects
from modality_gap.measures.loss_sweep import batched_sweep, sweep_matrices
from modality_gap.measures.losses import LOSSES, symmetric_loss
from modality_gap.measures.shift import unit_gap_vector
from modality_gap.training.loop import training_loss

ROOT = Path(__file__).parents[3]
SHIPPED = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
PARAMETERS = {"softmax": {}, "sigmoid": {"bias": -3.0}}
OWN = {"image": "config/example_pairs/image.npy", "text": "config/example_pairs/text.npy"}

# A loss of its own: two files, and its test.
ADDED = {
    "scripts/modality_gap/config/losses.py": """
DECLARED_LOSSES["margin"] = DeclaredLoss(
    "margin loss",
    "margin",
    {
        "scale": DECLARED_LOSSES["sigmoid"].keys["scale"],
        "margin": {"description": "The cosine up to which others are free.", "type": "number"},
    },
)
""",
    "scripts/modality_gap/measures/losses.py": """

def margin_terms(similarity, temperature, margin):
    wrong = np.maximum(0, similarity - margin)
    same = np.eye(similarity.shape[-1], dtype=bool)
    return np.where(same, 1 - similarity, wrong) / temperature


def margin_losses(similarity, temperature, margin):
    return margin_terms(similarity, temperature, margin).sum(axis=-1).mean(axis=-1)


def margin_of_pairs(similarity, temperature, margin):
    terms = margin_terms(similarity, temperature, margin)
    own = np.diagonal(terms, axis1=-2, axis2=-1)
    return terms.sum(axis=-1) + terms.sum(axis=-2) - own


def train_margin(similarity, temperature, margin):
    import torch

    wrong = (similarity - margin).clamp(min=0)
    same = torch.eye(len(similarity), dtype=torch.bool)
    return (torch.where(same, 1 - similarity, wrong) / temperature).sum(dim=1).mean()


LOSSES["margin"] = Loss(
    DECLARED_LOSSES["margin"], margin_losses, train_margin, margin_of_pairs
)
""",
}
# What the copy of the project does with it; the last line is a JSON text.
USE = """
import json, sys
from pathlib import Path
sys.path.insert(0, "scripts")
import numpy as np, pandas as pd, torch, yaml
from modality_gap.config.check import check_config
from modality_gap.config.losses import DECLARED_LOSSES
from modality_gap.config.tables import load_tables
from modality_gap.data.formats import FORMATS
from modality_gap.encoders.build import ENCODERS
from modality_gap.measures import registry
from modality_gap.measures.loss_tables import minima, own_values
from modality_gap.measures.losses import LOSSES
from modality_gap.pages.models import own_loss_table
from modality_gap.training.loop import LinearProjections, train

config = yaml.safe_load(Path("config/config.yaml").read_text())
settings = config["loss_landscape"] | {"fine_step": 0.25, "batch_size": 20}
entry = yaml.safe_load(Path("own.yaml").read_text())["pairs"]["mine"]
config["pairs"] = {"mine": entry}
config["training"]["digit_clip"] |= {"loss": "margin", "margin": 0.1}
check_config(config, Path("config/schema/config.yaml"), ENCODERS, FORMATS)

rng = np.random.default_rng(0)
sides = rng.normal(size=(2, 40, 6)) + [[[1]], [[-1]]]
x, y = sides / np.linalg.norm(sides, axis=-1, keepdims=True)
own = own_values(DECLARED_LOSSES["margin"], "mine", {}, entry)
curves, lowest, _ = minima(x, y, settings, 30, 0.9, 0, loss=LOSSES["margin"], own=own)
minimum = pd.DataFrame([{"set": "mine", **row} for row in lowest])
table = own_loss_table(DECLARED_LOSSES["margin"], minimum)

torch.manual_seed(0)
images, texts = (torch.from_numpy(side).float() for side in (x, y))
model = LinearProjections(6, 6, 4)
training = {"learning_rate": 0.05, "weight_decay": 0.0, "warmup": 1, "steps": 30}
training |= {"batch_size": 40, "temperature": 0.2, "loss": "margin", "margin": 0.1}
curve = train(
    model, lambda rows: model(images[rows], texts[rows]), 40, lambda: model(images, texts),
    training, 0,
)
_, documented = load_tables(Path("config/tables.yaml"), registry.columns())
names = {one.path: one.names for one in documented}
print(json.dumps({
    "columns": list(minimum), "documented": names["statistics/margin_minimum.csv"],
    "curves": list(curves), "caption": table.caption, "head": table.head, "rows": table.rows,
    "losses": curve["loss"].tolist()[1:],
    "expected": float(LOSSES["margin"].of(x @ y.T, 0.2, margin=0.1)),
    "at_gap": minimum["loss_at_gap"].tolist(), "own": own,
    "wanted": [float(np.mean([
        LOSSES["margin"].of(x[some] @ y[some].T, row["temperature"], margin=0.3)
        for some in (slice(0, 20), slice(20, 40))
    ])) for row in lowest],
}))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project with one loss more, and pairs of one's own that name it."""
    folder = tmp_path_factory.mktemp("losses")
    copy_project(folder, None)
    for path, text in ADDED.items():
        with (folder / path).open("a", encoding="utf-8") as file:
            file.write(text)
    row = OWN | {"loss": "margin", "scale": 5.0, "margin": 0.3}
    (folder / "own.yaml").write_text(yaml.safe_dump({"pairs": {"mine": row}}), encoding="utf-8")
    return folder


def output_of(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    return done.stdout


def test_a_loss_takes_three_files_and_is_swept_trained_and_shown(project):
    assert len(ADDED) + 1 == 3  # and its test
    found = json.loads(output_of([sys.executable, "-c", USE], project).splitlines()[-1])
    assert found["own"] == {"temperature": 0.2, "margin": 0.3}
    assert found["columns"] == found["documented"]
    assert found["columns"][1:4] == found["curves"][:3] == ["temperature", "margin", "own"]
    assert found["at_gap"] == pytest.approx(found["wanted"])
    assert found["losses"][-1] < 0.5 * found["losses"][0]
    assert found["caption"].startswith("Where the margin loss is smallest.")
    assert found["head"][:4] == ["model", "logit scale", "margin", "n"]
    assert found["rows"][0][:4] == ["mine", "5.00, the model's own", "0.30", "40"]


def test_the_rules_sweep_it_and_the_page_shows_it(project):
    snakemake = [str(Path(sys.executable).with_name("snakemake")), "-n", "--configfile", "own.yaml"]
    plan = output_of([*snakemake, "--", "results/figures.html"], project)
    assert "results/statistics/margin_minimum.csv, results/statistics/margin_shape.csv" in plan
    assert "wildcards: loss=margin" in plan
    (page,) = [line for line in plan.splitlines() if "report/templates/figures.html.j2" in line]
    assert "results/statistics/margin_minimum.csv" in page
    assert "sigmoid" not in page


# --- the two losses that there are --------------------------------------------------------------


def unit_pairs(n=24, d=5):
    rng = np.random.default_rng(3)
    return tuple(normalise(rng.normal(size=(n, d)) + move) for move in (1.0, -0.5))


def test_what_is_declared_can_be_computed():
    assert LOSSES.keys() == DECLARED_LOSSES.keys() == PARAMETERS.keys()
    for name, loss in LOSSES.items():
        assert loss.declared is DECLARED_LOSSES[name]
        assert loss.declared.parameters.keys() == PARAMETERS[name].keys()
    prefixes = [loss.prefix for loss in DECLARED_LOSSES.values()]
    assert sorted(prefixes) == sorted({*prefixes})


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("temperature", [0.01, 0.5])
def test_the_loss_that_is_trained_is_the_loss_that_is_swept(name, temperature):
    x, y = unit_pairs()
    settings = {"loss": name, **PARAMETERS[name]}
    found = training_loss(torch.from_numpy(x), torch.from_numpy(y), temperature, settings)
    wanted = LOSSES[name].of(x @ y.T, temperature, **PARAMETERS[name])
    assert found.item() == pytest.approx(wanted, rel=1e-10)
    similarity = torch.from_numpy(x @ y.T).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda cosines: LOSSES[name].train(cosines, 0.5, **PARAMETERS[name]), similarity
    )


def test_parts_of_a_matrix_give_what_whole_matrices_give():
    """The softmax loss by its own sweep and by that of any loss."""
    x, y = unit_pairs()
    u, deltas, temperatures = unit_gap_vector(x, y), np.array([-0.5, 0.0, 0.7]), [0.05, 1.0]
    np.testing.assert_allclose(
        batched_sweep(x, y, deltas, temperatures, 8),
        sweep_matrices(symmetric_loss, x, y, u, deltas, temperatures, 8, threads=2),
        rtol=1e-10,
    )

    def of_pairs(similarity, temperature):
        both = (similarity / temperature, similarity.swapaxes(-1, -2) / temperature)
        return -sum(_effects_of_rows(logits, 0) for logits in both) / 2

    np.testing.assert_allclose(
        softmax_effects(x, y, u, deltas, 0.05, 8),
        matrix_effects(of_pairs, x, y, u, deltas, 0.05, 8, threads=2),
        atol=1e-10,
    )


def test_sets_by_the_loss_that_they_were_trained_with():
    sets = {"a": {"scale": 3.0, "bias": -1.0, "loss": "sigmoid"}, "b": {"loss": "softmax"}, "c": {}}
    assert trained_with(sets, "softmax") == {"a": {}, "b": {}, "c": {}}
    assert trained_with(sets, "sigmoid") == {"a": {"scale": 3.0, "bias": -1.0}}


def with_changes(**changes: dict) -> dict:
    config = yaml.safe_load(yaml.safe_dump(SHIPPED))
    config["training"]["digit_clip"] |= changes.get("training", {})
    config["projections"]["stitched"] |= changes.get("projections", {})
    config["experiments"]["optimisation"] |= changes.get("optimisation", {})
    return config


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"training": {"loss": "sigmoid"}},
            "training.digit_clip.loss is sigmoid, which needs bias",
        ),
        ({"projections": {"loss": "sigmod"}}, "give one of softmax, sigmoid"),
        (
            {"projections": {"bias": -1.0}},
            "projections.stitched.bias does not belong to the softmax",
        ),
        ({"optimisation": {"loss": "sigmoid"}}, "experiments.optimisation.loss is sigmoid"),
        ({"training": {"loss": "sigmoid", "bias": "x"}}, "training.digit_clip.bias"),
    ],
)
def test_a_training_names_its_loss_and_what_that_needs(monkeypatch, changes, fault):
    monkeypatch.chdir(ROOT)
    schema = ROOT / "config/schema/config.yaml"
    right = {"loss": "sigmoid", "bias": -10.0}
    check_config(with_changes(training=right, optimisation=right), schema, ENCODERS, FORMATS)
    with pytest.raises(InputError) as caught:
        check_config(with_changes(**changes), schema, ENCODERS, FORMATS)
    assert fault in str(caught.value)
