"""Datasets: names, splits that do not leak, and pictures."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from modality_gap.data.digits import digits
from modality_gap.data.emoji import (
    concept,
    emoji_pairs,
    gender,
    parse_emoji_test,
    render_svg,
    skin_tone,
    twemoji_file,
)
from modality_gap.data.prompts import classes_of, prompts
from modality_gap.errors import InputError

TONES = ["light", "medium-light", "medium", "medium-dark", "dark"]


def emoji_test_text() -> str:
    """A table in the format of Unicode's emoji-test.txt: 40 animals, 6 professions of people."""
    lines = ["# group: Animals & Nature", "# subgroup: animal-mammal"]
    lines += [f"{0x1F400 + k:X} ; fully-qualified # x E1.0 animal {k}" for k in range(40)]
    lines += ["2620 ; unqualified # x E1.0 skull without selector"]
    lines += ["# group: People & Body", "# subgroup: person-role"]
    for job in ("2695", "1F33E", "1F373", "1F527", "1F680", "1F692"):
        for base, word in (("1F468", "man"), ("1F469", "woman"), ("1F9D1", "person")):
            lines.append(f"{base} 200D {job} ; fully-qualified # x E4.0 {word} at {job}")
            lines += [
                f"{base} 1F3F{'BCDEF'[k]} 200D {job} ; fully-qualified # x E4.0 "
                f"{word} at {job}: {tone} skin tone"
                for k, tone in enumerate(TONES)
            ]
    lines += ["# group: Flags", "# subgroup: flag", "1F3C1 ; fully-qualified # x E1.0 flag"]
    return "\n".join(lines)


@pytest.fixture
def pairs():
    text = emoji_test_text()
    drawn = set(parse_emoji_test(text)["codepoints"].map(twemoji_file))
    return emoji_pairs(text, drawn, ["Flags"], toned_concepts=3, test_fraction=0.3, seed=1)


def test_no_variant_of_a_test_emoji_is_trained_on(pairs):
    splits = pairs.groupby("concept")["split"].nunique()
    assert (splits == 1).all()
    assert 0.2 < (pairs.groupby("concept")["split"].first() == "test").mean() < 0.4


def test_toned_concepts_bring_both_genders_in_all_tones(pairs):
    toned = pairs[pairs["skin_tone"] != ""]
    assert toned["concept"].nunique() == 3
    assert (toned.groupby(["concept", "gender"])["skin_tone"].nunique() == 5).all()
    assert set(toned["gender"]) == {"man", "woman"}


def test_rows_are_numbered_in_their_random_order_and_the_share_of_concepts_is_exact(pairs):
    assert list(pairs.index) == list(range(len(pairs)))
    assert list(pairs["text"]) != sorted(pairs["text"])
    animals = [text for text in pairs["text"] if text.startswith("animal")]
    assert animals != sorted(animals, key=lambda text: int(text.split()[1]))
    # 40 animals and 6 professions; of three professions a man and a woman in five tones.
    assert pairs.groupby("concept")["split"].first().value_counts().to_dict() == {
        "train": 32,
        "test": 14,
    }
    assert len(pairs) == 40 + 6 * 3 + 3 * 2 * 5
    assert list(pairs.columns)[:2] == ["item_id", "text"]
    row = pairs[pairs["skin_tone"] == "dark"].iloc[0]
    assert (row["group"], row["sub_group"]) == ("People & Body", "person-role")
    assert row["item_id"] == row["file"]


def test_components_come_in_and_what_has_no_picture_or_a_second_name_does_not():
    lines = [
        *("# group: Component", "# subgroup: hair-style"),
        "1F9B0 ; component # x E11.0 red hair",
        "1F9B1 ; component # x E11.0 red hair",
        "1F9B2 ; component # x E11.0 bald",
    ]
    table = emoji_pairs("\n".join(lines), {"1f9b0", "1f9b1"}, [], 0, 0.0, 1)
    (row,) = table.to_dict("records")
    assert (row["item_id"], row["text"], row["split"]) == ("1f9b0", "red hair", "train")
    assert (row["group"], row["sub_group"]) == ("Component", "hair-style")
    assert (row["skin_tone"], row["gender"]) == ("", "")


