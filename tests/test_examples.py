"""What the page promises of each example is what the default detector says of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attribution.evidence import TrackEvidence
from attribution.lab.measure.localisation import bounding_box, overlap, true_area
from attribution.pipeline import Pipeline, analyse
from attribution.text.page import EXAMPLES

FOLDER = Path(__file__).resolve().parent.parent / "examples"


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_shows_what_it_promises(name: str, default: Pipeline) -> None:
    promise, evidence = EXAMPLES[name], analyse(FOLDER / name, default)
    assert (evidence.verdict.state, evidence.verdict.family) == (promise.state, promise.family), evidence.verdict
    (face,) = evidence.tracks
    if promise.original:
        assert _marked_where_changed(face, FOLDER / name, FOLDER / promise.original) >= 0.5
    if promise.seconds is not None:
        assert face.worst is not None
        # Not all of it need be sure, but nothing beside it may be called manipulated.
        assert promise.seconds[0] - 0.2 <= face.worst.first_seconds < face.worst.last_seconds <= promise.seconds[1] + 0.2


def test_every_file_of_the_examples_is_described() -> None:
    described = (FOLDER / "README.md").read_text(encoding="utf-8")
    shown = {path.name for path in FOLDER.iterdir()} - {"README.md", "screenshot.png"}
    assert shown == set(EXAMPLES)
    assert [name for name in shown if f"`{name}`" not in described] == []


def _marked_where_changed(face: TrackEvidence, forged: Path, original: Path) -> float:
    """Intersection over union of the surest marked place and the part of the face in which the two pictures differ."""
    left, top, right, bottom = (round(edge) for edge in face.box)
    first, second = (np.array(Image.open(path).convert("RGB"))[top:bottom, left:right] for path in (original, forged))
    changed = bounding_box(true_area(first, second))
    assert changed is not None
    assert face.artifacts
    x0, y0, x1, y1 = face.artifacts[0].box
    return overlap((x0 - left, y0 - top, x1 - left, y1 - top), changed)
