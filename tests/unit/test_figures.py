"""What every drawing script draws, from tables whose columns all hold other numbers: each script is
run as Snakemake runs it, and its figure is looked at before it is written."""

import runpy
from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib import colors as mcolors
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from plan import script_path

from modality_gap import logs
from modality_gap.figures import style
from modality_gap.figures.palette import IMAGE_COLOR, INK, MUTED, PALETTE, TEXT_COLOR

ENDS = "", "_low", "_high"


class Given(dict):
    """What Snakemake gives a script as input, output or params: by name and by number."""

    def __getattr__(self, name):
        return self[name]

    def __getitem__(self, name):
        return list(self.values())[name] if isinstance(name, int) else super().__getitem__(name)


@pytest.fixture
def draw(root, tmp_path, monkeypatch):
    """Run a drawing script on frames by the name of the rule's input; its axes, and the figure."""
    drawn = []
    monkeypatch.setattr(style, "save", lambda draw, _: drawn.append(style.drawn(draw, style.WIDE)))
    monkeypatch.setattr(logs, "log_to", lambda _: None)

    def written(name, table):
        if isinstance(table, list):
            return [written(f"{name}{number}", part) for number, part in enumerate(table)]
        if isinstance(table, str):
            (tmp_path / name).write_text(table, encoding="utf-8")
            return tmp_path / name
        if name in ("points", "umap", "svd"):
            table.to_parquet(tmp_path / name)
        else:
            table.to_csv(tmp_path / name, index=False)
        return tmp_path / name

    def run(script, params=None, **tables):
        snakemake = SimpleNamespace(
            input=Given({name: written(name, table) for name, table in tables.items()}),
            output=Given(svg="", pdf=""),
            params=Given(params or {}),
            log=["log"],
        )
        runpy.run_path(str(script_path(root, script)), {"snakemake": snakemake})
        return drawn[-1].axes, drawn[-1]

    yield run
    plt.close("all")


