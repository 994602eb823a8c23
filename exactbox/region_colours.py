"""Colours that stay the same from run to run: of classes by their place, of regions by a hash of what they are.

The base colours can be told apart by people with any colour vision (M. Okabe, K. Ito, Color universal design, 2008).
"""

from __future__ import annotations

import hashlib
from typing import Literal

from exactbox.polytope.rational import Rationals

Colour = tuple[float, float, float]
"""Red, green and blue between 0 and 1."""
By = Literal["class", "region", "map"]

BASES: tuple[str, ...] = ("#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#0072b2", "#d55e00", "#8a8a8a")
LIGHTEST = 0.62
"""How much white is mixed into a base colour at most."""


def class_colour(place: int) -> Colour:
    """Return the colour of the class at a place among all; after eight classes the colours come again, darker.

    >>> [round(part, 2) for part in class_colour(0)]
    [0.34, 0.71, 0.91]
    """
    base = _channels(BASES[place % len(BASES)])
    depth = 0.72 ** (place // len(BASES))
    return (base[0] * depth, base[1] * depth, base[2] * depth)


def tinted(colour: Colour, share: float) -> Colour:
    """Mix white into a colour: none for 0, much for 1."""
    white = LIGHTEST * share
    return (
        colour[0] + (1 - colour[0]) * white, colour[1] + (1 - colour[1]) * white, colour[2] + (1 - colour[2]) * white
    )  # fmt: skip


def hashed_colour(key: bytes) -> Colour:
    """Return one of many colours by a hash."""
    digest = hashlib.sha256(key).digest()
    return tinted(class_colour(digest[0] % len(BASES)), share_of(key))


def share_of(key: bytes) -> float:
    """Return a number between 0 and 1 by a hash."""
    return hashlib.sha256(b"tint" + key).digest()[0] / 255


def map_key(coef: Rationals, intercept: Rationals) -> bytes:
    """Return the bytes of an affine map: equal for equal maps, whatever their denominators.

    >>> from exactbox.polytope.rational import exact
    >>> map_key(exact([["1/2"]]), exact([0])) == map_key(exact([["2/4"]]), exact([0]))
    True
    """
    parts = [*coef.fractions(), *intercept.fractions()]
    return b";".join(f"{part.numerator:x}/{part.denominator:x}".encode() for part in parts)


def hexadecimal(colour: Colour) -> str:
    """Write a colour for HTML.

    >>> hexadecimal((1, 0.5, 0))
    '#ff8000'
    """
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour)


def _channels(text: str) -> Colour:
    red, green, blue = (int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return (red, green, blue)
