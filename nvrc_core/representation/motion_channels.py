"""The grid of motion and its channels."""

MOTION = "motion"
"""Its name."""

FLOW0, FLOW1 = slice(0, 2), slice(2, 4)
"""(dx, dy) to the first and to the second reference, in luma samples."""

MASK = slice(4, 5)
"""Which reference to see, in logits."""

FADE = slice(5, 6)
"""The share of the prediction that is left out."""

MOTION_CHANNELS, FLOW_CHANNELS = 6, 4
