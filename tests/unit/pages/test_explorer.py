"""What the explorer of the summary page moves and draws, against plain computations."""

import json
import re

import independent as plain
import numpy as np
import pandas as pd
import pytest

from modality_gap.embeddings.sets import EmbeddingSet
from modality_gap.embeddings.stored import StoredVectors
from modality_gap.measures import explorer as measured
from modality_gap.measures.posthoc.catalogue import METHODS as METHODS_OF_ALL
from modality_gap.pages import explorer, remedies

METHODS, DIFFERENCES, NAMES = (
    pd.DataFrame(rows)
    for rows in (
        [
            {"set": "clip", "split": split, "method": method, "task": task, "metric": metric,
             "value": value + offset, "n_fit": 1250, "n_scored": 1200}
            for split, offset in (("even_odd", 0), ("half_0", 0.1))
            for method, recall, gap in (("none", 0.5, 0.8), ("other_first", 0.5, None),
                                        ("centre", 0.4, 0.1), ("nnn", 0.6, None),
                                        ("sinkhorn", 0.9, None))
            for task, metric, value in (("T1", "recall1_xy", recall), ("T1", "recall1_yx", recall),
                                        ("T6", "gap", gap), ("T6", "loss", gap))
            if value is not None
        ],
        [
            {"set": "clip", "method": "centre", "metric": "recall1_xy", "difference": -0.1,
             "difference_low": -0.15, "difference_high": 0.002},
        ],
        [
            {"method": method, "label": label, "star": method == "sinkhorn"}
            for method, label in (("none", "no change"), ("other_first", "control"),
                                  ("centre", "centring"), ("nnn", "z-normalisation"),
                                  ("sinkhorn", "Sinkhorn"))
        ],
    )
)  # fmt: skip
REMEDIES = remedies.remedies(METHODS, DIFFERENCES, NAMES)
DELTAS = [-1.0, -0.5, 0.0, 0.5, 1.0]


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(30, 6)) + np.array([2, 0, 0, 0, 0, 0])
    y = rng.normal(size=(30, 6)) + np.array([-1, 0, 1, 0, 0, 0])
    return plain.unit(x), plain.unit(y)


def test_the_closed_form_is_the_shift_itself(pair):
    x, y = pair
    u = plain.gap_vector(x, y) / plain.gap(x, y)
    rest = np.concatenate([x, y]) @ (np.eye(6) - np.outer(u, u))
    rest -= rest.mean(axis=0)
    widest = np.linalg.eigh(rest.T @ rest)[1][:, -1]
    assert abs(widest @ u) < 1e-9
    planes = measured.places(x, y)
    for delta in (-1.5, 0.25, 0.9):
        for side, moved, sign in zip("ab", plain.shifted(x, y, delta), (-1, 1), strict=True):
            (found,) = measured.moved(planes[side], np.array([sign * delta / 2]))
            np.testing.assert_allclose(found[:, 0], moved @ u, atol=1e-12)
            np.testing.assert_allclose(abs(found[:, 1]), abs(moved @ widest), atol=1e-9)
    clouds = measured.cloud(x, y, np.array([4, 7]), np.array(DELTAS))
    moved = plain.shifted(x, y, 1.0)
    for side, vectors, unmoved in zip("ab", moved, (x, y), strict=True):
        assert clouds[side]["centres"][4][0] == pytest.approx((vectors @ u).mean(), abs=1e-5)
        assert clouds[side]["points"][1][0] == pytest.approx(unmoved[7] @ u, abs=1e-5)
        np.testing.assert_allclose(clouds[side]["points"], planes[side][[4, 7]], atol=1e-5)
    for side, sign in (("a", -1), ("b", 1)):  # the whole sides, in both coordinates
        amounts = sign * np.array(DELTAS) / 2
        centres = measured.moved(planes[side], amounts).mean(axis=1)
        np.testing.assert_allclose(clouds[side]["centres"], centres, atol=1e-5)


