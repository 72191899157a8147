"""Speed and memory, measured in one run (`python -m attribution lab benchmark`): the app as a process, a picture and a clip to their full
result, the naive way beside them, and what choosing another detector costs (first answer, check of its files, memory)."""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from safetensors.torch import save_file

from attribution.detectors import hub
from attribution.detectors.card import CONFIG_FILE, MODEL_FILE
from attribution.detectors.loading import embedded
from attribution.detectors.spec import DetectorSpec, Selection
from attribution.lab.bench.app import AppClient, Server, resident_bytes
from attribution.lab.bench.naive import examine_naively, write_moving_clip
from attribution.lab.examples import EXAMPLES
from attribution.models.backbones import build_backbone
from attribution.models.explained import explained_layer
from attribution.pipeline import Pipeline, examine, explain, load_pipeline
from attribution.version import __version__

PICTURE = EXAMPLES / "astronaut.png"
_CROPS, SWITCHES = 96, 20
_ARCHITECTURE, _REPOSITORY, _COMMIT = "vit_small_patch16_224", "benchmark/random-vit", "0123456789abcdef0123456789abcdef01234567"
Report = Callable[["Figure"], None]


@dataclass(frozen=True)
class Figure:
    """One measured figure: the median of `runs`; `most` or `least` is what is asked for, in the same unit."""

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
        asked = [self.value <= self.most] if self.most is not None else []
        asked += [self.value >= self.least] if self.least is not None else []
        return all(asked) if asked else None

    def line(self) -> str:
        asked = f"≤ {self.most:g}" if self.most is not None else f"≥ {self.least:g}" if self.least is not None else ""
        word = {True: "holds", False: "MISSED", None: ""}[self.holds]
        spread = f"{len(self.runs)} runs: {min(self.runs):.2f}–{max(self.runs):.2f}" if len(self.runs) > 1 else ""
        rest = "; ".join(filter(None, (spread, self.note)))
        return f"{self.name:<52} {self.value:>8.2f} {self.unit:<5} {asked:<7} {word:<7} {rest}".rstrip()


def run(args: argparse.Namespace) -> int:
    """Measure, print, and write what was asked for; 0 whatever the figures are."""
    machine = describe_machine()
    print(*(f"{key}: {value}" for key, value in machine.items()), sep="\n")
    print()
    figures: list[Figure] = []

    def report(figure: Figure) -> None:
        figures.append(figure)
        print(figure.line(), flush=True)

    with tempfile.TemporaryDirectory(prefix="telltale-benchmark-") as folder:
        clip = args.clip or write_moving_clip(Path(folder) / "moving.mp4")
        pipeline = load_pipeline(args.detector, "cpu")
        if args.server:
            measure_server(clip, args.runs, args.detector, report)
        clip_seconds = measure_examination(pipeline, clip, args.runs, report)
        if args.switching:
            measure_switching(pipeline, report)
        if args.naive:
            measure_naive(pipeline, clip, args.naive_frames, clip_seconds, report)
        if torch.cuda.is_available():
            measure_examination(load_pipeline(args.detector, "cuda"), clip, args.runs, report)
    if args.json:
        rows = [{**asdict(figure), "value": figure.value, "holds": figure.holds} for figure in figures]
        args.json.write_text(json.dumps({"machine": machine, "figures": rows}, indent=2) + "\n", encoding="utf-8")
    return 0


def describe_machine() -> dict[str, str]:
    load = f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "not known"
    return {
        "telltale": __version__,
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores",
        "load at the start": load,
        "python": platform.python_version(),
        "torch": f"{torch.__version__} on {torch.get_num_threads()} threads",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }


def measure_examination(pipeline: Pipeline, clip: Path, runs: int, report: Report) -> float:
    """A picture and a clip to the full result (verdict, map, every heatmap), first run not counted; returns the clip's median seconds."""
    own, on = pipeline.predictor, pipeline.predictor.device
    strict = on == "cpu"
    asked = [(own, f"faces classified, warm, {on}", False, 40.0, "as in clips")]
    asked += [(own, f"faces classified, warm, {on}, mirrored", True, 40.0, "each with its mirror image, as in pictures")]
    asked += [
        (one.predictor, f"pictures read by {one.info.name}, warm, {on}", False, 15.0, "") for one in pipeline.specialists if one.predictor
    ]
    for reader, name, mirrored, least, note in asked:
        crops = np.random.default_rng(0).integers(0, 256, (_CROPS, *2 * (reader.card.crop.side_px,), 3), dtype=np.uint8)
        times = timed(lambda reader=reader, crops=crops, mirrored=mirrored: reader.read(crops, mirrored), runs)
        report(Figure(name, "/s", tuple(_CROPS / seconds for seconds in times), least=least if strict else None, note=note))
    times = ()
    for what, media, most, note in (("picture, one face", PICTURE, 1.0, ""), ("clip", clip, 4.0, clip.name)):
        times = timed(lambda media=media: [explain(track, pipeline) for track in examine(media, pipeline).evidence.tracks], runs)
        report(Figure(f"{what}, full result, warm, {on}", "s", times, most=most if strict else None, note=note))
    return statistics.median(times)


def measure_naive(pipeline: Pipeline, clip: Path, most_frames: int | None, ours_seconds: float, report: Report) -> None:
    """The same clip and the same network the naive way, and how many times faster we are."""
    detector = pipeline.predictor.detector
    layer = explained_layer(detector.model, detector.architecture)
    naive = examine_naively(clip, detector.model, layer, detector.mean[0], detector.std[0], detector.card.crop.side_px, most_frames)
    note = f"{naive.frames} of {naive.frames_in_clip} frames, {naive.faces} faces"
    if naive.frames < naive.frames_in_clip:
        note += "; EXTRAPOLATED to the whole clip"
    report(Figure("the same clip the naive way, cpu", "s", (naive.seconds_whole_clip,), note=note))
    report(Figure("times faster than the naive way", "×", (naive.seconds_whole_clip / ours_seconds,), least=30))


