"""The facade's ways to regions: one at a point, or all that contain it."""

from __future__ import annotations

from collections.abc import Callable

from exactbox.boxes import check_inside, everywhere
from exactbox.categories import load_for
from exactbox.certifying import given_domain
from exactbox.columns import entry_names
from exactbox.fixing import pinned
from exactbox.importers.torch_modules import AnyGiven
from exactbox.inputs import read_inputs
from exactbox.loading import Model
from exactbox.polytope import region as regions
from exactbox.polytope.domain import Domain
from exactbox.polytope.program import Program
from exactbox.polytope.rational import Rationals
from exactbox.polytope.region import Region, RegionsAt
from exactbox.polytope.wording import counted
from exactbox.progress import Stages

Given = Model | Program | AnyGiven


def region_at(
    model: Given, x: object, *, domain: Domain | None = None, exact_input: bool = False
) -> Region:
    """Return a full-dimensional region of a model that contains an input; ties are decided symbolically.

    Args:
        model: a loaded model, a program, or a model as ``load`` takes it.
        x: as ``certify`` takes it; rounded to the input's type unless ``exact_input``.
        domain: where regions are meant; by default all of R^d.

    Raises:
        InputError: the input does not fit the model or lies outside the domain.
        BudgetError: no lucky direction was found.
    """
    loaded = _loaded(model, x)
    point, where = _read(loaded, x, domain, exact_input)
    return regions.region_at(_program(loaded), point, where)


def regions_at(
    model: Given,
    x: object,
    *,
    domain: Domain | None = None,
    exact_input: bool = False,
    budget: int = 1024,
    progress: Callable[[int, int], None] | None = None,
) -> RegionsAt:
    """Return every full-dimensional region of a model that contains an input, or those found within a budget.

    Args:
        model: a loaded model, a program, or a model as ``load`` takes it.
        x: as ``certify`` takes it; rounded to the input's type unless ``exact_input``.
        domain: where regions are meant; by default all of R^d.
        budget: the largest number of regions to collect; past it the answer says that it is incomplete.
        progress: called with the number of regions found, and of those whose neighbours were looked for; by default
            both are shown on standard error where it takes long.

    Raises:
        InputError: the input does not fit the model or lies outside the domain.
    """
    loaded = _loaded(model, x)
    point, where = _read(loaded, x, domain, exact_input)
    with Stages(1, None if progress is None else False) as stages:
        stages.begin("regions at the point")

        def shown(found: int, looked: int) -> None:
            stages.describe(f"{counted(found, 'region')} at the point, neighbours of {looked} looked for")

        return regions.regions_at(_program(loaded), point, where, budget, progress or shown)


def _loaded(model: Given, x: object) -> Model | Program:
    return model if isinstance(model, Model | Program) else load_for(model, x, None)


def _program(model: Model | Program) -> Program:
    return model.program if isinstance(model, Model) else model


def _read(model: Model | Program, x: object, domain: Domain | None, exact_input: bool) -> tuple[Rationals, Domain]:
    program = _program(model)
    fixed = model.fixed if isinstance(model, Model) else {}
    read = read_inputs(program, x, exact_input=exact_input, fixed=fixed)
    stated = everywhere(program) if domain is None else given_domain(program, domain)
    names = entry_names(program)
    stated = pinned(stated, model.pins, names) if isinstance(model, Model) else stated
    check_inside(stated, read.point, names, read.given)
    return read.point, stated.domain