def test_losses_and_recalls_are_those_of_the_tables():
    landscape = pd.DataFrame(
        {"temperature": [1, 1, 0.01, 0.01], "delta": [0.5, -1, 0.5, -1], "loss": [1 / 7, 2, 3, 4]}
    )
    assert measured.losses(landscape) == [
        {"temperature": 0.01, "values": [4, 3]},
        {"temperature": 1, "values": [2, 0.14286]},
    ]
    columns = {"ab": [0.2, 0.1, 0.3], "ba": [0.5, 0.4, 2 / 3]}
    curve = pd.DataFrame(
        {
            f"recall1_{way}{end}": [value, value]
            for way, values in columns.items()
            for end, value in zip(("", "_low", "_high"), values, strict=True)
        }
    )
    assert measured.recalls(curve) == {
        "ab": {"values": [0.2, 0.2], "low": [0.1, 0.1], "high": [0.3, 0.3]},
        "ba": {"values": [0.5, 0.5], "low": [0.4, 0.4], "high": [0.66667, 0.66667]},
    }


def test_an_emoji_is_named_by_its_character(tmp_path):
    from modality_gap.embeddings.sets import write

    ids = np.array(["1f44b-1f3fb", "other"], dtype=object)
    write(EmbeddingSet(ids, np.eye(2, dtype="f4")), tmp_path / "a.parquet")
    vectors = StoredVectors(tmp_path / "a.parquet")
    words = {"1f44b-1f3fb": "waving hand"}
    names = measured.names((vectors, vectors), slice(None), np.array([0, 1]), words)
    assert names == {"a": ["\U0001f44b\U0001f3fb waving hand", "other"], "b": names["a"]}


def made(name: str, scores=()) -> dict:
    """A measured set with a plain shape."""
    curve = {"values": [0.1, 0.2, 0.4, 0.3, 0.2], "low": [0.05] * 5, "high": [0.5] * 5}
    return {
        "set": name,
        "deltas": DELTAS,
        "distances": [1.4, 1.0, 0.7, 0.2, -0.3],
        "n": 9,
        "loss_n": 8,
        "losses": [
            {"temperature": 0.01, "values": [2.0, 1.0, 0.5, 0.75, 3.0]},
            {"temperature": 1.0, "values": [5.0, 4.0, 3.0, 2.0, 1.0]},
        ],
        "recall": {"ab": curve, "ba": {**curve, "values": [0.3, 0.25, 0.2, 0.15, 0.1]}},
        "scores": list(scores),
        "cloud": {
            side: {"points": [[sign * 0.4, 0.1], [sign * 0.3, -0.2]], "centres": [[sign, 0.0]] * 5}
            for side, sign in (("a", 1), ("b", -1))
        },
        "names": {"a": ["</script><b>", "two"], "b": ["3", "4"]},
    }


@pytest.fixture(scope="module")
def models():
    found = {name: made(name) for name in ("small", "theirs", "lost")}
    score = {"task": "a_task", "n": 9, "values": [0.1, 0.2, 0.3, 0.2, 0.1]}
    found["small"] = made("small", [score])
    found["flat"] = {"set": "flat", "deltas": []}
    sets = {"lost": {}, "theirs": {"modalities": ["video", "text"]}, "small": {}, "flat": {}}
    gap = pd.DataFrame({"set": list(found), "model": [name.title() for name in found]})
    gap["recall1_chance"] = 0.01
    for column in ("recall1_ab_low", "recall1_ba_low"):
        gap[column] = [0.2, 0.2, 0.01, 0.2]
    return explorer.models(found, sets, gap, {"theirs": REMEDIES["clip"]})


def test_models_that_retrieve_come_first_and_a_set_without_a_gap_is_left_out(models):
    assert [model["label"] for model in models] == ["Theirs", "Small", "Lost (near chance)"]
    assert [model["first"] for model in models] == ["video", "image", "image"]


