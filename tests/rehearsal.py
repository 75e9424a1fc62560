"""The dress rehearsal: config/full.yaml on small archives in the official formats.

A copy of the project downloads them from a real HTTP server, through the same rules and scripts;
tests/rehearsal.yaml changes sizes alone. What a person has to place is placed. Pictures are real
ones where there is a mirror of them, else made up.

    python tests/rehearsal.py        (make rehearsal)
"""

import csv
import hashlib
import io
import json
import re
import shutil
import sys
import tempfile
import time
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import official_formats as formats
import yaml
from archive_server import Server, serving
from check_outputs import faults
from conftest import ROOT, Project, copy_project, find_mirror
from PIL import Image

CONFIGS = ("config/full.yaml", "tests/rehearsal.yaml")
CLIP_SIZES = json.loads((ROOT / "tests" / "rehearsal_clip.json").read_text(encoding="utf-8"))
# Keys of an entry of config/assets.yaml that describe the file itself.
OF_THE_FILE = ("bytes", "about_bytes", "sha256", "md5", "no_checksum")
PHOTOGRAPH_PIXELS = 160  # the longer side: to decode photographs is most of the work otherwise
SPLITS = {"train": 40, "val": 50}
RACES = (
    "Black", "East Asian", "Indian", "Latino_Hispanic", "Middle Eastern", "Southeast Asian",
    "White",
)  # fmt: skip
RELEASED = {"clip": (500, 512), "videoclip": (100, 768), "convirt": (500, 512), "clasp": (99, 768)}


# --- The archives -----------------------------------------------------------------------------


def write_archives(paths: dict[str, Path], mirror: Path | None) -> None:
    """Every asset of `paths` (id > file) but wheels, small, in its official format."""
    write_coco(paths, mirror)
    test = (pixels_of_cifar10(mirror), np.repeat(np.arange(10), 4))
    formats.write_cifar10(paths["cifar10"], (test[0][::4], test[1][::4]), test)
    labels = np.random.default_rng(1).permutation(100)[:50]
    hundred = (formats.made_pictures(50, 32, 32, 1), labels)
    formats.write_cifar100(paths["cifar100"], hundred, hundred)
    formats.write_eurosat(
        paths["eurosat"],
        {
            name: [formats.encoded(p) for p in formats.made_pictures(4, 64, 64, seed)]
            for seed, name in enumerate(formats.EUROSAT_CLASSES)
        },
    )
    formats.write_svhn(paths["svhn_test"], *real_digits(40))
    memes = [
        (formats.encoded(picture, "PNG"), f"words of meme {n}", n % 2)
        for n, picture in enumerate(formats.made_pictures(32, 96, 64, 2))
    ]
    formats.write_hateful_memes(
        paths["hateful_memes"],
        {
            "train": memes[:2],
            "dev_seen": memes[2:26],
            "test_seen": memes[26:28],
            "dev_unseen": memes[28:30],
            "test_unseen": memes[30:],
        },
    )
    formats.write_fairface(
        paths["fairface_pictures"], paths["fairface_val_labels"], faces(mirror, 2)
    )
    photographs = [formats.encoded(p) for p in formats.made_pictures(12, 96, 64, 3)]
    synsets = [
        ("n01440764", "tench, Tinca tinca"),
        ("n02119789", "kit fox, Vulpes macrotis"),
        ("n03180011", "desktop computer"),
    ]
    formats.write_imagenet_val(paths["imagenet_val"], photographs)
    formats.write_imagenet_devkit(
        paths["imagenet_devkit"], synsets, [1 + n % 3 for n in range(len(photographs))]
    )
    for seed, name in enumerate(("clip_vit_b32_openai", "clip_vit_b16_openai")):
        formats.write_openai_clip(paths[name], CLIP_SIZES, seed)
    formats.write_resnet(paths["resnet18_imagenet"], "resnet18", 0)
    for seed, name in enumerate(("resnet50_seed01", "resnet50_seed02", "resnet50_seed03")):
        formats.write_ensemble_member(paths[name], "resnet18", seed)
    for name, (n, dim) in RELEASED.items():
        for seed, asset in enumerate((f"released_{name}", f"released_{name}_random")):
            write_released(paths[asset], n, dim, seed, mirror)
    write_published(paths, "clap_esc50", ["audio", "text"], "class_name", 10, prompts=True)
    write_published(paths, "flickr8k_b32", ["image", "text"], "image_id", 5)


