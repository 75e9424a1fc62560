"""What is known of open_clip's models without its import, held against open_clip itself."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from official_formats import write_openai_clip
from PIL import Image

from modality_gap.config import clip_models
from modality_gap.config.clip_models import (
    activation_fault,
    is_torchscript,
    preparation,
    timm_fault,
)
from modality_gap.encoders.build import ENCODERS, build_encoder
from modality_gap.encoders.open_clip import hidden
from modality_gap.encoders.timm import _check_architecture
from modality_gap.errors import InputError

RIGHT = "vit_base_patch32_clip_quickgelu_224"  # timm's, with OpenAI's activation
SMALL = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
}


def test_the_library_is_not_imported():
    code = (
        "import sys; from modality_gap.config import clip_models as c; assert c.tags('ViT-B-32');"
        "assert sys.modules.keys().isdisjoint({'torch', 'open_clip', 'huggingface_hub'})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": "scripts"})


def test_where_the_libraries_are_absent_nothing_is_known(monkeypatch):
    for function in (clip_models._pretrained, clip_models._timm_quick_gelu):
        function.cache_clear()
    monkeypatch.setattr(clip_models, "find_spec", lambda _name: None)
    assert clip_models.architectures() == []
    assert clip_models.tags("ViT-B-32") == {}
    spec = {"architecture": "ViT-B-32", "pretrained": "openai"}
    assert activation_fault("x", spec) is None
    spec = {"architecture": "vit_base_patch32_clip_224.openai", "pretrained": True}
    assert timm_fault("x", spec) is None
    for function in (clip_models._pretrained, clip_models._timm_quick_gelu):
        function.cache_clear()


def archive(path: Path, **members: str) -> str:
    """A zip, whose members' names have "/" for "__" and "." for "_"."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "/").replace("_", "."), content)
    return str(path)


def test_openais_weights_are_known_by_what_only_they_hold(tmp_path):
    numbers = "input_resolution and context_length and vocab_size"
    for number, (members, openais, script) in enumerate(
        [
            ({"a__data_pkl": numbers}, True, False),
            ({"a__data_pkl": "input_resolution"}, False, False),
            ({"a__data_pkl": "context_length"}, False, False),
            ({"a__data_txt": numbers}, False, False),
            ({"a__code__model_py": "QuickGELU"}, True, True),
            ({"a__code__model_py": "GELU"}, False, True),
            ({"a__notes_txt": "QuickGELU"}, False, False),
            ({"a__data_pkl": "x", "a__code__model_py": "QuickGELU", "a__z_txt": ""}, True, True),
        ]
    ):
        path = archive(tmp_path / f"{number}.pt", **members)
        spec = {"architecture": "ViT-B-32", "pretrained": path}
        assert (activation_fault("x", spec) is not None) == openais, members
        assert is_torchscript(path) == script, members
    (tmp_path / "text.pt").write_text("/code/")
    assert not is_torchscript(str(tmp_path / "text.pt"))


def test_what_stands_beside_weights_is_believed_both_ways(tmp_path):
    (tmp_path / "own.pt").touch()
    spec = {"pretrained": str(tmp_path / "own.pt")}
    mine = tmp_path / "mine.json"
    for trained in (True, False):
        beside = {"model_cfg": {"quick_gelu": trained, "embed_dim": 512}}
        (tmp_path / "open_clip_config.json").write_text(json.dumps(beside))
        mine.write_text(json.dumps(SMALL | {"quick_gelu": not trained}))
        wrong, right = ("ViT-B-32", "ViT-B-32-quickgelu")[:: 1 if trained else -1]
        has, wants = ("GELU", "QuickGELU")[:: 1 if trained else -1]
        told = f", whose activation is {has}, but the weights {tmp_path / 'own.pt'} were trained "
        told += f"with {wants}; "
        assert activation_fault("x", spec | {"architecture": wrong}) == (
            f"x.architecture is {wrong}{told}give {right}."
        )
        assert activation_fault("x", spec | {"architecture": right}) is None
        assert activation_fault("x", spec | {"architecture": str(mine)}) == (
            f"x.architecture is {mine}{told}set quick_gelu in it to {str(trained).lower()}."
        )
    # An empty file says nothing; nor does one beside weights that are not there.
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {}}))
    assert activation_fault("x", spec | {"architecture": "ViT-B-32-quickgelu"}) is None
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"embed_dim": 1}}))
    assert activation_fault("x", spec | {"architecture": "ViT-B-32-quickgelu"}) is not None
    (tmp_path / "own.pt").unlink()
    assert activation_fault("x", spec | {"architecture": "ViT-B-32-quickgelu"}) is None


