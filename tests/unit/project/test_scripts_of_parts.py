"""Scripts that put files together, judge claims and write small pages, run on small files."""

import json
import re
from pathlib import Path

import independent as plain
import numpy as np
import pandas as pd
import pytest
from thin import pair, script_runner

from modality_gap.embeddings.sets import EmbeddingSet, write
from modality_gap.embeddings.stored import read
from modality_gap.errors import InputError


@pytest.fixture
def run(root, monkeypatch):
    yield from script_runner(root, monkeypatch)


def parts_of_a_dataset(folder):
    """Paths of three parts, of 4, 3 and 5 rows, which are not in the order of their names."""
    paths = []
    for part, n in (("c", 4), ("a", 3), ("b", 5)):
        paths.append(folder / f"{part}.parquet")
        frame = pd.DataFrame({"item_id": [f"{part}{row}" for row in range(n)], "image": b""})
        frame["kind"] = ["x", "y", "x", "x", "y"][:n]
        frame.assign(text="t").to_parquet(paths[-1], index=False)
    return paths


@pytest.mark.parametrize("where", [{}, {"where": {"kind": ["x"]}}])
def test_rows_of_a_sample_of_all_parts(run, tmp_path, where, capfd):
    """As of one file with the rows of the parts in their order; a part is known by its name."""
    paths = parts_of_a_dataset(tmp_path)
    output, inputs = {"file": tmp_path / "rows.npz"}, {"dataset": "d", "sample": 5, **where}
    run("choose_rows", {"parts": [str(path) for path in paths]}, output, inputs=inputs, seed=3)
    found = np.load(output["file"])
    rows = [(path.stem, row) for path in paths for row in range(len(pd.read_parquet(path)))]
    if where:
        rows = [one for one in rows if one[1] in (0, 2, 3)]
    wanted = [rows[place] for place in plain.sample(len(rows), 5, 3)]
    assert list(found) == ["c", "a", "b"]
    assert [(part, row) for part in found for row in found[part]] == wanted
    assert "5 rows of 3 parts" in capfd.readouterr().err


def shards(folder, numbers):
    """Paths of embedding files of two items each, by numbers."""
    rng, paths = np.random.default_rng(0), []
    for number in numbers:
        paths.append(folder / f"text.{number}.parquet")
        ids = np.array([f"{number}{row}" for row in range(2)], dtype=object)
        vectors = rng.normal(size=(2, 3)).astype("f4")
        write(EmbeddingSet(ids, vectors, metadata={"model": "M"}), paths[-1])
    return paths


@pytest.mark.parametrize(("settings", "names"), [
    ({}, ["1-of-3.parquet", "2-of-3.parquet", "3-of-3.parquet"]),
    ({"remain": True}, ["text.1.parquet", "text.2.parquet", "text.3.parquet"]),
])  # fmt: skip
def test_shards_become_a_folder(run, tmp_path, settings, names):
    """Shards are removed and so numbered; parts remain, and keep their names."""
    paths = shards(tmp_path, (1, 2, 3))
    ids = [item for path in paths for item in read(path).item_ids]
    folder = tmp_path / "folder.parquet"
    run("gather_shards", {"shards": paths}, {"folder": folder}, **settings)
    assert sorted(path.name for path in folder.iterdir()) == names
    assert list(read(folder).item_ids) == ids
    with pytest.raises(InputError, match="there is no item to embed"):
        empty = tmp_path / "empty.parquet"
        write(EmbeddingSet(np.array([], dtype=object), np.zeros((0, 3), "f4")), empty)
        run("gather_shards", {"shards": [empty]}, {"folder": tmp_path / "no.parquet"})


@pytest.mark.parametrize("numbers", [(1,), (1, 2)])
def test_a_tower_of_a_set_is_copied(run, tmp_path, numbers):
    """A file as a file, and a folder of parts as a folder; what is copied remains."""
    source, target = shards(tmp_path, numbers)[0], tmp_path / "copy.parquet"
    if len(numbers) > 1:
        source = tmp_path / "folder.parquet"
        run("gather_shards", {"shards": shards(tmp_path, numbers)}, {"folder": source})
    before = read(source)
    run("join_towers", {"embeddings": source}, {"file": target})
    assert target.is_dir() == (len(numbers) > 1) == source.is_dir()
    for found in (read(source), read(target)):
        assert list(found.item_ids) == list(before.item_ids)
        np.testing.assert_array_equal(found.vectors, before.vectors)
        assert found.metadata == before.metadata


def test_parts_of_a_dataset_remain_beside_their_folder(run, tmp_path, capfd):
    paths = sorted(parts_of_a_dataset(tmp_path))
    folder = tmp_path / "whole.parquet"
    run("gather_parts", {"parts": paths}, {"folder": folder})
    assert "12 rows in 3 parts" in capfd.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["a.parquet", "b.parquet", "c.parquet"]
    assert all(path.is_file() for path in paths)
    found = pd.read_parquet(folder)["item_id"].tolist()
    assert found == [item for path in paths for item in pd.read_parquet(path)["item_id"]]


