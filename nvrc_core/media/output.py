"""Outputs that are either complete or absent, and failures to write that a user can act on.

A regular file is written under a temporary name beside its place and renamed when it is complete and on
disk. A pipe or a device is written directly: there is nothing to replace.
"""

import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from nvrc_core.errors import ResourceError, UsageError

STDOUT = "-"

# Errors that only writing can cause, wherever they surface.
_NO_SPACE = {errno.ENOSPC: "disk full", errno.EDQUOT: "disk quota exceeded", errno.EFBIG: "file too large"}

# Leaves room for the token and the suffix in a file name of at most 255 bytes.
_STEM_CHARACTERS = 40


def is_special(path: str | os.PathLike[str]) -> bool:
    """Whether something exists there that is neither a file nor a directory: a FIFO, a device."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def check_output(path: str | os.PathLike[str], overwrite: bool) -> None:
    """Raise UsageError where writing to `path` cannot work; called before any long work starts.

    "-" and special files pass: they are never replaced.
    """
    if str(path) == STDOUT or is_special(path):
        return
    target = Path(path)
    if target.parent.is_dir() and not os.access(target.parent, os.W_OK | os.X_OK):
        raise UsageError(f"output folder {target.parent} is not writable")  # nor can it be looked into, perhaps
    if target.is_dir():
        raise UsageError(f"output {target} is a directory")
    if target.exists() and not overwrite:
        raise UsageError(f"output {target} exists; overwrite it with -y")
    folder = target.resolve().parent
    if not folder.is_dir():
        raise UsageError(f"output folder {folder} does not exist")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"output folder {folder} is not writable")


def refuse_same_file(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Raise UsageError where both paths lead to one file, which writing would destroy while it is read."""
    if STDOUT in (str(source), str(target)) or is_special(target):
        return
    with suppress(OSError):  # one of them does not exist, so they differ
        if os.path.samefile(source, target):
            raise UsageError(f"input and output are the same file: {source}")


@contextmanager
def write_errors(name: str) -> Iterator[None]:
    """Turn an OSError in the block into ResourceError. BrokenPipeError passes: the reader has had enough."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = _NO_SPACE.get(error.errno or 0) or error.strerror or str(error)
        raise ResourceError(f"cannot write {name}: {reason}") from error


@contextmanager
def atomic_output(path: str | os.PathLike[str], overwrite: bool = False) -> Iterator[Path]:
    """Give the path to write to; when the block succeeds, what was written there stands at `path`.

    The temporary file keeps the suffix of `path`. It is synced to disk and renamed on success, removed on
    any exception. A special file is given as it is. Raises what `check_output` raises, and ResourceError
    where the disk is full or the file cannot be created; a lack of space in the block becomes one, too.
    """
    check_output(path, overwrite)
    if is_special(path):
        with _space_errors(str(path)):
            yield Path(path)
        return
    target = Path(path).resolve()  # a symbolic link stays, its target is replaced
    partial = target.with_name(f".{target.stem[:_STEM_CHARACTERS]}.part-{secrets.token_hex(4)}{target.suffix}")
    try:
        with write_errors(str(path)):
            # O_EXCL: never follow or reuse what someone else has put there.
            os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        with _space_errors(str(path)):
            yield partial
        with write_errors(str(path)):
            _sync(partial)
            check_output(path, overwrite)  # the block may have taken hours
            os.replace(partial, target)
            with suppress(OSError):  # not every file system can sync a folder
                _sync(target.parent)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def write_text(path: str | os.PathLike[str], text: str, overwrite: bool = False) -> None:
    """Write UTF-8 text by the rules of `atomic_output`, and raise what it raises."""
    with atomic_output(path, overwrite) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def output_stream(target: str | os.PathLike[str], overwrite: bool = False) -> Iterator[BinaryIO]:
    """A binary stream to write to: standard output for "-", else a file by the rules of `atomic_output`."""
    if str(target) == STDOUT:
        with write_errors("standard output"):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    with atomic_output(target, overwrite) as path:
        with write_errors(str(target)):
            stream = open(path, "wb")  # noqa: SIM115 - closed below, where a failing last write is still caught
        try:
            yield stream
        except BaseException:
            with suppress(OSError):
                stream.close()
            raise
        with write_errors(str(target)):
            stream.close()


@contextmanager
def _space_errors(name: str) -> Iterator[None]:
    """Like `write_errors`, but only for what no read can raise: the caller's block may read files as well."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        raise ResourceError(f"cannot write {name}: {_NO_SPACE[error.errno]}") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
