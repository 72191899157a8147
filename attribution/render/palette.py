"""The one palette of Telltale: colours, marker shapes and icons that readers with any kind of colour vision can tell apart.

Families take the hues of Okabe and Ito ("Color Universal Design", 2008), shifted in lightness until each pair differs by CIE76 ΔE ≥ 15
in normal vision and in simulated protanopia, deuteranopia and tritanopia (Machado, Oliveira and Fernandes 2009). Colour is never the only
channel: a family also has a marker shape, a state also has an icon and a word. Light and dark tones reach WCAG 2.2 contrasts (4.5:1 for
text, 3:1 for marks with their outline); the tests compute them.
"""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from attribution.text.page import FAMILIES


@dataclass(frozen=True)
class FamilyStyle:
    """How a family of methods is drawn. `symbol` is plotly's marker name, `shape` the same shape in a 16×16 SVG view box."""

    name: str
    colour: str
    symbol: str
    shape: str


class Tones(SimpleNamespace):
    """The colours of `_TONES` by name, each `#RRGGBB`, for one of the two modes."""


FAMILY_STYLES = {
    family: FamilyStyle(FAMILIES[family], colour, symbol, shape)
    for family, colour, symbol, shape in (
        ("real", "#0072B2", "circle", '<circle cx="8" cy="8" r="5.5"/>'),
        ("face_swap", "#C84B00", "triangle-up", '<path d="M8 2 14.5 13.5H1.5Z"/>'),
        ("reenactment", "#CC79A7", "star", '<path d="m8 1.2 2 4.5 4.9.5-3.7 3.3 1 4.8L8 11.8l-4.2 2.5 1-4.8L1.1 6.2 6 5.7Z"/>'),
        ("gan", "#00A37A", "square", '<path d="M2.7 2.7h10.6v10.6H2.7Z"/>'),
        ("diffusion", "#E8A90C", "diamond", '<path d="m8 1.2 6.8 6.8L8 14.8 1.2 8Z"/>'),
        ("unknown", "#606B76", "cross", '<path d="M6 1.8h4V6h4.2v4H10v4.2H6V10H1.8V6H6Z"/>'),
    )
}

_TONES = {
    "page": ("#F5F6F4", "#0D141B"),
    "surface": ("#FFFFFF", "#151E27"),
    "sunken": ("#EEF1F0", "#1D2833"),
    "ink": ("#15212B", "#E9EEF2"),
    "muted": ("#4E5C68", "#A9B6C2"),
    "line": ("#D5DBDF", "#2C3945"),
    "edge": ("#7C8893", "#72808D"),
    "accent": ("#0B5A66", "#74CBD8"),
    "on_accent": ("#FFFFFF", "#06222A"),
    "manipulated": ("#9C2B0C", "#FFA488"),
    "manipulated_ground": ("#FCEAE3", "#38190F"),
    "no_manipulation_found": ("#0A4C84", "#93C8F6"),
    "no_manipulation_found_ground": ("#E3EEF8", "#10293F"),
    "inconclusive": ("#5E4A00", "#EFD27C"),
    "inconclusive_ground": ("#F8F0D2", "#30290D"),
    "outline": ("#3A4650", "#C5D0DA"),
}
LIGHT, DARK = (Tones(**{name: both[mode] for name, both in _TONES.items()}) for mode in (0, 1))

# Lines over faces: one of the two stands out from every skin and ground, by 3:1 at least.
AREA_LINE, AREA_GROUND = "#FFE14D", "#0D141B"

_LINE = 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"'
STATE_ICONS = {
    "manipulated": f'<path d="M12 2.6 22.4 20.8H1.6Z" {_LINE}/><path d="M12 9v5.4" {_LINE}/>'
    '<circle cx="12" cy="17.4" r="1.3" fill="currentColor"/>',
    "no_manipulation_found": f'<circle cx="12" cy="12" r="9.6" {_LINE}/><path d="M7.6 12h8.8" {_LINE}/>',
    "inconclusive": f'<rect x="2.6" y="2.6" width="18.8" height="18.8" rx="4" {_LINE} stroke-dasharray="3.4 3.6"/>'
    f'<path d="M9.2 9.4a2.9 2.9 0 1 1 4.2 2.6c-1 .5-1.4 1-1.4 2.1" {_LINE}/><circle cx="12" cy="17.1" r="1.3" fill="currentColor"/>',
}
"""Inside a 24×24 SVG view box, drawn in `currentColor`."""

# Anchors of viridis (van der Walt and Smith 2015, CC0), a map of even lightness that also reads in grey.
_HEAT_ANCHORS = np.array(
    [list(bytes.fromhex(one)) for one in ["440154", "472D7B", "3B528B", "2C728E", "21918C", "28AE80", "5EC962", "ADDC30", "FDE725"]],
    dtype=np.float32,
)


def family_style(family: str | None) -> FamilyStyle:
    """The style of a family; None and families that we do not know are drawn as unknown."""
    return FAMILY_STYLES.get(family or "unknown", FAMILY_STYLES["unknown"])


def heat_colours(values: np.ndarray) -> np.ndarray:
    """Colours of heat: any shape of numbers in [0, 1] → the same shape × 3, float32 in 0..255."""
    place = np.clip(values, 0, 1) * (len(_HEAT_ANCHORS) - 1)
    below = np.minimum(place.astype(np.int64), len(_HEAT_ANCHORS) - 2)
    share = (place - below)[..., None].astype(np.float32)
    return _HEAT_ANCHORS[below] * (1 - share) + _HEAT_ANCHORS[below + 1] * share


def luminance(colour: str) -> float:
    """Relative luminance of `#RRGGBB` by WCAG 2.2, in [0, 1]."""
    channels = _rgb(colour) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours `#RRGGBB` by WCAG 2.2, in [1, 21]."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def levels(tones: Tones, count: int) -> tuple[str, ...]:
    """Grounds for the cells of a heat map, `#RRGGBB`, from the surface towards the accent and only so far that ink still reads on them."""
    low, high = _rgb(tones.surface), _rgb(tones.accent)
    furthest = next(share for share in np.arange(0.7, 0, -0.01) if contrast(_hex(low + share * (high - low)), tones.ink) >= 5)
    return tuple(_hex(low + furthest * step / (count - 1) * (high - low)) for step in range(count))


def _rgb(colour: str) -> np.ndarray:
    return np.array(list(bytes.fromhex(colour[1:])), dtype=float)


def _hex(rgb: np.ndarray) -> str:
    return "#" + "".join(f"{round(channel):02X}" for channel in rgb.tolist())
