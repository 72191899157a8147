"""What choosing another detector costs: the time to its first answer, the check of its files, and the memory after many changes."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from attribution.detectors import hub
from attribution.detectors.card import CONFIG_FILE, MODEL_FILE
from attribution.detectors.loading import embedded
from attribution.detectors.spec import DetectorSpec, Selection
from attribution.lab.bench.hub_cache import put_in_cache
from attribution.lab.bench.measuring import PICTURE, Figure
from attribution.models.backbones import build_backbone
from attribution.pipeline import Pipeline, examine, load_pipeline

SWITCHES = 20
_ARCHITECTURE = "vit_small_patch16_224"
_COMMIT = "0123456789abcdef0123456789abcdef01234567"
_REPOSITORY = "benchmark/random-vit"
_CHECKED_BYTES = 100_000_000


def measure_switching(pipeline: Pipeline, report: Callable[[Figure], None]) -> None:
    """Every figure, in a process that has answered once: what a running app does when a reader chooses another detector."""
    examine(PICTURE, pipeline)
    for name in embedded():
        report(Figure(f"{name}: load to first answer", "s", _first_answers(DetectorSpec(name), pipeline, 3), most=1.5, note="embedded"))
    with tempfile.TemporaryDirectory(prefix="telltale-hub-") as folder:
        before = os.environ.get("HF_HUB_CACHE")
        os.environ["HF_HUB_CACHE"] = folder
        try:
            size = write_cached_detector(Path(folder))
            choice = DetectorSpec(f"hf:{_REPOSITORY}@{_COMMIT}")
            times = _first_answers(choice, pipeline, 3)
            note = f"{size / 1e6:.0f} MB, whole picture"
            report(Figure("detector in the Hub cache: load to first answer", "s", times, most=4.0, note=note))
            report(_memory(pipeline, [DetectorSpec(name) for name in embedded()] + [choice]))
        finally:
            if before is None:
                del os.environ["HF_HUB_CACHE"]
            else:
                os.environ["HF_HUB_CACHE"] = before
    report(_verification())


def write_cached_detector(cache: Path) -> int:
    """A random detector in timm's format in that Hub cache; its size in bytes."""
    torch.manual_seed(7)
    model = build_backbone(_ARCHITECTURE, 2)
    # The head of a fresh network is all zeros: it would answer the same whatever it sees.
    torch.nn.init.normal_(model.get_classifier().weight, std=0.1)  # type: ignore[operator]
    config = {
        "architecture": _ARCHITECTURE, "num_classes": 2, "num_features": 384, "label_names": ["Real", "Fake"],
        "pretrained_cfg": {
            "input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "center", "mean": [0.5] * 3,
            "std": [0.5] * 3,
        },
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="telltale-detector-") as name:
        folder = Path(name)
        (folder / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")
        save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / MODEL_FILE)
        put_in_cache(cache, _REPOSITORY, folder, _COMMIT)
        return sum(path.stat().st_size for path in folder.iterdir())


def _first_answers(choice: DetectorSpec, pipeline: Pipeline, runs: int) -> tuple[float, ...]:
    """Seconds from the choice to the evidence on a picture with one face, face detection included; the first run counts as well."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        examine(PICTURE, load_pipeline(choice, "cpu", like=pipeline))
        times.append(time.perf_counter() - started)
        gc.collect()
    return tuple(times)


def _memory(pipeline: Pipeline, choices: list[DetectorSpec]) -> Figure:
    """Memory after many changes as a share of what it was after each detector had been used once, as the app holds them."""
    from attribution.lab.bench.server import resident_bytes

    held: list[Selection] = []
    pipelines: dict[Selection, Pipeline] = {}

    def use(choice: DetectorSpec) -> None:
        selection = Selection(choice)
        pipelines[selection] = load_pipeline(choice, "cpu", like=pipeline)
        held.append(selection)
        examine(PICTURE, pipelines[selection])
        while len(held) > 2:
            pipelines.pop(held.pop(0), None)
        gc.collect()

    for choice in choices:
        use(choice)
    before = resident_bytes()
    for number in range(SWITCHES):
        use(choices[number % len(choices)])
    share = resident_bytes() / max(1, before)
    return Figure(f"memory after {SWITCHES} changes of detector", "×", (share,), most=1.1, note=f"{before / 1e9:.2f} GB before them")


def _verification() -> Figure:
    content = os.urandom(_CHECKED_BYTES)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    times = []
    for _ in range(5):
        started = time.perf_counter()
        hub.check("model.safetensors", content, digest)
        times.append(time.perf_counter() - started)
    return Figure("check of 100 MB of weights (SHA-256)", "s", tuple(times), most=0.3)
