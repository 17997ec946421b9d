"""One point of nvrc: a real file, made, decoded again and measured."""

import hashlib
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import nvrc_formats
from nvrc_formats.checksum import PictureHash

import nvrc_core
from nvrc_core import __version__
from nvrc_core.config import EncodeConfig
from nvrc_core.devices import processor_name, runtime
from nvrc_core.encode import encode
from nvrc_core.evaluation.bench.clip import BenchClip
from nvrc_core.evaluation.quality.meter import Quality, QualityMeter
from nvrc_core.events import NETWORK_PHASE, Event, EventHandler, FitProgress
from nvrc_core.presets import DEFAULT_TUNE
from nvrc_core.segment import SegmentDecoder
from nvrc_core.stream import open_stream
from nvrc_core.verify import verify

PER_FRAME = ("psnr_y", "psnr_yuv")
BUILD_CHARACTERS = 10


@cache
def build() -> str:
    """A fingerprint of the codec's code: points of another build are another codec's, whatever its version says."""
    digest = hashlib.blake2b(digest_size=16)
    for package in (nvrc_core, nvrc_formats):
        root = Path(package.__file__).parent
        for file in sorted(chain(root.rglob("*.py"), root.rglob("*.bin"))):
            if "evaluation" not in file.relative_to(root).parts:
                digest.update(file.read_bytes())
    return digest.hexdigest()[:BUILD_CHARACTERS]


@dataclass(frozen=True)
class FitTask:
    """A point to make."""

    clip: BenchClip
    config: EncodeConfig

    @cached_property
    def identity(self) -> dict[str, Any]:
        """How the point is known again. The machine belongs to it: times of two do not make one curve."""
        config, clip = self.config, self.clip.identity
        tune = "" if config.tune == DEFAULT_TUNE else f"_{config.tune}"
        steps = "" if config.steps is None else f"_{config.steps}"
        with runtime(config.device, config.threads, clip["width"] * clip["height"]) as where:
            device = where.name
        return clip | {
            "codec": "nvrc",
            "series": f"nvrc_{config.preset}{tune}{steps}",
            "preset": config.preset,
            "tune": config.tune,
            "version": f"{__version__} build {build()}",
            "target_bpp": config.wanted_bpp,
            "asked_lambda": config.quality_weight,
            "seed": config.seed,
            "device": device,
            "processor": processor_name(),
        }

    @property
    def label(self) -> str:
        """The point in words."""
        asked = (
            f"{self.config.wanted_bpp:g} bpp" if self.config.wanted_bpp else f"lambda {self.config.quality_weight:g}"
        )
        return f"{self.clip.name}, {self.identity['series']}, {asked}"

    def run(self, on_event: EventHandler) -> dict[str, Any]:
        """Encodes, decodes, measures; the figures of the point. Raises whatever `encode` raises."""
        clip, config, fits = self.clip, self.config, []

        def watch(event: Event) -> None:
            if isinstance(event, FitProgress) and event.phase != NETWORK_PHASE:
                fits[:] = [event]
            on_event(event)

        with tempfile.TemporaryDirectory() as folder:
            file = f"{folder}/point.nvrc"
            encoded = encode(str(clip.path), file, config, on_event=watch)
            quality, decode_s, exact = _decode(file, clip, config)
            figures = asdict(encoded) | quality.figures()
            if not encoded.device.startswith("cpu"):
                drift = verify(file, device="cpu")
                figures |= {"cpu_pixels_exact": drift.pixels_exact, "cpu_max_difference": drift.max_difference}
        figures["lambda"] = figures.pop("quality_weight")
        return figures | {
            "decode_s": decode_s,
            "pixels_exact": exact,
            "steps": fits[-1].steps,
            "fit_s": fits[-1].elapsed_s,
            "per_frame": {name: [round(float(x), 4) for x in quality.per_frame[name]] for name in PER_FRAME},
        }


def _decode(file: str, clip: BenchClip, config: EncodeConfig) -> tuple[Quality, float, bool]:
    """The file's quality, the seconds that its symbols and frames take, and whether the frames are the encoder's."""
    video, originals = clip.content.video, zip(*clip.content.planes, strict=True)
    decode_s, exact = 0.0, True
    with open_stream(file) as stream, runtime(config.device, config.threads, video.pixels) as where:
        meter = QualityMeter(video, device=where.device)
        for segment in stream.segments:
            start = time.perf_counter()
            decoder = SegmentDecoder(segment.header, segment.payload, video)
            frames = list(decoder.frames(range(segment.header.frames), where.device))
            decode_s += time.perf_counter() - start
            picture_hash = PictureHash()
            for planes in frames:
                picture_hash.update(planes)
                meter.update(next(originals), planes)
            exact &= picture_hash.digest() == segment.header.picture_hash
    return meter.result(), decode_s, exact
