"""A visitor of the running app: gives it a file and waits for the result, by the same requests that the page in a browser makes."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import httpx

from attribution.errors import LabError

_PATIENCE_SECONDS = 600


class Visitor:
    """One open page. `examine` gives it a file. LabError when the page answers otherwise than it should."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=_PATIENCE_SECONDS, trust_env=False, headers={"Origin": url.rstrip("/")})
        self._session = secrets.token_hex(6)
        self._events: list[dict[str, Any]] = self._get_json("config")["dependencies"]

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def examine(self, file: Path) -> None:
        """Drop `file` on the page, wait for its verdict, and for the heatmap that the page asks for next."""
        with file.open("rb") as content:
            (path,) = self._checked(self._http.post("gradio_api/upload", files={"files": (file.name, content)})).json()
        upload = {"path": path, "orig_name": file.name, "size": file.stat().st_size, "meta": {"_type": "gradio.FileData"}}
        taken = next(event for event in self._events if any(target[1] == "upload" for target in event["targets"]))
        self._checked(self._http.post("gradio_api/run/predict", json=self._body(taken, [upload])))
        examined = self._after(taken)
        shown = self._queued(examined, [])["output"]["data"]
        label = next((part["value"] for part in shown if isinstance(part, dict) and "choices" in part), None)
        if label is None:
            raise LabError("The app found no face to examine in this file.", "Examine it on the page to see why.")
        self._queued(self._after(self._after(examined)), [label])

    def _after(self, event: dict[str, Any]) -> dict[str, Any]:
        """The event that follows another one."""
        return next(one for one in self._events if one["trigger_after"] == event["id"])

    def _queued(self, event: dict[str, Any], data: list[Any]) -> dict[str, Any]:
        """Join the queue for an event and wait for its end."""
        self._checked(self._http.post("gradio_api/queue/join", json=self._body(event, data)))
        with self._http.stream("GET", "gradio_api/queue/data", params={"session_hash": self._session}) as answer:
            for line in answer.iter_lines():
                message = json.loads(line[len("data: ") :]) if line.startswith("data: ") else {}
                if message.get("msg") == "process_completed":
                    if not message.get("success"):
                        break
                    return message
        raise LabError("The app failed on this file.", "Examine it on the page to see why.")

    def _body(self, event: dict[str, Any], data: list[Any]) -> dict[str, Any]:
        return {"fn_index": event["id"], "data": data, "session_hash": self._session, "trigger_id": None, "event_data": None}

    def _get_json(self, path: str) -> Any:
        return self._checked(self._http.get(path)).json()

    @staticmethod
    def _checked(answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        raise LabError(f"The app answered with status {answer.status_code}.", "Start app.py yourself to see why.")
