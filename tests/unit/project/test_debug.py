"""One rule's script outside Snakemake."""

import io
import os
import pdb
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.exceptions import WorkflowError

from modality_gap import debug, logs
from modality_gap.errors import InputError
from modality_gap.measures.theory import lemma3_table

RULE = SimpleNamespace(name="plot_figure2b", script="x.py", wildcard_names=set())
MEASURE = SimpleNamespace(name="measure", script="y.py", wildcard_names={"set", "k"})


def test_a_rule_that_does_not_exist_or_has_no_script_is_refused():
    rules = {"plot_figure2b": RULE, "all": SimpleNamespace(name="all", script=None)}
    assert debug.find_rule(rules, "plot_figure2b") is RULE
    with pytest.raises(
        InputError, match=r"there is no rule plot_figur2b; did you mean plot_figure2b\?"
    ):
        debug.find_rule(rules, "plot_figur2b")
    with pytest.raises(InputError, match="rule all has no script"):
        debug.find_rule(rules, "all")
    with pytest.raises(InputError, match=r"^there is no rule zzz\.$"):
        debug.find_rule(rules, "zzz")


def test_wildcards_are_those_of_the_rule():
    debug.check_wildcards(MEASURE, {"set": "clip", "k": "1"})
    with pytest.raises(InputError, match=r"the wildcards of rule measure as k=\.\.\. set=\.\.\."):
        debug.check_wildcards(MEASURE, {"set": "clip"})
    many = SimpleNamespace(name="many", script="y.py", wildcard_names={*"edcbafgh"})
    sentence = "give the wildcards of rule many as a=... b=... c=... d=... e=... f=... g=... h=...."
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        debug.check_wildcards(many, {"a": "1"})
    with pytest.raises(InputError, match="plot_figure2b has no wildcards"):
        debug.check_wildcards(RULE, {"set": "clip"})


def test_an_input_may_be_a_folder_and_the_first_that_is_missing_is_named(tmp_path):
    paths = [str(tmp_path / name) for name in ("a.parquet", "b.csv", "c.csv", "d.csv")]
    (tmp_path / "a.parquet").mkdir()
    (tmp_path / "b.csv").touch()
    debug.check_inputs("measure", paths[:2])
    sentence = f"reads {paths[2]}, which does not exist; run `snakemake {paths[2]}` first."
    with pytest.raises(InputError, match=f"^rule measure {re.escape(sentence)}$"):
        debug.check_inputs("measure", paths)


def test_what_the_command_line_says_reaches_the_job(monkeypatch, capsys):
    asked, ran, given = [], [], SimpleNamespace(output=["a.svg", "a.pdf"])

    def job_of(*arguments):
        asked.append(arguments)
        return Path("figures/draw.py"), given

    monkeypatch.setattr(debug, "job_of", job_of)
    monkeypatch.setattr(debug, "run", lambda *arguments: ran.append(arguments))
    files = ["--configfile", "c.yaml", "--configfile", "d.yaml"]
    debug.main(["measure", "set=a=b", "k=2", *files, "--cores", "3"])
    debug.main(["plot_figure2b", "--pdb"])
    wildcards = {"set": "a=b", "k": "2"}
    assert asked == [
        ("measure", wildcards, [Path("c.yaml"), Path("d.yaml")], 3),
        ("plot_figure2b", {}, [], os.cpu_count()),
    ]
    assert [one[:2] for one in ran] == [(Path("figures/draw.py"), given)] * 2
    assert ran[0][2] is None and isinstance(ran[1][2], pdb.Pdb)
    assert capsys.readouterr().err == "draw.py writes a.svg, a.pdf\n" * 2


@pytest.mark.parametrize("error", [InputError, WorkflowError])
def test_a_refusal_ends_the_command_with_its_sentence_alone(monkeypatch, error):
    def job_of(*_):
        raise error("Give another rule.")

    monkeypatch.setattr(debug, "job_of", job_of)
    with pytest.raises(SystemExit) as ended:
        debug.main(["measure"])
    assert ended.value.code == "Give another rule."


