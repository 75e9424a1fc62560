"""The training experiments on whole CLIP models: a tiny one, from pictures made here."""

import io
import json
from collections.abc import Iterator
from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.nn import functional

from modality_gap.encoders.open_clip import hidden, load_open_clip
from modality_gap.encoders.pictures import split_transform
from modality_gap.errors import InputError
from modality_gap.training.experiments import embed_task, plan_runs, run_settings, train_run
from modality_gap.training.journal import run_missing
from modality_gap.training.pairs import Pairs
from modality_gap.training.tables import experiment_tables
from modality_gap.training.whole_clip import Clip, build_clip, read_items, read_pairs, start_weights

CPU = torch.device("cpu")
ARCHITECTURE = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
}
COLOURS = ["red", "green", "blue", "yellow", "purple", "orange", "white", "black", "brown", "pink"]
OPTIMISATION = {
    "optimiser": "adam",
    "betas": [0.9, 0.98],
    "epsilon": 1e-6,
    "weight_decay": 0.2,
    "batch_size": 4,
    "warmup": 0,
    "decay": "none",
    "record_every": 1,
}
MODEL = {"encoder": "tiny", "dataset": "coco", "pairs": 6}
EXPERIMENTS = {
    "seeds": 2,
    "optimisation": OPTIMISATION | {"batch_size": 64, "warmup": 30},
    "towers": {"hidden_layers": 1, "width": 16, "dim": 6},
    "models": {
        name: MODEL | {"optimisation": {"batch_size": 4, "warmup": 0}}
        for name in ("temperature", "initialisation", "dimension")
    },
    "temperature": {"task": "colours", "temperatures": [1.0, 0.01], "steps": 2},
    "initialisation": {"temperature": 0.01, "largest_scale": 100, "steps": 2},
    "dimension": {"dims": [8, 12], "temperature": 0.01, "steps": 2},
}
for experiment in ("temperature", "initialisation", "dimension"):
    EXPERIMENTS[experiment]["learning_rate"] = 0.001


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """One thread, which so small a model is quickest in, and a tokenizer that is made once."""
    with hidden("transformers"):  # as load_open_clip does
        import open_clip

    threads, tokenizer = torch.get_num_threads(), open_clip.get_tokenizer
    torch.set_num_threads(1)
    open_clip.get_tokenizer = cache(tokenizer)
    yield
    torch.set_num_threads(threads)
    open_clip.get_tokenizer = tokenizer


@pytest.fixture(scope="module")
def spec(tmp_path_factory) -> dict:
    path = tmp_path_factory.mktemp("architectures") / "tiny-clip.json"
    path.write_text(json.dumps(ARCHITECTURE))
    return {"library": "open_clip", "architecture": str(path), "seed": 3}


@pytest.fixture(scope="module")
def loaded(spec) -> tuple:
    """Model, picture transform and tokenizer."""
    model, transform, tokenizer = load_open_clip(spec, start_weights(spec))
    return model, transform, partial(tokenizer, context_length=8)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> str:
    """Ten JPEG photographs of noise, each in a colour of its own, seven of them for training."""
    rng, rows = np.random.default_rng(0), []
    for number, colour in enumerate(COLOURS):
        noise = Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
        picture, file = Image.blend(noise, Image.new("RGB", noise.size, colour), 0.6), io.BytesIO()
        picture.save(file, format="JPEG")
        split = "test" if number % 3 == 1 else "train"
        rows.append((f"item{number}", file.getvalue(), f"something {colour}", split))
    path = tmp_path_factory.mktemp("datasets") / "coco.parquet"
    table = pd.DataFrame(rows, columns=["item_id", "image", "text", "split"])
    table.to_parquet(path, index=False, row_group_size=4)
    return str(path)


@pytest.fixture(scope="module")
def pairs(dataset, loaded) -> Pairs:
    _, transform, tokenize = loaded
    return read_pairs(dataset, 6, 1, transform, tokenize, workers=2, device=CPU)


def seen(pixels: torch.Tensor, loaded: tuple) -> torch.Tensor:
    """What the model itself is fed where the pairs hold pixels."""
    return split_transform(loaded[1])[1](pixels)


# --- inputs -------------------------------------------------------------------------------------


def test_pairs_are_the_pictures_with_their_captions(pairs, dataset, loaded, tmp_path):
    _, transform, tokenize = loaded
    table = pd.read_parquet(dataset).set_index("text")
    tokens = {tuple(tokenize([text])[0].tolist()): text for text in table.index}
    texts = [tokens[tuple(row)] for row in pairs.b.tolist()]
    assert (len(pairs.train), len(pairs.test)) == (6, 3)
    for rows, split in ((pairs.train, "train"), (pairs.test, "test")):
        assert {table.loc[texts[row], "split"] for row in rows.tolist()} == {split}
    for picture, text in zip(seen(pairs.a, loaded), texts, strict=True):
        wanted = transform(Image.open(io.BytesIO(table.loc[text, "image"])))
        assert torch.equal(picture, wanted)
    drawn = {}
    for count, seed in ((None, 1), (4, 1), (4, 2)):
        other = read_pairs(dataset, count, seed, transform, tokenize, workers=1, device=CPU)
        assert (len(other.train), len(other.test)) == (count or 7, 3)
        drawn[count, seed] = {tokens[tuple(other.b[row].tolist())] for row in other.train}
    assert drawn[4, 1] != drawn[4, 2]
    # What is in neither split is in neither part.
    table.loc[texts[0], "split"] = "other"
    path = tmp_path / "three.parquet"
    table.reset_index().to_parquet(path, index=False)
    three = read_pairs(str(path), None, 1, transform, tokenize, workers=1, device=CPU)
    assert len(three.train) + len(three.test) == len(three.a) == 9


