"""One face track → its verdict and everything that is said of it: also where in time its p_manipulated stays high."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from attribution.detectors.card import NEVER_ABOVE, NEVER_BELOW, Thresholds
from attribution.evidence import DetectorInfo, Face, Interval, Moment, Placement, Predictions, Track, TrackEvidence, Verdict
from attribution.evidence.checks import UNKNOWN_FAMILY, UNKNOWN_METHOD
from attribution.evidence.pixels import LEAST_P_FACE, LONGEST_UNSEEN_SECONDS
from attribution.text.reasons import reason

# A hole this many times as long as the usual step between two faces was not looked into: no stretch reaches across it.
_GAP_STEPS = 3
# Views that lie close together look alike: one blur or blink fills many of them. What only a closer look shows has to last for this long.
_LEAST_CLOSE_SECONDS = 1.0
# A face of the fewest pixels stored is itself somewhat soft, which must not count twice. With 48 px of detail for 64 stored none of 2,438
# faces of `val` and `test` is left out, and of 254 untouched ones of `test` that were enlarged 94 % from 24 px, 76 % from 32, 50 % from 40,
# 15 % from 48 and 2 % from 64.
_DETAIL_OF_STORED = 0.75


@dataclass(frozen=True)
class Stretch:
    """Faces `first` to `last` (both included) and the median of their values."""

    first: int
    last: int
    median: float

    @property
    def faces(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class _Case:
    """The `examined` of a track's `faces`, those that are good enough, in order of time, and the rules for them."""

    faces: int
    thresholds: Thresholds
    info: DetectorInfo
    clip: bool
    seconds: np.ndarray
    p_methods: np.ndarray
    p_manipulated: np.ndarray
    logits: np.ndarray
    placements: tuple[Placement, ...]
    """Empty where the detector brings no reference faces."""
    unseen_seconds: float
    """The longest time in which the face may have been in sight and none of these was taken."""
    step_seconds: float | None

    @property
    def examined(self) -> int:
        return len(self.seconds)


