"""Evidence for the tests of views and page: real objects with real pixels, made from noise."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np

from attribution import evidence as ev
from attribution.detectors.card import MeasuredTable
from attribution.evidence.types import Neighbour

LABELS = ("real", "landmark_swap", "dfdc_swap", "stylegan2", "flux1")
FAMILIES = ("real", "face_swap", "face_swap", "gan", "diffusion")
NAMES = ("No manipulation", "Landmark face swap", "DFDC face swap", "StyleGAN2", "FLUX.1")
DETECTOR = ev.DetectorInfo("test-net", "ab" * 32, LABELS, FAMILIES, NAMES, "CC0-1.0", ("It misses 9 of 10.", "It was never trained."))
OUR_PAGES = ("./", "./limits", "./why")
HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>&amp;'
MANIPULATED = ev.Verdict("manipulated", "landmark_swap", "face_swap", 0.93, ("The traces are those of a warped face.",))
NONE_FOUND = ev.Verdict("no_manipulation_found", None, "real", 0.9, ("Nothing that it knows was found.",))
INCONCLUSIVE = ev.Verdict("inconclusive", None, None, None, ("The face is only 41 px wide.",))
P = {"real": 0.05, "landmark_swap": 0.8, "dfdc_swap": 0.1, "stylegan2": 0.03, "flux1": 0.02}


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def face(index: int = 0, seconds: float = 0.0, x: float = 40.0, side_px: float = 80.0) -> ev.Face:
    box = (x, 30.0, x + side_px, 30.0 + side_px)
    return ev.Face(index, seconds, box, np.full((5, 2), x), 0.99, box, noise(32, 32, index), 250.0 + index, 120.0)


def track(number: int = 0, verdict: ev.Verdict = MANIPULATED, faces: int = 1, **changes: Any) -> ev.TrackEvidence:
    members = tuple(face(i, 0.25 * i, 40.0 + 100 * number) for i in range(faces))
    rows = np.tile(np.array(list(P.values()), dtype=np.float32), (faces, 1))
    near = ev.Placement(1.0, 2.0, tuple(Neighbour(i, LABELS[1 + i % 2], f"source_{i}", 0.1 * i) for i in range(3)), 0.4)
    families = {"real": 0.05, "face_swap": 0.9, "gan": 0.03, "diffusion": 0.02}
    embeddings = np.eye(faces, 8, dtype=np.float32) + (np.arange(faces)[:, None] >= 8) * np.eye(8)[0]
    pixels: dict[str, Any] = {"track": ev.Track(number, members), "predictions": ev.Predictions(np.log(rows), rows, embeddings)}
    where = (number, faces, 0.0, members[-1].seconds, members[0].box)
    return replace(ev.TrackEvidence(*where, verdict, P, families, 0.95, (), None, near, 80.0, 250.0, 120.0, **pixels), **changes)


def picture(*verdicts: ev.Verdict, name: str = "photo.jpg", verdict: ev.Verdict | None = None, **changes: Any) -> ev.Evidence:
    """A picture of 400×200 px with one face for each verdict; the first one is the file's unless `verdict` is given."""
    media = ev.Media(name, "0123456789abcdef" * 4, 61_306, "picture", 400, 200, None, 1, 1, "JPEG")
    values: dict[str, Any] = {
        "media": media,
        "detector": DETECTOR,
        "tracks": tuple(track(number, one) for number, one in enumerate(verdicts)),
        "verdict": verdict or (verdicts[0] if verdicts else ev.Verdict("inconclusive", None, None, None, ("No face was found.",))),
        "faces_found": len(verdicts),
        "settings": {"device": "cpu", "crop": {"scale": 0.86}, "thresholds": {"p_manipulated_above": 0.8}},
        "versions": {"telltale": "0.1.0", "torch": "2.9"},
        "created_utc": "2026-01-02T03:04:05+00:00",
    }
    return ev.Evidence(**{**values, **changes})


def clip(container: str = "mp4 (h264)", faces: int = 32) -> ev.Evidence:
    """A clip of 8 s with two faces, the first one manipulated in seconds 3 to 5."""
    first = tuple(ev.Moment(0.25 * i, 0.95 if 3 <= 0.25 * i <= 5 else 0.05) for i in range(faces))
    second = tuple(ev.Moment(0.25 * i, 0.1) for i in range(faces))
    return picture(
        MANIPULATED,
        media=ev.Media("clip.mp4", "fedcba9876543210" * 4, 1_200_000, "clip", 400, 200, 8.0, faces, 64, container, ("32 of 64 frames.",)),
        tracks=(
            track(0, MANIPULATED, faces, timeline=first, worst=ev.Interval(3.0, 5.0, 0.95, 9), shown_seconds=4.0),
            track(1, NONE_FOUND, faces, timeline=second, p_manipulated=0.1),
        ),
        faces_found=2,
    )


