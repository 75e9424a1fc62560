"""One list of figures and tables: a new item needs only itself; the rules say all else."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import copy_project

from modality_gap.config.tables import load_tables
from modality_gap.errors import InputError
from modality_gap.measures import registry
from modality_gap.paper.items import load_items, makings, names_of, names_on, read_items

ROOT = Path(__file__).parents[3]
ITEMS = load_items(ROOT / "config/ledger/items.yaml")
ABOUT = {"title": "T?", "part": "P", "kind": "figure", "alt": "A"}

# A figure of its own: five files, three of them new.
NEW = {
    "scripts/beyond/measure_dummy.py": """
from modality_gap.logs import log_to

log_to(snakemake)

from modality_gap.measures.cone import measure_panel
""",
    "scripts/beyond/plot_dummy.py": """
from modality_gap.logs import log_to

log_to(snakemake)

from modality_gap.figures.style import save
""",
    "report/captions/dummy.rst": """**A dummy.** {{ snakemake.config["stand_ins"]["dummy"] }}
""",
}
LONGER = {
    "rules/beyond.smk": """

rule measure_dummy:
    input:
        code=code("beyond/measure_dummy"),
    output:
        "results/statistics/dummy.csv",
    log:
        "results/logs/measure_dummy.log",
    script:
        "../scripts/beyond/measure_dummy.py"


rule plot_dummy:
    input:
        "results/statistics/dummy.csv",
        code=code("beyond/plot_dummy"),
    output:
        **figure("dummy"),
    log:
        "results/logs/plot_dummy.log",
    script:
        "../scripts/beyond/plot_dummy.py"
""",
    "config/ledger/items.yaml": """
dummy:
  title: A dummy?
  part: Beyond the paper
  kind: figure
  made_of:
    inputs: table2.inputs
  alt: Nothing.
  tables:
    statistics/dummy.csv:
      about: A table of its own.
      columns: [set, {size±: [length, a size]}]
""",
}
# What a dry run knows, read from Snakemake itself.
PLAN = """
import json, sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings,
)

with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
    found = api.workflow(
        resource_settings=ResourceSettings(cores=2),
        config_settings=ConfigSettings(),
        snakefile=Path("Snakefile").resolve(),
        workdir=Path().resolve(),
    )
    workflow = found.dag(DAGSettings(forceall=True)).workflow_api._workflow
    workflow._prepare_dag(forceall=True, ignore_incomplete=True, lock_warn_only=True)
    workflow._build_dag()
    jobs = {job.rule.name: job for job in workflow.dag.jobs}
    page = jobs["write_figures"]
    listed = {}
    for job in jobs.values():
        for file in job.output:
            if "report" in file.flags:
                entry = file.flags["report"]
                labels = entry.labels
                if callable(labels):
                    labels = labels(job.wildcards)
                listed[str(file)] = [entry.category, labels]
    json.dump(
        {
            "made_by": page.params.made_by,
            "input": list(page.input),
            "page_config": sorted(page.params.config),
            "stand_ins": page.rule.module_globals["config"]["stand_ins"],
            "listed": listed,
        },
        open("plan.json", "w"),
    )
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """A copy of the project with the dummy, and what Snakemake plans in it."""
    folder = tmp_path_factory.mktemp("items")
    copy_project(folder, None)
    assert not [path for path in NEW if (folder / path).exists()]
    for path, text in NEW.items():
        (folder / path).write_text(text, encoding="utf-8")
    for path, text in LONGER.items():
        with (folder / path).open("a", encoding="utf-8") as file:
            file.write(text)
    done = subprocess.run(
        [sys.executable, "-c", PLAN], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, json.loads((folder / "plan.json").read_text(encoding="utf-8"))


def test_a_figure_and_its_table_take_five_files_and_are_on_the_page(plan):
    _, planned = plan
    assert len(NEW) + len(LONGER) == 5
    assert {"results/figures/dummy.svg", "report/captions/dummy.rst"} <= {*planned["input"]}
    assert planned["made_by"]["dummy"] == {
        "rule": "plot_dummy",
        "script": "scripts/beyond/plot_dummy.py",
        "data": ["statistics/dummy.csv"],
        "arithmetic": ["scripts/modality_gap/measures/cone.py"],
    }
    assert planned["listed"]["results/figures/dummy.svg"] == [
        "Beyond the paper",
        {"result": "A dummy?"},
    ]
    people = "Stand-ins: emoji of people for FairFace's photographs."
    assert planned["stand_ins"]["dummy"] == people


def test_a_figure_more_is_one_that_the_check_of_a_run_expects(plan):
    folder, _ = plan
    ask = "import check_outputs; print(*check_outputs.expected_items())"
    done = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=folder / "tests",
        capture_output=True,
        text=True,
        check=True,
    )
    expected = done.stdout.split()
    assert "dummy" in expected
    # What a default run leaves out is not expected of it.
    left_out = yaml.safe_load((folder / "config/ledger/not_run.yaml").read_text(encoding="utf-8"))
    assert [*ITEMS, "dummy"] == sorted(
        [*expected, *left_out, "sigmoid_loss", "closing_the_gap"], key=[*ITEMS, "dummy"].index
    )


