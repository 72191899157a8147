"""What the section on where leads with."""

from __future__ import annotations

import pytest

from attribution.render.where import where
from attribution.text import areas as text
from samples import heatmap, said

TRUE, FALSE = heatmap(), heatmap(fall_hot=0.7)


@pytest.mark.parametrize(
    ("map_of_it", "areas", "patches", "order", "first"),
    [
        (TRUE, True, True, ("heatmap", "areas", "patches"), ""),
        (TRUE, False, False, ("heatmap",), ""),
        (FALSE, True, True, ("areas", "patches", "heatmap"), text.INSTEAD["areas"]),
        (FALSE, False, True, ("patches", "heatmap"), text.INSTEAD["patches"]),
        (FALSE, False, False, ("heatmap",), ""),
        (None, True, False, ("areas",), ""),
    ],
)
def test_a_heatmap_that_explains_nothing_is_not_shown_first(map_of_it, areas: bool, patches: bool, order, first: str) -> None:
    found = where(map_of_it, areas, patches)
    assert (found.order, found.folded) == (order, map_of_it is FALSE)
    words = said(found.lead)
    assert words == (f"{text.UNFAITHFUL} {first}".strip() if map_of_it is FALSE else "")


def test_nobody_is_sent_to_areas_that_nobody_marked() -> None:
    found = where(FALSE, areas=True, patches=True, marked=False)
    assert found.order == ("patches", "areas", "heatmap")
    assert text.INSTEAD["patches"] in said(found.lead)
    assert said(where(FALSE, areas=True, patches=False, marked=False).lead) == text.UNFAITHFUL
