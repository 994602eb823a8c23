"""Writes a region's certificate and its program file, and reads certificates back; FORMAT.md says what is in them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np

from exactbox.polytope.canonical import hex_text, hex_texts, parse_rationals, program_hash, program_pieces
from exactbox.polytope.decision import Decision
from exactbox.polytope.distance import Distance
from exactbox.polytope.domain import Domain
from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import Rationals, from_fractions
from exactbox.polytope.region import Region
from exactbox.polytope.rows import Rows, integer_rows
from exactbox.polytope.verdicts import Dropped, Free, Kept, Minimal, Same, Verdict
from exactbox.verify import check, check_region
from exactbox.verify.limits import CERTIFICATE, PROGRAM, refuse_large_vectors, within

Of = Literal["region", "decision"]
Info = Mapping[str, str | Sequence[str]]

CERTIFICATE_FORMAT = check.FORMAT


@dataclass(frozen=True, eq=False)
class Claims:
    """What a certificate is to state beside the region and its affine map.

    Args:
        decision: what is decided at the region's point.
        minimal: a verdict on every row of the region, or of the region's rows followed by the decision's.
        minimal_of: which of the two.
        distances: each to the boundary of the region, or of the region where the decision holds; ``binding`` and
            ``multipliers`` count the region's rows, then the decision's.
        outputs: whose rows of the affine map are stated, rising; None for all.
    """

    decision: Decision | None = None
    minimal: Minimal | None = None
    minimal_of: Of = "region"
    distances: Sequence[tuple[Of, Distance]] = ()
    outputs: Sequence[int] | None = None

    def __post_init__(self) -> None:
        decided = [self.minimal_of if self.minimal else "region", *(to for to, _ in self.distances)]
        if self.decision is None and "decision" in decided:
            raise InputError("certificate: facets or distances of a decision need the decision")


@dataclass(frozen=True, eq=False)
class Certificate:
    """A certificate file as it was read, not checked.

    Args:
        program_sha256: the hash of the program that it speaks of.
        program_file: the program file's name, beside the certificate.
        info: what it says beside the statement; nothing there is proved.
        statement: the statement's fields, as FORMAT.md lists them.
        evidence: the evidence's fields.
    """

    program_sha256: str
    program_file: str
    info: Info
    statement: Mapping[str, Any]
    evidence: Mapping[str, Any]

    @property
    def point(self) -> Rationals:
        """The point x0, shape (d,)."""
        return parse_rationals(self.statement["point"])

    @property
    def coef(self) -> Rationals:
        """The stated rows of W, shape (k, d)."""
        rows = self.statement["coef"]
        return parse_rationals([text for row in rows for text in row], (len(rows), len(self.statement["point"])))

    @property
    def intercept(self) -> Rationals:
        """The stated entries of c, shape (k,)."""
        return parse_rationals(self.statement["intercept"])


def certificate_text(region: Region, claims: Claims | None = None, info: Info | None = None) -> str:
    """Return the text of a region's certificate.

    Args:
        info: strings and lists of strings to keep with it, such as the model file's name and hash.

    Raises:
        BudgetError: a number has more digits than the format allows.
    """
    claims = claims or Claims()
    sha256 = program_hash(region.program)
    facets, facet_evidence = _facets(claims)
    outputs = range(region.program.output_size) if claims.outputs is None else claims.outputs
    coef, intercept = region.affine if claims.outputs is None else region.maps(outputs)
    content = {
        "format": CERTIFICATE_FORMAT,
        "kind": "region",
        "program": {"sha256": sha256, "file": program_file(sha256)},
        "info": info_fields(info),
        "statement": {
            "domain": domain_statement(region.domain),
            "given": given_statement(region.domain),
            "point": hex_texts(region.point),
            "pattern": [part.tolist() for part in region.pattern.winners],
            "outputs": list(outputs),
            "coef": _rows(coef),
            "intercept": hex_texts(intercept),
            "decision": _decision(claims.decision),
            "facets": facets,
            "distances": [_distance(to, found) for to, found in claims.distances],
        },
        "evidence": {
            "witness": hex_texts(region.witness),
            "given": given_evidence(region.domain),
            "facets": facet_evidence,
            "distances": [_multipliers(region, claims, to, found) for to, found in claims.distances],
        },
    }
    return json.dumps(content, separators=(",", ":")) + "\n"


def info_fields(info: Info | None) -> dict[str, str | list[str]]:
    """Return what a certificate keeps beside its statement as JSON has it."""
    return {key: text if isinstance(text, str) else list(text) for key, text in (info or {}).items()}


def program_file(sha256: str) -> str:
    """Return the name of the program file that all certificates about one program share.

    >>> program_file("0123456789abcdef" * 4)
    '0123456789abcdef.program.json'
    """
    return f"{sha256[:16]}.program.json"


def write_certificate(
    path: str | os.PathLike[str], region: Region, claims: Claims | None = None, info: Info | None = None
) -> Path:
    """Write a certificate and, beside it, its program file; both or neither.

    Returns:
        the program file's path.

    Raises:
        InputError: a file cannot be written.
        BudgetError: a number has more digits than the format allows, or a file is larger than the checker reads.
    """
    target = Path(path)
    beside = target.parent / program_file(program_hash(region.program))
    certificate = certificate_text(region, claims, info)
    refuse_large_vectors(region.program)
    pieces = within((piece.encode("ascii") for piece in program_pieces(region.program)), PROGRAM)
    write_all({beside: pieces, target: within([certificate.encode("ascii")], CERTIFICATE)})
    return beside


def read_certificate(path: str | os.PathLike[str]) -> Certificate:
    """Read a certificate strictly, without checking what it states.

    Raises:
        InputError: the file cannot be read, or is no certificate of a region.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(check.MAX_BYTES + 1)
        top = check.fields(check.read_json(data, "certificate"), "certificate", *check.CERTIFICATE)
        version, kind, program, info, statement, evidence = top
        sha256, name = check.fields(program, "program", "sha256", "file")
        check.fields(statement, "statement", *check_region.STATEMENT)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except check.Rejected as error:
        raise InputError(f"{path}: malformed: {error}") from None
    if (version, kind) != (CERTIFICATE_FORMAT, "region"):
        raise InputError(f"{path}: expected a certificate of a region, got {kind!r} in the format {version!r}")
    return Certificate(str(sha256), str(name), info, statement, evidence)


