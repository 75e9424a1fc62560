"""The supplement: exact statistics of cosines, projections, the loss as a text, normalisation
switched off, initialisations in files, p-values."""

import copy
import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from modality_gap.config.check import check_config
from modality_gap.data.formats import FORMATS
from modality_gap.embeddings.extraction import extract_noise
from modality_gap.embeddings.sets import EmbeddingSet, normalise, write
from modality_gap.embeddings.stored import read_initialisations
from modality_gap.encoders import base, open_clip, pictures
from modality_gap.encoders.build import ENCODERS, build_encoder
from modality_gap.encoders.open_clip import remove_norm_layers
from modality_gap.errors import InputError
from modality_gap.measures.cone import cosine_distribution, cosine_quantiles, fine_bins, sd_cosine
from modality_gap.measures.losses import cross_entropies, symmetric_loss
from modality_gap.measures.projection import pair_svd_2d
from modality_gap.measures.significance import two_proportion_test


@pytest.fixture
def loss_text(root) -> dict:
    """What the text of Supplementary 12 defines."""
    names = {}
    exec((root / "scripts/supplement/contrastive_loss.py").read_text(encoding="utf-8"), names)
    return names


# --- Supplementary 6 --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "shift", "square"), [(90, 0.6, 13), (300, 0.2, 2048), (2, 1.0, 2048)]
)
def test_deviation_and_quartiles_are_those_of_all_pairs(n, shift, square):
    x = normalise(np.random.default_rng(n).normal(size=(n, 8)) + shift)
    cosines = (x @ x.T)[~np.eye(n, dtype=bool)]
    assert sd_cosine(x) == pytest.approx(cosines.std(), abs=1e-12 if n > 2 else 1e-7)
    shares = np.array([0, 0.25, 0.5, 0.75, 1])
    found = cosine_distribution(x, fine_bins(200), square)
    # A quantile of few pairs lies anywhere between two neighbours: the plain one is a pair's own.
    plain = np.quantile(cosines, shares, method="inverted_cdf")
    np.testing.assert_allclose(cosine_quantiles(found, shares), plain, atol=1e-4)


def test_equal_vectors_have_no_deviation():
    x = np.repeat(normalise(np.array([[1.0, 2.0, 3.0]])), 5, axis=0)
    assert sd_cosine(x) == pytest.approx(0, abs=1e-7)
    found = cosine_distribution(x, fine_bins(1))
    assert cosine_quantiles(found, np.array([0.5])) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("spread", [1e-2, 4e-5, 4e-6, 5e-7])
def test_deviation_of_a_cone_so_narrow_that_cosines_differ_by_rounding_alone(spread):
    rng = np.random.default_rng(0)
    # Cosines of points by their distances, of which none cancels.
    across = spread * rng.normal(size=(40, 6))
    x = np.concatenate([np.sqrt(1 - (across**2).sum(axis=1))[:, None], across], axis=1)
    heights = -np.expm1(0.5 * np.log1p(-(across**2).sum(axis=1)))
    apart = ((across[:, None] - across) ** 2).sum(axis=2) + (heights[:, None] - heights) ** 2
    wanted = (apart / 2)[~np.eye(40, dtype=bool)].std()
    assert sd_cosine(x) == pytest.approx(wanted, rel=1e-3)


# --- Supplementary 4 --------------------------------------------------------------------------


def test_uncentred_svd_keeps_the_origin_and_the_best_plane():
    rng = np.random.default_rng(3)
    plane = np.linalg.qr(rng.normal(size=(7, 2)))[0].T
    x, y = (rng.normal(size=(20, 2)) + (4, 1) @ np.eye(2) for _ in range(2))
    points = pair_svd_2d(x @ plane, y @ plane)
    assert list(points["side"]) == ["a"] * 20 + ["b"] * 20
    # Points of a plane through the origin keep their lengths and all angles; a centred one shifts.
    placed = points[["svd_1", "svd_2"]].to_numpy()
    both = np.concatenate([x, y])
    np.testing.assert_allclose(placed @ placed.T, both @ both.T, atol=1e-10)
    again = pair_svd_2d(x @ plane, y @ plane)
    pd.testing.assert_frame_equal(points, again)


# --- Supplementary 5, 7, 13, 14 ---------------------------------------------------------------


def own_file(path, vectors: np.ndarray, **labels) -> str:
    ids = np.array([f"i{row}" for row in range(len(vectors))], dtype=object)
    write(EmbeddingSet(ids, vectors.astype(np.float32), pd.DataFrame(labels)), path)
    return str(path)


def test_initialisations_of_two_architectures_are_refused(tmp_path):
    files = [tmp_path / "0.npy", tmp_path / "1.npy"]
    for path, dim in zip(files, (4, 5), strict=True):
        np.save(path, np.ones((3, dim)))
    told = f"{files[1]}: 5 dimensions, but {files[0]} has 4; give embeddings from one architecture."
    with pytest.raises(InputError, match=re.escape(told)):
        read_initialisations(files)