def write_coco(paths: dict[str, Path], mirror: Path | None) -> None:
    """Photographs with their captions; those of the train split are others of val2017."""
    total = sum(SPLITS.values())
    if mirror:
        document = json.loads((mirror / "coco" / "captions_val2017.json").read_text("utf-8"))
        texts: dict[int, list[str]] = {}
        for annotation in document["annotations"]:
            texts.setdefault(annotation["image_id"], []).append(annotation["caption"])
        with zipfile.ZipFile(mirror / "coco" / "val2017.zip") as archive:
            members = {int(Path(name).stem): name for name in archive.namelist()}
            photographs = {
                number: shrunk(archive.read(members[number])) for number in sorted(members)[:total]
            }
    else:
        pictures = formats.made_pictures(total, 160, 120, 0)
        photographs = {7 * n + 1: formats.encoded(p) for n, p in enumerate(pictures)}
        texts = {
            number: [f"caption {turn} of the made picture {number}" for turn in range(5)]
            for number in photographs
        }
    pictures, captions, numbers = {}, {}, iter(photographs)
    for split, n in SPLITS.items():
        taken = [next(numbers) for _ in range(n)]
        pictures[f"{split}2017"] = {number: photographs[number] for number in taken}
        captions[f"{split}2017"] = {number: texts[number] for number in taken}
    for split, of_split in pictures.items():
        formats.write_coco_pictures(paths[f"coco_{split}"], split, of_split)
    formats.write_coco_annotations(paths["coco_annotations"], pictures, captions)


def shrunk(data: bytes) -> bytes:
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    picture.thumbnail((PHOTOGRAPH_PIXELS, PHOTOGRAPH_PIXELS))
    return formats.encoded(np.asarray(picture))


def pixels_of_cifar10(mirror: Path | None) -> np.ndarray:
    """Four pictures a class, (40, 32, 32, 3)."""
    if not mirror:
        return formats.made_pictures(40, 32, 32, 4)
    with zipfile.ZipFile(mirror / "cifar10" / "cifar10_test_jpeg.zip") as archive:
        names = sorted(archive.namelist())
        chosen = [
            name
            for label in formats.CIFAR10_CLASSES
            for name in [n for n in names if n.startswith(f"test/{label}/")][:4]
        ]
        pictures = [Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in chosen]
    return np.stack([np.asarray(picture) for picture in pictures])