def domain_statement(domain: Domain) -> dict[str, Any]:
    """Return the domain as a statement has it."""
    general = [i for i, pivot in enumerate(domain.pivots) if not domain.fixed[pivot]]
    return {
        "lower": [None if bound is None else hex_text(bound) for bound in domain.lower],
        "upper": [None if bound is None else hex_text(bound) for bound in domain.upper],
        "rows": _rows(_augmented(domain.rows)),
        "equations": _rows(domain.equalities[general]),
    }


def given_statement(domain: Domain) -> dict[str, Any] | None:
    """Return the domain as it was given, where that is another description."""
    given = domain.given
    if given is None:
        return None
    return {
        "lower": [None if bound is None else hex_text(bound) for bound in given.lower],
        "upper": [None if bound is None else hex_text(bound) for bound in given.upper],
        "rows": _rows(_augmented(given.rows)),
        "equations": _rows(given.equations),
    }


def given_evidence(domain: Domain) -> list[list[Any]] | None:
    """Return the rows that hold with equality and their multipliers, where the domain was given otherwise."""
    if domain.given is None:
        return None
    names = {"domain": "row", "lower": "lower", "upper": "upper"}
    return [[names[source.kind], source.index, hex_text(weight)] for source, weight in domain.given.implicit]


def _augmented(rows: Rows) -> Rationals:
    """Return each row followed by its right-hand side."""
    return Rationals(np.concatenate([rows.matrix, rows.rhs[:, None]], axis=1))


def _rows(matrix: Rationals) -> list[list[str]]:
    return [hex_texts(matrix[i]) for i in range(len(matrix))]


