"""What a user reads where a measure cannot be computed: what is wrong, and what to do."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modality_gap.config.losses import DECLARED_LOSSES
from modality_gap.data.vector_formats import open_source
from modality_gap.embeddings.sets import normalise
from modality_gap.errors import InputError
from modality_gap.measures import by_part, roc_auc
from modality_gap.measures.diagnostics import resampled
from modality_gap.measures.intervals import check_units
from modality_gap.measures.loss_minimum import loss_minimum
from modality_gap.measures.loss_sweep import count_batches
from modality_gap.measures.loss_tables import own_values
from modality_gap.measures.mlp_cone import mlp_mean_cosines
from modality_gap.measures.posthoc.own import chosen_measures, chosen_methods
from modality_gap.measures.posthoc.registry import METHODS, Method, Scores, method
from modality_gap.measures.posthoc.study import check_fitted
from modality_gap.measures.shift import unit_gap_vector, unshifted
from modality_gap.measures.theory import network_moments

X = normalise(np.random.default_rng(0).normal(size=(12, 5)))
Y = normalise(np.random.default_rng(1).normal(size=(12, 5)))
DELTAS = np.array([-0.5, 0.0, 0.5])


def fitted(of):
    """Checks a method that gives these scores."""
    scores = Scores(of)
    check_fitted(Method("mine", "mine", "ours", lambda x, y: scores), scores, X, Y)


def own(kind, name, **entry):
    """Chooses a method or a measure of the user's."""
    if kind == "methods":
        return chosen_methods({"all_methods": False, "methods": {name: entry}})
    return chosen_measures({"measures": {name: entry}})


def fails(q, z, kind):
    raise ValueError("too few")