def test_an_architecture_in_a_file_has_the_tags_of_its_name(tmp_path):
    path = tmp_path / "ViT-B-32.json"
    assert clip_models.tags(str(path)) == clip_models.tags("ViT-B-32") != {}
    path.write_text(json.dumps(SMALL))
    spec = {"architecture": str(path), "pretrained": "laion2b_s34b_b79k"}
    assert "trained with GELU; set quick_gelu in it to false." in activation_fault("x", spec)
    for content in ("{", "[]", "{}"):  # open_clip will refuse it
        path.write_text(content)
        assert activation_fault("x", spec) is None
        assert activation_fault("x", spec | {"pretrained": "openai"}) is None
    assert activation_fault("x", {"architecture": "ViT-B-32"}) is None


def test_preparation_is_that_beside_the_weights_or_that_of_all_tags(tmp_path, monkeypatch):
    known = {"a": {"mean": [1], "std": [2]}, "b": {"mean": [1], "std": [2], "url": "x"}}
    monkeypatch.setattr(clip_models, "_pretrained", lambda: {"mine": known})
    alike = {"image_mean": [1], "image_std": [2]}
    weights = str(tmp_path / "own.pt")
    assert preparation("mine", None) == preparation("mine", weights) == alike
    assert preparation("mine", "a") == preparation("other", None) == {}
    beside = {"interpolation": "bicubic", "resize_mode": "squash", "size": 224}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"preprocess_cfg": beside}))
    assert preparation("mine", weights) == {
        "image_interpolation": "bicubic",
        "image_resize_mode": "squash",
    }
    known["b"]["std"] = [3]
    assert preparation("mine", None) == {}


@pytest.fixture
def open_clip(monkeypatch):
    """open_clip with the architectures that it ships: another test may have registered its own."""
    with hidden("transformers"):
        import open_clip
    from open_clip import factory

    shipped = [Path(open_clip.__file__).parent / "model_configs"]
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", shipped)
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", {})
    factory._rescan_model_configs()
    return open_clip


def test_architectures_and_tags_are_open_clips(open_clip):
    assert clip_models.architectures() == sorted(open_clip.list_models())
    for name in open_clip.list_models():
        known = clip_models.tags(name)
        assert list(known) == open_clip.list_pretrained_tags_by_model(name)
        for tag, config in known.items():
            assert config == open_clip.get_pretrained_cfg(name, tag)


def test_every_tag_of_another_activation_is_refused_and_the_right_one_taken(open_clip):
    refused = []
    for name, tag in open_clip.list_pretrained():
        # What open_clip itself warns of, and goes on.
        has = bool(open_clip.get_model_config(name).get("quick_gelu"))
        wants = bool(open_clip.get_pretrained_cfg(name, tag).get("quick_gelu"))
        told = activation_fault("encoders.mine", {"architecture": name, "pretrained": tag})
        assert (told is None) == (has == wants), (name, tag)
        if told:
            refused.append((name, tag))
            assert told.startswith(f"encoders.mine.architecture is {name}, whose activation is ")
            if right := re.search(r"give (\S+-quickgelu)\.$", told):
                assert open_clip.get_model_config(right[1])["quick_gelu"]
                assert tag in clip_models.tags(right[1])
                spec = {"architecture": right[1], "pretrained": tag}
                assert activation_fault("encoders.mine", spec) is None
            else:
                assert (name, tag) == ("roberta-ViT-B-32", "laion2b_s12b_b32k")
    assert len(refused) == 28
    assert ("ViT-B-32", "openai") in refused
    assert ("ViT-B-32", "laion2b_s34b_b79k") not in refused