def test_the_table_of_a_figure_is_documented_and_checked(plan):
    folder, planned = plan
    _, tables = load_tables(
        folder / "config/tables.yaml", registry.columns(), folder / "config/ledger/items.yaml"
    )
    (path,) = planned["made_by"]["dummy"]["data"]
    (described,) = (table for table in tables if table.path == path)
    assert described.names == ["set", "size", "size_low", "size_high"]
    results = folder / "results"
    (results / "statistics").mkdir()
    (results / "statistics/dummy.csv").write_text("set,size,size_low\nx,1,0\n", encoding="utf-8")
    ask = "import check_outputs as c, pathlib; print(*c.table_faults(pathlib.Path('../results')))"
    done = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=folder / "tests",
        capture_output=True,
        text=True,
        check=True,
    )
    assert "statistics/dummy.csv has no column size_high" in done.stdout
    assert "statistics/gap.csv is missing" in done.stdout
    # In one place alone.
    path = folder / "config/ledger/items.yaml"
    twice = path.read_text(encoding="utf-8").replace("statistics/dummy.csv", "statistics/gap.csv")
    other = folder / "items.yaml"
    other.write_text(twice, encoding="utf-8")
    with pytest.raises(InputError, match=r"dummy: statistics/gap.csv is described twice"):
        load_tables(folder / "config/tables.yaml", registry.columns(), other)


def test_each_item_of_the_page_says_what_made_it(plan):
    _, planned = plan
    made_by = planned["made_by"]
    assert made_by.keys() - {"dummy"} == {*names_on(ITEMS, "figures")} - {"sigmoid_loss"}
    for name, making in made_by.items():
        if name != "dummy":
            assert (ROOT / making["script"]).is_file(), name
            assert all((ROOT / path).is_file() for path in making["arithmetic"]), name
    assert made_by["figure2b"] == {
        "rule": "plot_figure2b",
        "script": "scripts/figure2/plot_figure2b.py",
        "data": ["statistics/mlp_cone_interval.csv", "statistics/mlp_cone_closed_form.csv"],
        "arithmetic": [
            "scripts/modality_gap/measures/mlp_cone.py",
            "scripts/modality_gap/measures/theory.py",
        ],
    }
    # One rule made out of another has the other's script.
    five = made_by["supplementary5"]
    assert (five["rule"], five["script"]) == (
        "plot_supplementary5",
        "scripts/figure2/plot_figure2c.py",
    )
    # A table is computed by its own rule, and by those behind the tables that this reads.
    assert made_by["table1"]["data"] == ["tables/table1.csv", "statistics/zero_shot.csv"]
    assert "scripts/modality_gap/measures/table1.py" in made_by["table1"]["arithmetic"]
    assert made_by["loss_minimum"]["rule"] == "sweep_loss"
    # Nothing is drawn, so that there is no table to link to.
    assert made_by["supplementary13"]["data"] == []