def test_items_are_those_that_the_mask_takes_in_their_order(dataset, loaded):
    rows = np.array([False, True, False, False, False, True, True, False, False, True])
    table, pixels = read_items(dataset, rows, loaded[1], workers=2)
    assert list(table["item_id"]) == ["item1", "item5", "item6", "item9"]
    assert list(table) == ["item_id", "text", "split"]
    assert (pixels.shape, pixels.dtype) == ((4, 3, 16, 16), torch.uint8)
    pictures = pd.read_parquet(dataset)["image"][rows]
    wanted = [loaded[1](Image.open(io.BytesIO(picture))) for picture in pictures]
    assert torch.equal(seen(pixels, loaded), torch.stack(wanted))


def test_items_of_a_file_of_several_batches_are_those_that_the_mask_takes(loaded, tmp_path):
    """600 pictures in row groups of 250; each is of one grey, which the pixels show."""
    greys, rows = np.arange(600) % 256, []
    for number, grey in enumerate(greys):
        file = io.BytesIO()
        Image.new("RGB", (2, 2), (int(grey),) * 3).save(file, format="PNG")
        rows.append((f"item{number}", file.getvalue()))
    path = tmp_path / "many.parquet"
    table = pd.DataFrame(rows, columns=["item_id", "image"])
    table.to_parquet(path, index=False, row_group_size=250)
    mask = np.ones(600, dtype=bool)
    mask[[0, 255, 257, 300, 512]] = False
    table, pixels = read_items(str(path), mask, loaded[1], workers=2)
    assert list(table["item_id"]) == [f"item{number}" for number in np.flatnonzero(mask)]
    np.testing.assert_array_equal(pixels[:, 0, 8, 8], greys[mask])
    assert len(pixels) == 595
    # The message names a picture that cannot be read.
    table = pd.DataFrame(rows, columns=["item_id", "image"])
    table.loc[530, "image"] = b"no picture"
    table.to_parquet(path, index=False, row_group_size=250)
    with pytest.raises(InputError, match="item 'item530'"):
        read_items(str(path), mask, loaded[1], workers=2)


def test_an_unreadable_picture_is_told_by_name(dataset, loaded, tmp_path):
    table = pd.read_parquet(dataset)
    table.loc[7, "image"] = b"no picture"
    path = tmp_path / "coco.parquet"
    table.to_parquet(path)
    with pytest.raises(InputError, match="item 'item7'"):
        read_items(str(path), np.ones(10, dtype=bool), loaded[1], workers=2)


# --- the model ----------------------------------------------------------------------------------


def test_a_whole_model_gives_open_clip_s_own_features(pairs, spec, loaded):
    model = loaded[0]
    clip = Clip(load_open_clip(spec, start_weights(spec))[0], loaded[1], CPU)
    pictures = seen(pairs.a, loaded)
    with torch.no_grad():
        x, y = clip(pairs.a, pairs.b)
        torch.testing.assert_close(x, model.encode_image(pictures, normalize=True))
        torch.testing.assert_close(y, model.encode_text(pairs.b, normalize=True))
        images, texts = embed_task(clip, pairs.a, pairs.b[:2], at_once=3)
    np.testing.assert_allclose(images, x, atol=1e-6)
    np.testing.assert_allclose(texts, y[:2], atol=1e-6)
    assert clip.temperature() == pytest.approx(0.07)  # CLIP's initial one (Radford et al., 2021)


def test_pretrained_weights_and_one_s_own_seed_are_started_from():
    assert start_weights({"pretrained": "openai"}) == {"tag": "openai"}
    assert start_weights({"seed": 3}) == {"seed": 3}
    assert start_weights({"pretrained": "openai", "seed": 3}, "a.pt") == {"file": "a.pt"}


# --- experiments --------------------------------------------------------------------------------


def run_all(name, pairs, spec, journal, stop_at=None, said=lambda line: None):
    """All runs of an experiment through the journal; the run `stop_at` is interrupted."""
    settings = run_settings(EXPERIMENTS, name)
    start = build = None
    if name == "temperature":
        start = Clip(*load_open_clip(spec, start_weights(spec))[:2], CPU)
    else:
        build = partial(build_clip, spec=spec, device=CPU)
    done = []

    def train(run):
        if len(done) == stop_at:
            raise KeyboardInterrupt
        done.append(run)
        return train_run(run, pairs, settings, start=start, build=build)

    runs = plan_runs(EXPERIMENTS, name, 0)
    return run_missing(runs, train, journal, settings, said), done