def real_digits(n: int) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's handwritten digits as 32 x 32 pictures, (n, 32, 32, 3), and what they are."""
    from sklearn.datasets import load_digits

    bundle = load_digits()
    grey = (bundle.images[:n] * (255 / 16)).astype(np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    return grey[..., None].repeat(3, axis=3), bundle.target[:n]


def faces(mirror: Path | None, each: int) -> list[tuple[bytes, str, str, str]]:
    """`each` faces of every race and gender: JPEG, race, gender, age."""
    if not mirror:
        pictures = formats.made_pictures(14 * each, 96, 96, 5)
        groups = [(race, gender) for race in RACES for gender in ("Male", "Female")] * each
        return [
            (formats.encoded(picture), race, gender, "20-29")
            for picture, (race, gender) in zip(pictures, groups, strict=True)
        ]
    with (mirror / "fairface" / "fairface_label_val_sample.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    taken: Counter = Counter()
    found = []
    with zipfile.ZipFile(mirror / "fairface" / "fairface_val_sample.zip") as archive:
        for row in rows:
            group = row["race"], row["gender"]
            if taken[group] < each:
                taken[group] += 1
                found.append((shrunk(archive.read(row["file"])), *group, row["age"]))
    return found


def write_released(path: Path, n: int, dim: int, seed: int, mirror: Path | None) -> None:
    """The authors' features, or, without the mirror, unit vectors (2, n, dim) in two cones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if mirror:
        shutil.copyfile(mirror / "released" / path.name, path)
        return
    rng = np.random.default_rng(seed)
    pairs = rng.normal(size=(n, dim)) + rng.normal(size=(2, n, dim)) + rng.normal(size=(2, 1, dim))
    np.save(path, (pairs / np.linalg.norm(pairs, axis=2, keepdims=True)).astype(np.float32))


def write_published(
    paths: dict[str, Path],
    name: str,
    sides: list[str],
    column: str,
    times: int,
    prompts: bool = False,
) -> None:
    """Made up pairs of 20 clusters, `times` of each, in the files of a set that others published:
    with one prompt for each cluster, or with one vector of the first side for each."""
    rng, of = np.random.default_rng(times), np.repeat(np.arange(20), times)
    means = rng.normal(size=(20, 512))
    alone = means + rng.normal(size=(20, 512)) + rng.normal(size=512)
    many = means[of] + rng.normal(size=(len(of), 512)) + rng.normal(size=512)
    vectors = dict(zip(sides, (many, alone) if prompts else (alone[of], many), strict=True))
    for side, rows in vectors.items():
        path = paths[f"{name}_{side}"]
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, (rows / np.linalg.norm(rows, axis=1)[:, None]).astype(np.float32))
    lines = [f"item{cluster:02d},{1 + row % 5}" for row, cluster in enumerate(of)]
    text = "\n".join([f"{column},fold", *lines, ""])
    paths[f"{name}_items"].write_text(text, encoding="utf-8")


# --- The rehearsal ----------------------------------------------------------------------------


@dataclass
class Rehearsal:
    """A copy of the project whose downloads come from `server`, and the archives it serves."""

    project: Project
    server: Server
    archives: dict[str, Path]

    def change_assets(self, changes: dict[str, dict]) -> None:
        """Change entries of the copy's config/assets.yaml."""
        path = self.project.folder / "config" / "assets.yaml"
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        for asset, entry in changes.items():
            table[asset] |= entry
        path.write_text(yaml.safe_dump(table, sort_keys=False), encoding="utf-8")


def of_the_file(path: Path) -> dict:
    """What config/assets.yaml says of a file itself."""
    data = path.read_bytes()
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def prepare(folder: Path, server: Server, archives: Path, mirror: Path | None) -> Rehearsal:
    """A copy of the project in `folder` whose assets are the small ones, at `server`.

    The archives are written to `archives` unless they are there already. Wheels stay what they are.
    """
    table = yaml.safe_load((ROOT / "config" / "assets.yaml").read_text(encoding="utf-8"))
    official = {name: entry for name, entry in table.items() if entry["kind"] != "wheel"}
    paths = {name: archives / entry["path"] for name, entry in official.items()}
    if not archives.exists():
        write_archives(paths, mirror)
    project = copy_project(folder, ROOT / "resources", configs=CONFIGS)
    for name, entry in official.items():
        if not paths[name].exists():
            continue
        for key in OF_THE_FILE:
            entry.pop(key, None)
        entry |= of_the_file(paths[name])
        if entry["kind"] == "file":
            entry["url"] = f"{server.url}/{entry['path']}"
            server.files[f"/{entry['path']}"] = paths[name]
        else:
            placed = folder / "resources" / entry["path"]
            placed.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(paths[name], placed)
    text = yaml.safe_dump(table, sort_keys=False)
    (folder / "config" / "assets.yaml").write_text(text, encoding="utf-8")
    return Rehearsal(project, server, paths)


def planned_jobs(said: str) -> Counter:
    """Rule > number of jobs that Snakemake announces."""
    table = said.partition("Job stats:")[2].partition("\ntotal")[0]
    return Counter({name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)})


def finished_jobs(said: str) -> Counter:
    """Rule > number of jobs that Snakemake reports finished."""
    return Counter(re.findall(r"^Finished jobid: \d+ \(Rule: (\w+)\)", said, re.MULTILINE))


def main() -> int:
    mirror = find_mirror()
    with tempfile.TemporaryDirectory() as scratch, serving() as server:
        rehearsal = prepare(Path(scratch) / "project", server, Path(scratch) / "archives", mirror)
        begin = time.perf_counter()
        rehearsal.project.python("scripts/sources/fetch_released.py")
        said = rehearsal.project.snakemake()
        rehearsal.project.snakemake("--report", "results/report.zip")
        ran = finished_jobs(said)
        for rule, n in sorted(ran.items()):
            print(f"{n:4d}  {rule}")
        print(
            f"{ran.total()} of {planned_jobs(said).total()} jobs of {len(ran)} rules ran in "
            f"{time.perf_counter() - begin:.0f} s, on {'real' if mirror else 'made'} pictures"
        )
        problems = faults(rehearsal.project.folder / "results")
    print("\n".join(problems) or "every figure and table is there, without a hole")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
