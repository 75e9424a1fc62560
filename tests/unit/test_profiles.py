"""The profiles for a cluster: they name rules that exist, and agree with one another."""

import re

import pytest
import yte

PROFILES = ("slurm", "slurm-gres")


@pytest.fixture(params=PROFILES)
def profile(request, root):
    """A profile, its expressions evaluated: what Snakemake makes of it."""
    return load(root, request.param)


def load(root, name: str, **site: str) -> dict:
    """A profile, some of what a site sets given as the lines to put in place of others."""
    text = (root / "profiles" / name / "config.yaml").read_text()
    for key, line in site.items():
        text, n = re.subn(rf"^  {key}:.*\n(?:    - .*\n)*", f"  {line}\n", text, flags=re.MULTILINE)
        assert n == 1, key
    return yte.process_yaml(text, require_use_yte=True)


def rules(root) -> dict[str, str]:
    """Each rule's name and text."""
    text = "".join(path.read_text() for path in (root / "rules").glob("*.smk"))
    parts = re.split(r"^(?:use )?rule (?:\w+ as )?(\w+)(?: with)?:$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_rules_exist(profile, root):
    # Snakemake says nothing of a rule that it does not know.
    named = profile["set-resources"].keys() | profile["set-threads"].keys()
    assert named <= rules(root).keys()


def test_no_job_takes_a_share_of_all_cores(profile, root):
    # `cores` are those of the whole cluster here.
    shares = {name for name, text in rules(root).items() if "threads: HALF_OF_THE_CORES" in text}
    assert shares
    assert shares <= profile["set-threads"].keys()


def test_what_trains_or_extracts_asks_for_a_gpu(profile, root):
    asking = {
        name
        for name, resources in profile["set-resources"].items()
        if resources.get("gpu") == 1 or resources.get("gres") == "'gpu:1'"
    }
    heavy = {name for name in rules(root) if name.startswith(("extract_", "train_"))}
    # Linear projections are trained on the CPU.
    assert asking == heavy - {"train_projections"}
    for name in asking:
        assert profile["set-resources"][name]["slurm_partition"] == "'gpu'"
        assert profile["set-threads"][name] == 8


def test_every_attempt_gets_more(profile):
    for resources in (profile["default-resources"], *profile["set-resources"].values()):
        for name in ("mem_mb", "runtime"):
            first, second = (
                eval(resources[name], {"attempt": attempt, "input": Sized(250)})
                for attempt in (1, 2)
            )
            assert 0 < second == 2 * first, resources


class Sized:
    """Input files of so many MB."""

    def __init__(self, size_mb: float):
        self.size_mb = size_mb


@pytest.mark.parametrize(
    ("name", "flavour", "asked"),
    [
        ("slurm", "", {"gpu": 1}),
        ("slurm", "a100", {"gpu": 1, "gpu_model": "'a100'"}),
        ("slurm-gres", "", {"gres": "'gpu:1'"}),
        ("slurm-gres", "a100", {"gres": "'gpu:a100:1'"}),
    ],
)
def test_a_site_sets_its_values_in_one_place(root, name, flavour, asked):
    site = load(
        root,
        name,
        cpu_partition="cpu_partition: short",
        gpu_partition="gpu_partition: accelerated",
        account="account: gap-42",
        gpu_flavour=f'gpu_flavour: "{flavour}"',
        longest_minutes="longest_minutes: 90",
    )
    job = site["set-resources"]["train_clip"]
    assert {key: job[key] for key in job.keys() & {"gpu", "gpu_model", "gres"}} == asked
    assert job["slurm_partition"] == "'accelerated'"
    assert site["default-resources"]["slurm_partition"] == "'short'"
    assert site["default-resources"]["slurm_account"] == "'gap-42'"
    for resources in (site["default-resources"], *site["set-resources"].values()):
        assert eval(resources["runtime"], {"attempt": 3}) == 90


def test_a_site_without_gpus_asks_for_none(root):
    for name in PROFILES:
        site = load(root, name, gpu_rules="gpu_rules: []")
        assert not re.search("gpu|gres", str(site))
        # Without a number of its own a job would take half of `cores`, the whole cluster's.
        assert site["set-threads"] == load(root, name)["set-threads"]


def test_the_two_profiles_differ_in_how_they_ask(root):
    # Comments at the top aside.
    plain, gres = (
        re.sub(r"\A(?:#.*\n)+", "", (root / "profiles" / name / "config.yaml").read_text())
        for name in PROFILES
    )
    ask = "        gpu: 1\n        ?if gpu_flavour:\n          gpu_model: ?repr(gpu_flavour)\n"
    ask_gres = '        gres: ?repr(f"gpu:{gpu_flavour}:1" if gpu_flavour else "gpu:1")\n'
    assert plain.count(ask) == 1
    assert plain.replace(ask, ask_gres) == gres
