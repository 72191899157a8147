"""`python -m attribution lab zeroshot`: the whole generalisability study, from trainings to the results that the page shows."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from attribution.lab.data import DATA_HELP
from attribution.measured.study import ZEROSHOT_FILE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    from attribution.lab.studies.zeroshot.plan import DETECTORS

    parser.add_argument("--data", help=DATA_HELP)
    parser.add_argument("--work", type=Path, required=True, help="folder for decoded faces and forgeries (made by `lab prepare`)")
    parser.add_argument("--runs", type=Path, required=True, help="folder for the study's runs (about 4 GB); what is there stays")
    parser.add_argument(
        "--pretrained", nargs="*", default=[], metavar="DETECTOR=FILE", help="the file that a detector starts from (mobilenetv2)"
    )
    names = [detector.name for detector in DETECTORS]
    parser.add_argument("--detectors", nargs="*", default=names, choices=names, help="only these (default: all)")
    parser.add_argument("--out", type=Path, default=ZEROSHOT_FILE)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="trainings side by side, one thread each (one on a GPU)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")


def run(args: argparse.Namespace) -> int:
    """Train what is missing, measure everything, write the results."""
    from attribution.lab.studies.zeroshot.plan import DETECTORS, plan
    from attribution.lab.studies.zeroshot.results import measure
    from attribution.lab.studies.zeroshot.runs import carry_out

    todo = plan(tuple(detector for detector in DETECTORS if detector.name in args.detectors))
    pretrained = dict(one.split("=", 1) for one in args.pretrained)
    carry_out(todo, args.data, args.work, args.runs, pretrained, 1 if args.device == "cuda" else args.jobs, args.device)
    measure(todo, args.data, args.work, args.runs, args.out, args.device)
    return 0
