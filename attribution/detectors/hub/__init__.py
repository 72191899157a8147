"""Detectors on the Hugging Face Hub: what a repository holds, its files pinned to a commit, fetched, checked and found again offline.

The only door to `huggingface_hub` in the product. Six names are downloaded and nothing else, from a commit and never from a branch; every
file's digest is compared with the Hub's, because the client returns a flipped bit silently. Nothing waits for ever.
"""

from attribution.detectors.hub.cache import cached, check, discard, find
from attribution.detectors.hub.fetch import fetch, obtain
from attribution.detectors.hub.look import look
from attribution.detectors.hub.names import (
    FILES,
    LARGEST_FILE_BYTES,
    PREPROCESSOR_FILE,
    HubFile,
    HubName,
    Listing,
    Patience,
    Progress,
    Snapshot,
    parse,
)

__all__ = [
    "FILES",
    "LARGEST_FILE_BYTES",
    "PREPROCESSOR_FILE",
    "HubFile",
    "HubName",
    "Listing",
    "Patience",
    "Progress",
    "Snapshot",
    "cached",
    "check",
    "discard",
    "fetch",
    "find",
    "look",
    "obtain",
    "parse",
]
