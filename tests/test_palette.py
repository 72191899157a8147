"""The palette can be read: contrasts by WCAG 2.2, and family colours apart for every kind of colour vision."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from attribution.evidence import FAMILIES, STATES
from attribution.render.palette import (
    AREA_GROUND,
    AREA_LINE,
    DARK,
    FAMILY_STYLES,
    LIGHT,
    STATE_ICONS,
    Tones,
    contrast,
    family_style,
    heat_colours,
    luminance,
)

# Machado, Oliveira and Fernandes (2009), table 1, severity 1.0: linear RGB as people see it.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}
TEXT_PAIRS = [
    *[(ink, ground) for ink in ("ink", "muted", "accent") for ground in ("page", "surface", "sunken")],
    *[(state, f"{state}_ground") for state in STATES],
    *[(state, "surface") for state in STATES],
    *[("ink", f"{state}_ground") for state in STATES],
    ("on_accent", "accent"),
]
MARK_PAIRS = [("edge", "surface"), ("edge", "page"), ("outline", "surface"), ("outline", "sunken"), ("accent", "sunken")]


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.95047, 1, 1.08883])
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize(
    ("first", "second", "ratio"), [("#000000", "#FFFFFF", 21.0), ("#777777", "#FFFFFF", 4.48), ("#123456", "#123456", 1.0)]
)
def test_contrast_is_that_of_wcag(first: str, second: str, ratio: float) -> None:
    assert contrast(first, second) == pytest.approx(ratio, abs=0.01)
    assert contrast(second, first) == contrast(first, second)


@pytest.mark.parametrize("tones", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT_PAIRS)
def test_text_can_be_read(tones: Tones, ink: str, ground: str) -> None:
    assert contrast(getattr(tones, ink), getattr(tones, ground)) >= 4.5


@pytest.mark.parametrize("tones", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("mark", "ground"), MARK_PAIRS)
def test_marks_and_borders_can_be_seen(tones: Tones, mark: str, ground: str) -> None:
    assert contrast(getattr(tones, mark), getattr(tones, ground)) >= 3


@pytest.mark.parametrize("vision", VISION)
def test_family_colours_differ_in_every_kind_of_vision(vision: str) -> None:
    seen = {family: lab(VISION[vision] @ linear(style.colour)) for family, style in FAMILY_STYLES.items()}
    distances = {(a, b): float(np.linalg.norm(seen[a] - seen[b])) for a, b in itertools.combinations(seen, 2)}
    assert min(distances.values()) >= 15, min(distances, key=distances.__getitem__)


def test_families_differ_in_shape_too() -> None:
    assert set(FAMILY_STYLES) == {*FAMILIES, "unknown"}
    for what in ("name", "colour", "symbol", "shape"):
        assert len({getattr(style, what) for style in FAMILY_STYLES.values()}) == len(FAMILY_STYLES)


def test_states_differ_in_icon_and_colour() -> None:
    assert set(STATE_ICONS) == set(STATES)
    assert len(set(STATE_ICONS.values())) == len(STATES)
    for tones in (LIGHT, DARK):
        assert len({getattr(tones, state) for state in STATES}) == len(STATES)


def test_an_unheard_of_family_is_drawn_as_unknown() -> None:
    assert family_style(None) == family_style("telepathy") == FAMILY_STYLES["unknown"]


def test_heat_grows_lighter_without_a_step_back() -> None:
    colours = heat_colours(np.linspace(0, 1, 101))
    lightness = [luminance("#{:02x}{:02x}{:02x}".format(*(round(float(v)) for v in colour))) for colour in colours]
    assert all(later >= earlier - 1e-3 for earlier, later in itertools.pairwise(lightness))
    assert lightness[-1] > lightness[0] + 0.5


def test_heat_outside_its_range_is_clipped() -> None:
    assert np.array_equal(heat_colours(np.array([[-1.0, 2.0]])), heat_colours(np.array([[0.0, 1.0]])))
    assert heat_colours(np.zeros((3, 4))).shape == (3, 4, 3)


def test_lines_of_marked_areas_stand_out_from_every_skin() -> None:
    greys = [f"#{level:02X}{level:02X}{level:02X}" for level in range(256)]
    skins = ["#2D1B12", "#5C3A21", "#8D5524", "#C68642", "#E0AC69", "#F1C27D", "#FFDBAC", "#FFE14D", "#0D141B"]
    assert min(max(contrast(AREA_LINE, ground), contrast(AREA_GROUND, ground)) for ground in greys + skins) >= 3
    assert contrast(AREA_LINE, AREA_GROUND) >= 4.5, "the number of an area is written with them"
