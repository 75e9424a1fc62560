"""Renamed keys of the configuration, and the error for an old one."""

from collections.abc import Iterator

# Old key > new key. `*` stands for any name that a user chose, and is the same in both.
RENAMED = {
    "table1.models": "table1.sets",
    "table2.model": "table2.set",
    "sets.*.model": "sets.*.label",
    "pairs.*.model": "pairs.*.label",
    "mlp_cone.inputs": "mlp_cone.vectors",
    "theory.theorem2.inputs": "theory.theorem2.vectors",
}


# Of these the old name still works, because many configurations of users have it.
ACCEPTED = ("sets.*.model", "pairs.*.model")


def with_new_names(config: dict) -> dict:
    """The configuration with the new names of the keys in ACCEPTED. It need not be valid. An entry
    with both names stays as it is, and a later check refuses it."""
    config = dict(config)
    for section, _, old in (name.split(".") for name in ACCEPTED):
        new = RENAMED[f"{section}.*.{old}"].rpartition(".")[2]
        rows = config.get(section)
        if isinstance(rows, dict):
            config[section] = {
                name: {new if key == old else key: value for key, value in row.items()}
                if isinstance(row, dict) and old in row and new not in row
                else row
                for name, row in rows.items()
            }
    return config


def renamed_faults(config: dict) -> Iterator[str]:
    """One sentence for each old key in the configuration, with its new name."""
    for old, new in RENAMED.items():
        for names in _matches(config, old.split(".")):
            chosen = iter(names)
            renamed = ".".join(next(chosen) if part == "*" else part for part in new.split("."))
            written = iter(names)
            key = ".".join(next(written) if part == "*" else part for part in old.split("."))
            yield f"{key} is now called {renamed}; rename it."


def _matches(entry: object, path: list[str]) -> Iterator[list[str]]:
    """For each place in `entry` that has the key `path`, the names that match the `*` in `path`."""
    if not path:
        yield []
    elif isinstance(entry, dict):
        first, *rest = path
        for name in list(entry) if first == "*" else {first} & entry.keys():
            for names in _matches(entry[name], rest):
                yield [str(name), *names] if first == "*" else names
