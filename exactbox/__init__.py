"""exactbox: exact local classifiers of piecewise-linear ONNX models, with certificates that others can check.

The public names are loaded on first use, so that ``import exactbox`` costs nothing but this file.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exactbox.auditing import Audit, audit
    from exactbox.certifying import Certified, certify
    from exactbox.checking import CheckReport, check
    from exactbox.comparing import Comparison, compare
    from exactbox.enumerating import Enumerated, enumerate
    from exactbox.importers.inventory import Inventory
    from exactbox.iterating import iter_regions
    from exactbox.loading import Model, inventory, load
    from exactbox.neighborhood import Neighborhood, neighbors
    from exactbox.polytope.domain import Domain, box, everything
    from exactbox.polytope.domain_rows import domain_from_rows
    from exactbox.polytope.errors import (
        BudgetError,
        ExactboxError,
        InputError,
        InternalError,
        Refusal,
        UnsupportedModelError,
    )
    from exactbox.polytope.region import Region, RegionsAt
    from exactbox.regions import region_at, regions_at

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "BudgetError",
    "Certified",
    "CheckReport",
    "Comparison",
    "Domain",
    "Enumerated",
    "ExactboxError",
    "InputError",
    "InternalError",
    "Inventory",
    "Model",
    "Neighborhood",
    "Refusal",
    "Region",
    "RegionsAt",
    "UnsupportedModelError",
    "__version__",
    "audit",
    "box",
    "certify",
    "check",
    "compare",
    "domain_from_rows",
    "enumerate",
    "everything",
    "inventory",
    "iter_regions",
    "load",
    "neighbors",
    "region_at",
    "regions_at",
]

# A checkout without links (Windows) or an unpacked sdist keeps the three houses beside this folder, not inside it.
_here = Path(__file__).resolve().parent
if not (_here / "polytope").is_dir() and (_here.parent / "polytope" / "__init__.py").is_file():
    __path__.append(str(_here.parent))

_HOME = {
    "Audit": "exactbox.auditing",
    "BudgetError": "exactbox.polytope.errors",
    "Certified": "exactbox.certifying",
    "CheckReport": "exactbox.checking",
    "Comparison": "exactbox.comparing",
    "Domain": "exactbox.polytope.domain",
    "Enumerated": "exactbox.enumerating",
    "ExactboxError": "exactbox.polytope.errors",
    "InputError": "exactbox.polytope.errors",
    "InternalError": "exactbox.polytope.errors",
    "Inventory": "exactbox.importers.inventory",
    "Model": "exactbox.loading",
    "Neighborhood": "exactbox.neighborhood",
    "Refusal": "exactbox.polytope.errors",
    "Region": "exactbox.polytope.region",
    "RegionsAt": "exactbox.polytope.region",
    "UnsupportedModelError": "exactbox.polytope.errors",
    "audit": "exactbox.auditing",
    "box": "exactbox.polytope.domain",
    "certify": "exactbox.certifying",
    "check": "exactbox.checking",
    "compare": "exactbox.comparing",
    "domain_from_rows": "exactbox.polytope.domain_rows",
    "enumerate": "exactbox.enumerating",
    "everything": "exactbox.polytope.domain",
    "inventory": "exactbox.loading",
    "iter_regions": "exactbox.iterating",
    "load": "exactbox.loading",
    "neighbors": "exactbox.neighborhood",
    "region_at": "exactbox.regions",
    "regions_at": "exactbox.regions",
}


def __getattr__(name: str) -> object:
    """Load a public name from the module that defines it.

    Raises:
        AttributeError: the name is not public.
    """
    if name not in _HOME:
        raise AttributeError(f"module 'exactbox' has no attribute {name!r}; public names: {', '.join(__all__)}")
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not, beside the module's own attributes."""
    return sorted({*globals(), *__all__})
