"""Frames → faces → tracks, by MTCNN of facenet-pytorch (Zhang et al. 2016, Joint Face Detection and Alignment using
Multi-task Cascaded Convolutional Networks), whose weights come with the package."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
from facenet_pytorch import MTCNN

from attribution.detectors.card import CropSettings
from attribution.evidence import Box, Face, Frame, Track
from attribution.evidence.pixels import LONGEST_UNSEEN_SECONDS
from attribution.faces import tracker
from attribution.faces.certainty import SURELY_A_FACE, certainty
from attribution.faces.copies import without_copies
from attribution.faces.crops import cut_faces, measures, whole_frames
from attribution.faces.spectrum import spectrum_of
from attribution.faces.tracker import Detection, Tracklet
from attribution.media import OpenedMedia, orientation
from attribution.pulse import give_pulse
from attribution.text.reasons import reason

SMALLEST_FACE_PX = 20
"""Height in a frame's own (detection) pixels below which no face is looked for."""
WHOLE_PICTURE = reason("whole_picture")

_THRESHOLDS = (0.7, 0.7, 0.8)
_BATCH = {"cpu": 4, "cuda": 64}
_ONET_SIDE_PX, _ONET_BATCH = 48, 512
_KEY_EVERY_SECONDS, _FEWEST_KEYS = 0.7, 6
_LINKED_FOR_EACH_EXAMINED = 2
_CROPS_OF_A_CLIP, _FEWEST_CROPS = 320, 8
_FRAMES_OF_A_CLIP = 32
_FRAMES_TO_TURN = 6

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, repr=False)
class FoundFace:
    """A face in pixels of the array it was found in; `box` as the network gives it, which may reach beyond the edge."""

    box: np.ndarray
    landmarks: np.ndarray
    p_face: float