def test_outputs_are_moved_below_results_debug(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    moved = debug.in_debug_folder("results/figures/figure1.svg")
    assert moved == "results/debug/figures/figure1.svg"
    assert (tmp_path / "results" / "debug" / "figures").is_dir()


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A script as those of rules are, and its object `snakemake`."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(logs, "log_to", logs.log_to)
    path = tmp_path / "script.py"
    path.write_text(
        "from modality_gap.logs import log_to\n"
        "log_to(snakemake)\n"
        "half = 1 / snakemake.params.number\n"
        "print('half is', half)\n"
    )
    return path, SimpleNamespace(log=["nowhere/x.log"], params=SimpleNamespace(number=2))


def test_a_script_gets_its_object_and_writes_to_the_terminal(script, capsys):
    debug.run(*script)
    assert capsys.readouterr().out == "half is 0.5\n"


def test_the_debugger_stops_at_the_first_line(script, capsys):
    said = io.StringIO()
    debug.run(
        *script,
        pdb.Pdb(stdin=io.StringIO("n\nn\np snakemake.params.number + 40\nc\n"), stdout=said),
    )
    assert "script.py(1)<module>()" in said.getvalue()
    assert "(Pdb) 42\n" in said.getvalue()
    assert capsys.readouterr().out == "half is 0.5\n"


@pytest.mark.parametrize("with_debugger", [False, True])
def test_a_script_knows_its_name_and_its_neighbours_under_a_debugger_too(
    script, capsys, with_debugger
):
    path, given = script
    (path.parent / "neighbour_of_script.py").write_text("WORD = 'found'\n")
    path.write_text(
        "from neighbour_of_script import WORD\nprint(WORD, __name__, __file__)\n", encoding="utf-8"
    )
    debugger = pdb.Pdb(stdin=io.StringIO("c\n"), stdout=io.StringIO()) if with_debugger else None
    debug.run(path, given, debugger)
    assert capsys.readouterr().out == f"found __main__ {path}\n"


def test_the_debugger_stops_where_an_exception_ends_the_script(script):
    path, given = script
    given.params.number = 0
    said = io.StringIO()
    with pytest.raises(ZeroDivisionError):
        debug.run(path, given, pdb.Pdb(stdin=io.StringIO("c\np 'at the end'\nq\n"), stdout=said))
    assert "script.py(3)<module>()" in said.getvalue()
    assert "(Pdb) 'at the end'\n" in said.getvalue()


def test_a_script_that_ends_itself_opens_no_debugger(script):
    path, given = script
    path.write_text("import sys\nsys.exit('enough')\n", encoding="utf-8")
    said = io.StringIO()
    with pytest.raises(SystemExit, match="enough"):
        debug.run(path, given, pdb.Pdb(stdin=io.StringIO("c\np 6 * 7\nq\n"), stdout=said))
    assert "42" not in said.getvalue()


@pytest.fixture
def project(root, tmp_path):
    """A folder with the project's configuration and code, and no results."""
    for name in ("config", "scripts"):
        (tmp_path / name).symlink_to(root / name)
    return tmp_path


def run_alone(root, project, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "modality_gap.debug", *arguments],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(root / "scripts")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_missing_input_is_named_in_one_sentence(root, project):
    done = run_alone(root, project, "plot_lemma3")
    assert done.returncode == 1
    assert done.stderr == (
        "rule plot_lemma3 reads results/statistics/lemma3.csv, which does not exist; "
        "run `snakemake results/statistics/lemma3.csv` first.\n"
    )


def test_a_figure_is_drawn_alone_and_no_result_is_touched(root, project):
    table = project / "results" / "statistics" / "lemma3.csv"
    table.parent.mkdir(parents=True)
    grid = {"cosine_step": 0.5, "norm_ratios": [1.0], "draws": 100}
    lemma3_table(grid, 0.95, 0).to_csv(table, index=False)
    done = run_alone(root, project, "plot_lemma3", "--cores", "1")
    assert done.returncode == 0, done.stderr
    made = {path.relative_to(project).as_posix() for path in (project / "results").rglob("*.*")}
    figure = "results/debug/figures/lemma3"
    drawn = {f"{figure}{end}" for end in (".svg", ".narrow.svg", ".pdf")}
    assert made == {*drawn, "results/statistics/lemma3.csv"}
    assert (project / f"{figure}.svg").read_text().rstrip().endswith("</svg>")