def made(keys: dict, *names: str, ends: tuple[str, ...] = (), seed: int = 0, **constant):
    """A frame of all combinations of keys; columns of random numbers, none twice; those of `ends`
    with a _low and a _high about them."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(list(product(*keys.values())), columns=list(keys)).assign(**constant)
    for name in (*names, *ends):
        table[name] = rng.uniform(0.3, 0.6, len(table))
    for name in ends:
        table[f"{name}_low"] = table[name] - rng.uniform(0.01, 0.2, len(table))
        table[f"{name}_high"] = table[name] + rng.uniform(0.01, 0.2, len(table))
    return table


def pick(table: pd.DataFrame, **values) -> pd.DataFrame:
    """The rows with these values."""
    return table[(table[list(values)] == pd.Series(values)).all(axis=1)]


def same_color(color, wanted) -> bool:
    return wanted is None or mcolors.to_hex(color) == mcolors.to_hex(wanted)


def lines(ax, x, y, color=None) -> list:
    """The lines of these points."""
    x, y = np.atleast_1d(np.asarray(x, dtype=float)), np.atleast_1d(np.asarray(y, dtype=float))
    return [
        line
        for line in ax.lines
        if np.shape(line.get_xdata()) == x.shape
        and np.allclose(np.asarray(line.get_xdata(), dtype=float), x)
        and np.allclose(np.asarray(line.get_ydata(), dtype=float), y)
        and same_color(line.get_color(), color)
    ]


def has_bars(ax, at, low, high, along="y") -> bool:
    """Whether lines go from low to high (error bars, or such lines alone), at each place."""
    wanted = np.stack([np.stack([low, at], 1), np.stack([high, at], 1)], axis=1)
    wanted = wanted if along == "x" else wanted[..., ::-1]
    drawn = [
        np.array(part)
        for bars in ax.collections
        if isinstance(bars, LineCollection)
        for part in bars.get_segments()
    ]
    return all(
        any(np.allclose(part, one) for part in drawn if part.shape == one.shape) for one in wanted
    )


def has_band(ax, x, low, high, color=None) -> bool:
    """Whether the area between low and high is filled."""
    corners = {
        (round(a, 9), round(b, 9))
        for ends in (low, high)
        for a, b in zip(map(float, x), map(float, ends), strict=True)
    }
    return any(
        corners <= {tuple(np.round(corner, 9)) for corner in area.get_paths()[0].vertices}
        and same_color(area.get_facecolor()[0][:3], color)
        for area in ax.collections
        if isinstance(area, PolyCollection)
    )


def clouds(ax) -> list[tuple[str, np.ndarray]]:
    """Colour and points of each scatter."""
    return [
        (mcolors.to_hex(cloud.get_facecolor()[0]), np.asarray(cloud.get_offsets()))
        for cloud in ax.collections
        if isinstance(cloud, PathCollection)
    ]


def words(ax) -> str:
    return "\n".join([ax.get_title(loc="left"), *(text.get_text() for text in ax.texts)])


def title(ax) -> str:
    """The title of a panel without its letter."""
    return ax.get_title(loc="left").partition(") ")[2] or ax.get_title(loc="left")


def legend(owner) -> dict[str, object]:
    """What the legend of axes or of a figure shows, by its words."""
    found = owner.get_legend() if hasattr(owner, "get_legend") else owner.legends[0]
    return {
        text.get_text(): handle
        for text, handle in zip(found.get_texts(), found.legend_handles, strict=True)
    }


SETS = {"one": ("M", "trained"), "two": ("M", "random"), "three": ("N", "trained")}
GAP_ENDS = ("gap", "mean_cosine_a", "mean_cosine_b", "recall1_ab", "recall1_ba")


def gaps(seed=3):
    table = made({"set": list(SETS)}, "separability", ends=GAP_ENDS, seed=seed)
    table["model"], table["weights"] = zip(*SETS.values(), strict=True)
    return table.assign(n=[11, 12, 13])


def points(kind, key="set", names=tuple(SETS), per_side=4):
    keys = {key: list(names), "side": ["a", "b"], "row": range(per_side)}
    return made(keys, f"{kind}_1", f"{kind}_2", seed=5).drop(columns="row")


@pytest.mark.parametrize(
    ("script", "kind"), [("plot_figure1", "umap"), ("plot_supplementary4", "svd")]
)
def test_sets_in_the_plane(draw, script, kind):
    table, cloud = gaps(), points(kind)
    axes, _ = draw(script, gap=table, **{kind: cloud})
    panels = {title(ax).replace("\n", " "): ax for ax in axes if title(ax) not in ("", "(a)")}
    assert list(panels) == ["M, trained", "N, trained", "M, random"]
    for row in table.to_dict("records"):
        ax = panels[f"{row['model']}, {row['weights']}"]
        part = cloud[cloud["set"] == row["set"]]
        sides = {side: rows.to_numpy()[:, 2:].astype(float) for side, rows in part.groupby("side")}
        found = dict(clouds(ax))
        for side, color in (("a", IMAGE_COLOR), ("b", TEXT_COLOR)):
            np.testing.assert_allclose(found[color.lower()], sides[side])
        (pairs,) = (c for c in ax.collections if isinstance(c, LineCollection))
        np.testing.assert_allclose(pairs.get_segments(), np.stack([sides["a"], sides["b"]], axis=1))
        numbers = [
            f"gap {row['gap']:.3f}",
            f"[{row['gap_low']:.3f}, {row['gap_high']:.3f}]",
            f"{row['mean_cosine_a']:.2f} | {row['mean_cosine_b']:.2f}",
            f"{row['recall1_ab']:.3f} | {row['recall1_ba']:.3f}",
            f"separable {row['separability']:.3f}",
            f"n {row['n']}",
        ]
        assert all(number in ax.get_xlabel() for number in numbers)
    top = panels["M, trained"].get_position().y0
    assert top > panels["M, random"].get_position().y0
    assert all(
        f"({letter})" in "".join(map(words, axes))
        for letter in ("abc" if script == "plot_figure1" else "ab")
    )


def test_figure2a(draw):
    keys = {"encoder": ["e", "f"], "weights": ["random", "trained"], "inputs": ["noise", "real"]}
    table = made(keys, "mean_cosine", "min_cosine").assign(n=range(40, 48))
    table = table[(table["weights"] == "random") | (table["inputs"] == "real")]
    bins = made({**keys, "cosine_low": [-1.0, -0.2, 0.5]}, "pairs", seed=1)
    bins["cosine_high"] = bins["cosine_low"] + 0.5
    bins["pairs"] = (1000 * bins["pairs"]).astype(int)
    axes, _ = draw("plot_figure2a", {"axis": [-0.7, 1.0]}, table=table, histogram=bins)
    rows = [("trained", "real"), ("random", "real"), ("random", "noise")]
    for ax, ((weights, inputs), encoder) in zip(axes, product(rows, keys["encoder"]), strict=True):
        chosen = {"encoder": encoder, "weights": weights, "inputs": inputs}
        part = bins.merge(pd.DataFrame([chosen]))
        row = table.merge(pd.DataFrame([chosen])).iloc[0]
        heights = [bar.get_height() for bar in ax.patches]
        np.testing.assert_allclose(heights, part["pairs"] / part["pairs"].sum() / 0.5)
        np.testing.assert_allclose([bar.get_x() for bar in ax.patches], part["cosine_low"])
        np.testing.assert_allclose([bar.get_width() for bar in ax.patches], 0.5)
        assert lines(ax, [row["mean_cosine"]] * 2, [0, 1])
        assert ax.get_xlim() == (-0.7, 1.0)
        assert f"mean {row['mean_cosine']:.4f}" in words(ax)
        assert f"min {row['min_cosine']:.4f}" in words(ax)
        assert f"n {row['n']}, {row['n'] * (row['n'] - 1):,} pairs" in words(ax)
        if encoder == "e":
            assert weights in ax.get_ylabel()
            assert ("noise" in ax.get_ylabel()) == (inputs == "noise")
    assert [title(ax) for ax in axes[:2]] == ["e", "f"]


def test_figure2b(draw):
    keys = {"activation": ["relu", "linear", "sigmoid"], "bias": [False, True], "layer": range(4)}
    table = made(keys, ends=("mean_cosine",))
    closed = made({"bias": [False, True], "layer": range(4)}, "mean_cosine", seed=9)
    axes, _ = draw("plot_figure2b", table=table, closed_form=closed)
    names = {"relu": "ReLU", "linear": "none (linear)", "sigmoid": "sigmoid"}
    for ax, bias in zip(axes, (True, False), strict=True):
        assert ("no bias" in title(ax)) != bias
        for activation, label in names.items():
            part = table[(table["bias"] == bias) & (table["activation"] == activation)]
            (line,) = lines(ax, part["layer"], part["mean_cosine"])
            assert line.get_label() == label
            band = part["mean_cosine_low"], part["mean_cosine_high"]
            assert has_band(ax, part["layer"], *band, line.get_color())
        part = closed[closed["bias"] == bias]
        (line,) = lines(ax, part["layer"], part["mean_cosine"], INK)
        assert "closed form" in line.get_label()


@pytest.mark.parametrize("kind", ["umap", "pc"])
def test_figure2c(draw, kind):
    cloud = made(
        {"encoder": ["e", "f"], "seed": range(3), "row": range(2)}, f"{kind}_1", f"{kind}_2", seed=2
    ).drop(columns="row")
    if kind == "pc":
        cloud = cloud.assign(share_1=np.where(cloud["encoder"] == "e", 0.4, 0.5), share_2=0.123)
    spectrum = made({"encoder": ["e", "f"], "component": range(1, 7)}, "singular_value")
    spectrum = spectrum.assign(
        initialisations=3, items=2, between_share=np.where(spectrum["encoder"] == "e", 0.71, 0.82)
    )
    axes, _ = draw("plot_figure2c", {"letter": "(c)"}, points=cloud, spectrum=spectrum)
    for column, encoder in enumerate("ef"):
        above, below = axes[column], axes[2 + column]
        part = cloud[cloud["encoder"] == encoder]
        (scatter,) = above.collections
        np.testing.assert_allclose(scatter.get_offsets(), part.iloc[:, 2:4])
        np.testing.assert_allclose(scatter.get_array(), part["seed"])
        for seed, own in part.groupby("seed"):
            (text,) = (text for text in above.texts if text.get_text() == str(seed))
            np.testing.assert_allclose(text.xy, own.iloc[:, 2:4].median())
        assert title(above) == f"{encoder}: 3 seeds x 2 items"
        if kind == "pc":
            assert above.get_xlabel() == f"PC 1 ({40 + 10 * column}.0% of variance)"
            assert above.get_ylabel() == "PC 2 (12.3% of variance)"
        values = spectrum.loc[spectrum["encoder"] == encoder, "singular_value"].to_numpy()
        # Three cones lie apart in two components.
        assert lines(below, [1, 2], values[:2], PALETTE[0])
        assert lines(below, [3, 4, 5, 6], values[2:], MUTED)
        assert lines(below, [2.5, 2.5], [0, 1])
        assert f"value 2: {values[1]:.2f}" in words(below)
        assert f"value 3: {values[2]:.2f}" in words(below)
        assert f"{71 + 11 * column}.0%" in words(below)
    assert "(c)" in words(axes[0])


def test_figure3a(draw):
    cloud = points("pc", names=["one", "three"])
    deltas = [-0.4, 0.0, 0.4, 0.8]
    path = made(
        {"set": ["one", "three"], "side": ["a", "b"], "delta": deltas},
        "pc_1",
        "pc_2",
        "share_1",
        "share_2",
        seed=8,
    )
    path[["share_1", "share_2"]] = path.groupby("set")[["share_1", "share_2"]].transform("first")
    path["n"] = np.where(path["set"] == "one", 21, 22)
    axes, figure = draw("plot_figure3a", points=cloud, shifts=path)
    for ax, name, n in zip(axes, ("one", "three"), (21, 22), strict=True):
        for side, color in (("a", IMAGE_COLOR), ("b", TEXT_COLOR)):
            part = cloud[(cloud["set"] == name) & (cloud["side"] == side)]
            np.testing.assert_allclose(dict(clouds(ax))[color.lower()], part.iloc[:, 2:])
            own = path[(path["set"] == name) & (path["side"] == side)]
            assert lines(ax, own["pc_1"], own["pc_2"], INK)
            (dot,) = lines(ax, own["pc_1"].iloc[1], own["pc_2"].iloc[1])  # delta 0
            assert dot.get_markerfacecolor() == color
        row = path[path["set"] == name].iloc[0]
        assert title(ax) == f"{name} (n {n} pairs)"
        assert f"{row['share_1']:.1%}" in ax.get_xlabel()
        assert f"{row['share_2']:.1%}" in ax.get_ylabel()
        ends = path[path["set"] == name].groupby("side").tail(2)
        arrows = [text for text in ax.texts if text.arrow_patch]
        np.testing.assert_allclose(
            [arrow.xy for arrow in arrows], ends[["pc_1", "pc_2"]].to_numpy()[1::2]
        )
    shown = legend(figure)
    assert shown["text"].get_color() == TEXT_COLOR


def landscape():
    """Loss by distance with the smallest inside the sweep."""
    keys = {"set": list(SETS), "temperature": [1.0, 0.01], "delta": [-1.0, 0.0, 1.0]}
    table = made(keys, "distance", "loss", "loss_as_released", "distance_one_side")
    table.loc[table["delta"] == 0, "loss"] -= 0.3
    return table


def test_figure3bcd(draw):
    table = landscape().sample(frac=1, random_state=0)
    gap = gaps()
    axes, figure = draw("plot_figure3bcd", landscape=table, gap=gap)
    panels = product(["one", "three"], [0.01, 1.0])
    for ax, (name, temperature) in zip(axes, panels, strict=True):
        part = table[(table["set"] == name) & (table["temperature"] == temperature)]
        part = part.sort_values("delta")
        assert lines(ax, part["distance"], part["loss"], PALETTE[0])
        assert lines(ax, part["distance"], part["loss_as_released"], PALETTE[3])
        lowest = part.iloc[1]
        (mark,) = lines(ax, lowest["distance"], lowest["loss"])
        assert mark.get_marker() == "v"
        own = gap.loc[gap["set"] == name, "gap"].iloc[0]
        assert lines(ax, [own, own], [0, 1])
    assert [title(ax) for ax in axes[:2]] == ["temperature 1/100", "temperature 1"]
    assert [axes[at].get_ylabel() for at in (0, 2)] == ["one\nloss", "three\nloss"]
    shown = legend(figure)
    assert shown["symmetric loss"].get_color() == PALETTE[0]
    assert shown["loss as released"].get_color() == PALETTE[3]


def sphere():
    keys = {"spacing_deg": [20, 15], "mismatched": [False, True], "temperature": [0.01, 1.0]}
    table = made({**keys, "delta_theta_deg": [-90, -10, 0, 30, 90]}, "loss")
    return table.sample(frac=1, random_state=0)


def test_figure3g(draw):
    table = sphere()
    axes, _ = draw("plot_figure3g", table=table)
    spacings = list(table["spacing_deg"].unique())
    for ax, (mismatched, spacing) in zip(axes, product([True, False], spacings), strict=True):
        assert ("exchanged" in title(ax)) == mismatched
        assert f"spacing {spacing}°" in title(ax)
        for temperature, label in ((1.0, "1"), (0.01, "1/100")):
            part = pick(
                table, spacing_deg=spacing, mismatched=mismatched, temperature=temperature
            ).sort_values("delta_theta_deg")
            (line,) = lines(ax, part["delta_theta_deg"], part["loss"])
            assert line.get_label() == label
            lowest = part.loc[part["loss"].idxmin()]
            assert lines(ax, lowest["delta_theta_deg"], lowest["loss"], line.get_color())


def test_supplementary9(draw):
    table = sphere()
    axes, _ = draw("plot_supplementary9", table=table)
    spacings = list(table["spacing_deg"].unique())
    for ax, (spacing, temperature) in zip(axes, product(spacings, [1.0, 0.01]), strict=True):
        for mismatched, label in (
            (True, "first two pairs exchanged"),
            (False, "all pairs matched"),
        ):
            part = pick(
                table, spacing_deg=spacing, mismatched=mismatched, temperature=temperature
            ).sort_values("delta_theta_deg")
            (line,) = lines(ax, part["delta_theta_deg"], part["loss"])
            assert line.get_label() == label
            lowest = part.loc[part["loss"].idxmin()]
            assert lines(ax, lowest["delta_theta_deg"], lowest["loss"], line.get_color())
            (text,) = (text for text in ax.texts if same_color(text.get_color(), line.get_color()))
            assert text.get_text() == f"{lowest['delta_theta_deg']:.0f}°"
    assert [title(ax) for ax in axes[:2]] == ["temperature 1", "temperature 1/100"]
    assert [
        f"spacing {spacing}°" in axes[2 * at].get_ylabel() for at, spacing in enumerate(spacings)
    ] == [True, True]


def test_lemma3(draw):
    keys = {"norm_ratio": [1.0, 0.5], "cosine": [-1.0, 0.0, 1.0]}
    table = made(
        keys, "product_closed_form", "rectified_closed_form", ends=("product", "rectified")
    )
    axes, _ = draw("plot_lemma3", table=table)
    for ax, ratio in zip(axes, keys["norm_ratio"], strict=True):
        part = table[table["norm_ratio"] == ratio]
        assert title(ax) == f"|u| = 1, |v| = {ratio:g}"
        for name, color in (("product", PALETTE[0]), ("rectified", PALETTE[1])):
            assert lines(ax, part["cosine"], part[f"{name}_closed_form"], color)
            assert lines(ax, part["cosine"], part[name], color)
            assert has_bars(ax, part["cosine"], part[f"{name}_low"], part[f"{name}_high"])
    shown = legend(axes[0])
    assert same_color(shown["1 + u·v"].get_color(), PALETTE[0])
    assert same_color(shown["arc-cosine kernel"].get_color(), PALETTE[1])


def test_theorem2(draw):
    keys = {"width": [8, 16], "layer": [1, 2, 3]}
    closed = [f"{name}_closed_form" for name in ("ratio", "beta", "tighter_bound")]
    table = made(keys, "tighter_bound", *closed, ends=("ratio", "beta"))
    axes, _ = draw("plot_theorem2", table=table)
    labels = {"ratio": "Var[E[h", "tighter_bound": "bound in the proof", "beta": "β"}
    for ax, width in zip(axes, keys["width"], strict=True):
        part = table[table["width"] == width]
        assert title(ax) == f"width {width}"
        for (name, label), color in zip(labels.items(), PALETTE, strict=False):
            assert lines(ax, part["layer"], part[f"{name}_closed_form"], color)
            assert lines(ax, part["layer"], part[name], color)
            if name != "tighter_bound":
                assert has_bars(ax, part["layer"], part[f"{name}_low"], part[f"{name}_high"])
            if ax is axes[0]:
                (handle,) = (h for text, h in legend(ax).items() if text.startswith(label))
                assert same_color(
                    np.ravel(handle.get_colors())[:4]
                    if isinstance(handle, LineCollection)
                    else handle.get_color(),
                    color,
                )


def test_theorem1(draw):
    keys = {
        "cosine": [0.25, 0.9],
        "norm_ratio": [1.0, 0.5],
        "norm": [1.0, 4.0],
        "d_out": [4, 16, 64],
    }
    table = made(keys, "bound", ends=("violation_share",))
    table["d_out_scaled"] = table["d_out"] * np.where(table["norm"] == 1, 0.31, 0.57)
    table["covered"] = (table["cosine"] < 0.5) | (table["norm_ratio"] == 1)
    table["violations"] = np.where(table["d_out"] == 64, 0, 50)
    axes, figure = draw("plot_theorem1", table=table)
    axes = np.reshape(axes, (2, 3))
    for line, ratio in zip(axes, keys["norm_ratio"], strict=True):
        for ax, norm in zip(line, keys["norm"], strict=False):
            assert title(ax) == f"|v|/|u| = {ratio:g}, |u| = {norm:g}"
            for cosine in keys["cosine"]:
                case = pick(table, norm_ratio=ratio, norm=norm, cosine=cosine)
                seen, unseen = case.iloc[:2], case.iloc[2:]
                (found,) = lines(ax, seen["d_out"], seen["violation_share"])
                assert found.get_linestyle() == ("-" if case["covered"].all() else ":")
                assert has_bars(
                    ax, seen["d_out"], seen["violation_share_low"], seen["violation_share_high"]
                )
                (mark,) = lines(ax, unseen["d_out"], unseen["violation_share_high"])
                assert mark.get_marker() == "v"
        part = table[(table["norm_ratio"] == ratio) & table["covered"]]
        bound = part.sort_values("d_out_scaled")
        assert lines(line[-1], bound["d_out_scaled"], bound["bound"], INK)
        for _, case in part.groupby(["cosine", "norm"]):
            assert lines(line[-1], case["d_out_scaled"].iloc[:2], case["violation_share"].iloc[:2])
    assert {"0.25", "0.9", "not covered"} <= legend(figure).keys()
    light, dark = (sum(mcolors.to_rgb(legend(figure)[c].get_color())) for c in ("0.25", "0.9"))
    assert light > dark
    for cosine in keys["cosine"]:
        case = pick(table, norm_ratio=1, norm=1, cosine=cosine).iloc[:2]
        color = legend(figure)[f"{cosine:g}"].get_color()
        assert lines(axes[0, 0], case["d_out"], case["violation_share"], color)


def test_cone_areas(draw):
    table = made({"reading": ["half angle", "whole angle"], "dimensions": [2, 512]})
    table = table.assign(
        half_angle_deg=[55.9, 55.9, 27.9, 27.9], fraction=[0.31, 1e-9, 0.155, 1e-12]
    )
    table["log2_fraction"] = np.log2(table["fraction"])
    (ax,), _ = draw("plot_cone_areas", table=table)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["512 dimensions", "2 dimensions"]
    for (reading, part), shift in zip(table.groupby("reading"), (0.16, -0.16), strict=True):
        (line,) = lines(ax, part["log2_fraction"], np.array([1, 0]) + shift)
        assert line.get_label().startswith(f"{reading}: {part['half_angle_deg'].iloc[0]:.2f}°")
        own = [text for text in ax.texts if same_color(text.get_color(), line.get_color())]
        power = part["log2_fraction"].iloc[1]
        assert [text.get_text() for text in own] == [
            f"{100 * part['fraction'].iloc[0]:.2f} %",
            f"$2^{{{power:.1f}}}$",
        ]


def test_models(draw):
    gap = gaps()
    minimum = made({"set": list(SETS), "temperature": [1.0, 0.01]}, ends=("distance",), seed=4)
    minimum["at_end"] = (minimum["set"] == "two") & (minimum["temperature"] == 1)
    (left, right, *_), figure = draw("plot_models", gap=gap, minimum=minimum)
    assert [tick.get_text() for tick in left.get_yticklabels()] == [
        f"{name}\nn {n}" for name, n in zip(gap["set"], gap["n"], strict=True)
    ]
    for place, row in zip((2, 1, 0), gap.to_dict("records"), strict=True):
        (dot,) = lines(left, row["gap"], place)
        assert (dot.get_markerfacecolor() == "white") == (row["weights"] == "random")
        assert has_bars(left, [place], [row["gap_low"]], [row["gap_high"]], along="x")
        assert lines(right, [row["gap"]] * 2, place + np.array([-0.38, 0.38]), INK)
    for temperature, shift, label in ((0.01, 0.3, "at 1/100"), (1.0, -0.3, "at 1")):
        part = minimum[(minimum["temperature"] == temperature) & ~minimum["at_end"]]
        places = [{"one": 2, "two": 1, "three": 0}[name] + shift for name in part["set"]]
        (dots,) = lines(right, part["distance"], places)
        assert has_bars(right, places, part["distance_low"], part["distance_high"], along="x")
        assert same_color(legend(figure)[label].get_color(), dots.get_color())


@pytest.mark.parametrize(("label", "parameters"), [("sigmoid loss", ["bias"]), ("other loss", [])])
def test_a_loss_that_sets_were_trained_with(draw, label, parameters):
    keys = {"set": ["three", "one"], "temperature": [0.05, 0.01]}
    sigmoid = made({**keys, "delta": [-1.0, 0.0, 1.0]}, "distance", "loss", seed=6)
    sigmoid["own"] = sigmoid["temperature"] == 0.05
    sigmoid["bias"] = np.where(sigmoid["set"] == "one", -10.0, -12.0)
    softmax, gap = landscape(), gaps()
    axes, figure = draw(
        "plot_own_loss",
        {"label": label, "parameters": parameters},
        landscape=sigmoid,
        softmax=softmax,
        gap=gap,
    )
    # The axes of the softmax loss lie behind, made one after the other.
    for number, (name, temperature) in enumerate(product(*keys.values())):
        ax, beside = axes[number], axes[4 + number]
        part = sigmoid[(sigmoid["set"] == name) & (sigmoid["temperature"] == temperature)]
        assert lines(ax, part["distance"], part["loss"], PALETTE[2])
        lowest = part.loc[part["loss"].idxmin()]
        assert lines(ax, lowest["distance"], lowest["loss"], PALETTE[2])
        other = softmax[(softmax["set"] == name) & (softmax["temperature"] == temperature)]
        assert len(other) == (3 if temperature == 0.01 else 0)
        assert lines(beside, other["distance"], other["loss"], PALETTE[0])
        own = gap.loc[gap["set"] == name, "gap"].iloc[0]
        assert lines(ax, [own, own], [0, 1], INK)
        own = " (own)" if temperature == 0.05 else ""
        assert title(ax) == f"scale {1 / temperature:.4g}{own}"
    assert axes[0].get_ylabel() == ("three\nbias -12\nloss" if parameters else "three\nloss")
    assert axes[2].get_ylabel() == ("one\nbias -10\nloss" if parameters else "one\nloss")
    assert legend(figure)[f"{label} (left scale)"].get_color() == PALETTE[2]


def test_recall_under_shift(draw):
    ends = ("recall1_ab", "recall1_ba")
    curve = made({"set": list(SETS), "delta": np.arange(9) - 3}, ends=ends, n=1234)
    curve["distance"] = 1 - 0.3 * curve["delta"]
    rows = [(name, side) for name in SETS for side in ("ab", "ba")]
    peak = pd.DataFrame(rows, columns=["set", "direction"]).assign(best_at_end=[False, True] * 3)
    peak["best_distance"], peak["recall_best"] = np.arange(6) / 7, np.arange(6) / 9 + 0.01
    gap = gaps()
    axes, figure = draw("plot_recall_under_shift", curve=curve, peak=peak, gap=gap)
    trained = gap[gap["weights"] == "trained"]
    assert 0 < len(trained) < len(SETS)
    for ax, (_, row) in zip(axes, trained.iterrows(), strict=False):
        part = curve[curve["set"] == row["set"]]
        for name, color in zip(ends, (IMAGE_COLOR, TEXT_COLOR), strict=True):
            assert lines(ax, part["distance"], part[name], color)
            assert has_band(ax, part["distance"], part[f"{name}_low"], part[f"{name}_high"], color)
        assert lines(ax, [row["gap"]] * 2, [0, 1], INK)
        ab, ba = peak[peak["set"] == row["set"]].to_dict("records")
        assert lines(ax, ab["best_distance"], ab["recall_best"])
        assert not lines(ax, ba["best_distance"], ba["recall_best"])  # the end of the sweep
        assert title(ax) == f"{row['model']}\nn 1,234"
    assert len(legend(figure)) == 4


def test_supplementary6(draw):
    keys = {"encoder": ["e", "f"], "weights": ["trained", "random"]}
    names = ("min_cosine", "q1_cosine", "median_cosine", "q3_cosine", "max_cosine")
    table = made(keys, *names, "mean_cosine", "sd_cosine").assign(inputs="real", n=[5, 6, 7, 8])
    table[list(names)] = np.sort(table[list(names)], axis=1)
    axes, _ = draw("plot_supplementary6", {"axis": [-0.7, 1.0]}, table=table)
    for ax, encoder in zip(axes, keys["encoder"], strict=True):
        assert title(ax) == encoder
        for place, (_, row) in enumerate(table[table["encoder"] == encoder].iterrows()):
            values = [row[name] for name in names]
            box = ax.patches[place].get_path().vertices[:, 0]
            np.testing.assert_allclose([box.min(), box.max()], [values[1], values[3]])
            drawn = {tuple(np.round(np.asarray(line.get_xdata(), float), 9)) for line in ax.lines}
            for ends in ((1, 0), (3, 4), (2, 2)):
                assert tuple(np.round([values[at] for at in ends], 9)) in drawn
            assert lines(ax, row["mean_cosine"], place - 0.27)
            ends = row["mean_cosine"] - row["sd_cosine"], row["mean_cosine"] + row["sd_cosine"]
            assert has_bars(ax, [place - 0.27], [ends[0]], [ends[1]], along="x")
            text = ax.texts[place].get_text()
            for number in (
                f"min {values[0]:.4f}",
                f"max {values[4]:.4f}",
                f"quartiles {values[1]:.4f}  {values[2]:.4f}  {values[3]:.4f}",
                f"mean {row['mean_cosine']:.4f}",
                f"sd {row['sd_cosine']:.4f}",
                f"n {row['n']}",
            ):
                assert number in text
            tick = axes[0].get_yticklabels()[place].get_text()
            assert tick == f"{row['weights']} weights,\nreal inputs"


def test_supplementary15(draw):
    table = made(
        {"encoder": ["e", "f"]}, "separability", ends=("gap", "mean_cosine_a", "mean_cosine_b")
    )
    table = table.assign(n=[31, 32], norm_layers=[True, False], input_normalisation=[False, True])
    cloud = points("svd", "encoder", ["e", "f"])
    axes, _ = draw("plot_supplementary15", table=table, svd=cloud)
    for ax, row in zip(axes, table.to_dict("records"), strict=True):
        for side, color in (("a", IMAGE_COLOR), ("b", TEXT_COLOR)):
            part = cloud[(cloud["encoder"] == row["encoder"]) & (cloud["side"] == side)]
            np.testing.assert_allclose(dict(clouds(ax))[color.lower()], part.iloc[:, 2:])
        on = {True: "on", False: "off"}
        assert title(ax) == (
            f"norm layers {on[row['norm_layers']]},\n"
            f"input normalisation {on[row['input_normalisation']]}"
        )
        for number in (
            f"gap {row['gap']:.3f} [{row['gap_low']:.3f}, {row['gap_high']:.3f}]",
            f"{row['mean_cosine_a']:.2f} | {row['mean_cosine_b']:.2f}",
            f"separable {row['separability']:.3f}",
            f"n {row['n']}",
        ):
            assert number in ax.get_xlabel()


def test_supplementary12(draw):
    text = "# about\ndef f(x):\n    return x  # same\n# --- released\ndef g(y):\n"
    (first, second), _ = draw("draw_supplementary12", text=text)
    assert "def f(x):" in words(first)
    assert "def g(y):" in words(second)
    assert "(a)" in words(first)
    (comment,) = (text for text in first.texts if "# same" in text.get_text())
    (code,) = (text for text in first.texts if "return x" in text.get_text())
    assert comment.get_color() == MUTED
    assert code.get_color() == INK
    assert comment.get_position() == code.get_position()


def test_table1(draw):
    keys = {"set": ["m", "k"], "task": ["big_task", "small"], "delta": [-1.0, 0.0, 1.0]}
    sweep = made(keys, "score", "distance").sample(frac=1, random_state=0)
    table = made({"set": ["m", "k"], "task": ["big_task", "small"]}, "chance")
    table = table.assign(
        delta=[1.0, -1.0, 1.0, -1.0], n=[3, 4, 5, 6], metric=["accuracy", "roc_auc"] * 2
    )
    axes, figure = draw("plot_table1", sweep=sweep, table=table)
    for ax, row in zip(axes, table.to_dict("records"), strict=True):
        part = sweep[(sweep["set"] == row["set"]) & (sweep["task"] == row["task"])]
        part = part.sort_values("delta")
        assert lines(ax, part["distance"], part["score"], PALETTE[0])
        best = part[part["delta"] == row["delta"]].iloc[0]
        (mark,) = lines(ax, best["distance"], best["score"])
        assert mark.get_marker() == "v"
        default = part["distance"].iloc[1]
        assert lines(ax, [default, default], [0, 1], INK)
        assert lines(ax, [0, 1], [row["chance"]] * 2)
        task = row["task"].replace("_", " ")
        assert title(ax) == f"{row['set']}\n{task} (n {row['n']})"
    assert axes[0].get_ylabel() == "zero-shot accuracy"
    assert axes[1].get_ylabel() == "ROC-AUC"
    assert legend(figure)["chance"].get_linestyle() == "--"


def test_training(draw):
    curves = [
        made({"model": [name], "step": range(4)}, "loss", "gap", "recall1", seed=at)
        for at, name in enumerate("pq")
    ]
    for curve in curves:
        curve.loc[0, "loss"] = np.nan
        curve.loc[1, ["gap", "recall1"]] = np.nan
    axes, _ = draw("plot_training", curves=curves)
    for (curve, name), ax in zip(product(curves, ("loss", "gap", "recall1")), axes, strict=True):
        part = curve.dropna(subset=[name])
        assert lines(ax, part["step"], part[name])
        assert {"loss": "training loss", "gap": "gap", "recall1": "recall@1"}[name] in (
            ax.get_ylabel()
        )
        if name == "loss":
            assert title(ax) == curve["model"].iloc[0]


def test_diagnostics(draw):
    table = gaps().drop(columns=["gap_low", "gap_high"])
    more = made({"set": list(SETS)}, ends=("rmg", "uniformity_a", "uniformity_b"), seed=7)
    table = table.merge(more, on="set").assign(
        dim=64,
        gap_rank=[1, 2, 3],
        rmg_rank=[2, 3, 1],
        effective_dimension_a=[4, 5, 6],
        effective_dimension_b=[7, 8, 9],
        effective_dimension_both=[10, 11, 12],
    )
    (scatter, slope, uniformity, dimension, *_), figure = draw("plot_diagnostics", table=table)
    for row in table.to_dict("records"):
        (dot,) = lines(scatter, row["gap"], row["rmg"])
        assert (dot.get_markerfacecolor() == "white") == (row["weights"] == "random")
        assert has_bars(scatter, [row["gap"]], [row["rmg_low"]], [row["rmg_high"]])
        assert lines(slope, [0, 1], [row["gap_rank"], row["rmg_rank"]])
        assert f"{row['set']}  {row['gap_rank']}" in words(slope)
        assert f"{row['rmg_rank']}  {row['set']}" in words(slope)
    for side, color, shift in (("a", IMAGE_COLOR, 0.13), ("b", TEXT_COLOR, -0.13)):
        places = np.array([2, 1, 0]) + shift
        name = f"uniformity_{side}"
        assert lines(uniformity, table[name], places, color)
        assert has_bars(uniformity, places, table[f"{name}_low"], table[f"{name}_high"], "x")
        assert lines(dimension, table[f"effective_dimension_{side}"], places, color)
    assert lines(dimension, table["effective_dimension_both"], [2, 1, 0], INK)
    assert lines(dimension, [64] * 3, [2, 1, 0], MUTED)
    assert [tick.get_text() for tick in uniformity.get_yticklabels()] == list(SETS)
    assert [tick.get_text() for tick in dimension.get_yticklabels()] == ["n 11", "n 12", "n 13"]
    assert legend(figure)["text"].get_color() == TEXT_COLOR
    assert (scatter.get_xlabel(), scatter.get_ylabel()) == ("gap", "relative gap")
    ticks = [tick.get_text() for tick in slope.get_xticklabels()]
    assert ticks == ["rank by gap", "rank by relative gap"]
    assert (title(uniformity), title(dimension)[:19]) == (
        "Uniformity",
        "Effective dimension",
    )


# --- experiments --------------------------------------------------------------------------------


def experiment(keys, names):
    """Runs of two seeds and their summary."""
    both = [f"{name}_{time}" for name in names for time in ("before", "after")]
    return made({**keys, "seed": [7, 8]}, *both, seed=1), made(keys, ends=tuple(both), seed=2)


def curve_of(ax, runs, summary, by, column, color=None):
    """The line of means with its band, and the dots of the runs."""
    summary = summary.sort_values(by)
    assert lines(ax, runs[by], runs[column])
    band = summary[f"{column}_low"], summary[f"{column}_high"]
    (line,) = lines(ax, summary[by], summary[column], color)
    assert has_band(ax, summary[by], *band, line.get_color())
    return line


def test_experiment_temperature(draw):
    names = ("gap", "recall1_ab", "recall1_ba", "zero_shot")
    runs, summary = experiment({"temperature": [1.0, 0.1, 0.01]}, names)
    untouched = made({"model": ["m"]}, *names, seed=3)
    axes, _ = draw("plot_experiment_temperature", runs=runs, summary=summary, untouched=untouched)
    panels = [
        {"gap": "gap"},
        {"recall1_ab": "image to text", "recall1_ba": "text to image"},
        {"zero_shot": "accuracy"},
    ]
    for ax, quantities in zip(axes, panels, strict=True):
        for name, label in quantities.items():
            line = curve_of(ax, runs, summary, "temperature", f"{name}_after")
            assert line.get_label() == label
            assert lines(ax, [0, 1], [untouched[name].iloc[0]] * 2, line.get_color())
        ticks = [tick.get_text() for tick in ax.get_xticklabels()]
        assert ticks == ["1/100", "1/10", "1"]
    assert [ax.get_ylabel().partition(",")[0] for ax in axes] == [
        "gap",
        "recall@1",
        "zero-shot accuracy",
    ]


def test_experiment_dimension(draw):
    runs, summary = experiment({"dim": [64, 8, 16]}, ("gap", "recall1_ab", "recall1_ba"))
    axes, _ = draw("plot_experiment_dimension", runs=runs, summary=summary)
    panels = [
        {"gap_before": "before training", "gap_after": "after training"},
        {"recall1_ab_after": "image to text", "recall1_ba_after": "text to image"},
    ]
    for ax, quantities in zip(axes, panels, strict=True):
        for name, label in quantities.items():
            assert curve_of(ax, runs, summary, "dim", name).get_label() == label
    assert [ax.get_ylabel().partition(",")[0] for ax in axes] == ["gap", "recall@1"]


def test_experiment_initialisation(draw):
    keys = {"temperature_mode": ["fixed", "learnt"], "start": ["original", "rotated"]}
    steps = made({**keys, "seed": [7, 8], "step": [0, 3, 6]}, "gap", "loss", seed=1)
    summary = made(keys, ends=("gap_before", "gap_after"), seed=2)
    name = "gap_after_rotated_over_original"
    difference = made({"temperature_mode": ["fixed", "learnt"]}, ends=(name,), seed=3)
    axes, _ = draw(
        "plot_experiment_initialisation", steps=steps, summary=summary, difference=difference
    )
    for ax, mode in zip(axes, keys["temperature_mode"], strict=True):
        share, low, high = (
            100 * difference.loc[difference["temperature_mode"] == mode, f"{name}{end}"].iloc[0]
            for end in ENDS
        )
        assert title(ax).startswith(f"temperature {mode}\n")
        assert f"{share:.0f} % ({low:.0f} to {high:.0f} %)" in title(ax)
        for start in keys["start"]:
            part = steps[(steps["temperature_mode"] == mode) & (steps["start"] == start)]
            by_step = part.groupby("step")["gap"]
            (line,) = lines(ax, [0, 3, 6], by_step.mean())
            assert line.get_label() == f"{start} start"
            assert has_band(ax, [0, 3, 6], by_step.min(), by_step.max(), line.get_color())
            for _, run in part.groupby("seed"):
                assert lines(ax, run["step"], run["gap"], line.get_color())
            row = summary[(summary["temperature_mode"] == mode) & (summary["start"] == start)]
            for at, column in ((0, "gap_before"), (6, "gap_after")):
                assert lines(ax, at, row[column], line.get_color())
                assert has_bars(ax, [at], row[f"{column}_low"], row[f"{column}_high"])


def test_experiment_same_modality(draw):
    names = ("separability", "recall1_ab", "recall1_ba")
    runs, summary = experiment({"modality": ["image", "text"]}, names)
    steps = made({"modality": ["image", "text"], "seed": [7, 8], "step": [0, 3]}, "gap", "loss")
    axes, _ = draw("plot_experiment_same_modality", steps=steps, runs=runs, summary=summary)
    for modality, color in (("image", IMAGE_COLOR), ("text", TEXT_COLOR)):
        part = steps[steps["modality"] == modality]
        for ax, name in zip(axes, ("gap", "loss"), strict=False):
            assert name in ax.get_ylabel()
            by_step = part.groupby("step")[name]
            (line,) = lines(ax, [0, 3], by_step.mean(), color)
            assert line.get_label() == f"{modality} twice"
            assert has_band(ax, [0, 3], by_step.min(), by_step.max(), color)
            for _, run in part.groupby("seed"):
                assert lines(ax, run["step"], run[name], color)
    bars = {group.get_label(): group for group in axes[2].containers if hasattr(group, "patches")}
    for modality, time in product(("image", "text"), ("before", "after")):
        group = bars[f"{modality} twice, {time} training"]
        row = summary[summary["modality"] == modality].iloc[0]
        heights = [bar.get_height() for bar in group]
        np.testing.assert_allclose(heights, [row[f"{name}_{time}"] for name in names])
        places = [bar.get_x() + bar.get_width() / 2 for bar in group]
        low, high = ([row[f"{name}_{time}{end}"] for name in names] for end in ENDS[1:])
        assert has_bars(axes[2], places, low, high)
        assert (mcolors.to_hex(group[0].get_facecolor()) == "#ffffff") == (time == "before")
    ticks = [tick.get_text().replace("\n", " ") for tick in axes[2].get_xticklabels()]
    assert ticks == ["accuracy of a line", "recall@1, first to second", "recall@1, second to first"]


def test_figure3ef(draw):
    axes, _ = draw("plot_figure3ef")
    assert [ax.get_title(loc="left") for ax in axes] == ["(e)", "(f)"]