@pytest.fixture
def weights(tmp_path):
    """Weights of a small CLIP: OpenAI's archive, what it holds, and those of an unknown hand."""
    write_openai_clip(tmp_path / "openai.pt", SMALL, seed=5)
    state = torch.jit.load(tmp_path / "openai.pt").state_dict()
    torch.save(dict(state), tmp_path / "state.pt")
    own = {name: tensor for name, tensor in state.items() if tensor.ndim}
    torch.save(own, tmp_path / "own.pt")
    with zipfile.ZipFile(tmp_path / "code.pt", "w") as archive:
        archive.writestr("archive/code/__torch__/model.py", "class QuickGELU(Module):")
    (tmp_path / "text.pt").write_text("no weights")
    return tmp_path


@pytest.mark.parametrize("file", ["openai.pt", "state.pt", "code.pt"])
def test_openais_weights_in_a_file_want_its_activation(weights, file):
    path = str(weights / file)
    for name, remedy in (
        ("ViT-B-32", "give ViT-B-32-quickgelu."),
        ("convnext_base", "open_clip has no such architecture."),
    ):
        spec = {"architecture": name, "pretrained": path}
        assert activation_fault("encoders.mine", spec) == (
            f"encoders.mine.architecture is {name}, whose activation is GELU, but the weights "
            f"{path} were trained with QuickGELU; "
            + remedy.replace("open_clip", "give other weights, because open_clip")
        )
    spec = {"architecture": "ViT-B-32-quickgelu", "pretrained": path}
    assert activation_fault("encoders.mine", spec) is None


def test_weights_of_an_unknown_hand_are_taken_as_they_are(weights):
    for file in ("own.pt", "text.pt", "absent.pt"):
        spec = {"architecture": "ViT-B-32", "pretrained": str(weights / file)}
        assert activation_fault("encoders.mine", spec) is None
        quick = {**spec, "architecture": "ViT-B-32-quickgelu"}
        assert activation_fault("encoders.mine", quick) is None
    beside = {"model_cfg": {"quick_gelu": True}, "preprocess_cfg": {"mean": [0.5, 0.5, 0.5]}}
    (weights / "open_clip_config.json").write_text(json.dumps(beside))
    assert "give ViT-B-32-quickgelu." in activation_fault("encoders.mine", spec | {
        "pretrained": str(weights / "own.pt")
    })  # fmt: skip
    assert preparation("ViT-B-32", str(weights / "own.pt")) == {"image_mean": [0.5, 0.5, 0.5]}


@pytest.mark.parametrize("kind", ["weights", "wheel"])
def test_an_asset_is_openais(tmp_path, kind):
    spec = {"architecture": "RN50", kind: "clip"}
    told = "the weights clip were trained with QuickGELU; give RN50-quickgelu."
    assert told in activation_fault("x", spec)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(SMALL | {"quick_gelu": False}))
    spec["architecture"] = str(path)
    assert activation_fault("x", spec).endswith("; set quick_gelu in it to true.")
    path.write_text(json.dumps(SMALL))
    assert activation_fault("x", spec) is None


def test_a_job_refuses_them_too(weights):
    path = weights / "plain.json"
    path.write_text(json.dumps(SMALL | {"quick_gelu": False}))
    spec = {"library": "open_clip", "architecture": str(path)}
    for kind in ("file", "tag"):
        with pytest.raises(InputError, match="trained with QuickGELU; set quick_gelu in it"):
            build_encoder(spec, "image", {kind: str(weights / "openai.pt")})
    path.write_text(json.dumps(SMALL))
    picture = Image.new("RGB", (40, 40), (255, 0, 51))
    vectors = [
        (encoder := build_encoder(spec, "image", {kind: str(weights / "openai.pt")})).encode(
            [encoder.prepare(picture)]
        )
        for kind in ("file", "tag")
    ]
    assert (vectors[0] == vectors[1]).all()
    spec = {"library": "timm", "architecture": "vit_base_patch32_clip_224"}
    for weights in ({"tag": "openai"}, {"tag": True}, {"file": "absent.pt"}):
        name = "vit_base_patch32_clip_224" + ("" if weights.get("tag") == "openai" else ".openai")
        with pytest.raises(InputError, match=f"give {RIGHT} with the tag openai[.]"):
            build_encoder(spec | {"architecture": name}, "image", weights)


