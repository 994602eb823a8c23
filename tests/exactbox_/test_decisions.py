"""Which decision is stated, and whether it was given, the model's own, or assumed."""

import numpy as np
import pytest

from exactbox.decisions import DecisionPlan, plan_decision
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Gather, Head, HeadStep, Input, Port, Program
from tests.exactbox_.programs import with_output

NAMED = with_output((1, 3), Head((HeadStep("Softmax"),), "none", "first", ("cat", "dog", "2")))


@pytest.mark.parametrize(
    ("shape", "head", "rule", "outputs", "said"),
    [
        ((1, 3), Head(), "argmax", (0, 1, 2), "assumed; decision=… states another"),
        ((1, 3), Head((HeadStep("Softmax"),)), "argmax", (0, 1, 2), "assumed, above it the model has Softmax"),
        ((1, 3), Head((HeadStep("Softmax"), HeadStep("ArgMax")), "argmax"), "argmax", (0, 1, 2), "the model's own"),
        ((1, 3), Head((HeadStep("ArgMin"),), "argmin", "last"), "argmin", (0, 1, 2), "the model's own"),
        ((1, 1), Head(), "none", (0,), "regression value"),
        ((1, 1), Head((HeadStep("Sigmoid"),)), "sign", (0,), "assumed, because the model ends in one Sigmoid"),
        ((1, 1), Head((HeadStep("Sigmoid"), HeadStep("ArgMax")), "sign"), "sign", (0,), "the model's own"),
        ((1, 10, 1, 1), Head(), "argmax", tuple(range(10)), "argmax over 10 outputs"),
        ((2, 3), Head(), "none", tuple(range(6)), "holds 2 rows of 3, and no row was chosen"),
        ((3,), Head(), "argmax", (0, 1, 2), "assumed"),
        ((2, 1), Head(), "none", (0, 1), "holds 2 rows of 1"),
        ((), Head(), "none", (0,), "regression value"),
        ((1, 2, 3), Head((HeadStep("Softmax", "", 11, (), (1, 2)),)), "argmax", tuple(range(6)), "over 6 outputs"),
        ((2, 3), Head((HeadStep("Softmax", "", 11, (), (0, 1)),)), "argmax", tuple(range(6)), "over 6 outputs"),
        ((2, 2, 3), Head((HeadStep("Softmax", "", 11, (), (1, 2)),)), "none", tuple(range(12)), "holds 2 rows of 6"),
        ((1, 2, 3), Head((HeadStep("Softmax", "", 13, (), (2,)),)), "none", tuple(range(6)), "holds 2 rows of 3"),
        ((1, 3, 2), Head((HeadStep("Softmax", "", 13, (), (1,)),), shape=(1, 2, 3), moved=1), "none", tuple(range(6)),
         "of shape [1, 2, 3] holds 3 rows of 2 along its axis 1"),
    ],
)  # fmt: skip
def test_without_a_word_from_the_user(
    shape: tuple[int, ...], head: Head, rule: str, outputs: tuple[int, ...], said: str
) -> None:
    plan = plan_decision(with_output(shape, head))
    assert (plan.rule, plan.outputs, plan.tie) == (rule, outputs, head.tie)
    assert said in plan.text


@pytest.mark.parametrize("rule", ["argmax", "argmin", "none"])
def test_given_rule(rule: str) -> None:
    plan = plan_decision(with_output((1, 3), Head((), "argmax")), rule)
    assert plan.rule == rule
    assert "given" in plan.text


def test_one_row_of_several() -> None:
    plan = plan_decision(with_output((1, 2, 3)), row=1)
    assert (plan.rule, plan.outputs) == ("argmax", (3, 4, 5))
    assert "one row of several" in plan.text


def test_row_of_one_output_is_a_regression_value() -> None:
    plan = plan_decision(with_output((2, 1)), row=1)
    assert (plan.rule, plan.outputs) == ("none", (1,))


def test_sign_of_one_output_of_several() -> None:
    plan = plan_decision(NAMED, "sign", target="dog")
    assert (plan.rule, plan.outputs) == ("sign", (1,))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "softmax"}, "decision: expected one of argmax, argmin, sign, none, got 'softmax'"),
        ({"rule": "sign"}, "the sign rule looks at one of 3 outputs; choose it with target=K"),
        ({"row": 1}, "output row 1: .* holds 1 row of 3"),
        ({"row": -1}, "output row -1"),
    ],
)
def test_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan_decision(NAMED, **arguments)  # type: ignore[arg-type]


def test_a_rule_over_several_rows_needs_a_row() -> None:
    with pytest.raises(InputError, match="holds 2 rows of 3; choose one with output_row=I"):
        plan_decision(with_output((2, 3)), "argmax")


def test_labels_must_be_as_many_as_classes() -> None:
    with pytest.raises(InputError, match=r"class names: expected 3, got 2 \(cat, dog\)"):
        plan_decision(with_output((1, 3)), class_names=["cat", "dog"])


def test_the_users_names_come_before_the_models() -> None:
    assert plan_decision(NAMED, class_names=["a", "b", "c"]).name(1) == "b"


def test_labels_of_the_model_that_do_not_fit_the_row_are_left_out() -> None:
    assert plan_decision(with_output((1, 3), Head(labels=("cat", "dog")))).labels == ()


def test_one_output_has_two_labels() -> None:
    plan = plan_decision(with_output((1, 1), Head((HeadStep("Sigmoid"),), "sign", "first", ("no", "yes"))))
    assert (plan.labels, plan.name(0)) == (("no", "yes"), "output 0")


@pytest.mark.parametrize(("target", "output"), [("cat", 0), ("1", 1), (1, 1), ("2", 2), (" dog ", 1)])
def test_target_by_name_or_position(target: int | str, output: int) -> None:
    assert plan_decision(NAMED).find(target) == output


@pytest.mark.parametrize("target", ["bird", "3", "-1", -1, "1.0", ""])
def test_unknown_class(target: int | str) -> None:
    with pytest.raises(InputError, match=r"unknown class .*expected one of 0 to 2, or a name: cat, dog, 2"):
        plan_decision(NAMED).find(target)


def test_names_of_outputs() -> None:
    assert [plan_decision(NAMED).name(i) for i in (0, 2)] == ["cat", "2"]
    assert plan_decision(with_output((1, 2))).name(1) == "output 1"
    row = DecisionPlan("argmax", (3, 4), "first", ("a", "b"), "")
    assert [row.name(i) for i in (3, 4, 0)] == ["a", "b", "output 0"]


def test_an_output_without_numbers_decides_nothing() -> None:
    empty = Program((Port("x", (1, 2)),), (Input(2), Gather((0,), np.zeros(0, np.int64))), Port("y", (1, 0)))
    plan = plan_decision(empty)
    assert (plan.rule, plan.outputs) == ("none", ()) and "'y' of shape [1, 0] holds no numbers" in plan.text
    with pytest.raises(InputError, match="decision argmax: the output 'y' of shape"):
        plan_decision(empty, "argmax")