def heatmap(label: str = "landmark_swap", fall_hot: float = 3.7, falls_random: tuple[float, ...] = (0.6, 0.7, 0.8)) -> ev.Heatmap:
    """By default the odds fall 40-fold where it is hot, and 2-fold elsewhere."""
    values = np.zeros((32, 32), dtype=np.float32)
    values[8:16, 8:16] = 1
    return ev.Heatmap(label, values, 0.8, 0.41, 0.06, 1.4, fall_hot, falls_random)


SPECIALIST = ev.DetectorInfo(
    *("telltale-dna-det", "cd" * 32, ("real", "stylegan2", "sdxl"), ("real", "gan", "diffusion"), ("No manipulation", "StyleGAN2", "SDXL")),
    *("CC0-1.0", ("It knows wholly generated faces alone.",)),
    scope="generated",
)
GENERATED = ev.Verdict("manipulated", "stylegan2", "gan", 0.97)
REFUSED = "telltale-dna-det attributes wholly generated faces; this one was called a face swap, so it was not asked."


def opinion(verdict: ev.Verdict = GENERATED, agreement: str = "same method", **changes: Any) -> ev.Opinion:
    """What a second detector says of a face."""
    near = ev.Placement(0.5, 0.5, (Neighbour(0, "stylegan2", "tpdne", 0.1), Neighbour(1, "sdxl", "made", 0.2)), 0.3)
    shares = {"real": 0.02, "stylegan2": 0.9, "sdxl": 0.08}, {"real": 0.02, "gan": 0.9, "diffusion": 0.08}
    return replace(ev.Opinion(SPECIALIST, "", verdict, *shares, 0.98, near, agreement, "style-based GAN"), **changes)


SWAPS = ev.DetectorInfo(
    *("telltale-swap", "ef" * 32, ("real", "swapped"), ("real", "face_swap"), ("No manipulation", "Face swap or pasted part")),
    *("CC0-1.0", ("It knows swapped and pasted parts alone.",)),
    scope="face_swap",
)
SWAPPED = ev.Verdict("manipulated", "swapped", "face_swap", 0.88)
REFUSED_SWAP = "telltale-swap looks for face swaps and pasted parts; this face was called a GAN, so it was not asked."


def swap_opinion(verdict: ev.Verdict = SWAPPED, agreement: str = "same family", **changes: Any) -> ev.Opinion:
    """What a second detector that knows swaps alone says of a face."""
    p = 0.12 if verdict.state == "manipulated" else 0.9
    shares: dict[str, Any] = {"p_methods": {"real": p, "swapped": 1 - p}, "p_families": {"real": p, "face_swap": 1 - p}}
    values: dict[str, Any] = {"detector": SWAPS, "p_manipulated": 1 - p, "placement": None, "architecture": None, **shares}
    return opinion(verdict, agreement, **{**values, **changes})


def disputed(first: float = 0.95, found: bool = True, number: int = 0) -> ev.TrackEvidence:
    """A face without a verdict, because one detector `found` a swap in it and the other did not; `first` is the p_manipulated of the
    first one."""
    names = f"The detectors disagree: {DETECTOR.name} and {SWAPS.name}."
    verdict = ev.Verdict("inconclusive", None, None, None, (names, "It looks like a face swap."))
    second = swap_opinion(NONE_FOUND if found else SWAPPED, "differs", overturns=names)
    return track(number, verdict, opinions=(second,), p_manipulated=first, own_verdict=MANIPULATED if found else NONE_FOUND)


def answered_together(*asked: ev.Opinion, number: int = 0) -> ev.TrackEvidence:
    """A face on which two detectors give a common answer: the first one alone finds the swap too, the other one does not."""
    families = {"real": 0.4, "face_swap": 0.5, "gan": 0.06, "diffusion": 0.04}
    shares: dict[str, Any] = {"p_methods": {**P, "real": 0.4, "landmark_swap": 0.45}, "p_families": families, "p_manipulated": 0.6}
    own = opinion(MANIPULATED, "same method", detector=DETECTOR, combined=True, architecture=None, **shares)
    swaps = replace(SWAPS, speaks_on=("face_swap", "reenactment"))
    other = swap_opinion(NONE_FOUND, "differs", detector=swaps, combined=True)
    return track(number, opinions=(*asked, own, other))


COMMIT = "0123456789abcdef0123456789abcdef01234567"
FOREIGN = ev.DetectorInfo(
    *("acme/eye", "cd" * 32, ("real", "fake"), ("real", "unknown"), ("Real", "Fake"), "mit"),
    *(("Telltale has never measured this detector.",), f"hf:acme/eye@{COMMIT}", False),
)
FOUND = ev.Verdict("manipulated", "unknown", None, 0.93, ("Telltale has not measured acme/eye.",))
NOTHING = ev.Verdict("no_manipulation_found", None, "real", 0.96, ("Telltale has not measured acme/eye.",))
WHOLE = (0.0, 0.0, 400.0, 200.0)


