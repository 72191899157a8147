"""`python -m attribution lab dna-det …`: train DNA-Det's two stages, and publish what came of it."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser, data_help: str) -> None:
    """The sub-commands `train` and `publish`."""
    commands = parser.add_subparsers(dest="dna_det", required=True)
    train = commands.add_parser("train", help="one stage of the training, or go on with one that was stopped")
    publish = commands.add_parser("publish", help="measure finished runs and write the detector folder")
    for one in (train, publish):
        one.add_argument("--data", help=data_help)
        one.add_argument("--work", type=Path, required=True, help="folder of the decoded faces (`lab prepare`)")
        one.add_argument("--out", type=Path, required=True, help="folder of the run, or the detector folder to write")
    train.add_argument("--stage", choices=("transformations", "architectures"), default="architectures")
    train.add_argument("--start", default="", metavar="RUN", help="finished run of the first stage to start from (default: random weights)")
    train.add_argument("--side", type=int, default=224, help="side in px that whole pictures are read at (the paper: 512)")
    train.add_argument("--steps", type=int, default=4000)
    train.add_argument("--items", type=int, default=1, help="pictures of every class in a worker's step")
    train.add_argument("--patches", type=int, default=16, help="patches of each picture; 0 takes whole pictures")
    train.add_argument("--augmented", type=float, default=1.0, help="share of stage 2's pictures changed in quality and geometry")
    train.add_argument("--no-contrastive", action="store_true", help="cross-entropy alone")
    train.add_argument("--learning-rate", type=float, default=7e-4)
    train.add_argument("--seed", type=int, default=7)
    train.add_argument("--leave-out", nargs="*", default=[], metavar="METHOD", help="generators never to train on")
    train.add_argument("--until", type=int, default=0, help="end this sitting after so many steps, to be resumed later")
    train.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="training processes on a CPU (one on a GPU)")
    train.add_argument("--threads", type=int, default=0, help="threads of a single CPU worker (0: every core)")
    train.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    publish.add_argument("--run", type=Path, required=True, help="the finished run that ships")
    publish.add_argument("--variants", nargs="*", default=[], metavar="NAME=RUN", help="finished runs of the ablation")
    publish.add_argument("--held-out", nargs="*", default=[], metavar="METHOD=RUN", help="finished runs that left a generator out")
    publish.add_argument("--minutes", type=float, required=True, help="how long both stages took, for the card")
    publish.add_argument("--train-command", required=True, help="the commands that made the run, for the card")
    publish.add_argument("--note", action="append", default=[], help="a sentence for the card on how the weights came about (repeatable)")


def run(args: argparse.Namespace) -> int:
    """Carry out the sub-command; raises LabError."""
    return _train(args) if args.dna_det == "train" else _publish(args)


def _train(args: argparse.Namespace) -> int:
    from attribution.lab.data import find_data
    from attribution.lab.train.dnadet import Settings, train

    started = time.monotonic()
    train(
        Settings(
            data=str(find_data(args.data)), work=str(args.work), out=str(args.out), stage=args.stage, start=args.start, side_px=args.side,
            steps=args.steps, seed=args.seed, workers=1 if args.device == "cuda" else args.workers, items=args.items, patches=args.patches,
            augmented=args.augmented, contrastive=not args.no_contrastive, learning_rate=args.learning_rate,
            leave_out=tuple(args.leave_out), until=args.until,
            device=args.device, threads=args.threads,
        )
    )  # fmt: skip
    print(f"done in {(time.monotonic() - started) / 60:.1f} minutes")
    return 0


def _publish(args: argparse.Namespace) -> int:
    from attribution.lab.publish.dnadet import Runs, publish

    variants, held_out = (
        {name: Path(run) for name, run in (one.split("=", 1) for one in given)} for given in (args.variants, args.held_out)
    )
    runs = Runs(args.run, variants, held_out)
    publish(runs, args.data, args.work, args.out, args.out.name, args.minutes, args.train_command, args.note)
    return 0