def test_left_out_groups_and_unqualified_emoji_do_not_come(pairs):
    assert "Flags" not in set(pairs["group"])
    assert "skull without selector" not in set(pairs["text"])
    assert pairs["item_id"].is_unique
    assert pairs["text"].is_unique


def test_the_same_seed_gives_the_same_split_and_another_does_not(pairs):
    text = emoji_test_text()
    drawn = set(parse_emoji_test(text)["codepoints"].map(twemoji_file))
    again, other = (
        emoji_pairs(text, drawn, ["Flags"], toned_concepts=3, test_fraction=0.3, seed=seed)
        for seed in (1, 2)
    )
    assert again.equals(pairs)
    drawn_of = [
        [set(one.loc[mask, "concept"]) for mask in (one["split"] == "test", one["skin_tone"] != "")]
        for one in (pairs, other)
    ]
    for mine, others in zip(*drawn_of, strict=True):
        assert len(mine) == len(others) and mine != others


def test_concepts_with_a_man_and_a_woman_in_every_tone_are_the_only_ones_in_tones():
    lines = emoji_test_text().splitlines()
    # Ten more of one job, turned to the right; ten of a couple of whom each has a tone.
    lines += [
        f"{base} 1F3F{'BCDEF'[k]} 200D 1F33E 200D 27A1 FE0F ; fully-qualified # x E15.1 "
        f"{word} at 1F33E facing right: {tone} skin tone"
        for base, word in (("1F468", "man"), ("1F469", "woman"))
        for k, tone in enumerate(TONES)
    ]
    lines += [
        f"1F469 1F3F{'BCDEF'[k]} 200D 1F91D 200D 1F468 1F3F{'CDEFB'[k]} ; fully-qualified # x "
        f"E12.0 {who} and man holding hands: {tone} skin tone, another"
        for who in ("woman", "man")
        for k, tone in enumerate(TONES)
    ]
    text = "\n".join(lines)
    drawn = set(parse_emoji_test(text)["codepoints"].map(twemoji_file))
    drawn.remove("1f469-1f3ff-200d-2695")  # of this job one woman is not drawn
    table = emoji_pairs(text, drawn, [], toned_concepts=99, test_fraction=0.3, seed=1)
    toned = table[table["text"].str.contains("skin tone")]
    jobs = ("1F373", "1F527", "1F680", "1F692")
    assert set(toned["concept"]) == {f"1F9D1 200D {job}" for job in jobs}
    assert len(toned) == 4 * 2 * 5


@pytest.mark.parametrize(
    ("codepoints", "expected"),
    [
        ("1F6A3 1F3FD 200D 2640 FE0F", "1F6A3"),  # woman rowing boat: medium skin tone
        ("1F469 1F3FF 200D 1F680", "1F9D1 200D 1F680"),  # woman astronaut: dark skin tone
        ("1F3C3 200D 2642 FE0F 200D 27A1 FE0F", "1F3C3"),  # man running facing right
        ("1F466", "1F9D2"),  # boy > child
        ("1F467", "1F9D2"),  # girl > child
        ("1F468", "1F9D1"),  # man > person
        ("1F474", "1F9D3"),  # old man > older person
        ("1F475 1F3FB", "1F9D3"),  # old woman: light skin tone > older person
        ("1F934 1F3FC", "1FAC5"),  # prince > person with crown
        ("1F478", "1FAC5"),  # princess > person with crown
        ("1F57A", "1F483"),  # man dancing > woman dancing
        ("1F936", "1F385"),  # Mrs. Claus > Santa Claus
        ("2764 FE0F", "2764"),  # red heart
    ],
)
def test_concepts_forget_tone_gender_and_direction(codepoints, expected):
    assert concept(codepoints) == expected