def test_snakemakes_report_lists_every_item_by_its_title(plan):
    _, planned = plan
    for name, item in ITEMS.items():
        if not item.when:
            listed = planned["listed"][f"results/{item.path}"]
            assert listed == [item.part, {"result": item.title}], name


def test_the_configuration_of_rules_holds_settings_alone(plan):
    """The sentences on stand-ins are for the captions of Snakemake's report."""
    _, planned = plan
    settings = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    assert "stand_ins" not in planned["page_config"]
    assert {*settings} <= {*planned["page_config"]}
    assert planned["stand_ins"].keys() == {*ITEMS, "dummy"}


# What an item may be


def test_names_by_kind_are_in_the_order_of_the_list():
    assert names_of(ITEMS, "figure")[:4] == ["figure1", "figure2a", "figure2b", "figure2c"]
    assert names_of(ITEMS, "table") == ["table1", "table2"]


def test_paths_follow_the_kind():
    items = read_items(
        {
            "f": ABOUT,
            "t": {**ABOUT, "kind": "table"},
            "p": {**ABOUT, "kind": "plain table", "file": "statistics/x.csv"},
        }
    )
    paths = [item.path for item in items.values()]
    assert paths == ["figures/f.svg", "tables/t.csv", "statistics/x.csv"]
    assert read_items({"w": {**ABOUT, "kind": "text"}})["w"].path == "texts/w.txt"


def test_an_item_like_another_is_made_of_the_same():
    first = {**ABOUT, "made_of": {"sets": "trained"}, "vit_b32": True, "paper": ["It."]}
    second = read_items({"a": first, "b": {**ABOUT, "like": "a"}})["b"]
    assert second.shows_sets and second.vit_b32 and second.made_of == {"sets": "trained"}
    assert second.paper == ()


def test_what_an_item_does_not_say():
    item = read_items({"a": ABOUT})["a"]
    assert (item.file, item.when, item.method, item.page) == ("", "", "", "figures")
    assert not (item.vit_b32 or item.shows_sets or item.made_of or item.tables or item.paper)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rule": "plot_a"}, "unknown key rule"),
        ({"made_of": {"models": "x"}}, "unknown key models"),
        ({"like": "b"}, "`like` names b, which is not an item"),
        ({"kind": "film"}, "`kind` is 'film'; choose from figure, table, plain table, text"),
        ({"colour": "red"}, "unknown key colour"),
        ({"size": 1, "colour": "red", "made_of": {"days": "x"}}, "unknown key colour"),
        ({"page": "run"}, "`page` is 'run'; choose from figures, after"),
        ({"title": ""}, "title is missing"),
        ({"part": None}, "part is missing"),
        ({"alt": ""}, "alt is missing"),
    ],
)
def test_a_faulty_item_is_refused(change, words):
    with pytest.raises(InputError, match=f"config/ledger/items.yaml, a: {words}"):
        read_items({"a": {**ABOUT, **change}})


def test_a_table_needs_no_alternative_text():
    entry = copy.deepcopy(ABOUT)
    del entry["alt"]
    assert read_items({"a": {**entry, "kind": "table"}})["a"].alt == ""


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("one", ["a"]),
        ("list", ["b", "c"]),
        ("each.*.x", ["d", "e"]),
        ("each.*.x|y", ["d", "f", "e"]),
        ("each", ["first", "second", "third"]),
        ("each.first.none.at_all", []),
        ("list.x", []),
    ],
)
def test_a_place_in_the_configuration(place, names):
    config = {
        "one": "a",
        "list": ["b", "c"],
        "each": {"first": {"x": "d", "y": "f"}, "second": {"x": "e"}, "third": {}},
    }
    item = read_items({"a": {**ABOUT, "made_of": {"inputs": place}}})["a"]
    assert makings(item, {}, config) == (names, [])
