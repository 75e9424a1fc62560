"""The dataset emoji: drawings, their names and labels."""

import re

import numpy as np
import pandas as pd

SKIN_TONES = {
    "1F3FB": "light",
    "1F3FC": "medium-light",
    "1F3FD": "medium",
    "1F3FE": "medium-dark",
    "1F3FF": "dark",
}
# A person of one gender, written as the neutral person: what makes two emoji variants of one idea.
NEUTRAL = {
    "1F468": "1F9D1",  # man > person
    "1F469": "1F9D1",  # woman > person
    "1F466": "1F9D2",  # boy > child
    "1F467": "1F9D2",  # girl > child
    "1F474": "1F9D3",  # old man > older person
    "1F475": "1F9D3",  # old woman > older person
    "1F934": "1FAC5",  # prince > person with crown
    "1F478": "1FAC5",  # princess > person with crown
    "1F57A": "1F483",  # man dancing > woman dancing: there is no neutral one
    "1F936": "1F385",  # Mrs. Claus > Santa Claus
}
# Variation selector, gender signs with their joiner, and the arrow of "facing right".
DECORATION = re.compile(r" 200D (?:2640|2642|27A1)(?: FE0F)?| FE0F")
LINE = re.compile(r"(?P<codepoints>[0-9A-F ]+?) *; (?P<status>[a-z-]+) *# \S+ E[\d.]+ (?P<name>.+)")


def parse_emoji_test(text: str) -> pd.DataFrame:
    """Unicode's `emoji-test.txt` as a table with the columns codepoints, status, name, group and
    sub_group."""
    rows, group, sub_group = [], "", ""
    for line in text.splitlines():
        if line.startswith("# group:"):
            group = line.partition(":")[2].strip()
        elif line.startswith("# subgroup:"):
            sub_group = line.partition(":")[2].strip()
        elif match := LINE.match(line):
            rows.append({**match.groupdict(), "group": group, "sub_group": sub_group})
    return pd.DataFrame(rows)


def concept(codepoints: str) -> str:
    """The codepoints without skin tone, gender and direction. Variants of one idea have the same
    concept."""
    points = DECORATION.sub("", codepoints).split()
    return " ".join(NEUTRAL.get(point, point) for point in points if point not in SKIN_TONES)


def skin_tone(codepoints: str) -> str:
    """The skin tone of an emoji, or "" if it has none or several."""
    tones = [SKIN_TONES[point] for point in codepoints.split() if point in SKIN_TONES]
    return tones[0] if len(tones) == 1 else ""


def gender(name: str) -> str:
    """The word man or woman if the emoji's name begins with it; otherwise an empty text."""
    match = re.match(r"(man|woman)\b", name)
    return match[1] if match else ""


def twemoji_file(codepoints: str) -> str:
    """The name of an emoji's file in Twemoji: codepoints in lower case, joined by dashes. FE0F is
    kept only in joined sequences."""
    points = codepoints.lower().split()
    if "200d" not in points:
        points = [point for point in points if point != "fe0f"]
    return "-".join(point.lstrip("0") for point in points)


def emoji_pairs(
    emoji_test: str,
    drawn: set[str],
    leave_out_groups: list[str],
    toned_concepts: int,
    test_fraction: float,
    seed: int,
) -> pd.DataFrame:
    """The table of emoji pairs: item_id, text, file, split, concept, group, sub_group, labels.

    It has all emoji without a skin tone. For `toned_concepts` randomly chosen concepts, it also has
    the man and the woman in all five skin tones. `drawn` are the names of the drawings that
    exist; an emoji without a drawing is left out. Whole concepts go to the test split. So if an
    emoji is in the test split, its variants with another skin tone or gender are not in the train
    split. The rows are in random order.
    """
    table = parse_emoji_test(emoji_test)
    table = table[table["status"].isin(["fully-qualified", "component"])]
    table = table[~table["group"].isin(leave_out_groups)]
    table["file"] = table["codepoints"].map(twemoji_file)
    table = table[table["file"].isin(drawn)].drop_duplicates("name")
    table["concept"] = table["codepoints"].map(concept)
    table["skin_tone"] = table["codepoints"].map(skin_tone)
    table["gender"] = table["name"].map(gender)
    table["item_id"] = table["file"]
    table["text"] = table["name"]

    toned = table["codepoints"].str.contains("|".join(SKIN_TONES))
    gendered = table[toned & (table["gender"] != "") & (table["skin_tone"] != "")]
    complete = gendered.groupby("concept")["item_id"].count()
    # Five tones of a man and of a woman: only then are the groups of Table 2 alike in content.
    complete = np.array(sorted(complete[complete == 10].index))
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(complete)[:toned_concepts]
    table = table[~toned | table.index.isin(gendered[gendered["concept"].isin(chosen)].index)]

    concepts = np.array(sorted(table["concept"].unique()))
    test = rng.permutation(concepts)[: round(test_fraction * len(concepts))]
    table["split"] = np.where(table["concept"].isin(test), "test", "train")
    columns = ["item_id", "text", "split", "concept", "group", "sub_group", "skin_tone", "gender"]
    # Unicode lists like emoji beside each other; COCO's order says nothing. The loss is taken over
    # batches in file order (Figure 3), so the order must say nothing here either.
    return table[[*columns, "file"]].sample(frac=1, random_state=seed, ignore_index=True)


def render_svg(svg: str, pixels: int) -> bytes:
    """Draw an SVG on a white square, `pixels` wide and high, as PNG bytes."""
    import resvg_py

    return bytes(
        resvg_py.svg_to_bytes(svg_string=svg, width=pixels, height=pixels, background="#ffffff")
    )
