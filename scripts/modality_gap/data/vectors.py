"""Embeddings in files of other tools: what a reader returns, and what readers share.

No function reads a whole file: vectors are read one tile at a time. Slow imports are inside
functions, because every start of Snakemake reads the registry of readers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modality_gap.config.schema import choice, listed_words
from modality_gap.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

LISTED = 10  # names in a sentence
USUAL_IDS = ("item_id", "id", "key", "__index_level_0__")


@dataclass(frozen=True)
class Source:
    """The vectors of one modality in a file.

    There are `items` items. Each has one vector or, if `counts` (items,) is given, that many.
    `batches()` yields the vectors of some items, (m, dim) of any real type, and their labels, in
    the order of the file. The labels are None if there are no `label_types`.
    `batches(labels=False)` reads no labels. `ids` (items,) are texts; None if the file has no ids.
    For each file of a folder, `parts` has the numbers in its name and its number of items.
    """

    path: str
    items: int
    dim: int
    batches: Callable[..., Iterator[tuple[np.ndarray, pa.RecordBatch | None]]]
    ids: pa.ChunkedArray | None = None
    counts: np.ndarray | None = None
    label_types: Any = None
    metadata: Mapping = field(default_factory=dict)
    parts: tuple[tuple[tuple[int, ...], int], ...] = ()

    @property
    def vectors(self) -> int:
        """The number of vectors."""
        return self.items if self.counts is None else int(self.counts.sum())


def named(path: str, names: Sequence[str], name: str, kind: str) -> str:
    """Returns `name`. Raises InputError with a remedy if `name` is not among `names`."""
    if name in names:
        return name
    raise InputError(f"{path} has no {kind} {name!r}; {choice(name, names[:LISTED])}")


def only(path: str, names: Sequence[str], kind: str, option: str) -> str:
    """The only one of `names`. If there is not exactly one, raises InputError that asks for
    `option`."""
    if len(names) == 1:
        return names[0]
    if not names:
        raise InputError(f"{path} contains no {kind}. Give another file.")
    shown = listed_words(list(names[:LISTED]), "and")
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    raise InputError(f"{path} contains {shown}{more}. Set `{option}` to one of them.")


# --- arrays -----------------------------------------------------------------------------------


def of_array(
    path: str,
    shape: Sequence[int],
    kind: str,
    tiles: Callable[[], Iterator[np.ndarray]],
    ids: np.ndarray | None = None,
) -> Source:
    """A Source of an array of the numpy type `kind`. The array is (n, d), or (n, k, d) with k
    vectors per item. `tiles()` yields some rows of it at a time.

    Raises InputError for any other shape, and for values that are not real numbers.
    """
    import numpy as np

    if len(shape) not in (2, 3) or kind[:1] not in "fiu" or shape[1] == 0:
        called = "Python objects" if kind == "object" else kind or "values"
        raise InputError(
            f"{path} holds {called} of shape {tuple(shape)}; give numbers of shape (n, d)."
        )
    items, dim, several = shape[0], shape[-1], shape[1] if len(shape) == 3 else 1

    def batches(labels: bool = True) -> Iterator[tuple[np.ndarray, None]]:
        for tile in tiles():
            yield tile.reshape(len(tile) * several, dim), None

    return Source(
        path,
        items,
        dim,
        batches,
        None if ids is None else ids_of_array(path, ids, items),
        None if several == 1 else np.full(items, several),
    )


def tiles_of(array: Any) -> Callable[[], Iterator[np.ndarray]]:
    """A function that yields tiles of an array, or of any object that returns an array for
    `array[start:stop]`."""
    import numpy as np

    from modality_gap.data.tiles import READ

    def tiles() -> Iterator[np.ndarray]:
        for start in range(0, array.shape[0], READ):
            yield np.asarray(array[start : start + READ])

    return tiles


def ids_of_array(path: str, ids: np.ndarray, items: int) -> pa.ChunkedArray:
    """The ids (items,) as texts. Raises InputError if they are neither whole numbers nor texts."""
    import pyarrow as pa

    if ids.ndim != 1 or len(ids) != items:
        raise InputError(
            f"{path}: {items} items, but ids of shape {ids.shape}. Give one id per item."
        )
    if ids.dtype.kind not in "iuUSO":
        raise InputError(f"{path}: the ids have the type {ids.dtype}; give whole numbers or texts.")
    if ids.dtype.kind in "iu":
        native = ids.astype(ids.dtype.newbyteorder("="))
        return pa.chunked_array([pa.array(native).cast(pa.large_string())])
    try:
        texts = [one.decode() if isinstance(one, bytes) else str(one) for one in ids.tolist()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: the ids are not in UTF-8; write them in UTF-8.") from error
    return pa.chunked_array([pa.array(texts, pa.large_string())])


# --- tables -----------------------------------------------------------------------------------


def of_table(
    path: str,
    schema: pa.Schema,
    items: int,
    read: Callable[[list[str], int], Iterator[pa.RecordBatch]],
    column: str,
    ids: str,
    metadata: Mapping | None = None,
) -> Source:
    """A Source of a table in which a column has a list of numbers in each row. `read(columns,
    rows)` yields `rows` rows of the table at a time.

    `column` and `ids` are names of columns; empty means the usual names. All columns are labels
    except lists of numbers and structures.
    """
    import numpy as np
    import pyarrow as pa

    from modality_gap.data.tiles import READ, TILE

    lists = [one.name for one in schema if number_of_list(one.type) is not None]
    column = _vector_column(path, schema, column, lists)
    id_column = _id_column(path, schema, ids)
    nested = _depth(schema.field(column).type) > 1
    names = [
        one.name
        for one in schema
        if one.name not in (*lists, id_column, "item_id", "vector")
        and not pa.types.is_struct(one.type)
    ]

    kinds = pa.schema([schema.field(name).with_type(_kept_as(schema.field(name).type))
                       for name in names])  # fmt: skip

    def batches(labels: bool = True) -> Iterator[tuple[np.ndarray, pa.RecordBatch | None]]:
        dim = None
        wanted = names if labels else []
        for batch in read([column, *wanted], READ):
            vectors, _ = vectors_of(path, column, batch[column])
            dim = vectors.shape[1] if dim is None else dim
            if vectors.shape[1] != dim:
                raise _lengths(path, column)
            yield vectors, as_types(batch, kinds) if wanted else None

    first = next((vectors for vectors, _ in batches(labels=False)), np.empty((0, 0)))
    counts = None
    if nested:
        found = [vectors_of(path, column, batch[column])[1] for batch in read([column], READ)]
        counts = np.concatenate(found) if found else np.zeros(0, int)
    return Source(
        path,
        items,
        first.shape[1],
        batches,
        ids_of_table(path, id_column, read([id_column], TILE)) if id_column else None,
        None if counts is None or (counts == 1).all() else counts,
        kinds,
        metadata or {},
    )


def _vector_column(path: str, schema: pa.Schema, column: str, lists: list[str]) -> str:
    """The column of vectors: the one that is named, or the usual one, or the only one of
    `lists`."""
    if not column:
        column = "vector" if "vector" in schema.names else only(path, lists, "vectors", "column")
    named(path, schema.names, column, "column")
    if twice := next((name for name in schema.names if schema.names.count(name) > 1), ""):
        raise InputError(
            f"{path} has more than one column named {twice!r}. Give each column a different name."
        )
    if column not in lists:
        raise InputError(
            f"{path}: column {column!r} has the type {schema.field(column).type}. Give it one list "
            "of numbers per item."
        )
    return column


def number_of_list(kind: pa.DataType) -> pa.DataType | None:
    """The type of the numbers in a type of (nested) lists of numbers; None for other types."""
    import pyarrow as pa

    kind = getattr(kind, "storage_type", kind)
    if not _is_list(kind):
        return None
    of = kind.value_type
    if pa.types.is_floating(of) or pa.types.is_integer(of):
        return of
    return number_of_list(of)


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow as pa

    known = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    views = (pa.types.is_list_view, pa.types.is_large_list_view)
    return any(is_such(kind) for is_such in (*known, *views))


def _depth(kind: pa.DataType) -> int:
    if len(shape := getattr(kind, "shape", ())) > 1:
        return len(shape)
    kind = getattr(kind, "storage_type", kind)
    return 1 + _depth(kind.value_type) if _is_list(kind) else 0


def _kept_as(kind: pa.DataType) -> pa.DataType:
    """The type in which a label is kept. It differs only for views, because rows of views cannot be
    taken."""
    import pyarrow as pa

    views = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    return views.get(kind, kind)


def common_types(parts: Mapping[str, pa.Schema]) -> pa.Schema:
    """For each column, the type that can hold the values of all parts. It is the wider of two
    types; a column of nulls takes any type.

    Raises InputError that names a part if its columns have other names than in the first part, or
    if types have nothing in common. Whole numbers do not become floating-point numbers, which would
    change large values.
    """
    import pyarrow as pa

    (at, first), *others = parts.items()
    kinds = {field.name: _kept_as(field.type) for field in first}
    for path, schema in others:
        if sorted(schema.names) != sorted(first.names):
            raise InputError(
                f"{path} and {at}: the columns differ. Give all parts the same columns."
            )
        for name, kind in kinds.items():
            here = _kept_as(schema.field(name).type)
            wider = _wider(kind, here)
            if wider is None:
                raise InputError(
                    f"{path}: column {name!r} is {here}, but {kind} in the parts before; give the "
                    "column one type in all parts."
                )
            kinds[name] = wider
    return pa.schema(kinds.items())


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type that can hold the values of both types; None if there is none."""
    import pyarrow as pa

    if one == other:
        return one
    both = [pa.schema([("", kind)]) for kind in (one, other)]
    try:
        wider = pa.unify_schemas(both, promote_options="permissive").field(0).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None
    changes = pa.types.is_floating(wider) and any(map(pa.types.is_integer, (one, other)))
    return None if changes else wider