def test_labels_are_read_off_the_emoji():
    assert skin_tone("1F44B 1F3FE") == "medium-dark"
    assert skin_tone("1F91D") == ""
    assert skin_tone("1FAF1 1F3FB 200D 1FAF2 1F3FF") == ""  # two tones are no one tone
    assert gender("woman rowing boat") == "woman"
    assert gender("manatee") == ""


def test_file_names_are_twemojis():
    assert twemoji_file("2764 FE0F") == "2764"
    assert twemoji_file("0023 FE0F 20E3") == "23-20e3"
    assert twemoji_file("1F6A3 200D 2640 FE0F") == "1f6a3-200d-2640-fe0f"


def test_svg_is_drawn_on_white():
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4">'
        '<rect width="2" height="4" fill="#ff0000"/></svg>'
    )
    picture = np.array(Image.open(io.BytesIO(render_svg(svg, 32))).convert("RGB"))
    assert picture.shape == (32, 32, 3)
    assert tuple(picture[16, 4]) == (255, 0, 0)
    assert tuple(picture[16, 28]) == (255, 255, 255)


def test_no_side_of_a_drawing_is_longer_than_asked():
    for box in ("0 0 4 2", "0 0 2 4"):
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}"><path d="M0 0h1v1z"/></svg>'
        assert max(Image.open(io.BytesIO(render_svg(svg, 32))).size) == 32


def test_digits_are_drawn_in_the_size_asked_for():
    table = digits(items=3, pixels=20, seed=3)
    assert [Image.open(io.BytesIO(data)).size for data in table["image"]] == [(20, 20)] * 3
    assert list(table["item_id"]) == sorted(set(table["item_id"]))
    assert list(digits(items=3, pixels=8, seed=4)["item_id"]) != list(table["item_id"])
    assert all(len(name) == len("digit0000") for name in digits(200, 8, 1)["item_id"])


def test_digits_are_the_real_ones_dark_on_light():
    from sklearn.datasets import load_digits

    table = digits(items=40, pixels=8, seed=3)
    assert len(table) == 40
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    bundle = load_digits()
    for row in table.itertuples():
        number = int(row.item_id.removeprefix("digit"))
        assert row.digit == words[bundle.target[number]]
        picture = np.array(Image.open(io.BytesIO(row.image)), dtype=float)
        np.testing.assert_allclose(picture, 255 - bundle.images[number] * 255 / 16, atol=1)


def test_one_prompt_a_class():
    table = prompts({"pets": {"prompt": "a photo of a {}."}}, {"pets": ["cat", "dog"]})
    assert list(table["text"]) == ["a photo of a cat.", "a photo of a dog."]
    assert list(table["item_id"]) == ["pets/cat", "pets/dog"]


def test_prompts_that_are_written_one_by_one_come_before_a_template():
    tasks = {
        "memes": {"prompt": "a photo of {}.", "prompts": {"bad": "a bad one.", "good": "fine."}},
        "pets": {"prompt": "a {}."},
    }
    table = prompts(tasks, {"memes": ["bad"], "pets": ["cat"]})
    assert table[["task", "label", "text"]].to_numpy().tolist() == [
        ["memes", "bad", "a bad one."],
        ["memes", "good", "fine."],
        ["pets", "cat", "a cat."],
    ]


def test_the_classes_of_a_task_are_the_values_of_its_column(tmp_path):
    path = tmp_path / "birds.parquet"
    table = pd.DataFrame(
        {"item_id": list("abcd"), "image": [b"x"] * 4, "label": ["tit", "owl"] * 2}
    )
    table.assign(half=["owl", None, " ", "jay"], none=None).to_parquet(path, index=False)
    assert classes_of(path, "birds", "label") == ["owl", "tit"]
    assert classes_of(path, "birds", "half") == ["jay", "owl"]
    with pytest.raises(InputError, match=r"tasks.birds.label is 'kind', but .* label, half, none"):
        classes_of(path, "birds", "kind")
    with pytest.raises(
        InputError, match=r"tasks.birds.label is 'none', which is empty in all rows"
    ):
        classes_of(path, "birds", "none")
