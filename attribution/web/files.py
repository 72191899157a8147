"""Several files at once on one page: examined one after the other, listed worst first, and opened one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from attribution.errors import MediaError, TelltaleError
from attribution.evidence import Unusable, document_text
from attribution.render import files as view
from attribution.render import overlay
from attribution.text import files as text
from attribution.web import examination, page_parts, results
from attribution.web.engine import Abandoned, Engine, sentence_of
from attribution.web.sessions import Held, Session, Sessions, lighter
from attribution.web.uploads import Upload

if TYPE_CHECKING:
    from attribution.pipeline import Analysis

MOST_FILES = 20
# Of each of several files less is held than of one alone: with some 4 MB a picture stays, and with as much a clip.
_CROPS_EACH, _PICTURE_SIDE_PX, _THUMBNAIL_SIDE_PX = 8, 960, 144


def examine(session: Session, given: Sequence[Upload], sessions: Sessions, engine: Engine) -> Iterator[tuple[Any, Any]]:
    """Examine the files for a page, and hold what was found. Gives the status and the table, step by step. A file that cannot be used is a
    row. Raises Abandoned once it was called off, and TelltaleError where it is the detector that cannot be used."""
    for number, upload in enumerate(given, start=1):
        about, watched = text.OF.format(number=number, total=len(given), name=upload.name), examination.begin(engine, upload)
        try:
            for step in session.steps(watched):
                if step is None:
                    yield gr.skip(), gr.skip()
                else:
                    share = (number - 1 + step.share) / len(given)
                    yield page_parts.progress(share, step.doing, session.elapsed, about), gr.skip()
            held = _held(watched.result(), session, upload, sessions)
        except Abandoned:
            raise
        except Exception as error:
            if isinstance(error, TelltaleError) and not isinstance(error, MediaError):
                raise
            held = Held(view.Row(Unusable(upload.name, sentence_of(error))))
        finally:
            watched.abandon()
            sessions.uploads.release(upload)
        sessions.hold(session, held)
        yield gr.skip(), shown(session)


def shown(session: Session) -> Any:
    """The table of the page's files, or the way back to it above the result of one; nothing where there are none."""
    rows = [held.row for held in session.files]
    if session.opened is not None:
        return gr.update(value=view.bar(rows, session.opened), visible=True)
    if not rows:
        return gr.update(value="", visible=False)
    return gr.update(value=view.table(rows, session.last_opened, None if session.running else _downloads(rows)), visible=True)


def _held(found: Analysis, session: Session, upload: Upload, sessions: Sessions) -> Held:
    """What is held of a file: its evidence, and a share of its pixels."""
    frames, telling = found.frames, found.evidence.telling
    tiles = tuple(one if number == telling else None for number, one in enumerate(found.tiles))
    own = Session(examined_with=session.examined_with)
    results.keep(replace(found, evidence=lighter(found.evidence, _CROPS_EACH), tiles=tiles), own, upload, sessions.uploads)
    if own.picture is not None:
        own.picture = overlay.fitted(own.picture, _PICTURE_SIDE_PX)
    moment = own.face.seconds if own.face is not None else 0.0
    nearest = min(frames, key=lambda frame: abs(frame.seconds - moment))
    assert own.evidence is not None
    return Held(view.Row(own.evidence, overlay.small_uri(nearest.rgb, _THUMBNAIL_SIDE_PX, 80)), own)


def _downloads(rows: Sequence[view.Row]) -> tuple[str, str]:
    outcomes = [row.outcome for row in rows]
    return page_parts.data_link("text/csv", view.to_csv(outcomes)), page_parts.data_link("application/json", document_text(outcomes))