def test_a_file_a_seed_and_one_file_of_all_seeds_are_the_same_study(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(6, 4)) + 1
    files = [tmp_path / "0.npy", tmp_path / "1.npy"]
    np.save(files[0], vectors[:3])
    np.save(files[1], vectors[3:])
    apart = read_initialisations(files)
    together = read_initialisations(
        [own_file(tmp_path / "all.parquet", vectors, seed=[0, 0, 0, 1, 1, 1], noise=[False] * 6)]
    )
    noise = [False, False, True]
    marked = read_initialisations(
        [own_file(tmp_path / f"{n}.parquet", vectors[:3], seed=[9] * 3, noise=noise) for n in "ab"]
    )
    assert marked.labels["seed"].tolist() == [0, 0, 0, 1, 1, 1]
    assert marked.labels["noise"].tolist() == noise * 2
    for one in (apart, together):
        assert list(one.labels["seed"]) == [0, 0, 0, 1, 1, 1]
        assert not one.labels["noise"].any()
        np.testing.assert_allclose(one.vectors, vectors, rtol=1e-6)


def test_files_of_different_dimensions_are_refused_by_name(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((3, 4)))
    np.save(tmp_path / "b.npy", np.ones((3, 5)))
    with pytest.raises(InputError, match=r"b\.npy: 5 dimensions, but .*a\.npy has 4"):
        read_initialisations([tmp_path / "a.npy", tmp_path / "b.npy"])


def test_every_seed_gets_the_same_noise_under_its_own_name():
    encoder = base.Encoder(prepare=None, encode=np.stack, noise=lambda rng: rng.normal(size=3))
    written = []

    class Collector:
        def write(self, item_ids, vectors, labels):
            written.append((list(item_ids), vectors, labels))

    for seed in (0, 1):
        label = partial(pd.DataFrame.assign, seed=seed)
        extract_noise(np.arange(2), encoder, Collector(), 8, 5, label)
    (_, first, labels), (_, second, others) = written
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first)) == 6
    assert list(labels["seed"]) == [0, 0]
    assert list(others["seed"]) == [1, 1]
    assert labels["noise"].all()


@pytest.fixture
def shipped(root, monkeypatch) -> dict:
    monkeypatch.chdir(root)
    return yaml.safe_load((root / "config" / "config.yaml").read_text(encoding="utf-8"))


PANEL = {"modality": "image", "inputs": "emoji_sample"}


@pytest.mark.parametrize(
    ("panel", "fault"),
    [
        ({**PANEL, "encoders": ["resnet18_seeds"]}, None),
        ({**PANEL, "encoders": ["clip_vit_b16_random", "openclip_random"]}, None),
        ({**PANEL, "encoders": ["clip_vit_b16_random"]}, "one encoder with seeds, or several"),
        ({**PANEL, "encoders": ["resnet18_seeds", "openclip_random"]}, "one encoder with seeds"),
        ({**PANEL, "encoders": ["resnet"]}, "encoders[0]: 'resnet' is not a known encoder"),
        ({"encoders": ["resnet18_seeds"]}, "needs 'inputs' beside it"),
        ({"files": ["absent.npy", "b.npy"]}, "files[0] is 'absent.npy', which is not a file in"),
        ({"files": ["one.npy"]}, "at least 2"),
        ({}, "exactly one of encoders or files"),
    ],
)
def test_a_seed_study_compares_seeds_or_files(shipped, root, panel, fault):
    config = copy.deepcopy(shipped)
    config["supplement"]["seed_studies"]["supplementary13"] = {"ResNet-50": panel}
    if fault is None:
        check_config(config, root / "config" / "schema" / "config.yaml", ENCODERS, FORMATS)
        return
    with pytest.raises(InputError, match=re.escape(fault)) as error:
        check_config(config, root / "config" / "schema" / "config.yaml", ENCODERS, FORMATS)
    assert str(error.value).startswith("supplement.seed_studies.supplementary13")


def test_what_is_not_run_says_why_and_its_example_is_a_configuration(shipped, root, tmp_path):
    text = (root / "config" / "ledger" / "not_run.yaml").read_text(encoding="utf-8")
    entries = yaml.safe_load(text)
    empty = {name for name, panels in shipped["supplement"]["seed_studies"].items() if not panels}
    assert empty <= entries.keys()
    for name in empty:
        entry = entries[name]
        assert entry.keys() == {"title", "needs", "reason", "command", "config"}
        assert entry["command"].endswith(f"results/figures/{name}.svg")
        overlay = yaml.safe_load(entry["config"])["supplement"]["seed_studies"]
        config = copy.deepcopy(shipped)
        config["supplement"]["seed_studies"] |= overlay
        # All of it is right but for the files, which are not here.
        with pytest.raises(InputError, match="which is not a file in"):
            check_config(config, root / "config" / "schema" / "config.yaml", ENCODERS, FORMATS)


