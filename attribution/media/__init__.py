"""Untrusted pictures and clips → sampled RGB frames with true timestamps, decoded in a worker process that can be killed.

The parent looks at magic bytes, sizes and hashes; only the worker (`worker`, `pictures`, `clips`, `kept`) decodes. `prepare()` starts a
worker ahead of the first file.
"""

from attribution.media.decoder import prepare, retire
from attribution.media.limits import MediaLimits
from attribution.media.session import OpenedMedia, open_media

__all__ = ["MediaLimits", "OpenedMedia", "open_media", "prepare", "retire"]
