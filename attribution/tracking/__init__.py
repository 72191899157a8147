"""Sightings of faces in single frames → one trail per identity over time. Numbers only: nothing here knows a network."""

from attribution.tracking.guesses import Guess, fill, guesses
from attribution.tracking.looks import look, scene_cuts
from attribution.tracking.trails import Sighting, Trail, hasty, is_glimpse, key_frames, link, overlap, prominence, spread, stitch

__all__ = [
    "Guess",
    "Sighting",
    "Trail",
    "fill",
    "guesses",
    "hasty",
    "is_glimpse",
    "key_frames",
    "link",
    "look",
    "overlap",
    "prominence",
    "scene_cuts",
    "spread",
    "stitch",
]