# --- Supplementary 12 -------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.01, 0.1, 1])
def test_the_text_computes_the_loss(loss_text, temperature):
    rng = np.random.default_rng(0)
    images, texts = rng.normal(size=(9, 12)), rng.normal(size=(9, 5))
    project = {"image": rng.normal(size=(12, 4)), "text": rng.normal(size=(3, 4))}
    found = loss_text["contrastive_loss"](
        images, texts, np.tanh, lambda words: words[:, :3] ** 2, project, temperature
    )
    x = normalise(np.tanh(images) @ project["image"])
    y = normalise(texts[:, :3] ** 2 @ project["text"])
    assert found == pytest.approx(symmetric_loss(x @ y.T, temperature), rel=1e-12)
    released = loss_text["loss_as_released"](x, y, temperature)
    to_text, to_image = cross_entropies(x @ y.T, temperature)
    assert released == pytest.approx(to_text, rel=1e-12)
    assert abs(to_text - to_image) > 1e-3  # so the slip shows


# --- Supplementary 15 -------------------------------------------------------------------------


def test_without_norm_layers_the_weights_stay_and_inputs_pass(root):
    spec = {
        "library": "open_clip",
        "architecture": str(root / "config/architectures/emoji-clip.json"),
    }
    whole, _, _ = open_clip.load_open_clip(spec, {"seed": 0})
    bare, _, _ = open_clip.load_open_clip(spec | {"norm_layers": False}, {"seed": 0})
    assert any(isinstance(module, torch.nn.LayerNorm) for module in whole.modules())
    assert not any(isinstance(module, torch.nn.LayerNorm) for module in bare.modules())
    kept, had = bare.state_dict(), whole.state_dict()
    assert {name for name in had if ".ln_" not in name and "ln_final" not in name} == kept.keys()
    assert all(torch.equal(kept[name], had[name]) for name in kept)


def test_norm_layers_of_every_kind_go_however_deep():
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 1),
        torch.nn.BatchNorm2d(4),
        torch.nn.Sequential(torch.nn.GroupNorm(2, 4), torch.nn.ReLU(), torch.nn.LayerNorm(5)),
    ).eval()
    torch.nn.init.constant_(network[1].running_mean, 3)  # of a network that has been trained
    picture = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    remove_norm_layers(network)
    torch.testing.assert_close(network(picture), torch.relu(network[0](picture)))


def test_normalisation_is_switched_off_in_random_weights_alone(shipped, root):
    shipped["supplement"]["normalisation"]["encoders"].append("digit_clip")
    with pytest.raises(InputError, match=r"^supplement\.normalisation\.encoders has digit_clip,"):
        check_config(shipped, root / "config" / "schema" / "config.yaml", ENCODERS, FORMATS)


def test_pixels_without_input_normalisation_run_from_0_to_1(root):
    spec = {
        "library": "open_clip",
        "architecture": str(root / "config/architectures/emoji-clip.json"),
    }
    picture = Image.new("RGB", (64, 64), (255, 0, 51))
    raw, usual = (
        build_encoder(spec | switch, "image", {"seed": 0}, "float32")
        for switch in ({"input_normalisation": False}, {})
    )
    pixel, normalised = (each.normalise(each.prepare(picture))[:, 32, 32] for each in (raw, usual))
    np.testing.assert_allclose(pixel, [1, 0, 0.2], atol=1e-6)
    mean, std = np.array(pictures.CLIP_MEAN), np.array(pictures.CLIP_STD)
    expected = (np.array([1, 0, 0.2]) - mean) / std
    np.testing.assert_allclose(normalised, expected, atol=1e-5)
    assert "as they are" in raw.metadata["preprocessing"]


# --- the table of p-values --------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(root) -> dict:
    text = (root / "config" / "ledger" / "p_values.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["supplementary_p_values"]


def test_the_pooled_test_gives_the_published_p_values(published):
    paper = [row for row in published["comparisons"] if "p_value" in row]
    assert [row["p_value"] for row in paper] == [3.476e-6, 8.701e-3, 7.020e-6]
    for row in paper:
        p = two_proportion_test(row["default"], row["modified"], row["n"])
        assert p == pytest.approx(row["p_value"], rel=2e-4)  # four digits are printed
    table1 = [row for row in published["comparisons"] if row["accuracies"] == "Table 1"]
    assert not any("p_value" in row for row in table1)  # the paper prints none
    found = [two_proportion_test(row["default"], row["modified"], row["n"]) for row in table1]
    assert found == pytest.approx([0.10, 0.23], abs=0.005)
