"""Prompts: one for each class of every zero-shot task, and the label set of Table 2."""

import re
from pathlib import Path

import pandas as pd

from modality_gap.data.parquet import StoredDataset
from modality_gap.errors import InputError


def classes_of(path: str | Path, task: str, label: str) -> list[str]:
    """The classes of a task, sorted: the values of the column `label` of a dataset.
    Raises InputError if the dataset has no such column, or the column has no value."""
    dataset = StoredDataset(path)
    if label not in dataset.schema.names:
        others = [name for name in dataset.schema.names if name not in ("item_id", "image")]
        raise InputError(
            f"tasks.{task}.label is {label!r}, but {path} has no such column; give one of "
            f"{', '.join(others)}."
        )
    values = dataset.read([label])[label].unique().drop_null().to_pylist()
    classes = sorted(str(value) for value in values if str(value).strip())
    if not classes:
        raise InputError(
            f"tasks.{task}.label is {label!r}, which is empty in all rows of {path}; give another "
            "column."
        )
    return classes


def prompts(tasks: dict[str, dict], classes: dict[str, list[str]]) -> pd.DataFrame:
    """The prompts of every zero-shot task: one for each class, as in the paper.

    `tasks[task]` has either a template `prompt`, in which `{}` stands for one of the class names
    `classes[task]`, or `prompts` by class name. Columns: item_id, text, task, label.
    """
    rows = [
        {
            "item_id": f"{task}/{name}",
            "text": text,
            "task": task,
            "label": name,
        }
        for task, settings in tasks.items()
        for name, text in (
            settings.get("prompts")
            or {name: settings["prompt"].format(name) for name in classes[task]}
        ).items()
    ]
    return pd.DataFrame(rows)


def label_set(settings: dict) -> pd.DataFrame:
    """The labels that a picture of a person may get: one for each group and gender, and the
    offensive labels. Columns: item_id, text (the prompt), task, label, kind, as in `table2` of the
    config.

    In a prompt, the group is in small letters, and "a(n)" becomes "a" or "an", as in the released
    code.
    """

    def text(prompt: str, **words: str) -> str:
        words = {key: word.lower() for key, word in words.items()}
        return re.sub(
            r"a\(n\) (?=(\w))",
            lambda match: "an " if match[1].lower() in "aeiou" else "a ",
            prompt.format(*words.values(), **words),
        )

    rows = [
        (f"{gender}, {group}", text(settings["prompt"], gender=gender, group=group), "person")
        for group in settings["groups"]
        for gender in settings["genders"]
    ]
    for kind in ("non_human", "crime_related"):
        rows += [
            (label, text(settings["offensive_prompt"], label=label), kind)
            for label in settings[kind]
        ]
    table = pd.DataFrame(rows, columns=["label", "text", "kind"])
    return table.assign(task="table2", item_id="table2/" + table["label"])
