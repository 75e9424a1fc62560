"""Prompts: one per class of every zero-shot task, and the label set of Table 2."""

import re

import pandas as pd


def prompts(tasks: dict[str, dict], classes: dict[str, list[str]]) -> pd.DataFrame:
    """The prompt of every class of every zero-shot task, one per class as in the paper.

    `tasks[task]` has a template `prompt`, with one `{}` where the class name goes, for the names
    `classes[task]`; or `prompts` by class name. Columns: item_id, text, task, label.
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
    """The labels a picture of a person may be given: one per group and gender, and the offensive
    ones. Columns: item_id, text (the prompt), task, label, kind, as in `table2` of the config.

    A prompt has its group in small letters, and "a" or "an" for "a(n)", as in the released code.
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
