"""Partial evaluation of pipelines with categories, against onnxruntime, and certified end to end."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from exactbox.auditing import audit
from exactbox.certifying import certify
from exactbox.checking import ModelOptions, check
from exactbox.cli import run
from exactbox.comparing import compare
from exactbox.enumerating import enumerate as enumerate_regions
from exactbox.fixing import parse_fixes
from exactbox.loading import Model, inventory, load
from exactbox.polytope import exact
from exactbox.polytope.errors import InputError, UnsupportedModelError
from exactbox.polytope.rational import exact as exact_numbers
from exactbox.regions import region_at
from tests.exactbox_.columns import (
    CITIES,
    CLASSES,
    PIPELINES,
    SIZES,
    Rows,
    one_input,
    passengers,
    pipeline,
    text_beside_numbers,
    written,
)
from tests.importers.onnx_models import ML, build, save, tensor_info

_TWO_NUMBERS = numpy_helper.from_array(np.array([1.5, 2.5], np.float32))
ALL_FIXED = {"city": "Rome", "size": "M", "klass": 2}


def label_of(path: Path, feeds: dict[str, Rows]) -> int:
    """Return what onnxruntime decides."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return int(np.asarray(session.run(["output_label"], feeds)[0]).item())


def column(value: object, kind: type) -> Rows:
    """Return one value as the runtime takes a column."""
    return np.array([[value]], dtype=kind)


def decided(model: Model, point: Rows) -> int:
    """Return the class whose exact logit is largest."""
    values = exact.forward(model.program, exact_numbers(point.reshape(-1, 1))).fractions()
    return values.index(max(values)) if len(values) > 1 else int(values[0] > 0)