CASES = {
    "a batch larger than the set": (
        lambda: count_batches(99, 100),
        "loss_landscape.batch_size is 100, but the set has only 99 pairs. Lower it, or give more "
        "pairs.",
    ),
    "one unit": (
        lambda: check_units(1),
        "an interval needs two pairs, or two clusters of pairs; give more pairs, or name a label "
        "column with at least two values.",
    ),
    "five pairs for a bootstrap": (
        lambda: resampled(X[:5], Y[:5], 9, 0.95, 0),
        "the intervals of diagnostics.csv need 6 pairs, but the set has only 5. Give more, or "
        "leave the set out.",
    ),
    "five clusters for a bootstrap": (
        lambda: resampled(X[:10], Y[:10], 9, 0.95, 0, np.arange(10) // 2),
        "the intervals of diagnostics.csv need 6 clusters of pairs, but the set has only 5. Give "
        "more, or leave the set out.",
    ),
    "a loss that is NaN everywhere": (
        lambda: loss_minimum(np.full((3, 4), np.nan), DELTAS, DELTAS, 9, 0.95, 0),
        "the loss is NaN at every shift; give vectors that differ.",
    ),
    "no scale and no bias of a loss": (
        lambda: own_values(DECLARED_LOSSES["sigmoid"], "mine", {}, {}),
        f"sets.mine.loss is the {DECLARED_LOSSES['sigmoid'].label}, but its model has no scale and "
        "no bias; remove the key `loss`.",
    ),
    "no bias of a loss": (
        lambda: own_values(DECLARED_LOSSES["sigmoid"], "mine", {"logit_scale": 10}, {}),
        f"sets.mine.loss is the {DECLARED_LOSSES['sigmoid'].label}, but its model has no bias; "
        "remove the key `loss`.",
    ),
    "a narrow random network": (
        lambda: [*mlp_mean_cosines("relu", False, 40, 1, 9, 0)],
        "mlp_cone.width is 1, which is too small: for one input, all units of a layer are 0. Raise "
        "the width.",
    ),
    "a narrow network of theorem 2": (
        lambda: network_moments(1, 9, 40, 1, np.random.default_rng(0)),
        "theory.theorem2.widths has 1, which is too small: for one input, all units of a layer are "
        "0. Remove or raise this width.",
    ),
    "no gap": (
        lambda: unit_gap_vector(X, X),
        "both modalities have the same centre, so there is no gap to shift along; leave the set "
        "out, or give it two different files.",
    ),
    "no shift of 0": (
        lambda: unshifted(DELTAS + 0.25),
        "the shifts do not include 0; start them at 0 or below, and end them above 0.",
    ),
    "three pictures of a class": (
        lambda: roc_auc.halves(np.arange(9) < 3, 0),
        "a task scored by roc_auc needs four pictures of each of its two classes; give more.",
    ),
    "two methods of a name": (
        lambda: method("shift", "again", "ours")(lambda x, y: None),
        "there are two post-hoc methods named shift; rename one.",
    ),
    "the name of a built-in method": (
        lambda: own("methods", "shift", method="centre"),
        "posthoc.methods.shift: a built-in method already has this name. Choose another name.",
    ),
    "an unknown method": (
        lambda: own("methods", "mine", method="Centre"),
        f"posthoc.methods.mine.method is 'Centre'; give one of {', '.join(METHODS)}, or "
        "FILE.py:FUNCTION.",
    ),
    "the name of a built-in measure": (
        lambda: own("measures", "hubs", measure="mine.py:of"),
        "posthoc.measures.hubs: a built-in measure already has this name. Choose another name.",
    ),
    "a measure that is no function of a file": (
        lambda: own("measures", "mine", measure="hubs"),
        "posthoc.measures.mine.measure is 'hubs'; give FILE.py:FUNCTION.",
    ),
    "a method that uses other items": (
        lambda: fitted(lambda q, z, kind: q @ z.T + z.sum()),
        "the post-hoc method mine changes the score of a pair when other items change. Compute "
        "each score from the fit pairs and the two items alone, or register the method with "
        'sees="all".',
    ),
    "a method that fails": (
        lambda: fitted(fails),
        "the post-hoc method mine raises ValueError (too few) where it scores; correct the "
        "function.",
    ),
    "scores of another shape": (
        lambda: fitted(lambda q, z, kind: (q @ z.T)[:, 1:]),
        "the post-hoc method mine returns an array of shape (12, 11) for 12 queries and 12 items. "
        "Return one score per query and item.",
    ),
    "scores that are NaN": (
        lambda: fitted(lambda q, z, kind: q @ z.T * np.nan),
        "the post-hoc method mine returns NaN or infinity; correct the function.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_refusal_says_what_is_wrong_and_what_to_do(case):
    act, sentence = CASES[case]
    with pytest.raises(InputError) as told:
        act()
    assert str(told.value) == sentence


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("text", "returns a value of type str; return a number, or a mapping from names to "
         "numbers."),
        ("lists", "returns a mapping in which 'rest' is of type list; return a number, or a "
         "mapping from names to numbers."),
        ("undefined", "returns NaN or infinity; correct the function."),
    ],
)  # fmt: skip
def test_a_measure_of_the_user_that_gives_no_number_is_refused(tmp_path, function, sentence):
    file = tmp_path / "mine.py"
    file.write_text(
        "def text(x, y):\n    return 'no'\n"
        "def lists(x, y):\n    return {'first': 1, 'rest': [2, 3]}\n"
        "def undefined(x, y):\n    return {'first': 1, 'last': float('nan')}\n"
        "def vectors(x, y):\n    return x\n"
    )
    measure = own("measures", "mine", measure=f"{file}:{function}")["mine"]
    with pytest.raises(InputError) as told:
        measure.of(X, Y)
    assert str(told.value) == f"posthoc.measures.mine {sentence}"
    wrong = own("methods", "mine", method=f"{file}:vectors")["mine"]
    with pytest.raises(InputError) as told:
        wrong.fitted(X, Y)
    assert str(told.value) == (
        f"posthoc.methods.mine.method: {file}:vectors returns a value of type ndarray; return Maps "
        "or Scores."
    )


def parts(folder, **sides):
    """Sources of both sides, of vectors and ids."""
    for side, (vectors, ids) in sides.items():
        columns = {"emb": vectors.astype(np.float32).tolist()} | ({"id": ids} if ids else {})
        pq.write_table(pa.table(columns), folder / f"{side}.parquet")
    return [open_source(str(folder / f"{side}.parquet"), {}) for side in sides]


@pytest.mark.parametrize(
    ("of_a", "of_b", "sentence"),
    [
        ((X, None), (Y[:9], None),
         "{a} has 12 vectors of 5 dimensions, and {b} has 9 vectors of 5. With `by_part`, part i "
         "of both sides must hold vectors of the same items in the same space."),
        ((X[:2], ["p", "q"]), (Y[:2], ["p", "r"]),
         "{a} and {b}: row 1 is item 'q' in the first file and 'r' in the second; give both the "
         "same items in the same order, or remove `by_part`."),
        ((X[:3], ["p", "q", "q"]), (Y[:3], None),
         "{a}: item_id 'q' occurs more than once; make the ids unique."),
        ((X[:3], None), (Y[:3], ["p", "q", "q"]),
         "{b}: item_id 'q' occurs more than once; make the ids unique."),
        ((np.stack([X, X], axis=1), None), (Y, None),
         "{a}: items have several vectors; remove `by_part`, and set `several`."),
    ],
)  # fmt: skip
def test_parts_that_are_no_pairs_are_refused(tmp_path, of_a, of_b, sentence):
    sources = parts(tmp_path, a=of_a, b=of_b)
    with pytest.raises(InputError) as told:
        by_part.sum_part(*sources, "p", 9, 0)
    paths = {side: tmp_path / f"{side}.parquet" for side in "ab"}
    assert str(told.value) == sentence.format(**paths)


def test_parts_of_two_models_are_refused_by_name(tmp_path):
    paths = []
    for d in (5, 4):
        one, other = parts(tmp_path, a=(X[:, :d], None), b=(Y[:, :d], None))
        paths.append(tmp_path / f"{d}.npz")
        by_part.write_part(paths[-1], *by_part.sum_part(one, other, "p", 9, 0))
    with pytest.raises(InputError) as told:
        by_part.read_sums(paths)
    assert str(told.value) == (
        f"{paths[1]}: 4 dimensions, but {paths[0]} has 5; give parts from one model."
    )
