"""Speed and memory, measured in one run beside the naive way: `python -m attribution lab benchmark`."""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `lab benchmark`."""
    parser.add_argument("--clip", type=Path, help="measure on this clip (default: a 10-second 720p clip of the two example portraits)")
    parser.add_argument("--detector", default="default", help="name, folder or hf:owner/repo@revision of the detector")
    parser.add_argument("--runs", type=int, default=5, help="warm runs of the picture and of the clip (default: 5)")
    parser.add_argument("--naive", action=argparse.BooleanOptionalAction, default=True, help="measure the naive way too (minutes)")
    parser.add_argument("--naive-frames", type=int, help="end the naive way after so many frames, and say that its time is extrapolated")
    parser.add_argument("--server", action=argparse.BooleanOptionalAction, default=True, help="measure the app as a process")
    parser.add_argument("--switching", action=argparse.BooleanOptionalAction, default=True, help="measure what changing the detector costs")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures as JSON too")


def run(args: argparse.Namespace) -> int:
    """Measure, print, and write what was asked for; 0 whatever the figures are."""
    # Each of these libraries takes seconds to import: not for the flags of the lab's other commands.
    import torch

    from attribution.lab.bench import measuring
    from attribution.lab.bench.naive import write_moving_clip
    from attribution.pipeline import load_pipeline

    machine = measuring.describe_machine()
    print(*(f"{key}: {value}" for key, value in machine.items()), sep="\n")
    print()
    figures: list[measuring.Figure] = []

    def report(figure: measuring.Figure) -> None:
        figures.append(figure)
        print(figure.line(), flush=True)

    with tempfile.TemporaryDirectory(prefix="telltale-benchmark-") as folder:
        clip = args.clip or write_moving_clip(Path(folder) / "moving.mp4")
        pipeline = load_pipeline(args.detector, "cpu")
        if args.server:
            measuring.measure_server(clip, args.runs, args.detector, report)
        clip_seconds = measuring.measure_examination(pipeline, clip, args.runs, report)
        if args.switching:
            measuring.measure_switching(pipeline, report)
        if args.naive:
            measuring.measure_naive(pipeline, clip, args.naive_frames, clip_seconds, report)
        if torch.cuda.is_available():
            measuring.measure_examination(load_pipeline(args.detector, "cuda"), clip, args.runs, report)
    if args.json:
        rows = [{**asdict(figure), "value": figure.value, "holds": figure.holds} for figure in figures]
        args.json.write_text(json.dumps({"machine": machine, "figures": rows}, indent=2) + "\n", encoding="utf-8")
    return 0
