"""A clip of a bench: the frames that every codec gets, and a fingerprint that tells them from others."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from nvrc_core.errors import MediaError, UsageError
from nvrc_core.media.selection import ALL_FRAMES, Clip, FrameRange, read_clip
from nvrc_core.media.source import open_source

VIDEO_SUFFIXES = frozenset({".mkv", ".mp4", ".mov", ".webm", ".avi", ".y4m"})
HASH_BYTES = 8


@dataclass(frozen=True)
class BenchClip:
    """A video file, or a part of it."""

    path: Path
    frames: FrameRange = ALL_FRAMES

    @property
    def name(self) -> str:
        """What results call the clip: the file name, and the frames where they are not all."""
        return self.path.name if self.frames == ALL_FRAMES else f"{self.path.name}[{self.frames}]"

    @property
    def content(self) -> Clip:
        """The frames in memory. Raises MediaError."""
        return _read(self.path, self.frames)

    @cached_property
    def identity(self) -> dict[str, object]:
        """What points of this clip share: name, hash of the samples, geometry, rate."""
        content = self.content
        digest = hashlib.blake2b(digest_size=HASH_BYTES)
        for plane in content.planes:
            digest.update(plane)
        return {
            "clip": self.name,
            "clip_hash": digest.hexdigest(),
            "width": content.video.width,
            "height": content.video.height,
            "frames": content.frame_count,
            "frame_rate": str(content.video.frame_rate),
        }


@lru_cache(maxsize=1)
def _read(path: Path, frames: FrameRange) -> Clip:
    # A bench goes clip by clip: the last one is kept, and memory does not grow with their number.
    with open_source(path) as source:
        return read_clip(source, frames)


def video_files(paths: Iterable[Path]) -> list[Path]:
    """The files named, and the videos of the folders named, by name.

    Raises UsageError for a folder without any, MediaError for one that cannot be looked into.
    """
    found = []
    for path in paths:
        try:
            is_folder = path.is_dir()
            inside = sorted(path.iterdir()) if is_folder else []
        except OSError as error:
            raise MediaError(f"{path} cannot be looked into: {error.strerror}") from error
        inside = [file for file in inside if file.suffix.lower() in VIDEO_SUFFIXES]
        if is_folder and not inside:
            raise UsageError(f"{path} is a folder without videos ({', '.join(sorted(VIDEO_SUFFIXES))})")
        found += inside or [path]
    return found


def frame_size(path: Path) -> tuple[int, int]:
    """Width and height in luma samples, without decoding more than a frame. Raises MediaError."""
    with open_source(path) as source:
        return source.video.width, source.video.height


def frame_count(path: Path, limit: int) -> int:
    """The number of frames, counted up to `limit` + 1. Raises MediaError."""
    with open_source(path) as source:
        count = 0
        for _ in source:
            count += 1
            if count > limit:
                break
    return count