def whole(verdict: ev.Verdict = FOUND, crop_box: tuple[float, float, float, float] = WHOLE, **changes: Any) -> ev.TrackEvidence:
    """What the detector of somebody else says of a whole picture of 400×200 px, of which it saw `crop_box`."""
    values: dict[str, Any] = {
        "box": WHOLE,
        "p_methods": {"real": 0.07, "fake": 0.93},
        "p_families": {"real": 0.07, "unknown": 0.93},
        "p_manipulated": 0.93,
        "placement": None,
        "view": "picture",
        "track": ev.Track(0, (ev.Face(0, 0.0, WHOLE, None, None, crop_box, noise(32, 32), 200.0, 90.0),)),
    }
    return track(0, verdict, **{**values, **changes})


def judged(one: ev.TrackEvidence, **changes: Any) -> ev.Evidence:
    """A picture that the detector of somebody else judged."""
    settings = {"device": "cpu", "adapter": "timm"}
    return picture(one.verdict, detector=FOREIGN, tracks=(one,), faces_found=0, settings=settings, **changes)


def foreign_opinion(verdict: ev.Verdict = FOUND, agreement: str = "same answer", **changes: Any) -> ev.Opinion:
    """What the detector of somebody else says beside ours."""
    p = 0.93 if verdict.state != "no_manipulation_found" else 0.04
    shares: dict[str, Any] = {"p_methods": {"real": 1 - p, "fake": p}, "p_families": {"real": 1 - p, "unknown": p}, "p_manipulated": p}
    return opinion(verdict, agreement, **{"detector": FOREIGN, **shares, "placement": None, "architecture": None, **changes})


def artifact(
    x0: float, y0: float, x1: float, y1: float, confidence: float = 0.9, detector: str = SWAPS.name, seconds: float = 0.0
) -> ev.Artifact:
    """A marked area in the square of `face()`: its corners as shares of that square."""
    left, top, side = 40.0, 30.0, 80.0
    return ev.Artifact((left + x0 * side, top + y0 * side, left + x1 * side, top + y1 * side), confidence, detector, seconds)


def grid(*rows: str, side_px: float = 20.0, left: float = 0.0, top: float = 0.0, overlap: float = 0.0) -> ev.Patches:
    """Patches drawn by letters: `.` untouched, `s` StyleGAN2, `x` SDXL, a space for none."""
    p = {".": (0.8, 0.15, 0.05), "s": (0.1, 0.8, 0.1), "x": (0.2, 0.2, 0.6)}
    step = side_px - overlap
    places = [(row, column, letter) for row, line in enumerate(rows) for column, letter in enumerate(line) if letter != " "]
    boxes = tuple((left + c * step, top + r * step, left + c * step + side_px, top + r * step + side_px) for r, c, _ in places)
    return ev.Patches(SPECIALIST.labels, boxes, tuple(p[letter] for *_, letter in places))


class Markup(HTMLParser):
    """Reads HTML and keeps what tests ask for; `problem` is the first tag that does not match, or empty."""

    VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words = ""
        self.problem = ""
        self._open: list[str] = []
        self.feed(str(markup))
        self.close()
        if self._open and not self.problem:
            self.problem = f"<{self._open[-1]}> is never closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.problem = self.problem or f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.words += data

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def of_class(self, name: str) -> list[dict[str, str]]:
        return [attributes for _, attributes in self.tags if name in attributes.get("class", "").split()]


def is_inert(markup: str) -> bool:
    """Whether it holds no script, no event attribute, and nothing that a browser would fetch from elsewhere."""
    page = Markup(markup)
    for tag, attributes in page.tags:
        if tag in ("script", "iframe", "object", "embed", "form", "link") or any(name.startswith("on") for name in attributes):
            return False
        for name in ("src", "href", "action", "poster"):
            address = attributes.get(name, "")
            if address.partition("?lang=")[0] in OUR_PAGES:
                continue
            if address and not address.startswith(("data:image/", "data:text/html;", "data:application/json;", "#", "gradio_api/file=")):
                return False
    return True


def plain(markup: str) -> str:
    """The words of some HTML, with plain spaces."""
    return re.sub(r"\s+", " ", Markup(markup).words.replace("\xa0", " "))


def said(markup: str) -> str:
    """The words of some HTML that holds together and does nothing."""
    assert Markup(markup).problem == ""
    assert is_inert(markup)
    return plain(markup)


def section(markup: str, key: str) -> str:
    """The HTML of one section of a page of measurements: what comes first, or a question with all that opens."""
    found = re.search(
        rf'<(section|details) class="tt-[^"]*" id="tt-m-{key}">.*?(</section>|(?=<details class="tt-q"|<section|$))', markup, re.DOTALL
    )
    assert found, f"no section {key}"
    return found.group()


def misfits(one: MeasuredTable, most: float = 1e9) -> list[MeasuredTable]:
    """The table empty; and with every column in turn missing, or holding nothing, the wrong kind or an impossible number."""
    found = [MeasuredTable(one.title, one.columns, ())]
    for place in range(len(one.columns)):
        columns = one.columns[:place] + one.columns[place + 1 :]
        found.append(MeasuredTable(one.title, columns, tuple(row[:place] + row[place + 1 :] for row in one.rows)))
        for filled in (None, "words", -3, most):
            found.append(MeasuredTable(one.title, one.columns, tuple((*row[:place], filled, *row[place + 1 :]) for row in one.rows)))
    return found
