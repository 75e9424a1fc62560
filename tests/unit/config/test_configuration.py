"""The shipped configuration passes; a faulty one is told in one sentence with its key."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pandas._libs.parsers import STR_NA_VALUES
from snakemake.utils import update_config

from modality_gap.config.check import check_config
from modality_gap.config.declarations import complete_schema
from modality_gap.config.faults import EMPTY_CELLS
from modality_gap.config.load import without_nulls
from modality_gap.config.names import columns_of, without_absent
from modality_gap.config.renamed import RENAMED, renamed_faults
from modality_gap.config.rows import cluster_column, set_clusters, with_rows
from modality_gap.data.formats import FORMATS
from modality_gap.data.vector_formats import VECTOR_FORMATS
from modality_gap.encoders.build import ENCODERS
from modality_gap.errors import InputError

ROOT = Path(__file__).parents[3]
SCHEMA_PATH = ROOT / "config" / "schema" / "config.yaml"
SCHEMA = complete_schema(
    yaml.safe_load(SCHEMA_PATH.read_text(encoding="utf-8")), ENCODERS, FORMATS, VECTOR_FORMATS
)
SHIPPED = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
REMOVE = object()
WHOLE = {"encoder": "emoji_clip_random", "dataset": "emoji"}


@pytest.fixture(autouse=True)
def run_in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def changed(*changes: tuple[str, object]) -> dict:
    """The shipped configuration with other values, or without, at keys parted by slashes."""
    config = copy.deepcopy(SHIPPED)
    for path, value in changes:
        *parents, key = path.split("/")
        entry = config
        for parent in parents:
            entry = entry[int(parent) if isinstance(entry, list) else parent]
        if value is REMOVE:
            del entry[key]
        else:
            entry[int(key) if isinstance(entry, list) else key] = copy.deepcopy(value)
    return config


def message_of(config: dict) -> str:
    with pytest.raises(InputError) as caught:
        check_config(config, SCHEMA_PATH, ENCODERS, FORMATS)
    return str(caught.value)


def properties(schema: dict, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple, dict]]:
    """Every key the schema knows, `*` standing for a name that the user gives."""
    for key, entry in schema.get("properties", {}).items():
        entry = resolved(entry)
        yield (*path, key), entry
        yield from properties(entry, (*path, key))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from properties(resolved(schema["additionalProperties"]), (*path, "*"))


def resolved(schema: dict) -> dict:
    if "$ref" not in schema:
        return schema
    target = SCHEMA
    for key in schema["$ref"].split("/")[1:]:
        target = target[key]
    return resolved(target) | {key: schema[key] for key in schema if key != "$ref"}


def test_shipped_configuration_passes() -> None:
    check_config(SHIPPED, SCHEMA_PATH, ENCODERS, FORMATS)


def test_the_published_settings_pass_as_they_are_merged() -> None:
    config = copy.deepcopy(SHIPPED)
    update_config(config, yaml.safe_load((ROOT / "config" / "full.yaml").read_text("utf-8")))
    config = without_nulls(config)
    check_config(config, SCHEMA_PATH, ENCODERS, FORMATS)
    # 5 epochs of 50,000 pairs in batches of 64 (section 4.2, Supplementary 8).
    for name, model in config["experiments"]["models"].items():
        assert config["experiments"][name]["steps"] == 5 * (50_000 // 64)
        assert model["optimisation"]["record_every"] == 50_000 // 64


def test_null_in_an_overlay_removes_an_entry() -> None:
    config = copy.deepcopy(SHIPPED)
    overlay = "{sets: {clasp: null, clip: {note: null}}, emoji: {leave_out_groups: []}}"
    update_config(config, yaml.safe_load(overlay))
    config = without_nulls(config)
    check_config(config, SCHEMA_PATH, ENCODERS, FORMATS)
    assert "clasp" not in config["sets"]
    assert config["sets"]["clip"].keys() == SHIPPED["sets"]["clip"].keys() - {"note"}
    # Nothing but null is removed.
    assert config["emoji"]["leave_out_groups"] == []
    assert without_nulls(SHIPPED) == SHIPPED


def test_own_pairs_alone_need_no_set_and_no_table_of_a_model() -> None:
    config = copy.deepcopy(SHIPPED)
    update_config(config, yaml.safe_load((ROOT / "config" / "own_pairs.yaml").read_text("utf-8")))
    config = without_nulls(config)
    check_config(config, SCHEMA_PATH, ENCODERS, FORMATS)
    assert list(with_rows(config)["sets"]) == ["mine"]
    # With a model, Tables 1 and 2 must name one again.
    row = {"library": "open_clip", "architecture": "RN50", "seed": 0, "inputs": "emoji"}
    with pytest.raises(InputError, match=r"table1\.sets\[0\]: 'stitched' is not a known set"):
        check_config(config | {"models": {"rn50": row}}, SCHEMA_PATH, ENCODERS, FORMATS)
    with pytest.raises(InputError, match="pairs have no entry; add one to any of them"):
        check_config(config | {"pairs": {}}, SCHEMA_PATH, ENCODERS, FORMATS)


def test_what_needs_an_absent_file_takes_no_part() -> None:
    encoders = {f"r{n}": {"library": "timm", "weights": f"w{n}"} for n in range(3)}
    panel = {"encoders": ["r0", "r1", "r2"], "modality": "image", "inputs": "emoji"}
    config = changed(
        ("encoders", SHIPPED["encoders"] | encoders),
        ("datasets/cifar10/files", {"archive": "gated"}),
        ("tasks/gated", SHIPPED["tasks"]["digits"] | {"inputs": "cifar10"}),
        ("table1/tasks", ["digits", "gated"]),
        ("supplement/seed_studies/supplementary13", {"a": panel}),
        ("supplement/seed_studies/supplementary14", {"b": panel | {"inputs": "cifar10"}}),
    )
    left, missing = without_absent(config, ["gated", "w1"])
    assert left["table1"]["tasks"] == ["digits"]
    studies = left["supplement"]["seed_studies"]
    assert studies == {
        "supplementary13": {"a": panel | {"encoders": ["r0", "r2"]}},
        "supplementary14": {},
    }
    assert missing == {
        "table1.tasks gated": ["gated"],
        "supplement.seed_studies.supplementary13": ["w1"],
        "supplement.seed_studies.supplementary14": ["gated", "w1"],
    }
    assert without_absent(config, ["w0", "w1"])[0]["supplement"]["seed_studies"] == {
        "supplementary13": {},
        "supplementary14": {},
    }
    assert without_absent(config, []) == (config, {})


def test_every_key_is_described_and_closed_to_unknown_ones() -> None:
    for path, entry in properties(SCHEMA):
        assert re.fullmatch(r"[A-Z].+\.", entry.get("description", "")), path
        if entry.get("type") == "object":
            assert "additionalProperties" in entry, path


def test_the_schema_holds_no_default_of_its_own() -> None:
    """config/config.yaml has the defaults, and a library those of its options."""
    assert not re.search(r"\bdefault:", SCHEMA_PATH.read_text(encoding="utf-8"))
    assert {("seed",), ("sets", "*", "modalities")} <= {path for path, _ in properties(SCHEMA)}


def test_an_old_key_is_refused_with_its_new_name() -> None:
    """In what a user writes over the defaults, which have the new key already."""
    assert {"table1.models", "table2.model", "mlp_cone.inputs"} <= RENAMED.keys()
    assert {"sets.*.model", "pairs.*.model", "theory.theorem2.inputs"} <= RENAMED.keys()
    mine = (("pairs/mine", {}), ("pairs/mine/label", "Mine"))
    for old, new in RENAMED.items():
        name = "clip" if old.startswith("sets.") else "mine"
        old, new = old.replace("*", name), new.replace("*", name)
        path, renamed = old.replace(".", "/"), new.replace(".", "/")
        value = changed(*mine)
        for key in renamed.split("/"):
            value = value[key]
        sentence = f"{old} is now called {new}; rename it."
        assert message_of(changed(*mine, (path, value))) == sentence
        assert message_of(changed(*mine, (path, value), (renamed, REMOVE))) == sentence
    assert not list(renamed_faults(changed(*mine)))


def test_an_old_key_under_a_name_of_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RENAMED, "a.*.b", "a.*.c.b")
    monkeypatch.setitem(RENAMED, "x", "y")
    config = {"a": {"one": {"b": 1}, "two": {"c": 2}, "three": {"b": None}}, "b": 3, "z": {"x": 1}}
    assert list(renamed_faults(config)) == [
        "a.one.b is now called a.one.c.b; rename it.",
        "a.three.b is now called a.three.c.b; rename it.",
    ]


def test_a_set_without_modalities_has_image_and_text() -> None:
    sets = with_rows(changed(("sets/clip/modalities", ["image", "sound"])))["sets"]
    assert "modalities" not in SHIPPED["sets"]["stitched"]
    assert sets["stitched"]["modalities"] == ["image", "text"]
    assert sets["videoclip"]["modalities"] == ["video", "text"]
    assert sets["clip"]["modalities"] == ["image", "sound"]


@pytest.mark.parametrize(
    "changes",
    [
        [
            (
                "encoders/mine",
                {"library": "open_clip", "architecture": "RN50-quickgelu", "pretrained": "openai"},
            )
        ],
        [("pairs/mine", {"video": "a.parquet", "text": "b.npy", "weights": "random"})],
        [("cone/encoders/video transformer", SHIPPED["cone"]["encoders"]["text transformer"])],
        [("loss_landscape/delta_start", -0.3), ("loss_landscape/delta_step", 0.1)],
        [("confidence", 0.5), ("umap/min_dist", 0), ("extraction/unreadable", "skip")],
        [("training", {}), ("encoders/digit_clip", SHIPPED["encoders"]["digit_clip_random"])],
    ],
)
def test_what_the_schema_allows_passes(
    changes: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").symlink_to(ROOT / "config")
    for name in ("a.parquet", "b.npy"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    check_config(changed(*changes), SCHEMA_PATH, ENCODERS, FORMATS)


NAMES = {
    "projections/stitched/encoders/image": "encoder",
    "projections/stitched/inputs": "input with pictures",
    "sets/digit_clip/encoder": "encoder",
    "sets/digit_clip/inputs": "input with pictures",
    "sets/stitched/projection": "projection",
    "sets/clip/released": "asset of kind file",
    "encoders/minilm/wheel": "asset of kind wheel",
    "encoders/digit_clip/checkpoint": "model under training",
    "training/digit_clip/dataset": "dataset with pictures and captions",
    "cone/encoders/vision transformer/trained": "encoder",
    "cone/encoders/vision transformer/trained_inputs": "input",
    "cone/encoders/vision transformer/random": "encoder",
    "cone/encoders/vision transformer/random_inputs": "input with noise",
    "cone/preprocessing/inputs": "input with pictures",
    "cone/preprocessing/encoders/1": "open_clip encoder",
    "initialisation_cones/minilm_seeds/inputs": "input with noise",
    "supplement/normalisation/inputs": "input with pictures",
    "supplement/normalisation/encoders/2": "open_clip encoder",
    "tasks/emoji_groups/inputs": "input with pictures",
    "table1/sets/1": "set with an encoder or a projection",
    "table1/tasks/2": "task",
    "table2/set": "set with an encoder or a projection",
    "table2/inputs": "input with pictures",
    "experiments/projection": "projection",
    "experiments/temperature/task": "task scored by accuracy",
}


@pytest.mark.parametrize("path", NAMES)
def test_a_name_that_stands_for_nothing_is_told_with_its_own_key_and_kind(path: str) -> None:
    key = re.sub(r"/(\d+)(?=/|$)", r"[\1]", path).replace("/", ".")
    message = message_of(changed((path, "zzzz")))
    assert message.startswith(f"{key}: 'zzzz' is not a known {NAMES[path]}; give one of ")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        # Names that are there, but of another kind.
        ([("cone/preprocessing/encoders/0", "minilm")], "is not a known open_clip encoder"),
        ([("supplement/normalisation/encoders/0", "minilm")], "is not a known open_clip encoder"),
        ([("table1/sets/0", "clip")], "is not a known set with an encoder or a projection"),
        ([("table2/set", "clip")], "is not a known set with an encoder or a projection"),
        ([("tasks/digits/metric", "roc_auc"), ("experiments/temperature/task", "digits")], "accur"),
        (
            [("cone/encoders/text transformer/random_inputs", "emoji")],
            "is not a known input with noise",
        ),
        ([("initialisation_cones/minilm", {"modality": "text", "inputs": "emoji"})], "with seeds"),
        ([("clusters/nowhere", "concept")], "clusters.nowhere: 'nowhere' is not a known dataset"),
    ],
)
def test_a_name_of_another_kind_is_refused(changes: list, words: str) -> None:
    assert words in message_of(changed(*changes))


OF_NAMES = {"file": "clip_vit_b16_lvis", "names": "config/names/lvis_v1.txt", "normalised": True}
FAULTS = {
    # Keys
    "unknown at the top": ("colour", 1, "colour", "--config"),
    "misspelt at the top": ("confidense", 0.9, "confidense", "did you mean confidence?"),
    "misspelt": ("extraction/batchsize", 3, "extraction.batchsize", "did you mean batch_size?"),
    "misspelt in a map": ("sets/clip/notes", "x", "sets.clip.notes", "did you mean note?"),
    "is not a known key": (
        "extraction/7",
        3,
        "extraction.7",
        "remove it, or use one of batch_size",
    ),
    "section missing": ("sphere", REMOVE, "sphere", "add it"),
    "key missing": ("umap/min_dist", REMOVE, "umap.min_dist", "add it"),
    "bad name": ("inputs/2nd", {"noise": 9}, "inputs.2nd", "begins with a letter"),
    "modality no word": (
        "sets/videoclip/modalities/0",
        "image/2",
        "sets.videoclip.modalities[0]",
        "begins with a letter",
    ),
    # Types
    "text for a number": ("seed", "five", "seed", "whole number"),
    "fraction for a count": ("seed", 2.0, "seed", "whole number"),
    "truth for a count": ("digits/items", True, "digits.items", "whole number"),
    "number for a section": ("umap", 3, "umap", "a mapping"),
    "empty section": ("emoji", None, "emoji is empty", "a mapping"),
    "1e-3 is a text": (
        "training/digit_clip/learning_rate",
        "1e-3",
        "training.digit_clip.learning_rate",
        "write it as 0.001",
    ),
    "not a number": ("confidence", float("nan"), "confidence", "finite"),
    # Ranges
    "temperature 0": (
        "loss_landscape/temperatures/2",
        0,
        "loss_landscape.temperatures[2]",
        "above",
    ),
    "test fraction 1.5": ("emoji/test_fraction", 1.5, "emoji.test_fraction", "above 0 and below 1"),
    "confidence 1": ("confidence", 1, "confidence", "below 1"),
    "no items": ("digits/items", 0, "digits.items", "at least 1 and at most 1797"),
    "step 0": ("loss_landscape/delta_step", 0, "loss_landscape.delta_step", "above 0"),
    "no temperature": ("sphere/temperatures", [], "sphere.temperatures", "at least 1"),
    "one modality": ("sets/clip/modalities", ["text"], "sets.clip.modalities", "at least 2"),
    "twice the same": ("table1/tasks", ["digits", "digits"], "table1.tasks", "remove one"),
    "no such library": ("encoders/minilm/library", "keras", "encoders.minilm.library", "open_clip"),
    "no such precision": ("extraction/precision", "int8", "extraction.precision", "bfloat16"),
    "no such dataset": ("inputs/emoji/dataset", "flickr", "inputs.emoji.dataset", "emoji, digits"),
    "prompt without {}": ("tasks/digits/prompt", "a digit", "tasks.digits.prompt", "with {} once"),
    "Table 2's prompt": ("table2/prompt", "a {gender}", "table2.prompt", "{group}"),
    "file that is not there": (
        "pairs/mine",
        {"image": "a.csv", "text": "b.npy"},
        "pairs.mine.image",
        "which is not a file in",
    ),
    "labels that are not there": (
        "pairs/mine",
        {
            "image": "config/example_pairs/image.npy",
            "text": "config/example_pairs/text.npy",
            "labels": "absent.parquet",
        },
        "pairs.mine.labels",
        "correct the path",
    ),
    # Exactly one of
    "two origins": ("sets/clip/encoder", "digit_clip", "sets.clip", "remove all but one"),
    "no origin": ("sets/clip/released", REMOVE, "sets.clip", "add one"),
    "no inputs": (
        "sets/stitched/inputs",
        REMOVE,
        "sets.stitched.projection",
        "sets.stitched.inputs",
    ),
    "no weights": ("encoders/openclip_random/seed", REMOVE, "encoders.openclip_random", "add one"),
    "two seeds": ("encoders/minilm_random/seeds", 3, "encoders.minilm_random", "all but one"),
    "wheel without member": (
        "encoders/efficientnet_lite0/member",
        REMOVE,
        "encoders.efficientnet_lite0.wheel",
        "add encoders.efficientnet_lite0.member",
    ),
    "minilm without wheel": ("encoders/minilm/wheel", REMOVE, "encoders.minilm.wheel", "add it"),
    "seeds without label": (
        "encoders/minilm_seeds/label",
        REMOVE,
        "encoders.minilm_seeds",
        "label",
    ),
    "tag for minilm": (
        "encoders/minilm/pretrained",
        "a1_in1k",
        "encoders.minilm.pretrained",
        "not a key of this library",
    ),
    # Names
    "set's encoder": ("sets/digit_clip/encoder", "digit_clp", "sets.digit_clip.encoder", "did you"),
    "set's projection": ("sets/stitched/projection", "x", "sets.stitched.projection", "stitched"),
    "set's inputs": ("sets/stitched/inputs", "prompts", "sets.stitched.inputs", "one of emoji"),
    "set's asset": ("sets/clip/released", "minilm", "sets.clip.released", "give one of released"),
    "set's file": (
        "pairs/mine",
        {"image": "absent.npy", "text": "absent.npy"},
        "pairs.mine.image",
        "correct the path",
    ),
    "set's modalities": (
        "pairs/mine",
        {"image": "absent.npy", "label": "mine"},
        "pairs.mine",
        "not image; correct it",
    ),
    "inputs of features": ("sets/clip/inputs", "emoji", "sets.clip.inputs", "remove it"),
    "unencoded modality": (
        "sets/stitched/modalities",
        ["video", "text"],
        "sets.stitched.modalities",
        "image and text",
    ),
    "encoder's wheel": ("encoders/minilm/wheel", "released_clip", "encoders.minilm.wheel", "wheel"),
    "encoder's checkpoint": (
        "encoders/digit_clip/checkpoint",
        "digits",
        "encoders.digit_clip.checkpoint",
        "did you mean digit_clip?",
    ),
    "encoder's architecture": (
        "encoders/digit_clip/architecture",
        "absent.json",
        "encoders.digit_clip.architecture",
        "correct the path",
    ),
    "projection's encoder": (
        "projections/stitched/encoders/text",
        "mini",
        "projections.stitched.encoders.text",
        "did you mean minilm?",
    ),
    "projection's inputs": (
        "projections/stitched/inputs",
        "x",
        "projections.stitched.inputs",
        "emoji",
    ),
    "training without encoder": ("training/other", "COPY", "training.other", "add it"),
    "training without start": (
        "encoders/digit_clip_random",
        REMOVE,
        "sets.digit_clip_random",
        "did",
    ),
    "cone's encoder": (
        "cone/encoders/text transformer/random",
        "x",
        "cone.encoders.text transformer.random",
        "minilm",
    ),
    "cone's inputs": (
        "cone/encoders/text transformer/random_inputs",
        "emojis",
        "cone.encoders.text transformer.random_inputs",
        "emoji_sample_and_noise",
    ),
    "preprocessing of two models": (
        "cone/preprocessing/encoders/1",
        "clip_vit_b16_random",
        "cone.preprocessing.encoders",
        "correct one of them",
    ),
    "preprocessing alike": (
        "encoders/openclip_random_imagenet/preprocessing",
        "own",
        "cone.preprocessing.encoders",
        "correct one of them",
    ),
    "no noise": (
        "cone/encoders/text transformer/random_inputs",
        "emoji",
        "cone.encoders.text transformer.random_inputs",
        "emoji_sample_and_noise",
    ),
    "initialisation without seeds": (
        "initialisation_cones/minilm",
        {"modality": "text", "inputs": "emoji"},
        "initialisation_cones.minilm",
        "did you mean minilm_seeds?",
    ),
    "task's inputs": ("tasks/digits/inputs", "prompts", "tasks.digits.inputs", "digits"),
    "Table 1's set": ("table1/sets/0", "clip", "table1.sets[0]", "give one of stitched"),
    "Table 1's task": ("table1/tasks/2", "digit", "table1.tasks[2]", "did you mean digits?"),
    "Table 2's model": (
        "table2/set",
        "clip_random",
        "table2.set",
        "did you mean openclip_random?",
    ),
    "Table 2's inputs": ("table2/inputs", "people", "table2.inputs", "did you mean emoji_people?"),
    "warm-up as long as the training": (
        "training/digit_clip/warmup",
        1000,
        "training.digit_clip.warmup",
        "lower it",
    ),
    "long warm-up": (
        "training/digit_clip/warmup",
        9999,
        "training.digit_clip.warmup",
        "lower it",
    ),
    "experiments' projection": (
        "experiments/projection",
        "stiched",
        "experiments.projection",
        "did you mean stitched?",
    ),
    "experiment's task": (
        "experiments/temperature/task",
        "emoji",
        "experiments.temperature.task",
        "give one of emoji_groups",
    ),
    "experiment's warm-up": (
        "experiments/dimension/steps",
        30,
        "experiments.optimisation.warmup",
        "experiments.dimension.steps; lower it",
    ),
    "experiment with no whole model": (
        "experiments/models/same_modality",
        WHOLE,
        "experiments.models.same_modality",
        "temperature, initialisation or dimension",
    ),
    "whole model's encoder": (
        "experiments/models/dimension",
        WHOLE | {"encoder": "digit_clp_random"},
        "experiments.models.dimension.encoder",
        "did you mean digit_clip_random?",
    ),
    "whole model without a text tower": (
        "experiments/models/dimension",
        WHOLE | {"encoder": "clip_vit_b16"},
        "experiments.models.dimension.encoder",
        "did you mean clip_vit_b16_random?",
    ),
    "whole model's dataset": (
        "experiments/models/dimension",
        WHOLE | {"dataset": "coco_first_captions"},
        "datasets.coco_first_captions.files",
        "experiments.models.dimension needs both; add them",
    ),
    "whole model's dataset without captions": (
        "experiments/models/dimension",
        WHOLE | {"dataset": "svhn"},
        "experiments.models.dimension.dataset",
        "placed_digits, coco, coco_last_captions",
    ),
    "whole model's warm-up": (
        "experiments/models/dimension",
        WHOLE | {"optimisation": {"warmup": 300}},
        "experiments.models.dimension.optimisation.warmup",
        "experiments.dimension.steps; lower it",
    ),
    "dataset of inputs": (
        "inputs/mine",
        {"dataset": "emojis"},
        "inputs.mine.dataset",
        "did you mean emoji?",
    ),
    "which caption": ("datasets/coco/captions", "best", "datasets.coco.captions", "first, last"),
    "COCO without captions": (
        "datasets/coco/files",
        {"train": "coco_train2017", "test": "coco_val2017"},
        "datasets.coco.files.annotations",
        "add it",
    ),
    "file of a dataset": (
        "datasets/svhn/files/pictures",
        "svhn_tests",
        "datasets.svhn.files.pictures",
        "did you mean svhn_test?",
    ),
    "what a dataset's file holds": (
        "datasets/svhn/files/extra",
        "svhn_test",
        "datasets.svhn.files.extra",
        "is not a known key",
    ),
    "option of another format": (
        "datasets/svhn/captions",
        "last",
        "datasets.svhn.captions",
        "not a key of this format",
    ),
    "dataset with a name that is taken": (
        "datasets/digits",
        {"format": "svhn", "files": {"pictures": "svhn_test"}},
        "datasets.digits",
        "give yours another",
    ),
    "one seed has no interval": ("experiments/seeds", 1, "experiments.seeds", "at least 2"),
    "no such optimiser": (
        "experiments/optimisation/optimiser",
        "sgd",
        "experiments.optimisation.optimiser",
        "adam, adamw",
    ),
    "one beta": (
        "experiments/optimisation/betas",
        [0.9],
        "experiments.optimisation.betas",
        "at least 2",
    ),
    "no such asset of weights": (
        "encoders/openclip_random",
        {"library": "open_clip", "architecture": "ViT-B-32-quickgelu", "weights": "minilm"},
        "encoders.openclip_random.weights",
        "give one of released",
    ),
    "weights and a seed": (
        "encoders/openclip_random/weights",
        "released_clip",
        "encoders.openclip_random",
        "all but one",
    ),
    "whose statistics": (
        "encoders/openclip_random/preprocessing",
        "clip",
        "encoders.openclip_random.preprocessing",
        "own, imagenet",
    ),
    "no truth": (
        "encoders/digit_clip/options",
        {"hugging_face": "maybe"},
        "encoders.digit_clip.options.hugging_face",
        "true or false",
    ),
    "unprintable": ("sets/digit_clip/note", "bell \x07", "sets.digit_clip.note", "U+0007; remove"),
    "unprintable in a list": (
        "emoji/leave_out_groups",
        ["Flags", "bell \x07"],
        "emoji.leave_out_groups[1]",
        "U+0007; remove",
    ),
    "half a character": ("sets/clip/label", "\ud83d", "sets.clip.label", "U+D83D; remove"),
    "column of another dataset": (
        "inputs/digits/where",
        {"split": ["test"]},
        "inputs.digits.where.split",
        "not a known column of the dataset digits; give one of digit, item_id.",
    ),
    "label of another dataset": (
        "tasks/digits/label",
        "digits",
        "tasks.digits.label",
        "did you mean digit?",
    ),
    "group of nobody": ("table2/group", "race", "table2.group", "of the dataset emoji"),
    "another activation": (
        "encoders/openclip_random",
        {"library": "open_clip", "architecture": "ViT-L-14", "pretrained": "dfn2b"},
        "encoders.openclip_random.architecture",
        "give ViT-L-14-quickgelu.",
    ),
    "another activation in a row": (
        "models/mine",
        {"library": "open_clip", "architecture": "RN50", "pretrained": "openai", "inputs": "emoji"},
        "models.mine.architecture",
        "give RN50-quickgelu.",
    ),
    "another activation of timm": (
        "encoders/mine",
        {"library": "timm", "architecture": "vit_base_patch32_clip_224", "pretrained": "openai"},
        "encoders.mine.architecture",
        "give vit_base_patch32_clip_quickgelu_224 with the tag openai.",
    ),
    "another activation in a tower": (
        "models/mine",
        {
            "image": {"library": "open_clip", "architecture": "RN50", "pretrained": "openai"},
            "text": {"library": "hugging_face", "model": "x"},
            "projection": "stitched",
            "inputs": "emoji",
        },
        "models.mine.image.architecture",
        "give RN50-quickgelu.",
    ),
    "another activation of an asset": (
        "encoders/clip_vit_b16/architecture",
        "ViT-B-16",
        "encoders.clip_vit_b16.architecture",
        "give ViT-B-16-quickgelu.",
    ),
    "absent vectors of names": (
        "encoders/mine",
        {
            "library": "vectors",
            "prompts": "photographs",
            "vectors": [{"file": "./absent.npy", "names": "./names.txt", "normalised": True}],
        },
        "encoders.mine.vectors",
        "'./absent.npy'",
    ),
    "vectors without their length": (
        "encoders/mine",
        {
            "library": "vectors",
            "prompts": "photographs",
            "vectors": [{"file": "clip_vit_b16_lvis", "names": "config/names/lvis_v1.txt"}],
        },
        "encoders.mine.vectors",
        "normalised",
    ),
    "a type of no member of an archive": (
        "encoders/mine",
        {
            "library": "vectors",
            "prompts": "photographs",
            "vectors": [OF_NAMES | {"type": "float16"}],
        },
        "encoders.mine.vectors[0].type",
        "vectors[0].member",
    ),
    "a member of an archive without its type": (
        "encoders/mine",
        {
            "library": "vectors",
            "prompts": "photographs",
            "vectors": [OF_NAMES | {"member": "data/0"}],
        },
        "encoders.mine.vectors[0].member",
        "vectors[0].type",
    ),
    "no row of vectors has a name": (
        "encoders/mine",
        {"library": "vectors", "prompts": "photographs", "vectors": [OF_NAMES | {"rows": 0}]},
        "encoders.mine.vectors[0].rows",
        "at least 1",
    ),
    "vectors of unknown sentences": (
        "encoders/mine",
        {"library": "vectors", "prompts": " ", "vectors": [OF_NAMES]},
        "encoders.mine.prompts",
        "correct it to match: What sentences the vectors were made of",
    ),
    "pictures of no pixel": (
        "encoders/emoji_clip_random/options",
        {"image_size": 0},
        "encoders.emoji_clip_random.options.image_size",
        "at least 1",
    ),
    "weights of no class": (
        "encoders/efficientnet_lite0/options/classes",
        0,
        "encoders.efficientnet_lite0.options.classes",
        "at least 1",
    ),
    "absent model": (
        "encoders/mine",
        {"library": "hugging_face", "model": "./absent"},
        "encoders.mine.model",
        "which is not a folder in",
    ),
    "no model's folder": (
        "models/mine",
        {
            "image": {"library": "timm", "architecture": "resnet18", "seed": 0},
            "text": {"library": "hugging_face", "model": "config"},
            "projection": "stitched",
            "inputs": "emoji",
        },
        "models.mine.text.model",
        "config has no config.json",
    ),
    "no such tag": (
        "models/mine",
        {"library": "open_clip", "architecture": "RN50", "pretrained": "opena", "inputs": "emoji"},
        "models.mine.pretrained",
        "not a known tag of weights of open_clip's RN50; did you mean openai?",
    ),
    "absent weights": (
        "models/mine",
        {"library": "open_clip", "architecture": "RN50", "pretrained": "./a.pt", "inputs": "emoji"},
        "models.mine.pretrained",
        "is './a.pt', which is not a file in",
    ),
    "grid without 0": (
        "loss_landscape/delta_start",
        -5.1,
        "loss_landscape.delta_start",
        "make it a multiple of delta_step",
    ),
    "grid that ends before 0": (
        "loss_landscape/delta_stop",
        -0.5,
        "loss_landscape.delta_stop",
        "give a value at least 0",
    ),
    "clusters of no dataset": (
        "clusters/emojis",
        "concept",
        "clusters.emojis",
        "did you mean emoji?",
    ),
    "clusters of a task by ROC-AUC": (
        "clusters/hateful_memes",
        "label",
        "tasks.HatefulMemes.metric",
        "remove clusters.hateful_memes",
    ),
    "batch above the sample": (
        "loss_landscape/batch_size",
        5001,
        "loss_landscape.batch_size",
        "5000 pairs; lower it or raise sample",
    ),
}


@pytest.mark.parametrize(("path", "value", "key", "remedy"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_one_sentence_with_its_key_and_remedy(
    path: str, value: object, key: str, remedy: str
) -> None:
    if value == "COPY":
        value = SHIPPED["training"]["digit_clip"]
    message = message_of(changed((path, value)))
    assert message.startswith(key)
    assert remedy in message
    assert re.fullmatch(r"[^\n]+[.?]", message)


def test_a_training_has_its_own_name_as_the_checkpoint_of_its_encoder() -> None:
    """That of another training is one that there is."""
    encoders = SHIPPED["encoders"]
    config = changed(
        ("training/twin", SHIPPED["training"]["digit_clip"]),
        ("encoders/twin", encoders["digit_clip"] | {"label": "twin"}),
        ("encoders/twin_random", encoders["digit_clip_random"] | {"label": "untrained twin"}),
    )
    assert message_of(config) == (
        "training.twin needs encoders.twin.checkpoint to be twin; correct it."
    )
    config["encoders"]["twin"]["checkpoint"] = "twin"
    check_config(config, SCHEMA_PATH, ENCODERS, FORMATS)


def test_an_untrained_twin_needs_a_seed() -> None:
    twin = {"library": "open_clip", "architecture": "RN50-quickgelu", "pretrained": "openai"}
    message = message_of(changed(("encoders/digit_clip_random", twin)))
    assert message == "training.digit_clip needs an encoder digit_clip_random with a seed; add it."


def test_a_misspelt_key_is_told_rather_than_the_missing_one() -> None:
    config = changed(("umap/min_dist", REMOVE), ("umap/mindist", 0.1))
    assert message_of(config) == (
        "umap.mindist is not a known key (of the file or --config); did you mean min_dist?"
    )


def test_a_union_has_the_columns_of_its_parts() -> None:
    union = {"format": "union", "files": {"a": "cifar10", "b": "digits"}}
    one = changed(("datasets/all", union))
    assert columns_of("all", one, FORMATS) == ["digit", "item_id", "label", "source", "split"]
    inputs = {"dataset": "all", "where": {"source": ["a"], "digit": ["one"]}}
    check_config(
        changed(("datasets/all", union), ("inputs/some", inputs)), SCHEMA_PATH, ENCODERS, FORMATS
    )
    other = {"format": "union", "files": {"a": "all", "b": "digits"}}
    union = {"format": "union", "files": {"a": "other", "b": "digits"}}
    config = changed(
        ("datasets/all", union), ("datasets/other", other), ("inputs/some", {"dataset": "all"})
    )
    config["inputs"]["some"]["where"] = {"digit": ["one"]}
    assert message_of(config) == "datasets.all is a union that contains itself; correct its files."


def test_a_data_set_in_parts():
    files = {"shards": "data/"}
    entry = {"format": "webdataset", "files": files, "files_per_part": 40}
    inputs = {"dataset": "crawled", "where": {"label": ["owl"]}, "sample": 9}
    config = changed(("datasets/crawled", entry), ("inputs/some", inputs))
    check_config(config, SCHEMA_PATH, ENCODERS, FORMATS)
    config = changed(("datasets/crawled", entry), ("inputs/some", inputs | {"noise": 3}))
    assert message_of(config) == (
        "inputs.some.noise cannot be combined with datasets.crawled.files_per_part; remove one of "
        "them."
    )
    config = changed(("datasets/crawled", entry | {"files_per_part": 0}))
    assert message_of(config).startswith("datasets.crawled.files_per_part is 0")
    clip = {"library": "open_clip", "architecture": "ViT-B-32", "seed": 0, "by_part": True}
    model, some = ("models/mine", clip | {"inputs": "some"}), {"dataset": "crawled"}
    parted = ("datasets/crawled", entry), ("inputs/some", some), model
    check_config(changed(*parted), SCHEMA_PATH, ENCODERS, FORMATS)
    for change, words in (
        (("clusters/crawled", "label"), "cannot be combined with clusters; remove one"),
        (("inputs/some/sample", 9), "cannot be combined with inputs.some.sample; remove one"),
        (
            ("datasets/crawled", {"format": "webdataset", "files": files}),
            "needs a dataset with files_per_part, not crawled; correct",
        ),
    ):
        assert message_of(changed(*parted, change)).startswith(f"sets.mine.by_part {words}")
    config = changed(("sets/stitched/by_part", True))
    assert message_of(config) == "sets.stitched.by_part needs a set with an encoder; remove it."
    # Whose files cannot be read alone.
    config = changed(("datasets/cifar10/files_per_part", 1))
    assert message_of(config).startswith("datasets.cifar10.files_per_part ")


YAML_KEYS = {
    "yes": "a truth value (true)",
    "off": "a truth value (false)",
    "012": "a number (10)",
    "1.0e+3": "a number (1000.0)",
    "7": "a number (7)",
    "1:30": "a number (90)",
    "2020-01-01": "a date (2020-01-01)",
    "~": "nothing",
    "null": "nothing",
}


@pytest.mark.parametrize("written", YAML_KEYS)
def test_a_name_that_yaml_reads_as_something_else_is_refused(written: str) -> None:
    """As a key and as a value, and what the remedy says passes."""
    kind = f"as {YAML_KEYS[written]}; write it in quotes."
    remedy = f"YAML reads {kind}"

    def task(text: str) -> dict:
        entry = {"inputs": "emoji_test", "label": "group", "prompts": yaml.safe_load(text)}
        return changed(("tasks/mine", entry))

    key = "tasks.mine.prompts has a key that "
    assert message_of(task(f'{{{written}: "a", other: "b"}}')) == key + remedy
    check_config(task(f'{{"{written}": "a", other: "b"}}'), SCHEMA_PATH, ENCODERS, FORMATS)

    def where(text: str) -> dict:
        entry = {"dataset": "emoji", "where": {"group": yaml.safe_load(text)}}
        return changed(("inputs/mine", entry))

    key = "inputs.mine.where.group[1] must be a text, but YAML reads its value "
    assert message_of(where(f"[a, {written}]")) == key + kind
    check_config(where(f'[a, "{written}"]'), SCHEMA_PATH, ENCODERS, FORMATS)
    assert message_of(changed(("sets/clip/label", yaml.safe_load(written)))).endswith(kind)
    datasets = yaml.safe_load(f"{{{written}: {{}}}}")
    assert message_of(changed(("datasets", datasets))) == f"datasets has a key that {remedy}"


@pytest.mark.parametrize("name", ["NA", "null", "None", "nan"])
def test_a_name_that_a_table_reads_as_empty_is_refused(name: str) -> None:
    for path, entry, key in (
        (f"sets/{name}", SHIPPED["sets"]["clip"] | {"label": "mine"}, f"sets.{name}"),
        ("sets/clip/label", name, "sets.clip.label"),
        (f"tasks/{name}", SHIPPED["tasks"]["digits"], f"tasks.{name}"),
        ("table2/groups", ["light", name], "table2.groups"),
    ):
        assert message_of(changed((path, entry))) == (
            f"{key} is {name!r}, which a table reads as an empty cell; give another name."
        )
    assert EMPTY_CELLS <= STR_NA_VALUES


def test_a_sets_own_clusters_stand_before_its_datasets():
    config = {
        "clusters": {"emoji": "concept"},
        "inputs": {"some": {"dataset": "emoji"}, "others": {"dataset": "coco"}},
        "sets": {
            "of the dataset": {"inputs": "some"},
            "of its own": {"inputs": "some", "cluster": "person"},
            "independent": {"inputs": "others"},
            "files": {"files": {}},
            "files with clusters": {"files": {}, "cluster": "place"},
        },
    }
    assert set_clusters(config) == {
        "of the dataset": "concept",
        "of its own": "person",
        "files with clusters": "place",
    }
    assert cluster_column(config, "others") is None


def test_a_set_has_the_clusters_of_its_dataset_or_its_own():
    config = with_rows(
        changed(
            (
                "pairs/mine",
                {"image": "config/example_pairs/image.npy", "cluster": "family"}
                | {"text": "config/example_pairs/text.npy"},
            ),
            ("sets/digit_clip/cluster", "sub_group"),
        )
    )
    columns = set_clusters(config)
    assert columns["stitched"] == columns["openclip_random"] == "concept"
    assert (columns["mine"], columns["digit_clip"]) == ("family", "sub_group")
    assert "clip" not in columns  # the authors' features: independent, as far as is known
    assert cluster_column(config, "emoji_people") == "concept"
    assert cluster_column(config, "digits") is None


def test_a_set_with_tasks_of_its_own_has_their_prompts_beside_all_other_inputs():
    inputs = with_rows(changed(("sets/digit_clip/tasks", ["digits"])))["inputs"]
    own = {"dataset": "prompts", "where": {"task": ["digits"]}}
    assert inputs == SHIPPED["inputs"] | {"prompts_digit_clip": own}
    without = changed(("sets/digit_clip/tasks", REMOVE))
    assert with_rows(without)["inputs"] == SHIPPED["inputs"]