def test_the_rows_of_the_charts(models):
    rows = explorer.rows(models[0])
    loss = pd.DataFrame(rows["loss"])
    assert loss["temperature"].unique().tolist() == ["1/100", "1"]
    assert loss["above"].tolist() == [1.5, 0.5, 0, 0.25, 2.5, 4, 3, 2, 1, 0]
    # A loss that still falls at the sweep's end has no minimum.
    assert np.flatnonzero(loss["lowest"]).tolist() == [2]
    assert rows["own"] == [{"distance": 0.7}]
    recall = pd.DataFrame(rows["recall"])
    assert recall["way"].unique().tolist() == ["video → text", "text → video"]
    assert recall[recall["k"] == 2]["value"].tolist() == [0.4, 0.2]
    assert [row["sign"] for row in rows["points"]] == [-1, -1, 1, 1]


def test_the_charts_stand_still_before_the_script(models):
    drawn = explorer.drawn(models)
    assert set(drawn["charts"]) == {"points", "loss", "recall", "score"}
    stills = drawn["stills"]
    # The first model has no score, which the second has; points have one size.
    assert {*stills} == {"points-wide"} | {
        f"{name}-{size}" for name in ("loss", "recall") for size in ("wide", "narrow")
    }
    for name, svg in stills.items():
        assert svg.startswith("<svg") and "<text" in svg
        assert all(one.startswith(name) for one in re.findall(r'id="([^"]+)"', svg))
    assert stills["loss-narrow"] != stills["loss-wide"]
    colors = {name: [one["color"] for one in own] for name, own in drawn["styles"].items()}
    sides = [explorer.IMAGE, explorer.TEXT]
    assert colors == {"points": sides, "recall": sides} | {
        "loss": explorer.TEMPERATURES,
        "score": explorer.TASKS,
    }
    assert [one["dashes"] for one in drawn["styles"]["recall"]] == ["1 0", "7 2"]
    # All points: two of each side, each with its centre.
    assert stills["points-wide"].count(explorer.IMAGE) == 3
    for chart in drawn["charts"].values():
        assert not any(
            data.get("values") for data in chart["data"] if data["name"] in explorer.rows(models[0])
        )
    embedded = explorer.embedded(drawn)
    assert "<" not in embedded["data"]  # `<!--<script` would leave a script open, too
    assert json.loads(embedded["data"])["models"][0]["names"]["a"][0] == "</script><b>"
    assert embedded["readout"]["loss"] == [("1/100", "0.50 (+0.00)"), ("1", "3.00 (+2.00)")]
    assert embedded["readout"]["recall"][0] == ("video → text", "40.0 % [5.0, 50.0]")
    assert explorer.drawn([]) == {}


# By chart its layers: the data, the mark, what it shows, and of which rows.
STYLED, HERE = "color=place", "datum.k == k"
CURVES = [
    "own rule x=distance",
    f"NAME line {STYLED} order=k strokeDash=place x=distance y=VALUE",
    f"NAME rule x=distance {HERE}",
    f"NAME point {STYLED} x=distance y=VALUE {HERE}",
]
LAYERS = {
    "points": [
        f"points point {STYLED} shape=place tooltip=item,side x=x y=y",
        f"centres point {STYLED} shape=place x=x y=y {HERE}",
    ],
    "loss": [*CURVES, f"NAME point {STYLED} x=distance y=above datum.lowest"],
    "recall": [f"NAME area {STYLED} x=distance y=low y2=high", *CURVES],
    "score": CURVES,
}


DISTANCE = "distance of the centres"
TITLES = {
    "points": {"along the gap", "widest direction across it"},
    "loss": {DISTANCE, "loss above its minimum"},
    "recall": {DISTANCE, "recall@1"},
    "score": {DISTANCE, "zero-shot score"},
}


