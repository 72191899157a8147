"""The networks' work for the page: on a thread of this process, or on ZeroGPU in a process that was forked from it with the pipeline. What
goes there and comes back is pickled, so that a job is a function of a module."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import gradio as gr

from attribution.errors import DeviceError, TelltaleError
from attribution.evidence import Patches
from attribution.media.limits import MediaLimits
from attribution.media.magic import HEAD_BYTES, recognise
from attribution.messages import gettext as _
from attribution.text import page as text
from attribution.web.engine import Engine, Progress, Step, Watched, sentence_of
from attribution.web.uploads import Upload
from attribution.web.zerogpu import on_gpu, seconds_to_read

if TYPE_CHECKING:
    from attribution.explain.patches import Tiles
    from attribution.pipeline import Analysis, Pipeline

_Result = TypeVar("_Result")
Steps = Generator["Step | Outcome[Any] | None", None, None]

# More people than that in every frame of a clip are rare, and asking for much time keeps out visitors who have little left.
FACES_EXPECTED = 6

# What ZeroGPU calls its refusals, in our words.
_BROKEN_OFF = (_("The GPU was taken back before this was done."), _("Try again, or cut the clip shorter first."))
_NONE_FREE = (_("No GPU is free at the moment."), _("Try again in a few minutes."))
_REFUSALS = {
    "ZeroGPU quota exceeded": (_("The free GPU time for today is used up."), _("Sign in to Hugging Face, or come back tomorrow.")),
    "ZeroGPU queue timeout": _NONE_FREE,
    "ZeroGPU client error": _NONE_FREE,
}


@dataclass(frozen=True)
class Outcome(Generic[_Result]):
    """What a job gave, or the error with a sentence that it raised, on the way back from another process."""

    value: _Result | None = None
    error: TelltaleError | None = None


# The one pipeline whose jobs are done elsewhere, and how.
_lent: tuple[Pipeline, Callable[..., Steps]] | None = None


def begin(engine: Engine, upload: Upload) -> Watched[Analysis]:
    """Begin to examine a file, on a thread of its own that waits for the detector first."""

    def work(report: Progress) -> Analysis:
        pipeline = engine.ready()
        if pipeline is None:
            report(0.0, text.STARTING)
            pipeline = engine.pipeline()
        # PyTorch takes seconds to import, and is there once a detector is.
        from attribution.pipeline import examine

        return run(pipeline, seconds_to_examine(upload.path), examine, upload.path, name=upload.name, progress=report)

    return Watched(work)


def run(pipeline: Pipeline, seconds: float, job: Callable[..., _Result], *given: Any, **named: Any) -> _Result:
    """`job(*given, pipeline=pipeline, **named)`, a function of a module that may take `progress`, where the networks are. `seconds`: for
    how long a GPU is asked for, 0 for none. Raises what the job raises; DeviceError when no GPU is lent, or when it is taken back."""
    if _lent is None or _lent[0] is not pipeline or not seconds:
        return job(*given, pipeline=pipeline, **named)
    report = named.pop("progress", None)
    try:
        outcome = _followed(_lent[1](seconds, job, given, named, report is not None), report)
    except gr.Error as error:
        raise DeviceError(*_REFUSALS.get(getattr(error, "title", ""), _BROKEN_OFF)) from error
    if outcome.error is not None:
        raise outcome.error
    return outcome.value  # type: ignore[return-value]


def borrow_gpus(engine: Engine) -> None:
    """From now on jobs with the pipeline of this engine, loaded before the page is launched, borrow a GPU on ZeroGPU; without one none."""
    global _lent
    try:
        pipeline = engine.pipeline()
    except Exception:
        return

    def steps(seconds: float, job: Callable[..., Any], given: tuple[Any, ...], named: Mapping[str, Any], reports: bool) -> Steps:
        """In the process that has the GPU: the steps of a job, and at the end its outcome."""
        del seconds
        watched = Watched(lambda report: job(*given, pipeline=pipeline, **named, **({"progress": report} if reports else {})))
        try:
            yield from watched
            try:
                yield Outcome(watched.result())
            except TelltaleError as error:
                yield Outcome(error=error)
            except Exception as error:
                # The package would print the whole traceback, message included.
                yield Outcome(error=DeviceError(sentence_of(error)))
        finally:
            watched.abandon()

    _lent = (pipeline, on_gpu(lambda seconds, *_: seconds)(steps))


def seconds_to_examine(path: Path) -> float:
    """For how long to ask for a GPU, by the first bytes of a file: how many frames are read is known, how many faces are in them is not."""
    try:
        with path.open("rb") as file:
            picture = recognise(file.read(HEAD_BYTES)).kind == "picture"
    except (OSError, TelltaleError):
        # It will be refused by these bytes: no network will see it.
        return 0.0
    if picture:
        return seconds_to_read(1, FACES_EXPECTED)
    limits = MediaLimits()
    # In long clips faces are looked for in more frames; how many of them are read has a bound.
    return seconds_to_read(limits.most_frames + limits.closer_frames, limits.frames * FACES_EXPECTED)


def seconds_to_explain() -> float:
    """For how long to ask for a GPU to draw one heatmap, or to read the patches around one face."""
    return seconds_to_read(0, FACES_EXPECTED)


def _followed(steps: Steps, report: Progress | None) -> Outcome[Any]:
    """Report the steps as they come, to the outcome. Whatever `report` raises ends the job."""
    shown = Step(0.0, text.WAITING)
    with closing(steps):
        for step in steps:
            if isinstance(step, Outcome):
                return step
            shown = step or shown
            # Told also when nothing has moved: the answer may be that nobody waits any more.
            if report is not None:
                report(shown.share, shown.doing)
    raise RuntimeError("the process with the GPU ended without an outcome")


def patches(tiles: Tiles, weights_sha256: str, pipeline: Pipeline) -> Patches:
    """The job of reading the patches around a face, by the detector of those weights."""
    from attribution.explain.patches import patch_view

    predictor = pipeline.predictor_of(weights_sha256)
    assert predictor is not None
    return patch_view(predictor, tiles)