def negative_free_energy(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """T·logsumexp(logits / T), N×K → N: high for faces like those of training, low for others (Liu et al. 2020, Energy-based
    Out-of-distribution Detection, arXiv 2010.03759, eq. 4, with the sign turned)."""
    scaled = logits.astype(np.float64) / temperature
    highest = scaled.max(axis=1)
    return temperature * (highest + np.log(np.exp(scaled - highest[:, None]).sum(axis=1)))


def judge_track(
    track: Track, predictions: Predictions, placements: Sequence[Placement] | None, thresholds: Thresholds, info: DetectorInfo, kind: str
) -> TrackEvidence:
    """The verdict on one track. `predictions` and `placements` are aligned with `track.faces`; without reference faces `placements` is
    None, and nothing can be said of how like or unlike them a face is. `kind` is `picture` or `clip`.

    The evidence's `timeline` (clips) has a moment for every face of the track; its probabilities and `worst` belong to the worst sustained
    interval, or to the single face of a picture; `shown_seconds` and `placement` to the face that is quoted.
    """
    if not len(track.faces) == len(predictions.logits) == (len(track.faces) if placements is None else len(placements)):
        raise ValueError("predictions and placements must be aligned with the faces of the track")
    clip = kind == "clip"
    untouched = np.array([family == "real" for family in info.families])
    p_all = np.clip(1 - predictions.p_methods[:, untouched].sum(axis=1), 0, 1)
    problems = [quality(face, thresholds) for face in track.faces]
    chosen = [i for i, found in enumerate(problems) if not found]
    enough = len(chosen) >= (thresholds.min_faces_in_clip if clip else 1)
    examined = chosen or list(range(len(track.faces)))
    seconds, placed = np.array([track.faces[i].seconds for i in examined]), tuple(placements[i] for i in examined) if placements else ()
    arrays = seconds, predictions.p_methods[examined], p_all[examined], predictions.logits[examined]
    case = _Case(len(track.faces), thresholds, info, clip, *arrays, placed, track.longest_unseen(examined), track.step_seconds)
    guilty, decisive = _decisive(case)
    within = slice(decisive.first, decisive.last + 1)
    p_methods = case.p_methods[within].astype(np.float64).mean(axis=0)
    p_methods = p_methods / p_methods.sum()
    p_manipulated = float(np.clip(1 - p_methods[untouched].sum(), 0, 1))
    if enough:
        verdict = _verdict(case, guilty, decisive, p_methods, p_manipulated)
    else:
        first_problems = problems[track.faces.index(track.best)] if not chosen else []
        few = [reason("few_views", count=len(chosen), least=thresholds.min_faces_in_clip)] if clip else []
        verdict = _inconclusive([*few, *first_problems])
    best = track.best
    worst = Interval(float(seconds[decisive.first]), float(seconds[decisive.last]), decisive.median, decisive.faces)
    families = {family: float(p_methods[[one == family for one in info.families]].sum()) for family in dict.fromkeys(info.families)}
    evidence = TrackEvidence(
        id=track.id,
        faces=len(track.faces),
        first_seconds=track.faces[0].seconds,
        last_seconds=track.faces[-1].seconds,
        box=best.box,
        verdict=verdict,
        p_methods={label: float(p) for label, p in zip(info.labels, p_methods, strict=True)},
        p_families=families,
        p_manipulated=p_manipulated,
        timeline=tuple(Moment(face.seconds, float(p)) for face, p in zip(track.faces, p_all, strict=True)) if clip else (),
        worst=worst if clip else None,
        crop_side_px=best.crop_side_px,
        detail_px=best.detail_px,
        sharpness=best.sharpness,
        brightness=best.brightness,
        shown_seconds=_quoted([track.faces[i] for i in examined], case, guilty, decisive).seconds,
        own_verdict=verdict,
        examined=len(chosen),
        missed_seconds=case.unseen_seconds if clip else None,
        view="face" if best.landmarks is not None else "picture",
        track=track,
        predictions=predictions,
    )
    return replace(evidence, placement=placements[evidence.shown]) if placements is not None and evidence.shown is not None else evidence


def _quoted(faces: Sequence[Face], case: _Case, guilty: list[Stretch], decisive: Stretch) -> Face:
    """The face of the examined ones that stands for the track: the moment that looks manipulated where none of it lasts; else of those
    in the decisive stretch that are at least as suspicious as its median the one with the most detail."""
    worst = int(np.argmax(case.p_manipulated))
    if not guilty and case.p_manipulated[worst] >= case.thresholds.p_manipulated_above:
        return faces[worst]
    within = range(decisive.first, decisive.last + 1)
    return max((faces[i] for i in within if case.p_manipulated[i] >= decisive.median), key=lambda face: face.detail)


def quality(face: Face, thresholds: Thresholds) -> list[str]:
    """What keeps this face from being examined; empty when nothing does."""
    if face.p_face is not None and face.p_face < LEAST_P_FACE:
        return [reason("not_a_face", share=face.p_face)]
    found: list[str] = []
    if face.crop_side_px < thresholds.min_crop_side_px:
        found.append(reason("face_too_small", width=face.crop_side_px, needed=thresholds.min_crop_side_px))
    elif face.detail_px < (needed := _DETAIL_OF_STORED * thresholds.min_crop_side_px):
        found.append(reason("face_soft", width=face.detail_px, needed=needed))
    if (face.screened or 0.0) >= 1.0:
        found.append(reason("face_screened"))
    if face.sharpness < thresholds.min_sharpness:
        found.append(reason("face_blurred", sharpness=face.sharpness, least_sharpness=thresholds.min_sharpness))
    if face.brightness < thresholds.min_brightness:
        found.append(reason("face_dark", brightness=face.brightness, least_brightness=thresholds.min_brightness))
    if face.brightness > thresholds.max_brightness:
        found.append(reason("face_overexposed", brightness=face.brightness, most_brightness=thresholds.max_brightness))
    return found


def extremes(
    p: np.ndarray, seconds: np.ndarray, thresholds: Thresholds, clip: bool, step_seconds: float | None = None
) -> tuple[float, float]:
    """The highest `p_manipulated_above` at which a track is called manipulated whose N examined faces have these probabilities of a
    manipulation, and the lowest `p_manipulated_below` at which no manipulation is found in it. The same number twice for a picture."""
    whole = float(np.median(p))
    if not clip:
        return whole, whole
    timing = _timing(thresholds, step_seconds)
    lasting = (float(above) for above in np.unique(p)[::-1] if above <= whole or sustained(p, seconds, above, *timing))
    worst = worst_stretch(p, seconds, *timing)
    mean = float(p[worst.first : worst.last + 1].mean())
    return max(whole, next(lasting, 0.0)), max(worst.median, min(mean, float(p.max())))


def _timing(thresholds: Thresholds, step_seconds: float | None) -> tuple[int, float, float | None]:
    """How many faces and seconds a stretch needs, and the usual time between two faces."""
    closer = _LEAST_CLOSE_SECONDS if step_seconds is not None else 0.0
    return thresholds.min_interval_faces, max(thresholds.min_interval_seconds, closer), step_seconds


def _decisive(case: _Case) -> tuple[list[Stretch], Stretch]:
    """The stretches that are manipulated, and the one that the answer is about."""
    whole = _stretch(case.p_manipulated, 0, case.examined - 1)
    above, timing = case.thresholds.p_manipulated_above, _timing(case.thresholds, case.step_seconds)
    guilty = sustained(case.p_manipulated, case.seconds, above, *timing) if case.clip else []
    if guilty:
        return guilty, max(guilty, key=lambda one: (one.median, one.faces))
    if whole.median >= above:
        return [whole], whole
    return [], worst_stretch(case.p_manipulated, case.seconds, *timing) if case.clip else whole


def _verdict(case: _Case, guilty: list[Stretch], decisive: Stretch, p_methods: np.ndarray, p_manipulated: float) -> Verdict:
    faces, examined, thresholds, info = case.faces, case.examined, case.thresholds, case.info
    notes = [reason("views_left_out", count=faces - examined, views=faces)] if examined < faces else []
    # The few views that were good enough neither accuse nor clear.
    minority = []
    if examined < thresholds.min_examined_share * faces:
        minority, notes = [reason("most_views_left_out", count=faces - examined, views=faces)], []
    known = () if info.measured else (reason("not_measured", detector=info.name),)
    known = (reason("measured_here", files=info.measured_here, date=info.measured_here_on),) if info.measured_here else known
    within = slice(decisive.first, decisive.last + 1)
    unlike = _unlike(case, within if guilty else slice(None))
    veto = _veto(case, within, bool(guilty))
    if guilty:
        if minority or veto or unlike:
            return _inconclusive([*minority, *veto, *unlike, *notes])
        when = _when(case, guilty) if case.clip else []
        method, family, why = _method(p_methods, thresholds, info)
        # Single low moments may lie within a stretch: its median is what reached the threshold.
        return Verdict("manipulated", method, family, decisive.median, (*when, *why, *notes, *known))
    doubts = _moments(case) if case.clip else []
    # A mean may exceed by rounding what it is the mean of.
    highest = max(decisive.median, min(p_manipulated, float(case.p_manipulated.max())))
    above, below = thresholds.p_manipulated_above, thresholds.p_manipulated_below
    if below < highest < above:
        doubts.append(_not_sure(highest, above, below))
    # Neighbours contradict only what the network says, and between its thresholds it says nothing.
    elif highest <= below:
        doubts += veto
    doubts += [*minority, *unlike]
    if case.clip and case.unseen_seconds > LONGEST_UNSEEN_SECONDS:
        doubts.append(reason("short_not_excluded", length=case.unseen_seconds))
    if doubts:
        return _inconclusive([*doubts, *notes])
    return Verdict("no_manipulation_found", None, "real", 1 - p_manipulated, (*notes, *known))


def _not_sure(p: float, above: float, below: float) -> str:
    """Between two thresholds, or where there is none: limits that were measured here may rule a state out."""
    if above >= NEVER_ABOVE and below <= NEVER_BELOW:
        return reason("never_definite", p=p)
    if above >= NEVER_ABOVE:
        return reason("never_found", p=p, below=below)
    return reason("never_cleared", p=p, above=above) if below <= NEVER_BELOW else reason("not_sure", p=p, above=above, below=below)


def _moments(case: _Case) -> list[str]:
    """The moments that reach the threshold, where none of it lasts: the worst one, and how far off the nearest other one is."""
    high = np.flatnonzero(case.p_manipulated >= case.thresholds.p_manipulated_above)
    if not len(high):
        return []
    worst = int(np.argmax(case.p_manipulated))
    apart = float(np.delete(np.abs(case.seconds - case.seconds[worst]), worst).min(initial=np.inf))
    moment, p = float(case.seconds[worst]), float(case.p_manipulated[worst])
    return [reason("moments_do_not_last", count=len(high), moment=moment, p=p, apart=apart)]


def _inconclusive(why: Sequence[str]) -> Verdict:
    return Verdict("inconclusive", None, None, None, tuple(why))


def _unlike(case: _Case, within: slice) -> list[str]:
    """Open set: too far from every reference face, or too weak a response, in the middle of the stretch."""
    thresholds = case.thresholds
    if case.placements:
        atypicality = float(np.median([placement.atypicality for placement in case.placements[within]]))
        if atypicality > thresholds.max_atypicality:
            return [reason("unlike_training", share=atypicality)]
    if thresholds.energy_min is not None:
        energy = float(np.median(negative_free_energy(case.logits[within], thresholds.energy_temperature)))
        if energy < thresholds.energy_min:
            return [reason("weak_response", response=energy, least_response=thresholds.energy_min)]
    return []


def _veto(case: _Case, within: slice, manipulated: bool) -> list[str]:
    """The nearest reference faces of the decisive stretch contradict the network."""
    if case.thresholds.neighbour_veto is None:
        return []
    families = dict(zip(case.info.labels, case.info.families, strict=True))
    against = [
        (families.get(neighbour.method) == "real") == manipulated
        for placement in case.placements[within]
        for neighbour in placement.neighbours
    ]
    share = float(np.mean(against)) if against else 0.0
    contradiction = "neighbours_untouched" if manipulated else "neighbours_manipulated"
    return [reason(contradiction, share=share)] if share >= case.thresholds.neighbour_veto else []


def _when(case: _Case, guilty: list[Stretch]) -> list[str]:
    """The sentence that says when, unless it is always."""
    rest = np.ones(len(case.seconds), dtype=bool)
    for one in guilty:
        rest[one.first : one.last + 1] = False
    # The ends of a stretch are soft: a face or two outside of it are no separate part of the clip.
    if rest.sum() <= max(2, 0.1 * len(rest)):
        return []
    clean = bool(np.median(case.p_manipulated[rest]) <= case.thresholds.p_manipulated_below)
    spans = [(float(case.seconds[one.first]), float(case.seconds[one.last])) for one in guilty]
    rest_is = "" if clean else "_rest_unclear"
    if len(spans) == 1:
        return [reason(f"manipulated_between{rest_is}", first=spans[0][0], last=spans[0][1])]
    return [reason(f"manipulated_at_times{rest_is}", spans=spans)]


def _method(p_methods: np.ndarray, thresholds: Thresholds, info: DetectorInfo) -> tuple[str, str | None, list[str]]:
    """Method (or `unknown`), family (or None) and why not more, from the shares of the manipulated probability."""
    made = [(label, family, p) for label, family, p in zip(info.labels, info.families, p_methods.tolist(), strict=True) if family != "real"]
    total = max(sum(p for _, _, p in made), 1e-12)
    shares = sorted(((label, p / total) for label, _, p in made), key=lambda one: -one[1])
    best, share = shares[0]
    if share >= thresholds.method_min_p:
        family = info.families[info.labels.index(best)]
        if family == UNKNOWN_FAMILY:
            return UNKNOWN_METHOD, None, [reason("method_not_told", label=info.display(best))]
        return best, family, []
    if len(shares) > 1:
        unclear = reason("methods_close", methods=[(info.display(label), p) for label, p in shares[:2]])
    else:
        unclear = reason("method_weak", label=info.display(best), share=share)
    by_family = {family: sum(p for _, one, p in made if one == family) / total for _, family, _ in made}
    family = max(by_family, key=lambda one: by_family[one])
    if by_family[family] >= thresholds.family_min_p and family != UNKNOWN_FAMILY:
        return UNKNOWN_METHOD, family, [unclear, reason(f"looks_like_{family}")]
    return UNKNOWN_METHOD, None, [unclear]


def _stretch(values: np.ndarray, first: int, last: int) -> Stretch:
    return Stretch(first, last, float(np.median(values[first : last + 1])))


def median_of_three(values: np.ndarray) -> np.ndarray:
    """Each value replaced by the median of itself and its two neighbours; the ends stay. N values → N."""
    if len(values) < 3:
        return values.copy()
    inner = np.median(np.stack([values[:-2], values[1:-1], values[2:]]), axis=0)
    return np.concatenate([values[:1], inner, values[-1:]])


def sustained(
    values: np.ndarray, seconds: np.ndarray, above: float, min_faces: int, min_seconds: float, step: float | None = None
) -> list[Stretch]:
    """Every sustained stretch at or above `above`, in order of time: values that stay there once single outliers are smoothed away,
    that begin and end with a face that is itself there, with `min_faces` such faces over `min_seconds`.
    `step` is the usual time between two, by default their median."""
    high = values >= above
    stays = median_of_three(values) >= above
    found = []
    for start, end in _segments(seconds, step):
        for first, last in _runs(stays, start, end):
            there = np.flatnonzero(high[first : last + 1]) + first
            if len(there) >= min_faces and seconds[there[-1]] - seconds[there[0]] >= min_seconds:
                found.append(_stretch(values, int(there[0]), int(there[-1])))
    return found


def worst_stretch(values: np.ndarray, seconds: np.ndarray, min_faces: int, min_seconds: float, step: float | None = None) -> Stretch:
    """The shortest sustained stretch with the highest median (then mean); the whole track where none is long enough."""
    best, height = None, (-1.0, -1.0)
    for start, end in _segments(seconds, step):
        for first in range(start, end + 1):
            long_enough = [last for last in range(first + min_faces - 1, end + 1) if seconds[last] - seconds[first] >= min_seconds]
            if not long_enough:
                break
            candidate = _stretch(values, first, long_enough[0])
            reached = (candidate.median, float(values[first : candidate.last + 1].mean()))
            if reached > height:
                best, height = candidate, reached
    return best or _stretch(values, 0, len(values) - 1)


def _segments(seconds: np.ndarray, step: float | None) -> Iterator[tuple[int, int]]:
    """First and last face of each part of the track without a hole."""
    steps = np.diff(seconds)
    holes = np.flatnonzero(steps > _GAP_STEPS * (step or np.median(steps))) if len(steps) else np.empty(0, dtype=int)
    firsts = [0, *(int(hole) + 1 for hole in holes)]
    lasts = [*(int(hole) for hole in holes), len(seconds) - 1]
    return zip(firsts, lasts, strict=True)


def _runs(flags: np.ndarray, start: int, end: int) -> Iterator[tuple[int, int]]:
    """First and last index of each run of true flags between `start` and `end`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags[start : end + 1], [False]]).astype(int))) + start
    return zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True)