@pytest.mark.parametrize(("name", "count"), [("temperature", 4), ("initialisation", 8)])
def test_an_interrupted_experiment_goes_on_and_ends_the_same(name, count, pairs, spec, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_all(name, pairs, spec, tmp_path / "journal", stop_at=1)
    resumed, done = run_all(name, pairs, spec, tmp_path / "journal")
    assert len(done) == count - 1
    through, done = run_all(name, pairs, spec, tmp_path / "other")
    assert (len(done), through) == (count, resumed)
    tables = experiment_tables(
        name,
        [{**one, "row": one["row"] | {"zero_shot_after": 0.5}} for one in through],
        0.95,
    )
    assert not tables["summary"].isna().any(axis=None)
    assert [step["step"] for step in through[0]["steps"]] == [0, 1, 2]


def test_every_temperature_starts_from_the_same_weights(pairs, spec, loaded, tmp_path):
    rows = [result["row"] for result in run_all("temperature", pairs, spec, tmp_path)[0]]
    model = loaded[0]
    with torch.no_grad():
        x = model.encode_image(seen(pairs.a, loaded), normalize=True)[pairs.test].double()
        y = model.encode_text(pairs.b, normalize=True)[pairs.test].double()
    for row in rows:
        assert row["gap_before"] == pytest.approx(float((x.mean(0) - y.mean(0)).norm()), abs=1e-6)
    assert len({row["gap_after"] for row in rows}) == 4


def test_a_rotated_start_from_scratch_closes_the_gap_first(pairs, spec, tmp_path):
    rows = {}
    for result in run_all("initialisation", pairs, spec, tmp_path)[0]:
        row = result["row"]
        rows[row["temperature_mode"], row["start"], row["seed"]] = row
    for mode in ("fixed", "learnt"):
        for seed in (0, 1):
            original, rotated = rows[mode, "original", seed], rows[mode, "rotated", seed]
            assert rotated["gap_before"] < 0.6 * original["gap_before"]
            assert rotated["mean_cosine_b_before"] == pytest.approx(
                original["mean_cosine_b_before"], abs=1e-6
            )
            assert (original["temperature_after"] == 0.01) == (mode == "fixed")
    assert rows["fixed", "original", 0]["gap_before"] != rows["fixed", "original", 1]["gap_before"]


def test_the_dimension_is_the_architecture_s_but_for_the_condition(pairs, spec, tmp_path):
    for dim in (8, 12):
        clip = build_clip({"dim": dim}, 0, spec, CPU)
        with torch.no_grad():
            assert {side.shape for side in clip(pairs.a, pairs.b)} == {(9, dim)}
    results, _ = run_all("dimension", pairs, spec, tmp_path)
    assert [result["row"]["dim"] for result in results] == [8, 8, 12, 12]
    assert build_clip({}, 0, spec, CPU).rotation.shape == (16, 16)


def test_training_from_pixels_is_open_clip_s_and_torch_s_own(pairs, spec, loaded):
    settings = run_settings(EXPERIMENTS, "dimension")
    run = {"condition": {"dim": 8}, "seed": 5}
    build = partial(build_clip, spec=spec, device=CPU)
    trained = train_run(run, pairs, settings, build=build)
    pictures = seen(pairs.a, loaded)
    # As torch.optim's own Adam and open_clip's own scale have it, two steps of it.
    model = load_open_clip(spec | {"embed_dim": 8}, {"seed": 5})[0]
    optimiser = torch.optim.Adam(
        model.parameters(), lr=0.001, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.2
    )
    generator = torch.Generator().manual_seed(5)
    for _ in range(2):
        batch = pairs.train[torch.randperm(6, generator=generator)[:4]]
        x = functional.normalize(model.encode_image(pictures[batch]))
        y = functional.normalize(model.encode_text(pairs.b[batch]))
        logits, right = x @ y.T * 100, torch.arange(4)
        loss = functional.cross_entropy(logits, right) + functional.cross_entropy(logits.T, right)
        optimiser.zero_grad()
        (loss / 2).backward()
        optimiser.step()
    with torch.no_grad():
        x = model.encode_image(pictures[pairs.test], normalize=True)
        y = model.encode_text(pairs.b[pairs.test], normalize=True)
    wanted = float((x.mean(0) - y.mean(0)).norm())
    assert trained["row"]["gap_after"] == pytest.approx(wanted, abs=1e-4)
    assert abs(trained["row"]["gap_before"] - wanted) > 1e-3


def test_a_model_s_own_optimisation_stands_before_that_of_all():
    settings = run_settings(EXPERIMENTS, "dimension")
    assert settings["batch_size"] == 4
    assert settings["warmup"] == 0
    assert settings["optimiser"] == "adam"
    assert settings["model"] == MODEL
    assert "width" not in settings