def measure_server(clip: Path, runs: int, detector: str, report: Report) -> None:
    """The app as its users have it: start to first page, a picture and a clip from drop to verdict and heatmap, and its peak memory."""
    with Server(flags=("--device", "cpu", "--detector", detector)) as server:
        report(Figure("process start to first page", "s", (server.seconds_to_first_page,), most=12))
        with AppClient(server.url) as client:
            report(Figure("picture, dropped on the page to verdict and heatmap", "s", timed(lambda: client.examine(PICTURE), runs)))
            report(Figure("clip, dropped on the page to verdict and heatmap", "s", timed(lambda: client.examine(clip), runs)))
        if (peak_bytes := server.peak_bytes()) is not None:
            report(Figure("peak memory of the server and its workers", "GB", (peak_bytes / 1e9,), most=2.5))


def timed(work: Callable[[], object], runs: int, uncounted: int = 1) -> tuple[float, ...]:
    """Seconds of each of `runs` calls (at least one) after those that are not counted."""
    times = []
    for _ in range(uncounted + max(1, runs)):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return tuple(times[uncounted:])


def measure_switching(pipeline: Pipeline, report: Report) -> None:
    """Every figure, in a process that has answered once: what a running app does when a reader chooses another detector."""
    examine(PICTURE, pipeline)
    for name in embedded():
        report(Figure(f"{name}: load to first answer", "s", _first_answers(DetectorSpec(name), pipeline, 3), most=1.5, note="embedded"))
    with tempfile.TemporaryDirectory(prefix="telltale-hub-") as folder, patch.dict(os.environ, HF_HUB_CACHE=folder):
        size = write_cached_detector(Path(folder))
        spec = DetectorSpec(f"hf:{_REPOSITORY}@{_COMMIT}")
        times = _first_answers(spec, pipeline, 3)
        note = f"{size / 1e6:.0f} MB, whole picture"
        report(Figure("detector in the Hub cache: load to first answer", "s", times, most=4.0, note=note))
        report(_memory(pipeline, [*map(DetectorSpec, embedded()), spec]))
    content = os.urandom(100_000_000)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    times = timed(lambda: hub.check("model.safetensors", content, digest), 5, 0)
    report(Figure("check of 100 MB of weights (SHA-256)", "s", times, most=0.3))


def write_cached_detector(cache: Path) -> int:
    """A random detector in timm's format in that Hub cache; its size in bytes."""
    torch.manual_seed(7)
    model = build_backbone(_ARCHITECTURE, 2)
    # The head of a fresh network is all zeros: it would answer the same whatever it sees.
    torch.nn.init.normal_(model.get_classifier().weight, std=0.1)  # type: ignore[operator]
    config = {
        "architecture": _ARCHITECTURE, "num_classes": 2, "num_features": 384, "label_names": ["Real", "Fake"],
        "pretrained_cfg": {"input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "center"}
        | {"mean": [0.5] * 3, "std": [0.5] * 3},
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="telltale-detector-") as name:
        folder = Path(name)
        (folder / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")
        save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / MODEL_FILE)
        put_in_cache(cache, _REPOSITORY, folder, _COMMIT)
        return sum(path.stat().st_size for path in folder.iterdir())


def put_in_cache(cache: Path, repository: str, folder: Path, commit: str) -> Path:
    """A folder's files as the Hub's client leaves them in its cache, the commit as that of `main`; gives the snapshot's folder."""
    root = cache / f"models--{repository.replace('/', '--')}"
    blobs, references, snapshot = root / "blobs", root / "refs", root / "snapshots" / commit
    for made in (blobs, references, snapshot):
        made.mkdir(parents=True, exist_ok=True)
    (references / "main").write_text(commit, encoding="ascii")
    for path in folder.iterdir():
        content = path.read_bytes()
        # A file of Git LFS is called by its content's digest, any other by that of its git blob.
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        digest = (hashlib.sha256(content) if path.suffix == ".safetensors" else blob).hexdigest()
        (blobs / digest).write_bytes(content)
        (snapshot / path.name).symlink_to(Path("../../blobs") / digest)
    return snapshot


def _first_answers(spec: DetectorSpec, pipeline: Pipeline, runs: int) -> tuple[float, ...]:
    """Seconds from the choice to the evidence on a picture with one face, face detection included; the first run counts as well."""
    times = []
    for _ in range(runs):
        times += timed(lambda: examine(PICTURE, load_pipeline(spec, "cpu", like=pipeline)), 1, 0)
        gc.collect()
    return tuple(times)


def _memory(pipeline: Pipeline, specs: list[DetectorSpec]) -> Figure:
    """Memory after many changes as a share of what it was after each detector had been used once, as the app holds them."""
    pipelines: dict[Selection, Pipeline] = {}
    held: list[Selection] = []

    def use(spec: DetectorSpec) -> None:
        selection = Selection(spec)
        pipelines[selection] = load_pipeline(spec, "cpu", like=pipeline)
        held.append(selection)
        examine(PICTURE, pipelines[selection])
        while len(held) > 2:
            pipelines.pop(held.pop(0), None)
        gc.collect()

    for spec in specs:
        use(spec)
    before = resident_bytes()
    for number in range(SWITCHES):
        use(specs[number % len(specs)])
    share = resident_bytes() / max(1, before)
    return Figure(f"memory after {SWITCHES} changes of detector", "×", (share,), most=1.1, note=f"{before / 1e9:.2f} GB before them")
