"""What the benchmark measures: the app as a process, a picture and a clip to their full result, and the naive way beside them."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from attribution.lab.bench.app_client import Visitor
from attribution.lab.bench.moving_clip import EXAMPLES
from attribution.lab.bench.naive import examine_naively
from attribution.lab.bench.server import Server
from attribution.models.backbones import explained_layer
from attribution.pipeline import Pipeline, examine, explain
from attribution.version import __version__

_CROPS = 96
PICTURE = EXAMPLES / "astronaut.png"


@dataclass(frozen=True)
class Figure:
    """One measured figure: the median of `runs`. `most` or `least` is what is asked for, in the same unit; None asks for nothing."""

    name: str
    unit: str
    runs: tuple[float, ...]
    most: float | None = None
    least: float | None = None
    note: str = ""

    @property
    def value(self) -> float:
        return statistics.median(self.runs)

    @property
    def holds(self) -> bool | None:
        """Whether it is as asked; None when nothing is."""
        if self.most is None and self.least is None:
            return None
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    def line(self) -> str:
        asked = f"≤ {self.most:g}" if self.most is not None else f"≥ {self.least:g}" if self.least is not None else ""
        word = {True: "holds", False: "MISSED", None: ""}[self.holds]
        spread = f"{len(self.runs)} runs: {min(self.runs):.2f}–{max(self.runs):.2f}" if len(self.runs) > 1 else ""
        rest = "; ".join(filter(None, (spread, self.note)))
        return f"{self.name:<52} {self.value:>8.2f} {self.unit:<5} {asked:<7} {word:<7} {rest}".rstrip()


def describe_machine() -> dict[str, str]:
    """What the figures hold for."""
    load = f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "not known"
    return {
        "telltale": __version__,
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores",
        "load at the start": load,
        "python": platform.python_version(),
        "torch": f"{torch.__version__} on {torch.get_num_threads()} threads",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }


def measure_examination(pipeline: Pipeline, clip: Path, runs: int, report: Callable[[Figure], None]) -> float:
    """A picture and a clip to the full result: decoding, faces, verdict, placement on the map, and a heatmap with its faithfulness for
    every face track. The first run is not counted. Returns the median seconds of the clip."""
    on = pipeline.predictor.device
    strict = on == "cpu"
    crops = np.random.default_rng(0).integers(0, 256, (_CROPS, *2 * (pipeline.predictor.card.crop.side_px,), 3), dtype=np.uint8)
    for mirrored, note in ((False, "as in clips"), (True, "each with its mirror image, as in pictures")):
        times = timed(lambda mirrored=mirrored: pipeline.predictor.read(crops, mirrored), runs)
        speeds = tuple(_CROPS / seconds for seconds in times)
        report(Figure(f"faces classified, warm, {on}{', mirrored' * mirrored}", "/s", speeds, least=40.0 if strict else None, note=note))
    for specialist in pipeline.specialists:
        if specialist.predictor is None:
            continue
        reader, side_px = specialist.predictor, specialist.predictor.card.crop.side_px
        crops = np.random.default_rng(0).integers(0, 256, (_CROPS, side_px, side_px, 3), dtype=np.uint8)
        speeds = tuple(_CROPS / seconds for seconds in timed(lambda reader=reader, crops=crops: reader.read(crops), runs))
        report(Figure(f"pictures read by {specialist.info.name}, warm, {on}", "/s", speeds, least=15.0 if strict else None))
    times = timed(lambda: [explain(track, pipeline) for track in examine(PICTURE, pipeline).evidence.tracks], runs)
    report(Figure(f"picture, one face, full result, warm, {on}", "s", times, most=1.0 if strict else None))
    times = timed(lambda: [explain(track, pipeline) for track in examine(clip, pipeline).evidence.tracks], runs)
    report(Figure(f"clip, full result, warm, {on}", "s", times, most=4.0 if strict else None, note=clip.name))
    return statistics.median(times)


def measure_naive(pipeline: Pipeline, clip: Path, most_frames: int | None, ours_seconds: float, report: Callable[[Figure], None]) -> None:
    """The same clip and the same network the naive way, and how many times faster we are."""
    detector = pipeline.predictor.detector
    layer = explained_layer(detector.model, detector.architecture)
    naive = examine_naively(clip, detector.model, layer, detector.mean[0], detector.std[0], detector.card.crop.side_px, most_frames)
    note = f"{naive.frames} of {naive.frames_in_clip} frames, {naive.faces} faces"
    if naive.frames < naive.frames_in_clip:
        note += "; EXTRAPOLATED to the whole clip"
    report(Figure("the same clip the naive way, cpu", "s", (naive.seconds_whole_clip,), note=note))
    report(Figure("times faster than the naive way", "×", (naive.seconds_whole_clip / ours_seconds,), least=30))


def measure_server(clip: Path, runs: int, detector: str, report: Callable[[Figure], None]) -> None:
    """The app as its users have it: start to first page, a picture and a clip from drop to verdict and heatmap, and its peak memory."""
    with Server(flags=("--device", "cpu", "--detector", detector)) as server:
        report(Figure("process start to first page", "s", (server.seconds_to_first_page,), most=12))
        with Visitor(server.url) as visitor:
            report(Figure("picture, dropped on the page to verdict and heatmap", "s", timed(lambda: visitor.examine(PICTURE), runs)))
            report(Figure("clip, dropped on the page to verdict and heatmap", "s", timed(lambda: visitor.examine(clip), runs)))
        peak_bytes = server.peak_bytes()
        if peak_bytes is not None:
            report(Figure("peak memory of the server and its workers", "GB", (peak_bytes / 1e9,), most=2.5))


def timed(work: Callable[[], object], runs: int) -> tuple[float, ...]:
    """Seconds of each of `runs` calls after one that is not counted."""
    work()
    times = []
    for _ in range(max(1, runs)):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return tuple(times)
