"""How motion is coded: cells, steps, what flow is a difference from, and what is made of it where it jumps."""

from dataclasses import dataclass

from nvrc_formats.shapes import MotionWaveletShape

from nvrc_core.representation.motion_channels import FLOW_CHANNELS

FLOW_STEP = 0.5
"""The usual one, in luma samples."""

MASK_STEP, FADE_STEP = 1.0, 0.25
"""In logits; in shares of the prediction."""


@dataclass(frozen=True)
class MotionCoding:
    """`flow_step`: in luma samples. `inherits`: flow is what differs from inherited flow
    (`representation/inherited_motion.py`), else it is coded as it is. `cell`: luma samples along each side of a cell of
    motion, one of `MotionWaveletShape.MOTION_CELLS`. `overlaps`: motion overlaps where flow jumps
    (`representation/overlapped_motion.py`), else flow is interpolated everywhere."""

    flow_step: float = FLOW_STEP
    inherits: bool = False
    cell: int = MotionWaveletShape.MOTION_CELLS[0]
    overlaps: bool = False

    @property
    def overlapping_cell(self) -> int | None:
        """`cell` if motion overlaps."""
        return self.cell if self.overlaps else None

    @property
    def steps(self) -> tuple[float, ...]:
        """By channel (`representation/motion_channels.py`)."""
        return (*(self.flow_step,) * FLOW_CHANNELS, MASK_STEP, FADE_STEP)


USUAL = MotionCoding()
