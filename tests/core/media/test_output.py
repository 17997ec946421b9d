import errno
import os
import stat

import pytest

from nvrc_core.errors import ResourceError, UsageError
from nvrc_core.media.output import atomic_output, check_output, refuse_same_file, write_errors


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_appears_only_when_complete(tmp_path):
    target = tmp_path / "clip.mkv"
    with atomic_output(target) as path:
        path.write_bytes(b"data")
        assert path.parent == tmp_path
        assert path.suffix == ".mkv"
        assert path.name.startswith(".clip.part-")
        assert not target.exists()
    assert target.read_bytes() == b"data"
    assert names(tmp_path) == ["clip.mkv"]


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_output(tmp_path / "clip.mkv"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "clip.mkv").stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, BrokenPipeError, SystemExit])
def test_a_failure_leaves_what_was_there(tmp_path, error):
    target = tmp_path / "clip.mkv"
    target.write_bytes(b"old")

    def fail_halfway():
        with atomic_output(target, overwrite=True) as path:
            path.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        fail_halfway()
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["clip.mkv"]


def test_a_long_name_is_no_obstacle(tmp_path):
    name = "n" * 250 + ".mkv"
    with atomic_output(tmp_path / name):
        pass
    assert names(tmp_path) == [name]


def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link.mkv").symlink_to(tmp_path / "real" / "clip.mkv")
    with atomic_output(tmp_path / "link.mkv") as path:
        path.write_bytes(b"data")
    assert (tmp_path / "link.mkv").is_symlink()
    assert (tmp_path / "real" / "clip.mkv").read_bytes() == b"data"


def test_an_existing_output_needs_consent(tmp_path):
    target = tmp_path / "clip.mkv"
    target.write_bytes(b"old")
    with pytest.raises(UsageError, match="exists; overwrite it with -y"):
        check_output(target, overwrite=False)
    check_output(target, overwrite=True)
    with atomic_output(target, overwrite=True) as path:
        path.write_bytes(b"new")
    assert target.read_bytes() == b"new"


def test_a_file_that_appeared_meanwhile_is_kept(tmp_path):
    target = tmp_path / "clip.mkv"
    with pytest.raises(UsageError, match="exists"), atomic_output(target):
        target.write_bytes(b"theirs")
    assert target.read_bytes() == b"theirs"
    assert names(tmp_path) == ["clip.mkv"]


def test_impossible_places(tmp_path):
    with pytest.raises(UsageError, match="is a directory"):
        check_output(tmp_path, overwrite=True)
    with pytest.raises(UsageError, match="does not exist"):
        check_output(tmp_path / "absent" / "clip.mkv", overwrite=False)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="does not exist"):
        check_output(tmp_path / "file" / "clip.mkv", overwrite=False)


@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_folder_without_permission(own_folder, mode):
    own_folder.chmod(mode)
    with pytest.raises(UsageError, match="not writable"):
        check_output(own_folder / "clip.mkv", overwrite=False)


def test_special_files_are_written_and_not_replaced(tmp_path):
    check_output("-", overwrite=False)
    with atomic_output("/dev/null") as path:
        path.write_bytes(b"data")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with atomic_output(fifo) as path:
        assert path == fifo
    assert stat.S_ISFIFO(fifo.stat().st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk():
    with pytest.raises(ResourceError, match="cannot write /dev/full: disk full"), atomic_output("/dev/full") as path:
        path.write_bytes(b"data")


def test_only_a_lack_of_space_is_taken_for_a_failed_write(tmp_path):
    for code, raised in ((errno.ENOSPC, ResourceError), (errno.EDQUOT, ResourceError), (errno.EIO, OSError)):
        with pytest.raises(raised), atomic_output(tmp_path / "clip.mkv"):
            raise OSError(code, os.strerror(code))
    assert names(tmp_path) == []


def test_write_errors():
    with pytest.raises(ResourceError, match="cannot write clip: Input/output error"), write_errors("clip"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    with pytest.raises(BrokenPipeError), write_errors("clip"):
        raise BrokenPipeError


def test_input_and_output_must_differ(tmp_path):
    clip = tmp_path / "clip.mkv"
    clip.touch()
    (tmp_path / "link.mkv").symlink_to(clip)
    for other in (clip, tmp_path / "link.mkv", tmp_path / ".." / tmp_path.name / "clip.mkv"):
        with pytest.raises(UsageError, match="same file"):
            refuse_same_file(clip, other)
    refuse_same_file(clip, tmp_path / "new.mkv")
    refuse_same_file("-", "-")
    refuse_same_file("/dev/null", "/dev/null")
