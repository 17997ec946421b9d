"""One point of another encoder on a bench's clip."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nvrc_core.devices import processor_name
from nvrc_core.evaluation.anchors.encoder import Anchor
from nvrc_core.evaluation.anchors.measure import measure
from nvrc_core.evaluation.bench.clip import BenchClip
from nvrc_core.events import EventHandler, ignore


@dataclass(frozen=True)
class AnchorTask:
    """A point to make. `q`: the encoder's own quality parameter, a CRF or QP."""

    clip: BenchClip
    anchor: Anchor
    q: float

    @cached_property
    def identity(self) -> dict[str, Any]:
        """How the point is known again. Bytes and pictures do not depend on the machine, so that it does not count."""
        return self.clip.identity | {
            "codec": self.anchor.codec,
            "series": self.anchor.series,
            "version": self.anchor.version,
            "threads": self.anchor.threads,
            "q": self.q,
        }

    @property
    def label(self) -> str:
        """The point in words."""
        return f"{self.clip.name}, {self.anchor.series}, q {self.q:g}"

    def run(self, _on_event: EventHandler = ignore) -> dict[str, Any]:
        """Encodes, decodes, measures; the figures of the point. Raises UsageError, ResourceError."""
        content = self.clip.content
        return measure(self.anchor, content.planes, content.video, self.q) | {"processor": processor_name()}
