"""The colours of the figures, on a light and a dark background, and the CSS that switches them.

`results/figures/NAME.svg` is drawn for a column of 934 pixels and `NAME.narrow.svg` for one of 358.
Both have text as text. A page can show a figure in two ways:

- Inlined, without the XML declaration. Identifiers differ between figures, so that many fit in one
  page. The page adds `dark_rules(scope)` once, where `scope` selects the elements within which the
  page is dark, such as `:root[data-theme="dark"]`.
- As the source of an `<img>` or of a `<picture>`. The figure then follows the reader's
  `color-scheme`.

Every root element has the class `figure`. Its own style applies only if the SVG is a document of
its own. The ground is a rectangle of the colour `GROUND`, which the rules change as well.
"""

GROUND = "#ffffff"
INK, MUTED, FAINT, GRID, SHADE = "#222222", "#5f6670", "#8c9196", "#e2e2e2", "#f4f6f8"
# The hues of Okabe and Ito, which stay apart for every common kind of colour blindness, each as
# dark as text on light ground has to be. Grey follows, for what is shown for comparison.
PALETTE = [
    "#0068a6",  # blue
    "#b84a00",  # vermilion
    "#007a58",  # bluish green
    "#946300",  # orange
    "#a8467f",  # reddish purple
    "#33759d",  # sky blue
]
IMAGE_COLOR, TEXT_COLOR = PALETTE[:2]
MODALITY_COLORS = {"image": IMAGE_COLOR, "text": TEXT_COLOR}
# From low to high temperature: ordered, so from dark to light; each is legible as text.
RAMP = ["#3b0f70", "#472f9e", "#1f5fa8", "#00747c", "#2f7d32", "#7d6608"]

DARK_PALETTE = ["#6bb8f0", "#ff9a5c", "#4ccba2", "#e9b44c", "#e79bc8", "#56b4e9"]
DARK_RAMP = ["#d0b3ff", "#a9a4ff", "#7db9ff", "#4fd0d8", "#86d98a", "#e0cc66"]
DARK = {
    GROUND: "#1d2126",
    INK: "#e8e6e1",
    MUTED: "#a9b0b8",
    FAINT: "#747b83",
    GRID: "#33383f",
    SHADE: "#272c33",
    **dict(zip(PALETTE, DARK_PALETTE, strict=True)),
    **dict(zip(RAMP, DARK_RAMP, strict=True)),
}


def dark_rules(scope: str) -> str:
    """CSS that gives figures their colours for a dark background, within the selector `scope`."""
    return "".join(
        f'{scope} [{kind}="{light}"]{{{kind}:{dark}}}'
        for kind in ("fill", "stroke")
        for light, dark in DARK.items()
    )


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two colours #rrggbb, from 1 to 21. Source: WCAG 2.2, 1.4.3."""
    low, high = sorted(_luminance(color) for color in (first, second))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: str) -> float:
    parts = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