def test_timms_tags_of_another_activation_are_those_that_it_notes():
    import timm

    names = timm.list_pretrained()
    noted = [n for n in names if "QuickGELU" in str(timm.get_pretrained_cfg(n).notes)]
    refused = {name for name in noted if "quickgelu" not in name}
    assert len(refused) == 17
    for name in names:
        architecture, _, tag = name.partition(".")
        for spec in (
            {"architecture": architecture, "pretrained": tag},
            {"architecture": name, "pretrained": True},
            {"architecture": name, "weights": "asset"},
        ):
            told = timm_fault("encoders.mine", spec)
            assert (told is not None) == (name in refused)
        if told:
            right, same = re.search(r"give (\S+) with the tag (\S+)\.$", told).groups()
            assert same == tag and f"{right}.{tag}" in noted
        assert timm_fault("encoders.mine", {"architecture": name, "seed": 0}) is None
    for name in refused:  # as the network is made, too
        _check_architecture(name, "image", trained=False)
        with pytest.raises(InputError, match=re.escape(f"encoders: architecture is {name}, whose")):
            _check_architecture(name, "image", trained=True)
    for name in {*noted} - refused:
        _check_architecture(name, "image", trained=True)


@pytest.mark.parametrize(
    ("library", "wrong", "right"),
    [
        ("open_clip", "ViT-B-32", "ViT-B-32-quickgelu"),
        ("timm", "vit_base_patch32_clip_224", RIGHT),
    ],
)
def test_another_activation_is_a_fault_of_the_configuration(library, wrong, right):
    def told(architecture, **more):
        entry = {"library": library, "architecture": architecture, "pretrained": "openai"}
        return list(ENCODERS[library].faults("encoders.mine", entry | more))

    (sentence,) = told(wrong)
    assert sentence.startswith(f"encoders.mine.architecture is {wrong}")
    same = " with the tag openai" if library == "timm" else ""
    assert sentence.endswith(f"give {right}{same}.")
    assert told(right) == []
    if library == "timm":  # each fault by itself
        first, second = told(wrong, options={"classes": 3})
        assert (first, second.split()[0]) == (sentence, "encoders.mine.options.classes")


def test_pictures_are_prepared_as_every_tag_of_the_architecture_says(open_clip):
    assert preparation("ViT-B-16-SigLIP", "webli") == {}  # open_clip knows this tag
    for weights in (None, "absent.pt"):
        assert preparation("ViT-B-16-SigLIP", weights) == {
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "image_interpolation": "bicubic",
            "image_resize_mode": "squash",
        }
        # Of OpenAI's and of most others the default, whether they agree or not.
        default = open_clip.get_model_preprocess_cfg(open_clip.create_model("ViT-B-32"))
        for argument, value in preparation("ViT-B-32", weights).items():
            assert list(default[argument.removeprefix("image_")]) == list(value)
    spec = {"library": "open_clip", "architecture": "MobileCLIP-S1"}
    encoder = build_encoder(spec, "image", {"seed": 0}, "float32")
    pixel = encoder.normalise(encoder.prepare(Image.new("RGB", (300, 300), (255, 0, 51))))[:, 9, 9]
    torch.testing.assert_close(pixel, torch.tensor([1.0, 0.0, 0.2]))


# Numbers in OpenAI's archives beside the weights.
OPENAIS_OWN = ("input_resolution", "context_length", "vocab_size")


def test_a_job_takes_assets_for_openais_and_files_for_what_they_hold(weights):
    path = weights / "plain.json"
    path.write_text(json.dumps(SMALL | {"quick_gelu": False}))
    spec, own = {"library": "open_clip", "architecture": str(path)}, str(weights / "bare.pt")
    state = torch.load(weights / "state.pt", weights_only=True)
    torch.save({key: state[key] for key in state if key not in OPENAIS_OWN}, own)
    for kind, file in (("file", own), ("wheel", str(weights / "absent.whl"))):
        with pytest.raises(InputError, match="trained with QuickGELU; set quick_gelu") as error:
            build_encoder(spec, "image", {kind: file, "member": "m"})
        assert f"the weights {file} were" in str(error.value)
    # The same file as a path of one's own: nobody says what it was trained with.
    assert build_encoder(spec, "image", {"tag": own}).metadata["weights"] == "bare.pt"