class TestAgainstTheRuntime:
    @pytest.mark.parametrize("name", PIPELINES)
    def test_every_combination_of_categories(self, name: str, tmp_path: Path) -> None:
        path = written(pipeline(name), tmp_path)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        point = np.array([44.0, 12.5], dtype=np.float32)
        for city, size, klass in itertools.product(CITIES, SIZES, CLASSES):
            model = load(path, fix={"city": city, "size": size, "klass": klass})
            assert model.source.confirmation.status == "confirmed"
            assert [port.name for port in model.program.inputs] == ["age", "fare"]
            feeds = {"age": point[None, :1], "fare": point[None, 1:], "city": column(city, object)}
            feeds |= {"size": column(size, object), "klass": column(klass, np.int64)}
            label, rows = session.run(["output_label", "output_probability"], feeds)
            odds = np.log(rows[0][1] / rows[0][0])
            assert decided(model, point) == int(label[0])
            logits = exact.forward(model.program, exact_numbers(point.reshape(-1, 1))).to_float().ravel()
            assert logits[-1] - logits[0] == pytest.approx(2 * odds if logits[0] == -logits[1] else odds, abs=1e-3)

    @pytest.mark.parametrize("name", ["one-hot, logistic", "ordinal with a code for the unknown"])
    def test_an_unknown_category_where_the_encoder_allows_one(self, name: str, tmp_path: Path) -> None:
        path = written(pipeline(name), tmp_path)
        model = load(path, fix={"city": "Paris", "size": "M", "klass": 1})
        assert model.source.confirmation.status == "confirmed"
        known = load(path, fix={"city": "Rome", "size": "M", "klass": 1})
        points = exact_numbers([[30], [5]])
        assert not exact.forward(model.program, points).equals(exact.forward(known.program, points))
        (note,) = (one for one in model.source.notes if "does not know" in one)
        assert "the category 'Paris' (it knows 'Bern', 'Oslo', 'Rome'); its rule for unknown ones gives" in note
        assert not any("does not know" in one for one in known.source.notes)

    @pytest.mark.parametrize(("name", "column", "value", "known"), [
        ("one-hot, logistic", "klass", 7, "1, 2, 3"), ("one-hot, network", "city", "rome", "'Bern', 'Oslo', 'Rome'"),
        ("ordinal, network", "city", "rome", "'Bern', 'Oslo', 'Rome'"), ("ordinal, network", "klass", 0, "1, 2, 3"),
        ("ordinal, network", "size", " M", "'L', 'M', 'S'"), ("ordinal, network", "size", "", "'L', 'M', 'S'"),
    ])  # fmt: skip
    def test_an_unknown_category_where_the_encoder_has_no_rule(
        self, name: str, column: str, value: object, known: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = written(pipeline(name), tmp_path)
        with pytest.raises(InputError, match=rf"expected a category it knows \({known}\), got {value!r}"):
            load(path, fix={**ALL_FIXED, column: value})
        fixes = [word for pair in {**ALL_FIXED, column: value}.items() for word in ("--fix", "{}={}".format(*pair))]
        assert run(["enumerate", str(path), "--box", "0", "1", *fixes]) == 3
        assert "expected a category it knows" in capsys.readouterr().err

    @pytest.mark.parametrize("encoder", ["one-hot", "ordinal"])
    def test_an_unknown_category_in_an_entry_of_numbers(self, encoder: str, tmp_path: Path) -> None:
        path = written(one_input(encoder), tmp_path)
        if encoder == "ordinal":
            with pytest.raises(InputError, match=r"expected a category it knows \(1, 2, 3\), got 9"):
                load(path, fix={"X[2]": 9})
        else:
            assert any("does not know the category 9" in one for one in load(path, fix={"X[2]": 9}).source.notes)

    @pytest.mark.parametrize("encoder", ["one-hot", "ordinal"])
    def test_one_entry_of_a_float_input(self, encoder: str, tmp_path: Path) -> None:
        path = written(one_input(encoder), tmp_path)
        rows, _ = passengers()
        for klass in CLASSES:
            model = load(path, fix={"X[2]": klass})
            assert model.source.confirmation.status == "confirmed"
            assert model.pins == ((2, Fraction(klass)),)
            for row in rows[:8]:
                point = np.array([row[0], row[1], klass], dtype=np.float32)
                assert decided(model, point) == label_of(path, {"X": point[None]})

    def test_one_text_input_of_two_columns(self, tmp_path: Path) -> None:
        path = written(text_beside_numbers(), tmp_path)
        point = np.array([44.0, 12.5], dtype=np.float32)
        for city, size in itertools.product(CITIES, SIZES):
            model = load(path, fix={"S[0]": city, "S[1]": size})
            assert model.fix == (f"S[0]={city}", f"S[1]={size}")
            feeds = {"age": point[None, :1], "fare": point[None, 1:], "S": np.array([[city, size]], dtype=object)}
            assert decided(model, point) == label_of(path, feeds)
        whole = load(path, fix={"S": ["Oslo", "S"]})
        assert whole.fix == ("S[0]=Oslo", "S[1]=S")


class TestCertificates:
    @pytest.mark.parametrize("name", PIPELINES)
    def test_columns_are_certified_and_lowered_again(self, name: str, tmp_path: Path) -> None:
        path = written(pipeline(name), tmp_path)
        model = load(path, fix=ALL_FIXED)
        found = certify(model, {"age": [44], "fare": ["0.1"]}, box=(0, 100), opinion_seconds=0)
        (certificate, _) = found.save(tmp_path / "a.cert.json")
        info = json.loads(Path(certificate).read_text())["info"]
        assert info["fix"] == ["city=Rome", "size=M", "klass=2"]
        report = check(certificate, path)
        assert report.accepted
        assert "fix city=Rome, size=M, klass=2" in report.binding
        assert "lowered again to this very program" in report.binding

    def test_another_category_is_another_program(self, tmp_path: Path) -> None:
        path = written(pipeline("ordinal, network"), tmp_path)
        found = certify(load(path, fix=ALL_FIXED), {"age": [44], "fare": [1]}, box=(0, 100), opinion_seconds=0)
        (certificate, _) = found.save(tmp_path / "a.cert.json")
        report = check(certificate, path, options=ModelOptions(fix={**ALL_FIXED, "city": "Bern"}))
        assert not report.accepted and "another model, other options" in report.reason

    def test_a_fixed_entry_is_an_equation_of_the_domain(self, tmp_path: Path) -> None:
        path = written(one_input("one-hot"), tmp_path)
        model = load(path, fix={"X[0,2]": "2"})
        found = certify(model, [44, 10, 2], box=(0, 100), opinion_seconds=0)
        assert found.domain.domain.dimension == 2
        (certificate, _) = found.save(tmp_path / "a.cert.json")
        assert check(certificate, path).accepted
        with pytest.raises(InputError, match=r"X\[2\] is 3, outside \[2, 2\]"):
            certify(model, [44, 10, 3], box=(0, 100))
        with pytest.raises(InputError, match=r"X\[2\] is fixed to 2, outside the box \[0, 1\]"):
            certify(model, [0, 0, 2], box=(0, 1))
        assert region_at(model, [44, 10, 2]).domain.dimension == 2

    def test_regions_are_enumerated_in_what_is_left(self, tmp_path: Path) -> None:
        path = written(one_input("ordinal"), tmp_path)
        found = enumerate_regions(load(path, fix={"X[2]": 1}), box=(0, 100))
        assert found.complete
        assert found.domain.domain.dimension == 2
        assert all(cell.witness.item(2) == 1 for cell in found.cells)


class TestAuditAndCompare:
    def test_an_audit_feeds_the_fixed_columns(self, tmp_path: Path) -> None:
        path = written(pipeline("one-hot, network"), tmp_path)
        rows, labels = passengers()
        chosen = (rows[:, 2] == "Rome") & (rows[:, 3] == "M") & (rows[:, 4] == 2)
        data = {name: rows[chosen, place : place + 1].astype(np.float32) for place, name in enumerate(("age", "fare"))}
        found = audit(path, data, labels[chosen], fix=ALL_FIXED)
        assert found.count == chosen.sum() > 0
        assert not found.flipped.any()
        assert found.found.units_off.tolist() == [0] * found.count
        assert found.found.bound.max() < 2.0**-10
        assert "input 'city' fixed to 'Rome'" in found.inventory.notes

    def test_an_audit_refuses_rows_with_another_value(self, tmp_path: Path) -> None:
        path = written(one_input("one-hot"), tmp_path)
        data = np.array([[30, 1, 2], [30, 1, 3]], dtype=np.float32)
        assert audit(path, data[:1], fix={"X[2]": 2}).count == 1
        with pytest.raises(InputError, match="row 1 of the data lies outside"):
            audit(path, data, fix={"X[2]": 2})

    def test_an_inventory_of_what_is_left(self, tmp_path: Path) -> None:
        path = written(pipeline("one-hot, logistic"), tmp_path)
        assert inventory(path).status == "refused"
        found = inventory(path, fix=ALL_FIXED)
        assert (found.status, [port.name for port in found.ports]) == ("lowered", ["age", "fare"])
        kinds = {entry.op: entry.kind for entry in found.nodes}
        assert (kinds["OneHotEncoder"], kinds["LinearClassifier"]) == ("constant", "head")

    def test_two_categories_are_compared(self, tmp_path: Path) -> None:
        path = written(pipeline("one-hot, logistic"), tmp_path)
        assert compare(path, path, fix=ALL_FIXED).verdict == "equal"


class TestRefusals:
    def test_encoders_of_variable_columns_are_named_with_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(UnsupportedModelError) as caught:
            load(written(pipeline("one-hot, logistic"), tmp_path), fix={"city": "Rome"})
        assert [str(refusal) for refusal in caught.value.refusals] == [
            f"OneHotEncoder '{name}': encodes categories of a column that stays variable; fix the column: "
            f"fix={{'{column}': VALUE}}"
            for name, column in (("OneHotEncoder1", "size"), ("OneHotEncoder2", "klass"))
        ]

    def test_a_label_encoder_of_a_float_column(self, tmp_path: Path) -> None:
        with pytest.raises(UnsupportedModelError, match=r"LabelEncoder .*fix the column: fix=\{'X\[I\]': VALUE\}"):
            load(written(one_input("ordinal"), tmp_path))

    @pytest.mark.parametrize(
        ("fix", "message"),
        [
            ({"town": "Rome"}, r"no column is named 'town'; there are age \(float32\[\?,1\]\), fare .*klass \(int64"),
            ({"age[0,1]": 1}, r"must lie in shape \[1, 1\]"),
            ({"age[0,0,0]": 1}, "expected 2 places"),
            ({"age[x]": 1}, "no column is named"),
            ({"age": "old"}, r"fixed column 'age': expected a number of type float32"),
            ({"age": "1e40"}, "rounds to infinity in float32"),
            ({"age": float("nan")}, "expected a number of type float32"),
            ({"klass": "2.5"}, "expected a whole number of type int64, got 5/2"),
            ({"klass": 2**63}, "expected a whole number of type int64"),
            ({"city": 3}, "expected text, got 3"),
            ({"age": 1, "age[0]": 2}, "fixed twice"),
            ({**ALL_FIXED, "age": 1, "fare": 2}, "leave at least one variable"),
        ],
    )
    def test_what_cannot_be_fixed(self, fix: dict[str, object], message: str, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=message):
            load(written(pipeline("one-hot, logistic"), tmp_path), fix=fix)

    def test_inputs_of_several_entries_are_fixed_entry_by_entry(self, tmp_path: Path) -> None:
        path = written(text_beside_numbers(), tmp_path)
        with pytest.raises(InputError, match=r"has 2 entries; fix each, as S\[0,0\]=VALUE"):
            load(path, fix={"S": "Rome"})
        with pytest.raises(UnsupportedModelError, match=r"fix=\{'S\[I\]': VALUE\}"):
            load(path, fix={"S[0]": "Rome"})

    def test_entries_with_a_preprocessing(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot be fixed together with mean or std"):
            load(written(one_input("one-hot"), tmp_path), fix={"X[2]": 1}, mean=1)

    @pytest.mark.parametrize("pairs", [["city"], ["=Rome"], ["city=Rome", "city=Oslo"]])
    def test_malformed_pairs(self, pairs: list[str]) -> None:
        with pytest.raises(InputError, match="--fix"):
            parse_fixes(pairs)


class TestCommandLine:
    def fixes(self) -> list[str]:
        return [word for name, value in ALL_FIXED.items() for word in ("--fix", f"{name}={value}")]

    def test_verbs_that_import_take_it(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = str(written(pipeline("one-hot, logistic"), tmp_path))
        certificate = str(tmp_path / "a.cert.json")
        np.save(tmp_path / "age.npy", np.array([[44.0]], np.float32))
        data = ["--data", f"age={tmp_path / 'age.npy'}", "--data", f"fare={tmp_path / 'age.npy'}"]
        given = ["--input", "age=44", "--input", "fare=1", "--box", "0", "100", "--opinion-seconds", "0"]
        assert run(["certify", path, *given, "-o", certificate, *self.fixes()]) == 0
        assert run(["check", certificate, "--model", path]) == 0
        assert run(["check", certificate, "--model", path, *self.fixes()]) == 0
        assert run(["check", certificate, "--model", path, "--fix", "city=Bern", *self.fixes()[2:]]) == 1
        assert run(["show", path, *self.fixes()]) == 0
        assert run(["enumerate", path, "--box", "0", "1", *self.fixes()]) == 0
        assert run(["inventory", path, *self.fixes()]) == 0
        assert run(["compare", path, path, *self.fixes()]) == 0
        assert run(["audit", path, *data, *self.fixes()]) == 0
        assert "fixed to 'Rome'" in capsys.readouterr().out

    def test_rounding_is_said(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = str(written(pipeline("one-hot, logistic"), tmp_path))
        assert run(["show", path, *self.fixes(), "--fix", "age=0.1"]) == 0
        assert "'age' fixed to 0.1, rounded to float32: 13421773/134217728" in capsys.readouterr().out

    def test_an_inventory_lists_what_is_to_be_fixed(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["inventory", str(written(pipeline("one-hot, logistic"), tmp_path))]) == 0
        assert "--fix city=VALUE" in " ".join(capsys.readouterr().out.split())


class TestEncoders:
    """Attributes of the encoders that scikit-learn's exporter does not write."""

    def through(
        self, encoder: onnx.NodeProto, kind: int, tail: list[onnx.NodeProto], shape: tuple[int, ...]
    ) -> onnx.ModelProto:
        nodes = [encoder, *tail, helper.make_node("Mul", ["x", "f"], ["y"], "product")]
        model = build(nodes, {"x": (1, 1)}, ["y"])
        model.graph.input.append(tensor_info("c", shape, kind))
        return model

    @pytest.mark.parametrize(
        ("value", "attributes", "expected"),
        [
            ("b", {"keys_strings": ["a", "b"], "values_floats": [1.5, 2.5]}, Fraction(5, 2)),
            ("z", {"keys_strings": ["a", "b"], "values_floats": [1.5, 2.5], "default_float": 0.5}, Fraction(1, 2)),
            ("z", {"keys_strings": ["a", "b"], "values_floats": [1.5, 2.5]}, None),
            ("z", {"keys_strings": ["a", "b"], "values_floats": [1.5, 2.5], "default_int64": 7}, None),
        ],
    )
    def test_label_encoder(
        self, value: str, attributes: dict[str, Any], expected: Fraction | None, tmp_path: Path
    ) -> None:
        encoder = helper.make_node("LabelEncoder", ["c"], ["f"], "encoder", domain=ML, **attributes)
        path = save(self.through(encoder, TensorProto.STRING, [], (1, 1)), tmp_path)
        if expected is None:
            with pytest.raises(InputError, match=r"expected a category it knows .'a', 'b'., got 'z'"):
                load(path, fix={"c": value})
            return
        model = load(path, fix={"c": value})
        assert model.source.confirmation.status == "confirmed"
        assert exact.forward(model.program, exact_numbers([[1]])).item(0, 0) == expected

    @pytest.mark.parametrize(("default", "expected"), [(0.0, 0), (0.5, Fraction(1, 2))])
    def test_the_default_of_a_tensor_of_floats(self, default: float, expected: Fraction | int, tmp_path: Path) -> None:
        encoder = helper.make_node(
            "LabelEncoder", ["c"], ["f"], "encoder", domain=ML, keys_strings=["a", "b"], values_tensor=_TWO_NUMBERS,
            default_float=default,
        )  # fmt: skip
        model = self.through(encoder, TensorProto.STRING, [], (1, 1))
        model.opset_import[1].version = 4  # the first set whose encoder takes tensors
        path = save(model, tmp_path)
        values = [exact.forward(load(path, fix={"c": c}).program, exact_numbers([[1]])).item(0, 0) for c in "az"]
        assert values == [Fraction(3, 2), expected]

    @pytest.mark.parametrize(("value", "expected"), [("1.75", 1), ("-0.5", 0), ("2.5", None)])
    def test_a_one_hot_encoder_cuts_floats(self, value: str, expected: int | None, tmp_path: Path) -> None:
        """The standard casts floats to whole numbers before it looks them up."""
        encoder = helper.make_node("OneHotEncoder", ["c"], ["h"], "encoder", domain=ML, cats_int64s=[0, 1], zeros=1)
        column = helper.make_node("Reshape", ["h", "flat"], ["f"], "column")
        model = self.through(encoder, TensorProto.FLOAT, [column], (1, 1))
        model.graph.initializer.append(numpy_helper.from_array(np.array([1, 2]), "flat"))
        found = load(save(model, tmp_path), fix={"c": value})
        assert found.source.confirmation.status == "confirmed"
        values = exact.forward(found.program, exact_numbers([[1]])).fractions()
        assert values == [int(place == expected) for place in range(2)]

    def test_a_category_that_occurs_twice_is_refused(self, tmp_path: Path) -> None:
        encoder = helper.make_node("OneHotEncoder", ["c"], ["f"], "encoder", domain=ML, cats_int64s=[1, 1])
        path = save(self.through(encoder, TensorProto.INT64, [], (1, 1)), tmp_path)
        with pytest.raises(UnsupportedModelError, match="distinct categories"):
            load(path, fix={"c": 1})

    def test_category_mapper(self, tmp_path: Path) -> None:
        encoder = helper.make_node(
            "CategoryMapper", ["c"], ["i"], "encoder", domain=ML, cats_strings=["a", "b"], cats_int64s=[5, 7],
            default_int64=-1,
        )
        cast = helper.make_node("Cast", ["i"], ["f"], "cast", to=TensorProto.FLOAT)
        path = save(self.through(encoder, TensorProto.STRING, [cast], (1, 1)), tmp_path)
        values = {text: load(path, fix={"c": text}) for text in ("a", "b", "other")}
        found = {text: exact.forward(m.program, exact_numbers([[1]])).item(0, 0) for text, m in values.items()}
        assert found == {"a": 5, "b": 7, "other": -1}

    def test_a_whole_number_that_the_runtime_rounds(self, tmp_path: Path) -> None:
        cast = helper.make_node("Cast", ["c"], ["f"], "cast", to=TensorProto.FLOAT)
        path = save(self.through(cast, TensorProto.INT64, [], (1, 1)), tmp_path)
        model = load(path, fix={"c": 2**24 + 1})
        assert model.source.confirmation.status == "confirmed"
        assert model.source.confirmation.max_difference > 0
        assert exact.forward(model.program, exact_numbers([[1]])).item(0, 0) == 2**24 + 1

    def test_a_key_that_occurs_twice_is_refused(self, tmp_path: Path) -> None:
        encoder = helper.make_node(
            "LabelEncoder", ["c"], ["f"], "encoder", domain=ML, keys_strings=["a", "a"], values_floats=[1.0, 2.0]
        )
        path = save(self.through(encoder, TensorProto.STRING, [], (1, 1)), tmp_path)
        with pytest.raises(UnsupportedModelError, match="one key occurs twice"):
            load(path, fix={"c": "a"})

    def test_a_truth_value(self, tmp_path: Path) -> None:
        cast = helper.make_node("Cast", ["c"], ["f"], "cast", to=TensorProto.FLOAT)
        path = save(self.through(cast, TensorProto.BOOL, [], (1, 1)), tmp_path)
        model = load(path, fix={"c": "true"})
        assert model.source.confirmation.status == "confirmed"
        assert model.fix == ("c=true",)
        with pytest.raises(InputError, match="expected true or false"):
            load(path, fix={"c": "perhaps"})