class FaceFinder:
    """MTCNN on a device. Its methods may be called from several threads."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self._nets = _load(device)

    def find(self, pictures: Sequence[np.ndarray]) -> list[list[FoundFace]]:
        """The faces of each picture (H×W×3 uint8, sizes may differ), the largest first."""
        found: list[list[FoundFace]] = [[] for _ in pictures]
        by_size: dict[tuple[int, ...], list[int]] = {}
        for index, rgb in enumerate(pictures):
            # With less than one window of its first net MTCNN fails.
            if min(rgb.shape[:2]) >= SMALLEST_FACE_PX:
                by_size.setdefault(rgb.shape, []).append(index)
        for indices in by_size.values():
            for index, faces in zip(indices, self._batched(_detect, [pictures[i] for i in indices], _BATCH[self.device]), strict=True):
                found[index] = faces
        return found

    def refine(self, pictures: Sequence[np.ndarray], boxes: Sequence[np.ndarray]) -> list[FoundFace | None]:
        """Only MTCNN's last net, on a guessed box in each picture (off by up to a quarter of its height): the face there, or None.

        It looks twice, as its first answer to a poor guess is rough, and the mean of both boxes is steadier than either.
        """
        firsts = self._batched(_look_again, list(zip(pictures, boxes, strict=True)), _ONET_BATCH)
        again = [(rgb, first.box) for rgb, first in zip(pictures, firsts, strict=True) if first is not None]
        seconds = iter(self._batched(_look_again, again, _ONET_BATCH))
        return [first and _mean(first, next(seconds)) for first in firsts]

    def _batched(self, run: Callable[[Any, Sequence[_Item]], list[_Answer]], items: Sequence[_Item], size: int) -> list[_Answer]:
        return [answer for first in range(0, len(items), size) for answer in self._halving(run, items[first : first + size])]

    def _halving(self, run: Callable[[Any, Sequence[_Item]], list[_Answer]], items: Sequence[_Item]) -> list[_Answer]:
        """When the GPU runs out of memory the batch halves down to one item, and then that item goes to the CPU."""
        try:
            return run(self._nets, items)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
        if len(items) == 1:
            return run(_load("cpu"), items)
        half = len(items) // 2
        return self._halving(run, items[:half]) + self._halving(run, items[half:])


def _load(device: str) -> MTCNN:
    nets = MTCNN(keep_all=True, min_face_size=SMALLEST_FACE_PX, thresholds=list(_THRESHOLDS), device=torch.device(device)).eval()
    give_pulse(nets)
    # Convolutions with so few channels are about twice as fast on a CPU with the channels last.
    return nets.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _detect(nets: MTCNN, pictures: Sequence[np.ndarray]) -> list[list[FoundFace]]:
    """The whole cascade on pictures of one size."""
    with torch.inference_mode():
        answer: Any = nets.detect(np.stack(pictures), landmarks=True)
    boxes, p_faces, landmarks = answer
    faces: list[list[FoundFace]] = [[] for _ in pictures]
    for own, rgb, *found in zip(faces, pictures, boxes, landmarks, p_faces, strict=True):
        for box, points, p_face in zip(*found, strict=True) if found[0] is not None else ():
            if (face := _face(rgb, box, points, p_face)) is not None:
                own.append(face)
    return faces


def _look_again(nets: MTCNN, guessed: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[FoundFace | None]:
    """ONet on guessed boxes, squared, cut, scaled and read as `detect_face` of facenet-pytorch does in its third stage."""
    boxes = np.stack([box for _, box in guessed])
    centres, halves = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    squares = np.hstack([centres - halves, centres + halves])
    inputs, rows = [], []
    for row, ((rgb, _), (x0, y0, x1, y1)) in enumerate(zip(guessed, squares, strict=True)):
        # The nets count pixels from 1.
        cut = rgb[max(int(y0), 1) - 1 : max(int(y1), 0), max(int(x0), 1) - 1 : max(int(x1), 0)]
        if min(cut.shape[:2]) > 1:
            pixels = torch.from_numpy(np.ascontiguousarray(cut)).to(nets.device).permute(2, 0, 1)[None].float()
            inputs.append(torch.nn.functional.interpolate(pixels, size=(_ONET_SIDE_PX, _ONET_SIDE_PX), mode="area"))
            rows.append(row)
    faces: list[FoundFace | None] = [None] * len(guessed)
    if not rows:
        return faces
    with torch.inference_mode():
        batch = (torch.cat(inputs) - 127.5) * 0.0078125
        outputs = nets.onet(batch.contiguous(memory_format=torch.channels_last))
    shifts, points, p_faces = (output.float().cpu().numpy().astype(np.float64) for output in outputs)
    for row, shift, point, p_face in zip(rows, shifts, points, p_faces[:, 1], strict=True):
        x0, y0, x1, y1 = squares[row]
        sides = np.array([x1 - x0 + 1, y1 - y0 + 1])
        box = squares[row] + shift * np.tile(sides, 2)
        if p_face > _THRESHOLDS[2]:
            faces[row] = _face(guessed[row][0], box, point.reshape(2, 5).T * sides + squares[row][:2] - 1, p_face)
    return faces


def _face(rgb: np.ndarray, box: Any, landmarks: Any, p_face: Any) -> FoundFace | None:
    """A face of which half or more is in the picture. The nets also complete less, and promise no box that has an extent."""
    face = FoundFace(np.asarray(box, dtype=np.float64), np.asarray(landmarks, dtype=np.float64), float(p_face))
    centre = (face.box[:2] + face.box[2:]) / 2
    inside = (face.box[2:] - face.box[:2] > 1).all() and (centre > 0).all() and (centre < rgb.shape[1::-1]).all()
    return face if inside else None


def _mean(first: FoundFace, second: FoundFace | None) -> FoundFace | None:
    return second and FoundFace((first.box + second.box) / 2, second.landmarks, second.p_face)


@dataclass(frozen=True)
class FoundFaces:
    """The tracks to examine, the most prominent first; `faces_found` counts the faces of the fullest frame before the limit on their
    number; `notes` are plain sentences: why there is no face, or how many were left out."""

    tracks: tuple[Track, ...]
    faces_found: int
    notes: tuple[str, ...]


def find_inputs(opened: OpenedMedia, finder: FaceFinder, crop: CropSettings, max_faces: int = 32) -> FoundFaces:
    """The tracks that a detector with that crop rule examines: a face each, or one of the whole picture or clip (at most 32 frames, spread
    evenly; of a long clip all). Raises MediaError when they cannot be cut."""
    if crop.view == "face":
        return find_tracks(opened, finder, crop, max_faces)
    frames = opened.frames
    chosen = sorted({round(at) for at in np.linspace(0, len(frames) - 1, min(_FRAMES_OF_A_CLIP, len(frames)))})
    if max((frames[other].seconds - frames[one].seconds for one, other in pairwise(chosen)), default=0.0) > LONGEST_UNSEEN_SECONDS:
        chosen = list(range(len(frames)))
    faces = whole_frames(opened, [(frames[at].index, frames[at].seconds) for at in chosen], crop)
    return FoundFaces((Track(0, tuple(faces)),), 0, (WHOLE_PICTURE,))


def find_tracks(opened: OpenedMedia, finder: FaceFinder, crop: CropSettings, max_faces: int = 32, faces_per_track: int = 32) -> FoundFaces:
    """Every identity in the opened picture or clip as a track of cut faces; no face is an outcome, with its reason in the notes.

    The `max_faces` largest are kept (of a clip by size × time in sight). A clip's tracks have at most `faces_per_track` faces, spread
    evenly over time; fewer where there are more than ten tracks, but 8 at least, and more where they would lie more than 5 s apart. Faces
    of a clip are looked for at least every 0.7 s and at the ends of every scene, and followed through the frames between: one that shows
    for less than that can be missed. Where the finder is sure of no face, it looks for them in the file turned by 90, 180 and 270 degrees,
    and if it is sure of one then, `opened` stays turned. Raises MediaError when the faces cannot be cut.
    """
    found = _find_tracks(opened, finder, crop, max_faces, faces_per_track)
    if any((face.p_face or 0.0) >= SURELY_A_FACE for track in found.tracks for face in track.faces):
        return found
    degrees = _turn_to_faces(opened.frames, finder)
    if not degrees:
        return found
    opened.turn(degrees)
    return _find_tracks(opened, finder, crop, max_faces, faces_per_track)


def _turn_to_faces(frames: Sequence[Frame], finder: FaceFinder) -> int:
    """By how many degrees to the right frames are to be turned so that the finder is sure of the largest faces; 0 where it is of none."""
    some = [frames[round(at)].rgb for at in np.linspace(0, len(frames) - 1, min(_FRAMES_TO_TURN, len(frames)))]
    heights = {0: 0.0}
    for degrees in (90, 180, 270):
        faces = finder.find([orientation.upright(rgb, orientation.BY_DEGREES[degrees]) for rgb in some])
        heights[degrees] = sum(face.box[3] - face.box[1] for own in faces for face in own if face.p_face >= SURELY_A_FACE)
    return max(heights, key=lambda degrees: heights[degrees])


def _find_tracks(opened: OpenedMedia, finder: FaceFinder, crop: CropSettings, max_faces: int, faces_per_track: int) -> FoundFaces:
    if max_faces < 1 or faces_per_track < 1:
        raise ValueError("at least one face")
    frames = opened.frames
    seconds = [frame.seconds for frame in frames]
    cuts = tracker.scene_cuts([frame.rgb for frame in frames])
    keys = tracker.key_frames(seconds, cuts, min(_KEY_EVERY_SECONDS, (seconds[-1] - seconds[0]) / (_FEWEST_KEYS - 1)))
    found: dict[int, list[FoundFace]] = {}
    seen: dict[int, list[Detection]] = {}
    tracklets: list[Tracklet] = []
    copied = False
    while missing := [key for key in keys if key not in found]:
        for key, everyone in zip(missing, finder.find([frames[key].rgb for key in missing]), strict=True):
            faces = found[key] = without_copies(frames[key].rgb, everyone)
            copied = copied or len(faces) < len(everyone)
            seen[key] = [_detection(frames[key], key, face) for face in faces[: _LINKED_FOR_EACH_EXAMINED * max_faces]]
        tracklets = tracker.link([seen[key] for key in keys], keys, cuts)
        keys = sorted([*keys, *tracker.hasty(tracklets, keys, cuts)])
    tracklets.sort(key=tracker.prominence, reverse=True)
    followed = tracker.stitch(_follow(tracklets[:max_faces], frames, finder, keys, cuts), cuts)
    glimpsed = Counter(tracklet[0].frame for tracklet in followed if tracker.is_glimpse(tracklet, cuts, len(frames)))
    lasting = [tracklet for tracklet in followed if not tracker.is_glimpse(tracklet, cuts, len(frames))]
    lasting.sort(key=tracker.prominence, reverse=True)
    faces_found = max(len(faces) - glimpsed[key] for key, faces in found.items())
    if not lasting:
        return FoundFaces((), faces_found, (_why_no_face(opened),))
    everyone = max(faces_found, len(lasting) + len(tracklets[max_faces:]))
    notes = [reason("blurred_copy")] if copied else []
    if everyone > len(lasting):
        notes.append(reason("largest_faces", count=len(lasting), faces=everyone))
    fair = max(_FEWEST_CROPS, _CROPS_OF_A_CLIP // len(lasting))
    end = max(opened.media.duration_seconds or 0.0, seconds[-1])
    chosen = [tracker.spread(tracklet, min(faces_per_track, fair)) for tracklet in lasting]
    holes = [tracker.unseen(tracklet, own, seconds, end) for tracklet, own in zip(lasting, chosen, strict=True)]
    for place, tracklet in enumerate(lasting):
        if max(holes[place]) > LONGEST_UNSEEN_SECONDS:
            chosen[place] = tracker.spread(tracklet, fair)
            holes[place] = tracker.unseen(tracklet, chosen[place], seconds, end)
    numbered = enumerate(zip(_cut(chosen, opened, finder, crop), holes, strict=True))
    return FoundFaces(tuple(Track(number, faces, own) for number, (faces, own) in numbered), faces_found, tuple(notes))


def find_further(
    opened: OpenedMedia, finder: FaceFinder, crop: CropSettings, tracks: Sequence[Track], further: Sequence[Frame]
) -> tuple[Track, ...]:
    """The tracks with their faces in further frames of the clip, which are among those that are opened. Raises MediaError when they cannot
    be cut."""
    number_of = {frame.index: number for number, frame in enumerate(opened.frames)}
    added: list[Tracklet] = [[] for _ in tracks]
    for frame, faces in zip(further, finder.find([frame.rgb for frame in further]), strict=True):
        near = [min(track.faces, key=lambda face: abs(face.seconds - frame.seconds)) for track in tracks]
        known = [_known(face, opened.frames[number_of[face.frame_index]], number_of[face.frame_index]) for face in near]
        seen = [_detection(frame, number_of[frame.index], face) for face in faces]
        for track, face in tracker.whose(known, seen).items():
            added[track].append(seen[face])
    cut = _cut(added, opened, finder, crop)
    return tuple(_joined(track, faces) if faces else track for track, faces in zip(tracks, cut, strict=True))


def _known(face: Face, frame: Frame, number: int) -> Detection:
    """A face of a track as it was detected."""
    box, landmarks = np.array(face.box), np.asarray(face.landmarks)
    return Detection(number, face.seconds, box, landmarks, face.p_face or 0.0, tracker.look(frame.rgb, box / frame.scale))


def _joined(track: Track, further: Sequence[Face]) -> Track:
    """The track with further faces: each divides the time between two that were there."""
    faces = sorted((*track.faces, *further), key=lambda face: face.seconds)
    before = dict(zip(map(id, track.faces), track.unseen_seconds, strict=False))
    unseen = [track.unseen_seconds[0]]
    for one, other in pairwise(faces):
        passed = other.seconds - one.seconds
        unseen.append(min(before[id(other)], passed) if id(other) in before else passed)
    step = track.step_seconds or float(np.median(np.diff([face.seconds for face in track.faces]) if len(track.faces) > 1 else [0.0]))
    return Track(track.id, tuple(faces), (*unseen, track.unseen_seconds[-1]), step or None)


def _detection(frame: Frame, number: int, face: FoundFace) -> Detection:
    box, landmarks = face.box * frame.scale, face.landmarks * frame.scale
    return Detection(number, frame.seconds, box, landmarks, face.p_face, tracker.look(frame.rgb, face.box))


def _follow(tracklets: list[Tracklet], frames: Sequence[Frame], finder: FaceFinder, keys: list[int], cuts: set[int]) -> list[Tracklet]:
    """The tracklets with the faces of the frames in which nobody looked for one."""
    seconds = [frame.seconds for frame in frames]
    runs = [(index, run) for index, tracklet in enumerate(tracklets) for run in tracker.guesses(tracklet, keys, seconds, cuts)]
    asked = [guess for _, run in runs for guess in run]
    faces = finder.refine([frames[guess.frame].rgb for guess in asked], [guess.box / frames[guess.frame].scale for guess in asked])
    seen = ((guess, face and _detection(frames[guess.frame], guess.frame, face)) for guess, face in zip(asked, faces, strict=True))
    return tracker.fill(tracklets, [(index, [next(seen) for _ in run]) for index, run in runs])


def _cut(tracklets: Sequence[Tracklet], opened: OpenedMedia, finder: FaceFinder, crop: CropSettings) -> list[tuple[Face, ...]]:
    """The faces of the tracklets, cut from full resolution in one request and measured; those that are found doubtfully
    are looked at again."""
    width, height = opened.media.width, opened.media.height
    every = [one for tracklet in tracklets for one in tracklet]
    in_frames = [(opened.frames[one.frame], one) for one in every]
    p_faces = iter(certainty(finder, [(frame.rgb, one.box / frame.scale, one.p_face) for frame, one in in_frames]))
    crops = iter(cut_faces(opened, [(opened.frames[one.frame].index, _box(one.box), one.landmarks) for one in every], crop))
    cut = []
    for tracklet in tracklets:
        faces = []
        for one in tracklet:
            crop_box, pixels = next(crops)
            frame = opened.frames[one.frame]
            inside = np.clip(one.box, 0, (width, height, width, height))
            measured = *measures(pixels), frame.density, *spectrum_of(pixels)
            faces.append(Face(frame.index, one.seconds, _box(inside), one.landmarks, next(p_faces), crop_box, pixels, *measured))
        cut.append(tuple(faces))
    return cut


def _box(box: np.ndarray) -> Box:
    return float(box[0]), float(box[1]), float(box[2]), float(box[3])


def _why_no_face(opened: OpenedMedia) -> str:
    media, scale = opened.media, max(frame.scale for frame in opened.frames)
    if min(media.width, media.height) < SMALLEST_FACE_PX * scale:
        return reason("file_too_small", across=media.width, down=media.height)
    return reason("smallest_face", side=math.ceil(SMALLEST_FACE_PX * scale))