def test_claims_are_judged_by_the_tables_below_the_folder_of_results(
    run, tmp_path, monkeypatch, capsys
):
    results, asked = tmp_path / "elsewhere", []
    (results / "statistics").mkdir(parents=True)
    pd.DataFrame({"gap": [0.5]}).to_csv(results / "statistics/gap.csv", index=False)
    found = pd.DataFrame({"id": ["a"], "verdict": ["differs"]})

    def check(ledger, tables):
        asked.append((ledger, {name: table.to_dict("list") for name, table in tables.items()}))
        return found

    monkeypatch.setattr("modality_gap.paper.claims.check", check)
    monkeypatch.setattr("modality_gap.paper.ledger.load_ledger", lambda *given: given)
    monkeypatch.setattr("modality_gap.paper.show.summary", lambda claims: ["one", claims["id"][0]])
    given = {"tables": [results / "statistics/gap.csv"], "ledger": "parts.yaml", "schema": "s.yaml"}
    output = {"claims": tmp_path / "claims.csv"}
    run("check_claims", given, output, results=str(results))
    assert asked == [((Path("parts.yaml"), Path("s.yaml")), {"statistics/gap.csv": {"gap": [0.5]}})]
    assert capsys.readouterr().out == "one\na\n"
    pd.testing.assert_frame_equal(pd.read_csv(output["claims"]), found)


def test_pages_of_earlier_names_lead_to_their_successors(run, root, tmp_path):
    forwards = {"old": "new", "older": "newer"}
    output = {name: tmp_path / f"{name}.html" for name in forwards}
    given = {"template": root / "report/templates/forward.html.j2"}
    run("write_forwards", given, output, forwards=forwards)
    for name, to in forwards.items():
        page = output[name].read_text(encoding="utf-8")
        assert re.findall(r'(?:url=|href=")([\w.]+)"', page) == [f"{to}.html"] * 2


def test_the_explorer_is_drawn_of_its_sets_and_tables(run, tmp_path, monkeypatch):
    """Each table in its role; a set is known by the name of its file."""
    asked = {}

    def remedies(methods, differences, names):
        asked["remedies"] = [[*table] for table in (methods, differences, names)]
        return {"one": ["a method"]}

    def models(found, sets, gap, remedies):
        asked["models"] = found, sets, gap.to_dict("list"), remedies
        return [{"set": "a → b"}]

    monkeypatch.setattr("modality_gap.pages.remedies.remedies", remedies)
    monkeypatch.setattr("modality_gap.pages.explorer.models", models)
    monkeypatch.setattr("modality_gap.pages.explorer.drawn", lambda found: {"models": found})
    monkeypatch.setattr("modality_gap.pages.explorer.library", lambda: "the library →")
    tables = ("gap", "methods", "differences", "names")
    given = {name: tmp_path / f"{name}.csv" for name in tables}
    for name, path in given.items():
        pd.DataFrame({f"of {name}": [0.5]}).to_csv(path, index=False)
    given["sets"] = [tmp_path / f"{name}.json" for name in ("one", "two")]
    for number, path in enumerate(given["sets"]):
        path.write_text(json.dumps({"deltas": [number]}), encoding="utf-8")
    output = {name: tmp_path / name for name in ("charts", "library")}
    sets = {"one": {"label": "M"}, "two": {"label": "N"}}
    run("draw_explorer", given, output, sets=sets)
    assert asked["remedies"] == [["of methods"], ["of differences"], ["of names"]]
    found = {"one": {"deltas": [0]}, "two": {"deltas": [1]}}
    assert asked["models"] == (found, sets, {"of gap": [0.5]}, {"one": ["a method"]})
    assert output["charts"].read_text("utf-8") == '{"models":[{"set":"a → b"}]}'
    assert output["library"].read_text("utf-8") == "the library →"


def test_a_projected_set_is_of_the_items_that_it_takes(run, tmp_path):
    """A sample of the items of its encoder, which the seed of the run draws."""
    from safetensors.numpy import save_file

    source = pair(tmp_path, "first", {"model": "M"})[0]
    projection = tmp_path / "maps.safetensors"
    save_file({"text.weight": np.eye(3, 8, dtype="f4")}, projection)
    given = {"embeddings": source, "projection": str(projection)}
    output, ids = {"file": tmp_path / "out.parquet"}, []
    for seed in (3, 4):
        about = {"inputs": {"dataset": "d", "sample": 10}, "seed": seed}
        run("project_embeddings", given, output, {"modality": "text"}, **about)
        ids.append(list(read(output["file"]).item_ids))
    assert len(ids[0]) == 10 and ids[0] != ids[1]
    assert sorted(ids[0]) == [f"{row:03d}" for row in plain.sample(40, 10, 3)]
