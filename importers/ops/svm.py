"""Support vector machines with a linear kernel: affine scores, and the label of two classes."""

from __future__ import annotations

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.graph import constant_of
from exactbox.importers.ops.head import class_names
from exactbox.importers.ops.linear import product
from exactbox.importers.ops.ml import samples
from exactbox.importers.registry import ML, heads, lowers, refuses
from exactbox.importers.tails import step_of
from exactbox.importers.values import Choice, Data, Tensor
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.rational import exact
from exactbox.polytope.wording import counted

refuses(
    "SVMClassifier",
    domain=ML,
    why="probabilities of a support vector machine are fitted apart from its label; choose the label as output",
)


@lowers("SVMRegressor", domain=ML)
def svm_regressor(call: Call) -> Data:
    """A sum of products with support vectors, which is affine for a linear kernel."""
    if call.node.integer("n_targets", 1) != 1:
        call.refuse("more than one target")
    if call.node.flag("one_class", 0):
        call.refuse("the class of a one-class machine: data-dependent comparison: continuity not shown")
    _plain(call)
    return _score(call, call.node.integer("n_supports", 0))


@heads("SVMClassifier", domain=ML)
def svm_classifier(call: Call) -> list[Tensor | None]:
    """One score s of two classes: the runtime answers the first class where s > 0, and writes -s, s as scores."""
    names = class_names(call, "classlabels_strings", "classlabels_ints")
    counts = call.node.integers("vectors_per_class") or ()
    if len(names) > 2:
        call.refuse("more than two classes: the label counts votes of pairs: data-dependent comparison")
    if len(names) != 2 or len(counts) != 2:
        call.refuse(f"expected two classes with support vectors, got {len(names)} and {len(counts)}")
    if all(value >= 0 for value in call.node.numbers("coefficients") or ()):
        call.refuse("no negative coefficient: what the label then means is not settled")
    _plain(call)
    score = _score(call, sum(counts))
    pair = call.builder.concatenated([score, call.builder.negate(score)], 1)
    origin = ((call.node.name, call.node.op),)
    kind = "string" if call.node.texts("classlabels_strings") else "int64"
    label = Choice(pair, "argmax", "last", pair.shape[:-1], (step_of(call),), origin, names, kind)
    fitted = call.node.numbers("prob_a")
    return [label, None if fitted else pair.moved(lambda array: array[..., ::-1])]


def _plain(call: Call) -> None:
    """Refuse every kernel but the linear one, and transformed scores."""
    kernel, transform = call.node.text("kernel_type", "LINEAR"), call.node.text("post_transform", "NONE")
    if kernel != "LINEAR":
        call.refuse(f"kernel {kernel}: not piecewise linear")
    if transform != "NONE":
        call.refuse(f"post_transform {transform} is not lowered")


def _score(call: Call, count: int) -> Data:
    """Return the sum of coefficients times products with support vectors, plus rho, shape (n, 1)."""
    data = samples(call)
    coefficients, rho = call.node.numbers("coefficients") or (), call.node.numbers("rho") or (0.0,)
    vectors = call.node.numbers("support_vectors") or ()
    if len(data.shape) != 2 or len(rho) != 1:
        call.refuse(f"{counted(len(rho), 'constant')} for data of shape {data.shape}")
    width = data.shape[-1]
    if len(coefficients) != (count or width) or len(vectors) != count * width:
        call.refuse(
            f"{counted(len(coefficients), 'coefficient')} and {counted(len(vectors), 'entry', 'entries')} of "
            f"{count} support vectors"
        )
    if count:
        data = product(call, data, constant_of(np.array(vectors).reshape(count, width).T), True, Rounding(terms=2))
    weight = constant_of(np.array(coefficients).reshape(-1, 1))
    bias = np.array(rho)
    total = product(call, data, weight, True, Rounding(terms=3, magnitude=np.abs(bias)))
    return call.builder.shift(total, exact(bias))