def as_types(rows: Any, kinds: pa.Schema) -> Any:
    """The columns of a table or batch that are in `kinds`, converted to these types."""
    return type(rows).from_arrays([rows[field.name].cast(field.type) for field in kinds],
                                  schema=kinds)  # fmt: skip


def _id_column(path: str, schema: pa.Schema, ids: str) -> str:
    """The column of ids: the one that is named, or a usual one, or none."""
    if ids:
        return named(path, schema.names, ids, "column")
    usual = [name for name in USUAL_IDS if name in schema.names]
    return usual[0] if usual else ""


def _values(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_id(kind: pa.DataType) -> bool:
    import pyarrow as pa

    known = (pa.types.is_integer, pa.types.is_string, pa.types.is_large_string)
    return any(is_such(kind) for is_such in (*known, pa.types.is_string_view))


def ids_of_table(path: str, column: str, rows: Iterator[pa.RecordBatch]) -> pa.ChunkedArray:
    """The ids of a table as texts. Raises InputError for nulls and for other types."""
    import pyarrow as pa

    chunks = []
    for batch in rows:
        ids = batch[column]
        if not _is_id(_values(ids.type)):
            raise InputError(
                f"{path}: column {column!r} is {ids.type}, but ids are whole numbers or texts; "
                "convert it, or set `ids` to another column."
            )
        if ids.null_count:
            raise InputError(f"{path}: column {column!r} holds nulls; give every item an id.")
        chunks.append(ids.cast(pa.large_string()))
    return pa.chunked_array(chunks, pa.large_string())


def vectors_of(path: str, column: str, lists: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Returns the vectors (m, d) in a column of lists, and the number of vectors in each row (b,).
    This number is 1, or the length of a list of lists. Raises InputError for nulls and for vectors
    of different lengths."""
    import numpy as np
    import pyarrow.compute as pc

    shape = getattr(lists.type, "shape", ())  # of a tensor
    lists = getattr(lists, "storage", lists)
    counts = np.full(len(lists), int(np.prod(shape[:-1], dtype=int)) if shape else 1)
    while True:
        if lists.null_count:
            raise _nulls(path, column)
        lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
        inner = lists.flatten()
        if not _is_list(inner.type):
            break
        ends = np.cumsum(np.r_[0, lengths])
        counts = np.diff(ends[np.cumsum(np.r_[0, counts])])
        lists = inner
    if inner.null_count:
        raise _nulls(path, column)
    if len(lengths) and (lengths != lengths[0]).any():
        raise _lengths(path, column)
    dim = int(lengths[0]) if len(lengths) else 0
    if shape:
        dim = int(shape[-1])
    return inner.to_numpy(zero_copy_only=False).reshape(-1, dim) if dim else np.empty(
        (len(lists), 0)
    ), counts


def _nulls(path: str, column: str) -> InputError:
    return InputError(
        f"{path}: column {column!r} holds nulls; give every item a complete vector, or remove its "
        "row."
    )


def _lengths(path: str, column: str) -> InputError:
    return InputError(
        f"{path}: the vectors of column {column!r} differ in length; give all the same dimension."
    )
