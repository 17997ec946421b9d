"""Failures that a user can understand and act on. Each family has one exit code (see `nvrc_cli.exit_codes`)."""


class NvrcError(Exception):
    """Base of all expected failures; the message is one line that says what, where, and what to do."""


class UsageError(NvrcError):
    """The request makes no sense: conflicting options, an output that exists or cannot be written."""


class MediaError(NvrcError):
    """The input video is missing, unreadable, empty or of a kind that is not supported."""


class SymbolMismatchError(NvrcError):
    """The decoded integers are not those that the encoder wrote."""


class PixelDriftError(NvrcError):
    """The rendered samples differ from the encoder's beyond the stated tolerance."""


class TargetMissedError(NvrcError):
    """The rate is far from the one that was strictly asked for."""


class RegressionError(NvrcError):
    """The regression gate failed: a figure is worse than the limit that was asked for."""


class ResourceError(NvrcError):
    """A device is not there, or memory or disk space ran out."""
