"""`python -m attribution lab caddm …`: train the ID-unaware detector and the plain one beside it, and publish what came of them."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser, data_help: str) -> None:
    """The sub-commands `train` and `publish`."""
    commands = parser.add_subparsers(dest="caddm", required=True)
    train = commands.add_parser("train", help="train the detector, or go on with a training that was stopped")
    publish = commands.add_parser("publish", help="measure finished runs and write the detector folder")
    for one in (train, publish):
        one.add_argument("--data", help=data_help)
        one.add_argument("--work", type=Path, required=True, help="folder of the decoded faces and forgeries (`lab prepare`)")
        one.add_argument("--out", type=Path, required=True, help="folder of the run, or the detector folder to write")
    train.add_argument("--start", required=True, metavar="FILE", help="safetensors file of the backbone to start from")
    train.add_argument("--plain", action="store_true", help="the plain binary detector: no artifact module, no facial swap, same faces")
    train.add_argument("--frozen", type=int, default=2, help="first stages of the backbone that stay as they are")
    train.add_argument("--steps", type=int, default=4000)
    train.add_argument("--learning-rate", type=float, default=5e-4)
    train.add_argument("--artifact-weight", type=float, default=0.1, help="share of the artifact module's loss")
    train.add_argument(
        "--shares", nargs=4, type=float, default=[], metavar="SHARE",
        help="how often to put the untouched face into the swap, the swap into the untouched face, the swap as it is, a part of it",
    )  # fmt: skip
    train.add_argument("--seed", type=int, default=7)
    train.add_argument("--leave-out", nargs="*", default=[], metavar="METHOD_OR_SOURCE", help="methods or sources never to train on")
    train.add_argument("--until", type=int, default=0, help="end this sitting after so many steps, to be resumed later")
    train.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="training processes on a CPU (one on a GPU)")
    train.add_argument("--threads", type=int, default=0, help="threads of a single CPU worker (0: every core)")
    train.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    publish.add_argument("--run", type=Path, required=True, help="the finished run that ships")
    publish.add_argument("--plain-run", type=Path, required=True, help="the finished run of the plain detector")
    publish.add_argument("--backbone", type=Path, help="the backbone's ImageNet file, for one more row of the identity probe")
    publish.add_argument("--minutes", type=float, required=True, help="how long the training took, for the card")
    publish.add_argument("--train-command", required=True, help="the commands that made the runs, for the card")
    publish.add_argument("--note", action="append", default=[], help="a sentence for the card on how the weights came about (repeatable)")


def run(args: argparse.Namespace) -> int:
    """Carry out the sub-command; raises LabError."""
    return _train(args) if args.caddm == "train" else _publish(args)


def _train(args: argparse.Namespace) -> int:
    from attribution.lab.data import find_data
    from attribution.lab.train.caddm import Settings, train

    started = time.monotonic()
    train(
        Settings(
            data=str(find_data(args.data)), work=str(args.work), out=str(args.out), start=args.start, plain=args.plain, frozen=args.frozen,
            steps=args.steps, learning_rate=args.learning_rate, artifact_weight=args.artifact_weight,
            shares=tuple(args.shares), seed=args.seed,
            leave_out=tuple(args.leave_out), until=args.until, workers=1 if args.device == "cuda" else args.workers, threads=args.threads,
            device=args.device,
        )
    )  # fmt: skip
    print(f"done in {(time.monotonic() - started) / 60:.1f} minutes")
    return 0


def _publish(args: argparse.Namespace) -> int:
    from attribution.lab.publish.caddm import Runs, publish

    runs = Runs(args.run, args.plain_run, args.backbone)
    publish(runs, args.data, args.work, args.out, args.out.name, args.minutes, args.train_command, args.note)
    return 0
