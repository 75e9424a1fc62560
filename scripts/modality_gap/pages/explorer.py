"""The explorer of the summary page: four charts that follow one shift along the gap.

Each chart is written once, with Altair. The page uses its Vega specification for the moving chart.
vl-convert draws the still picture, which is shown if the page's script does not run or has not run
yet.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd
import vl_convert
from markupsafe import Markup

from modality_gap.pages.words import fraction
from modality_gap.paper.chance import retrieves

WIDE, NARROW = 640, 342  # CSS pixels of the still pictures
# Each is at least 3:1 on the page's light and its dark background.
IMAGE, TEXT = "#2f7fc1", "#cf5a1c"
TEMPERATURES = ["#9a5fd0", "#5f74d8", "#2a86b8", "#1c8f80", "#4f8f2c", "#a67a00"]
DASHES = [[1, 0], [7, 2], [4, 2], [2, 2], [7, 2, 2, 2], [1, 3], [9, 4]]
TASKS = ["#2f7fc1", "#cf5a1c", "#1c8f80", "#9a5fd0", "#a67a00", "#5f74d8", "#b8558c"]
INK = "currentColor"
LIBRARY = "window.vegaEmbed = vegaEmbed;"  # what the page needs of the bundle


def models(
    found: Mapping[str, dict],
    sets: Mapping[str, dict],
    gap: pd.DataFrame,
    remedies: Mapping[str, list[dict]],
) -> list[dict]:
    """The data of the page for each trained set with a gap: measured values, words, and `remedies`
    as from remedies.py. Models that retrieve well above chance come first, then the others; both
    are in the order of `sets`."""
    able, named = {*gap["set"][retrieves(gap)]}, gap.set_index("set")["model"]
    order = sorted(sets, key=lambda name: name not in able)
    result = []
    for name in order:
        if found[name]["deltas"]:
            one, other = sets[name].get("modalities", ("image", "text"))
            label = named[name] + ("" if name in able else " (near chance)")
            about = {"label": label, "able": name in able, "first": one, "second": other}
            result.append({**found[name], **about, "remedies": remedies.get(name, [])})
    return result


def rows(model: Mapping[str, Any]) -> dict[str, list[dict]]:
    """The data of a model's charts, by the names of the charts. `k` is the number of a shift.
    `place` is the number of a curve, in the order of their styles. report/scripts/explorer.js makes
    the same rows."""
    cloud, distances, recall = model["cloud"], model["distances"], model["recall"]
    own = model["deltas"].index(0)
    ways = {
        "ab": f"{model['first']} → {model['second']}",
        "ba": f"{model['second']} → {model['first']}",
    }
    sides = {"a": model["first"], "b": model["second"]}
    return {
        "points": [
            {"side": words, "sign": 2 * place - 1, "place": place, "along": along, "across": across}
            | {"item": item}
            for place, (side, words) in enumerate(sides.items())
            for (along, across), item in zip(
                cloud[side]["points"], model["names"][side], strict=True
            )
        ],
        "centres": [
            {"k": k, "side": words, "place": place, "along": along, "across": across}
            for place, (side, words) in enumerate(sides.items())
            for k, (along, across) in enumerate(cloud[side]["centres"])
        ],
        "own": [{"distance": distances[own]}],
        "loss": [
            {
                "k": k,
                "distance": distances[k],
                "place": place,
                "temperature": fraction(one["temperature"]),
                "above": value - min(one["values"]),
                "lowest": k == lowest(one["values"]),
            }
            for place, one in enumerate(model["losses"])
            for k, value in enumerate(one["values"])
        ],
        "recall": [
            {"k": k, "distance": distances[k], "place": place, "way": way}
            | {"value": value, "low": low, "high": high}
            for place, (direction, way) in enumerate(ways.items())
            for k, (value, low, high) in enumerate(
                zip(*(recall[direction][key] for key in ("values", "low", "high")), strict=True)
            )
        ],
        "score": [
            {
                "k": k,
                "distance": distances[k],
                "place": place,
                "task": one["task"].replace("_", " "),
                "value": value,
            }
            for place, one in enumerate(model["scores"])
            for k, value in enumerate(one["values"])
        ],
    }


def lowest(values: list[float]) -> int | None:
    """Where a loss is smallest. None if that is an end of the sweep, because the loss may fall
    further beyond it."""
    place = values.index(min(values))
    return place if 0 < place < len(values) - 1 else None


def charts(model: Mapping[str, Any], width: int) -> dict[str, dict]:
    """The Vega-Lite specifications of the charts by name, with the data of a model, shown without a
    shift."""
    data, own = rows(model), model["deltas"].index(0)
    drawn = {"points": _points(), "loss": _loss(), "recall": _recall(), "score": _score()}
    specifications = {}
    for name, chart in drawn.items():
        params = [alt.param(name="k", value=own), alt.param(name="delta", value=0)]
        size = {"width": NARROW, "height": 259} if name == "points" else {"width": width}
        specification = chart.add_params(*params).properties(**size).configure(**CONFIG).to_dict()
        specification["datasets"] = {key: data[key] for key in USES[name]}
        specifications[name] = specification
    return specifications


CONFIG: dict[str, Any] = {
    "background": "transparent",
    "aria": False,  # the figure has one text of its own
    "font": "system-ui, sans-serif",
    "view": alt.ViewConfig(stroke=None),
    "axis": alt.AxisConfig(
        labelColor=INK,
        titleColor=INK,
        domainColor=INK,
        tickColor=INK,
        gridColor=INK,
        gridOpacity=0.13,
        domainOpacity=0.5,
        tickOpacity=0.5,
        labelFontSize=12,
        titleFontSize=12,
        titleFontWeight="normal",
    ),
    "axisY": alt.AxisConfig(minExtent=42, maxExtent=42),
    "autosize": alt.AutoSizeParams(type="fit", contains="padding"),
}
USES = {
    "points": ("points", "centres"),
    "loss": ("loss", "own"),
    "recall": ("recall", "own"),
    "score": ("score", "own"),
}


def _scale(*values: Any) -> alt.Scale:
    """A scale in which the style of a curve depends only on the curve's place. The order of the
    data, which changes with the model, does not matter."""
    return alt.Scale(domain=list(range(len(values))), range=list(values))


def _styles(colors: list[str]) -> tuple[alt.Color, alt.StrokeDash]:
    """A colour and a dash for each curve. The legend, with the values, is on the page."""
    dashes = alt.StrokeDash("place:O", scale=_scale(*DASHES[: len(colors)]), legend=None)
    return alt.Color("place:O", scale=_scale(*colors), legend=None), dashes


def _distance(title: str | None = "distance of the centres") -> alt.X:
    axis = alt.Axis(values=[-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2], labelOverlap=True)
    return alt.X("distance:Q", title=title, axis=axis, scale=alt.Scale(domain=[-2, 2], nice=False))


def _points() -> alt.LayerChart:
    """A chart of both sides of the pairs after the shift. It is exact: see
    `measures.explorer.places`."""
    shift, root = "(datum.sign * delta / 2)", "sqrt(1 + 2 * {0} * datum.along + {0} * {0})"
    length = root.format(shift)
    x = alt.X(
        "x:Q",
        title="along the gap",
        axis=alt.Axis(tickCount=5),
        scale=alt.Scale(domain=[-1.05, 1.05], nice=False),
    )
    y = alt.Y(
        "y:Q",
        title="widest direction across it",
        axis=alt.Axis(tickCount=5),
        scale=alt.Scale(domain=[-0.8, 0.8], nice=False),
    )
    side = {
        "color": alt.Color("place:O", scale=_scale(IMAGE, TEXT), legend=None),
        "shape": alt.Shape("place:O", scale=_scale("circle", "triangle-up"), legend=None),
    }
    points = (
        alt.Chart(alt.NamedData("points"))
        .mark_point(filled=True, size=22, opacity=0.55, clip=True)
        .transform_calculate(x=f"(datum.along + {shift}) / {length}", y=f"datum.across / {length}")
        .encode(x=x, y=y, tooltip=["item:N", "side:N"], **side)
    )
    centres = (
        alt.Chart(alt.NamedData("centres"))
        .mark_point(filled=True, size=170, opacity=1, stroke="white", strokeWidth=1.5)
        .transform_filter("datum.k == k")
        .transform_calculate(x="datum.along", y="datum.across")
        .encode(x=x, y=y, **side)
    )
    return points + centres


def _curves(name: str, y: alt.Y, color: alt.Color, dash: alt.StrokeDash) -> list[alt.Chart]:
    """A chart of curves over the distance, with the model's own gap and the current place of the
    shift."""
    curve = alt.Chart(alt.NamedData(name))
    own = alt.Chart(alt.NamedData("own")).mark_rule(strokeDash=[3, 3], stroke=INK, opacity=0.8)
    here = curve.transform_filter("datum.k == k")
    return [
        own.encode(x="distance:Q"),
        curve.mark_line(strokeWidth=2).encode(
            x=_distance(), y=y, color=color, strokeDash=dash, order="k:Q"
        ),
        here.mark_rule(stroke=INK, strokeWidth=1.5).encode(x="distance:Q"),
        here.mark_point(filled=True, size=70, opacity=1).encode(x=_distance(), y=y, color=color),
    ]


def _loss() -> alt.LayerChart | alt.FacetChart:
    y = alt.Y("above:Q", title="loss above its minimum")
    color, dash = _styles(TEMPERATURES)
    minima = (
        alt.Chart(alt.NamedData("loss"))
        .transform_filter("datum.lowest")
        .mark_point(filled=True, shape="triangle-down", size=90, opacity=1, yOffset=-6)
        .encode(x=_distance(), y=y, color=color)
    )
    return alt.layer(*_curves("loss", y, color, dash), minima).properties(height=250)


def _recall() -> alt.LayerChart | alt.FacetChart:
    y = alt.Y("value:Q", title="recall@1", axis=alt.Axis(format=".0%", tickCount=4))
    color, dash = _styles([IMAGE, TEXT])
    band = (
        alt.Chart(alt.NamedData("recall"))
        .mark_area(opacity=0.18)
        .encode(x=_distance(), y=alt.Y("low:Q"), y2="high:Q", color=color)
    )
    return alt.layer(band, *_curves("recall", y, color, dash)).properties(height=150)


def _score() -> alt.LayerChart | alt.FacetChart:
    y = alt.Y("value:Q", title="zero-shot score", axis=alt.Axis(format=".0%", tickCount=4))
    color, dash = _styles(TASKS)
    return alt.layer(*_curves("score", y, color, dash)).properties(height=150)


def still(specification: Mapping[str, Any], name: str) -> str:
    """A chart as SVG. Each of its ids begins with `name`, so that no other chart has the same
    id."""
    svg = vl_convert.vegalite_to_svg(dict(specification))
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    return re.sub(r"url\(#", f"url(#{name}-", svg)


def drawn(found: list[dict]) -> dict[str, Any]:
    """Everything that the page needs: the models, the Vega specifications without data, the colours
    and dashes of their curves, and the still pictures of the first model, wide and narrow. Empty if
    there is no model."""
    if not found:
        return {}
    moving = {}
    for name, specification in charts(found[0], WIDE).items():
        vega = vl_convert.vegalite_to_vega(specification)
        for data in vega["data"]:
            if data["name"] in USES[name]:
                data["values"] = []
        moving[name] = vega
    stills = {
        f"{name}-{size}": still(specification, f"{name}-{size}")
        for size, width in (("wide", WIDE), ("narrow", NARROW))
        for name, specification in charts(found[0], width).items()
        if (name, size) != ("points", "narrow") and (name != "score" or found[0]["scores"])
    }
    colors = {
        "loss": TEMPERATURES,
        "recall": [IMAGE, TEXT],
        "score": TASKS,
        "points": [IMAGE, TEXT],
    }
    styles = {
        name: [
            {"color": color, "dashes": " ".join(map(str, dashes))}
            for color, dashes in zip(own, DASHES, strict=False)
        ]
        for name, own in colors.items()
    }
    return {"models": found, "charts": moving, "styles": styles, "stills": stills}


def readout(model: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """For each chart, the words and the values of its curves without a shift, in the order of their
    styles. report/scripts/explorer.js writes the same for any other shift."""
    own = model["deltas"].index(0)
    recall, first, second = model["recall"], model["first"], model["second"]

    def share(value: float) -> str:
        return f"{100 * value:.1f} %"

    return {
        "loss": [
            (
                fraction(one["temperature"]),
                f"{one['values'][own]:.2f} (+{one['values'][own] - min(one['values']):.2f})",
            )
            for one in model["losses"]
        ],
        "recall": [
            (
                way,
                f"{share(recall[key]['values'][own])} [{100 * recall[key]['low'][own]:.1f}, "
                f"{100 * recall[key]['high'][own]:.1f}]",
            )
            for key, way in (("ab", f"{first} → {second}"), ("ba", f"{second} → {first}"))
        ],
        "score": [
            (f"{one['task'].replace('_', ' ')}, n {one['n']:,}", share(one["values"][own]))
            for one in model["scores"]
        ],
    }


def library() -> str:
    """Vega as a script that defines only `vegaEmbed`."""
    return f"(() => {{{vl_convert.javascript_bundle(LIBRARY)}}})();"


def embedded(charts: Mapping[str, Any]) -> dict[str, Any]:
    """The values that the template explorer.html.j2 shows: `data` as JSON in which no text can end
    a script, and the still pictures."""
    shown = {key: charts[key] for key in ("models", "charts", "styles")}
    data, first = json.dumps(shown, ensure_ascii=False), charts["models"][0]
    return {
        "data": Markup(data.replace("<", "\\u003c")),
        "stills": {name: Markup(svg) for name, svg in charts["stills"].items()},
        "models": charts["models"],
        "styles": charts["styles"],
        "readout": readout(first),
        "own": first["distances"][first["deltas"].index(0)],
    }
