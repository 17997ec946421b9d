"""One exception for each kind of rule that a damaged, foreign or future file can break."""


class FormatError(ValueError):
    """The bytes break a rule of `formats/SPEC.md`; the message says which, and where."""


class NotNvrcError(FormatError):
    """The file does not start with the magic bytes."""


class VersionError(FormatError):
    """The file needs a newer reader; the message names the version."""


class UnknownChunkError(FormatError):
    """A required chunk of a kind that this reader does not know."""


class TruncatedError(FormatError):
    """The file ends early."""


class ChecksumError(FormatError):
    """A chunk's bytes do not match its CRC."""


class LimitError(FormatError):
    """A declared size is beyond the limits of the format."""


class HeaderError(FormatError):
    """A header's field is missing, of the wrong type or out of range."""


class PayloadError(FormatError):
    """A segment's coded symbols break a rule."""


class VideoFileError(ValueError):
    """A y4m or raw video stream is malformed; the message says where."""
