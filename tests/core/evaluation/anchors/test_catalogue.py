import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.anchors.catalogue import ANCHORS, parse_anchor
from nvrc_core.evaluation.anchors.libav import X264, X265, SvtAv1
from nvrc_core.evaluation.anchors.vvenc import VVenC


@pytest.mark.parametrize(
    ("text", "anchor", "qs"),
    [
        ("x264", X264(), X264.default_q),
        ("x265", X265("veryslow"), (18, 24, 30, 36, 42)),
        ("x265:veryslow:psnr", X265("veryslow", "psnr"), X265.default_q),
        ("x265@27.5", X265(), (27.5,)),
        ("svtav1:4@22/32/42", SvtAv1("4"), (22, 32, 42)),
        ("svtav1:6:0@50", SvtAv1("6", "0"), (50,)),
        ("vvenc:medium@37/27/32", VVenC("medium"), (37, 27, 32)),
    ],
)
def test_names_with_presets_tunes_and_settings(text, anchor, qs):
    assert parse_anchor(text) == (anchor, qs)


@given(
    name=st.sampled_from(sorted(ANCHORS)),
    preset=st.from_regex(r"[a-z0-9]{1,9}", fullmatch=True),
    qs=st.lists(st.integers(1, 51), min_size=1, max_size=5),
)
def test_what_is_written_is_read(name, preset, qs):
    anchor, found = parse_anchor(f"{name}:{preset}@{'/'.join(map(str, qs))}")
    assert (anchor.codec, anchor.preset, anchor.tune, found) == (name, preset, None, tuple(qs))
    assert all(type(q) is int for q in found)  # as JSON: 27, not 27.0


@pytest.mark.parametrize("anchor", ANCHORS)
def test_every_encoder_has_settings_of_its_own_for_a_curve(anchor):
    kind, qs = parse_anchor(anchor)
    assert len(qs) >= 5
    assert list(qs) == sorted(set(qs))
    for q in qs:
        kind.check_q(q)


@pytest.mark.parametrize("folder", ["codecs", "a@b", "a:b"])
def test_a_file_describes_any_other_encoder(tmp_path, folder):
    path = tmp_path / folder / "mine.toml"
    path.parent.mkdir()
    path.write_text('name="m"\nversion="1"\nq=[3, 5]\nencode="m {yuv} {q} {stream} {recon}"\n')
    assert parse_anchor(str(path))[0].codec == "m"
    assert parse_anchor(str(path))[1] == (3, 5)
    assert parse_anchor(f"{path}@7/8.5")[1] == (7, 8.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x266", "no anchor 'x266'; there are x264, x265, svtav1, vvenc and FILE.toml of an external one"),
        ("", "no anchor ''"),
        ("@3", "no anchor ''"),
        ("x265:", "'x265:' is not of the form"),
        ("x265:slow:psnr:more", "is not of the form"),
        ("x265@", "'x265@': '' is not a quality setting"),
        ("x265@3/", "'' is not a quality setting"),
        ("x265@low", "'low' is not a quality setting"),
        ("x265@nan", "'nan' is not a quality setting"),
        ("x265@3/52", "x265 takes a CRF from 0 to 51, not 52"),
        ("vvenc@27.5", "vvenc takes a whole QP from 0 to 63, not 27.5"),
        ("none.toml", "cannot read none.toml"),
    ],
)
def test_what_makes_no_sense_is_refused(text, message):
    with pytest.raises(UsageError) as caught:
        parse_anchor(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