def test_layers_of_the_charts_show_their_columns(models):
    for name, chart in explorer.charts(models[0], 500).items():
        value = "above" if name == "loss" else "value"
        wanted = [line.replace("NAME", name).replace("VALUE", value) for line in LAYERS[name]]
        found = []
        for layer in chart["layer"]:
            fields = {
                channel: one["field"]
                if isinstance(one, dict)
                else ",".join(o["field"] for o in one)
                for channel, one in layer["encoding"].items()
            }
            of = [one["filter"] for one in layer.get("transform", []) if "filter" in one]
            words = [layer["data"]["name"], layer["mark"]["type"]]
            words += [f"{channel}={field}" for channel, field in sorted(fields.items())]
            found.append(" ".join([*words, *of]))
        assert found == wanted
        assert {one["name"]: one["value"] for one in chart["params"]} == {"k": 2, "delta": 0}
        for layer in chart["layer"]:
            if layer["mark"]["type"] != "rule":
                axes = layer["encoding"]
                wide = [-1.05, 1.05] if name == "points" else [-2, 2]
                assert axes["x"]["scale"]["domain"] == wide
                assert name != "points" or axes["y"]["scale"]["domain"] == [-0.8, 0.8]
            if axes.get("y", {}).get("field") == "value":
                assert axes["y"]["axis"]["format"] == ".0%"
            if axes.get("x", {}).get("title") == DISTANCE:
                assert axes["x"]["axis"]["values"] == [step / 2 for step in range(-4, 5)]
            if "shape" in axes:
                assert axes["shape"]["scale"]["range"] == ["circle", "triangle-up"]
        titles = {
            one.get("title")
            for layer in chart["layer"]
            for channel, one in layer["encoding"].items()
            if channel in "xy"
        }
        assert titles - {None} == TITLES[name]
        size = (342, 259) if name == "points" else (500, 250 if name == "loss" else 150)
        assert (chart["width"], chart["height"]) == size
        styles = {"loss": explorer.TEMPERATURES, "score": explorer.TASKS}
        colors = styles.get(name, [explorer.IMAGE, explorer.TEXT])
        for layer in chart["layer"]:
            if "color" in layer["encoding"]:
                assert layer["encoding"]["color"]["scale"]["range"] == colors
            # The place of a curve, from 0, chooses its colour, its dash and its mark.
            for channel in layer["encoding"].values():
                if isinstance(channel, dict) and channel.get("field") == "place":
                    scale = channel["scale"]
                    assert scale["domain"] == list(range(len(scale["range"])))


def test_charts_take_the_colours_of_the_page_and_their_axes_are_aligned(models):
    for chart in explorer.charts(models[0], 500).values():
        config = chart["config"]
        assert config["background"] == "transparent" and not config["aria"]
        axis = config["axis"]
        colors = {name: value for name, value in axis.items() if name.endswith("Color")}
        assert colors.keys() == {f"{part}Color" for part in ("label", "title", "domain", "tick",
                                                             "grid")}  # fmt: skip
        assert {*colors.values()} == {"currentColor"}
        # The grid is fainter than the axes, and these are fainter than the words.
        assert 0 < axis["gridOpacity"] < axis["tickOpacity"] == axis["domainOpacity"] < 1
        assert axis["labelFontSize"] == axis["titleFontSize"] == 12
        assert config["axisY"]["minExtent"] == config["axisY"]["maxExtent"]
        assert config["autosize"] == {"type": "fit", "contains": "padding"}
        assert config["view"]["stroke"] is None


def test_what_is_shown_of_a_shift_stands_out_from_its_curve(models):
    for name, chart in explorer.charts(models[0], 500).items():
        marks = [layer["mark"] for layer in chart["layer"]]
        if name == "points":
            points, centres = marks
            assert points["size"] < centres["size"] and points["opacity"] < centres["opacity"] == 1
            assert points["clip"] and points["filled"] and centres["filled"]
            assert centres["stroke"] == "white" and centres["strokeWidth"] > 1
            continue
        own, here = (one for one in marks if one["type"] == "rule")
        assert own["stroke"] == here["stroke"] == "currentColor"
        assert own["strokeDash"] and "strokeDash" not in here
        (line,) = (one for one in marks if one["type"] == "line")
        assert line["strokeWidth"] > here["strokeWidth"]
        dots = [one for one in marks if one["type"] == "point"]
        assert all(one["filled"] and one["opacity"] == 1 for one in dots)
        assert all(one["opacity"] < 0.3 for one in marks if one["type"] == "area")
        if name == "loss":  # a minimum is marked from above
            assert dots[1]["shape"] == "triangle-down" and dots[1]["yOffset"] < 0