def _decision(decision: Decision | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    chosen = int(bool(decision.positive)) if decision.rule == "sign" else decision.chosen
    return {"rule": decision.rule, "outputs": list(decision.outputs), "chosen": chosen}


def _facets(claims: Claims) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return what is stated of the facets, and the evidence."""
    minimal = claims.minimal
    if minimal is None:
        return None, None
    stated = {"of": claims.minimal_of, "rows": list(minimal.facets), "open": list(minimal.undecided)}
    sizes = RowSizes(minimal)
    verdicts = [_verdict(position, verdict, sizes) for position, verdict in enumerate(minimal.verdicts)]
    return stated, {"centre": hex_texts(minimal.centre), "verdicts": verdicts}


def _verdict(position: int, verdict: Verdict, sizes: RowSizes) -> list[Any]:
    match verdict:
        case Free():
            return ["free"]
        case Same(as_row):
            return ["same", as_row]
        case Kept(step):
            return ["kept", *_columns(step)]
        case Dropped(multipliers):
            own = sizes.of(position)
            return ["dropped", *_columns({other: y * sizes.of(other) / own for other, y in multipliers.items()})]
        case _:
            return ["open"]


def _columns(values: Mapping[int, Fraction]) -> tuple[list[int], list[str]]:
    """Split a mapping into its keys in order and their nonzero values."""
    keys = sorted(key for key, value in values.items() if value)
    return keys, [hex_text(values[key]) for key in keys]


@dataclass(frozen=True, eq=False)
class RowSizes:
    """How many times the primitive reduced row of the format each row of a minimal representation is."""

    minimal: Minimal

    def of(self, position: int) -> Fraction:
        """Return the factor of one candidate."""
        domain, given = self.minimal.domain, self.minimal.given
        source = self.minimal.sources[position]
        if position < len(given):
            return Fraction(1)
        pivots = set(domain.pivots)
        if source.kind in ("lower", "upper") and source.index not in pivots:
            bound = (domain.lower if source.kind == "lower" else domain.upper)[source.index]
            return Fraction(1, (bound or Fraction(0)).denominator)
        return self._reduced(position - len(given))

    def _reduced(self, position: int) -> Fraction:
        domain = self.minimal.domain
        if position < len(domain.rows):
            row, rhs = domain.rows.matrix[[position]], Fraction(domain.rows.rhs[position])
        else:
            source = domain.bound_sources[position - len(domain.rows)]
            sign = -1 if source.kind == "lower" else 1
            row = np.zeros((1, domain.size), dtype=object)
            row[0, source.index] = sign
            rhs = sign * ((domain.lower if sign < 0 else domain.upper)[source.index] or Fraction(0))
        matrix, constant = domain.reduce(Rationals(row), from_fractions([-rhs]))
        primitive = integer_rows(matrix, -constant, (self.minimal.sources[position + len(self.minimal.given)],))
        columns = np.flatnonzero(primitive.matrix[0])
        if not len(columns):
            return Fraction(1)
        i = int(columns[0])
        return matrix.item(0, i) / int(primitive.matrix[0, i])


def _distance(to: Of, found: Distance) -> dict[str, Any]:
    return {
        "to": to,
        "norm": found.norm,
        "value": None if found.value is None else hex_text(found.value),
        "row": found.binding,
        "nearest": None if found.nearest is None else hex_texts(found.nearest),
    }


def _multipliers(region: Region, claims: Claims, to: Of, found: Distance) -> list[str] | None:
    if found.norm == "linf" or not found.value:
        return None
    count = len(region.rows) + (_rivals(claims.decision) if to == "decision" else 0)
    return [hex_text(found.multipliers.get(row, Fraction(0))) for row in range(count)]


def _rivals(decision: Decision | None) -> int:
    """Return the number of rows of a decision."""
    if decision is None:
        return 0
    return 1 if decision.rule == "sign" else len(decision.outputs) - 1


def write_all(files: Mapping[Path, Iterable[bytes]]) -> None:
    """Write each file, given in pieces, whole, or none of them: temporary files first, then renames.

    Raises:
        InputError: a file cannot be written.
    """
    renamed: list[Path] = []
    with contextlib.ExitStack() as cleanup:
        try:
            ready = {path: cleanup.enter_context(_temporary(path, pieces)) for path, pieces in files.items()}
            for path, temporary in ready.items():
                fresh = not path.exists()
                os.replace(temporary, path)
                renamed += [path] * fresh
        except OSError as error:
            _remove(renamed)
            raise InputError(f"{error.filename2 or error.filename}: cannot be written: {error.strerror}") from None


@contextlib.contextmanager
def _temporary(path: Path, pieces: Iterable[bytes]) -> Generator[Path, None, None]:
    """Keep the pieces in a file beside ``path`` for as long as the context lasts, unless it is renamed."""
    name = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with open(name, "xb") as file:
            file.writelines(pieces)
        yield name
    finally:
        _remove([name])


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
