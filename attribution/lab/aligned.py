"""Arrays that tell of the same things, row by row."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

_Aligned = TypeVar("_Aligned", bound="Aligned")


@dataclass(frozen=True)
class Aligned:
    """The base of dataclasses whose fields are all arrays of N rows."""

    def take(self: _Aligned, chosen: np.ndarray) -> _Aligned:
        """The same of the chosen rows (indices, or N booleans)."""
        return type(self)(*(getattr(self, one.name)[chosen] for one in fields(self)))