def test_curves_have_three_to_one_on_light_and_on_dark():
    def luminance(color):
        parts = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return np.dot(linear, [0.2126, 0.7152, 0.0722])

    for colors in (explorer.TEMPERATURES, explorer.TASKS, [explorer.IMAGE, explorer.TEXT]):
        assert len({*colors}) == len(colors) <= len({*map(tuple, explorer.DASHES)})
        assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in colors)
    for color in (*explorer.TEMPERATURES, *explorer.TASKS, explorer.IMAGE, explorer.TEXT):
        light, dark, own = map(luminance, ("#fdfcfa", "#15181c", color))
        assert (light + 0.05) / (own + 0.05) >= 3, color
        assert (own + 0.05) / (dark + 0.05) >= 3, color


def test_every_remedy_of_the_default_run_is_said_in_words():
    offered = {name for name, one in METHODS_OF_ALL.items() if one.default and one.sees == "fit"}
    offered -= {*remedies.CONTROLS, *remedies.LEFT_OUT, remedies.PLAIN}
    assert offered == remedies.DOES.keys()
    assert all(re.fullmatch(r"[A-Z].*[a-z]\.", words) for words in remedies.DOES.values())


def test_remedies_have_the_values_of_the_tables(models):
    """Those of the fixed split; a method of scores has no gap; no control, no starred method."""
    rows = {row["method"]: row for row in REMEDIES["clip"]}
    assert [*rows] == ["none", "centre", "nnn"]
    assert rows["centre"] == {
        "method": "centre",
        "label": "centring",
        "does": "Centring subtracts each modality's mean.",
        "n_fit": 1250,
        "n_scored": 1200,
        "ab": 0.4,
        "ba": 0.4,
        "gap": 0.1,
        "loss": 0.1,
        "change": {"ab": [-0.1, -0.15, 0.002]},
    }
    assert "gap" not in rows["nnn"]
    assert [len(model["remedies"]) for model in models] == [3, 0, 0]
    assert remedies.sentence(models[0], rows["centre"]) == (
        "Centring subtracts each modality's mean. Fitted on 1,250 pairs, compared on 1,200 others: "
        "gap 0.10, without it 0.80; loss at 1/100 in one batch of them 0.10, without it 0.80; "
        "recall@1 video → text 40.0 %, without it 50.0 % (−10.0 points [−15.0, +0.2]); "
        "recall@1 text → video 40.0 %, without it 50.0 %."
    )
    assert remedies.sentence(models[0], rows["nnn"]).endswith("60.0 %, without it 50.0 %.")
    # A method of one's own is called by its label.
    (_, own) = remedies.remedies(
        METHODS[METHODS["method"].isin(["none", "centre"])].replace("centre", "mine"),
        DIFFERENCES,
        pd.concat(
            [NAMES[:1], pd.DataFrame([{"method": "mine", "label": "my map", "star": False}])]
        ),
    )["clip"]
    assert own["does"] == "My map."
    empty = METHODS[:0]
    assert remedies.remedies(empty, DIFFERENCES, NAMES) == {}


def test_what_a_picture_refers_to_is_its_own(monkeypatch):
    svg = (
        '<svg><clipPath id="c0"/><g clip-path="url(#c0)"/><g fill="url(#c0)" class="id=c0"/></svg>'
    )
    monkeypatch.setattr(explorer.vl_convert, "vegalite_to_svg", lambda specification: svg)
    assert explorer.still({}, "loss-wide") == (
        '<svg><clipPath id="loss-wide-c0"/><g clip-path="url(#loss-wide-c0)"/>'
        '<g fill="url(#loss-wide-c0)" class="id=c0"/></svg>'
    )


def test_the_library_leaves_no_name_but_its_own(monkeypatch):
    monkeypatch.setattr(explorer.vl_convert, "javascript_bundle", lambda code: f"let a; {code}")
    assert explorer.library() == "(() => {let a; window.vegaEmbed = vegaEmbed;})();"
