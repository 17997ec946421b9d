"""Motion search on moving textures whose motion is known."""

from dataclasses import replace

import pytest
import torch

import nvrc_core.fitting.motion_search as motion_search
from nvrc_core.fitting.block_search import dominant_move, full_search
from nvrc_core.fitting.motion_coding import MotionCoding
from nvrc_core.fitting.motion_descent import SIDE_SHARE, Target, descend, linearise
from nvrc_core.fitting.motion_search import _in_larger_cells, search_motion
from nvrc_core.representation.inherited_motion import with_inherited
from nvrc_core.representation.intervals import Intervals, default_keys
from nvrc_core.representation.warp import blend, warp_picture

HEIGHT, WIDTH = 80, 96


def texture(seed: int, dx: float = 0.0, dy: float = 0.0, size: tuple[int, int] = (HEIGHT, WIDTH)) -> torch.Tensor:
    """Waves 6 to 60 samples long, moved by (dx, dy): fractions of a sample are exact. [H, W] in 0..255."""
    generator = torch.Generator().manual_seed(seed)
    angle, length, phase = torch.rand(3, 60, 1, 1, generator=generator)
    angle, length = angle * 2 * torch.pi, 6 * 10**length
    y, x = torch.meshgrid(*(torch.arange(side) for side in size), indexing="ij")
    along = (x - dx) * angle.cos() + (y - dy) * angle.sin()
    waves = torch.sin(2 * torch.pi * (along / length + phase)) * length.sqrt()
    return (127.5 + waves.sum(0) * 2.2).clamp(0, 255)


def moving(frames: int, speed_x: float, speed_y: float) -> torch.Tensor:
    return torch.stack([texture(1, speed_x * time, speed_y * time) for time in range(frames)]).round().byte()


def noise(frames: int, height: int = 48, width: int = 32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, 256, (frames, height, width), generator=generator, dtype=torch.uint8)


def inner(motion: torch.Tensor, cells: int = 1) -> torch.Tensor:
    """Without the cells at the border, where samples come in and go out."""
    return motion[..., cells:-cells, cells:-cells, :]


@pytest.mark.parametrize("speed", [(1.0, -2.0), (1.75, 0.5), (-3.25, 1.25)])
def test_a_moving_texture_is_found(speed: tuple[float, float]):
    intervals = Intervals(5, (0, 4))
    motion = search_motion(moving(5, *speed), intervals)
    for row in range(1, 5):
        references = (intervals.reference0, intervals.reference1)[: 2 if intervals.level[row] else 1]
        for side, of_row in enumerate(references):
            time = intervals.frame[of_row[row]] - intervals.frame[row]
            wanted = torch.tensor(speed) * time
            found = inner(motion[row, ..., 2 * side : 2 * side + 2], cells=1 if intervals.level[row] else 2)
            assert (found - wanted).abs().max() <= 0.25, (row, side)


@pytest.mark.parametrize("cell", [32, 64])
def test_a_moving_texture_is_found_in_large_cells(cell: int):
    motion = search_motion(moving(5, 1.75, 0.5), Intervals(5, (0, 4)), coding=MotionCoding(cell=cell))
    assert motion.shape[1:3] == (-(-HEIGHT // cell), -(-WIDTH // cell))
    wanted = torch.tensor([1.75, 0.5, -1.75, -0.5]) * -1  # the middle frame is between its neighbours in time
    found = motion[Intervals(5, (0, 4)).row_of[1], ..., :4]
    assert (found - wanted).abs().median() <= 0.25


def test_larger_cells_take_the_motion_of_most_and_no_mean():
    motion = torch.zeros(1, 4, 2, 4)
    motion[..., 2:] = 8.0
    motion[0, :, 0, 1] = 8.0  # one of four moves
    found = _in_larger_cells(motion, 2)
    assert found.tolist() == [[[[0.0, 8.0]]] * 4]
    odd = _in_larger_cells(motion[..., :1, :3], 4)
    assert odd.shape == (1, 4, 1, 1)
    assert torch.equal(_in_larger_cells(motion, 1), motion)


def test_an_even_movement_is_inherited():
    speed, intervals = torch.tensor([1.75, 0.5]), Intervals(9, (0, 8))
    coded = search_motion(moving(9, 1.75, 0.5), intervals, coding=MotionCoding(inherits=True))
    motion = with_inherited(coded, 1.0, torch.arange(9), intervals)
    for row in range(2, 9):
        for side, reference in enumerate((intervals.reference0[row], intervals.reference1[row])):
            wanted = speed * (intervals.frame[reference] - intervals.frame[row])
            assert (inner(motion[row, ..., 2 * side : 2 * side + 2]) - wanted).abs().max() <= 0.25, (row, side)
    as_it_is = search_motion(moving(9, 1.75, 0.5), intervals)
    late = intervals.rows_of_level(2).start
    assert inner(coded[late:, ..., :4]).count_nonzero() < 0.1 * inner(as_it_is[late:, ..., :4]).count_nonzero()


@pytest.mark.parametrize("inherits", [False, True])
def test_motion_comes_in_steps(inherits: bool):
    coding = MotionCoding(inherits=inherits)
    motion = search_motion(moving(5, 1.3, -0.7), Intervals(5, (0, 4)), coding=coding)
    symbols = motion / torch.tensor(coding.steps)
    assert torch.equal(symbols, symbols.round())
    assert motion[0].abs().max() == 0
    assert motion[1, ..., 2:].abs().max() == 0


def target_of(
    before: torch.Tensor,
    current: torch.Tensor,
    after: torch.Tensor,
    motion: torch.Tensor,
    position: float = 0.5,
    overlapping_cell: int | None = None,
) -> Target:
    """Motion that is like `motion`, of which nothing is known."""
    known = torch.zeros(1, 1, 1, 1)
    at = torch.tensor([position])
    return Target(current, [before, after], torch.zeros_like(motion), known, at, 300.0, overlapping_cell)


def error_bits(motion: torch.Tensor, target: Target) -> torch.Tensor:
    """The price of errors, by the decoder's own functions."""
    chroma = torch.zeros(1, 2, HEIGHT // 2, WIDTH // 2)
    flows = motion[:, :4].split(2, dim=1)
    moved = [
        warp_picture((plane, chroma), flow, target.overlapping_cell)
        for plane, flow in zip(target.references, flows, strict=True)
    ]
    both = blend(moved[0], moved[1], motion[:, 4:], target.position)[0] - target.current
    sides = sum((plane - target.current).square().sum() for plane, _ in moved)
    return target.error_price * (both.square().sum() + SIDE_SHARE * sides)


def test_descent_finds_fractions():
    before, current, after = (texture(1, 0.3 * time, -0.2 * time).view(1, 1, HEIGHT, WIDTH) / 255 for time in (0, 1, 2))
    start = torch.zeros(1, 5, HEIGHT // 16, WIDTH // 16)
    target = target_of(before, current, after, start)
    found = inner(descend(start, target).movedim(1, -1))
    assert (
        found[..., :4] - torch.tensor([-0.3, 0.2, 0.3, -0.2])
    ).abs().max() < 0.1  # the cubic interpolation is not exact


def test_the_model_has_the_slope_of_the_error():
    before, current, after = (texture(1, 1.5 * time).view(1, 1, HEIGHT, WIDTH) / 255 - 0.5 for time in (0, 1, 2))
    generator = torch.Generator().manual_seed(3)
    motion = torch.randn(1, 5, HEIGHT // 16, WIDTH // 16, generator=generator)
    target = target_of(before, current, after, motion, position=0.4)
    predicted = linearise(motion, target).gradient(motion)
    wanted = motion.clone().requires_grad_()
    error_bits(wanted, target).backward()
    assert torch.nn.functional.cosine_similarity(predicted.flatten(), wanted.grad.flatten(), dim=0) > 0.999
    assert predicted.norm() == pytest.approx(float(wanted.grad.norm()), rel=0.02)


def test_of_what_overlaps_the_model_has_the_slope_of_cells_that_move_together():
    before, current, after = (texture(1, 1.5 * time).view(1, 1, HEIGHT, WIDTH) / 255 - 0.5 for time in (0, 1, 2))
    motion = torch.randn(1, 5, HEIGHT // 16, WIDTH // 16, generator=torch.Generator().manual_seed(3)) * 4
    target = target_of(before, current, after, motion, position=0.4, overlapping_cell=16)
    slopes = []
    for cell in (16, None):
        wanted = motion.clone().requires_grad_()
        error_bits(wanted, replace(target, overlapping_cell=cell)).backward()
        slopes.append(wanted.grad[:, :4].sum(dim=(0, 2, 3)))
    predicted = linearise(motion, target).gradient(motion)[:, :4].sum(dim=(0, 2, 3))
    assert (predicted - slopes[0]).norm() < 0.05 * slopes[0].norm()
    assert (slopes[1] - slopes[0]).norm() > 0.3 * slopes[0].norm()  # not by interpolated flow


def test_a_pan_is_found_where_pictures_hardly_overlap():
    wide = texture(4, size=(64, 400))
    luma = torch.stack([wide[:, 0:192], wide[:, 88:280]]).round().byte()
    motion = search_motion(luma[[0, *[1] * 8]], Intervals(9, (0, 8)))  # moves by +88 to the key before
    assert (motion[1, 1:-1, 1:5, :2] - torch.tensor([88.0, 0.0])).abs().max() <= 0.5
    halves = torch.nn.functional.avg_pool2d(luma.unsqueeze(1) / 255, 4)
    assert dominant_move(halves[1:], halves[:1], farthest=32).tolist() == [[22, 0]]


def test_full_search_takes_the_shortest_of_equal_moves():
    flat = torch.full((2, 1, 32, 48), 0.25)
    assert full_search(flat, flat, farthest=64).abs().max() == 0


def test_what_one_reference_hides_comes_from_the_other():
    still = texture(5)
    before, after = still.clone(), still.clone()
    before[:, : WIDTH // 2] = texture(6)[:, : WIDTH // 2]
    after[:, WIDTH // 2 :] = texture(7)[:, WIDTH // 2 :]
    motion = search_motion(torch.stack([before, still, after]).round().byte(), Intervals(3, (0, 2)))
    mask, middle = motion[2, ..., 4], WIDTH // 32
    assert mask[:, : middle - 1].max() <= -2  # the right picture
    assert mask[:, middle + 1 :].min() >= 2  # the left one
    assert motion[2, :, middle + 1 :, :2].abs().mean() < 0.1
    assert motion[2, :, : middle - 1, 2:4].abs().mean() < 0.1


def test_a_cut_leaves_one_reference():
    luma = torch.stack([texture(8)] * 5 + [texture(9)] * 4).round().byte()
    intervals = Intervals(9, (0, 8))
    motion = search_motion(luma, intervals)
    assert motion.isfinite().all()
    assert motion.abs().max() <= 200
    assert motion[intervals.row_of[4], ..., 4].min() >= 2
    assert motion[intervals.row_of[6], ..., 4].max() <= -2
    assert motion[intervals.row_of[2], ..., :4].abs().max() == 0


@pytest.mark.parametrize("level", [0, 93, 255])
def test_still_video_does_not_move(level: int):
    flat = torch.full((6, 32, 48), level, dtype=torch.uint8)
    textured = texture(3).round().byte().expand(6, -1, -1)
    for luma in (flat, textured):
        assert search_motion(luma, Intervals(6, (0, 5))).abs().max() == 0


@pytest.mark.parametrize("frames", [1, 2, 3, 7])
def test_noise_has_finite_motion(frames: int):
    motion = search_motion(noise(frames), Intervals(frames, default_keys(frames, 4)))
    assert motion.shape == (frames, 3, 2, 6)
    assert motion.isfinite().all()


def test_the_smallest_picture():
    assert search_motion(noise(3, 16, 16), Intervals(3, (0, 2))).shape == (3, 1, 1, 6)


def test_frames_are_worked_on_in_chunks(monkeypatch: pytest.MonkeyPatch):
    luma, intervals = moving(12, 1.0, 0.5), Intervals(12, (0, 11))
    whole = search_motion(luma, intervals)
    counts = []

    def counting(start: torch.Tensor, target: Target) -> torch.Tensor:
        counts.append(len(start))
        return descend(start, target)

    monkeypatch.setattr(motion_search, "descend", counting)
    monkeypatch.setattr(motion_search, "CHUNK_PIXELS", 2 * HEIGHT * WIDTH)
    assert torch.equal(search_motion(luma, intervals), whole)
    assert max(counts) == 2
    assert sum(counts) == 11


def test_at_a_low_quality_motion_that_saves_little_is_not_worth_its_bits():
    luma, intervals = noise(5, 64, 64), Intervals(5, (0, 4))
    roughness = [search_motion(luma, intervals, quality_weight=weight).diff(dim=1).abs().sum() for weight in (1.0, 1e4)]
    assert roughness[0] < roughness[1]


def test_at_the_lowest_qualities_unrelated_pictures_move_as_one():
    pictures = torch.stack([texture(seed) for seed in range(5)]).round().byte()

    def roughness(quality_weight: float) -> float:
        motion = search_motion(pictures, Intervals(5, (0, 4)), quality_weight=quality_weight)[..., :4]
        return float(motion.diff(dim=1).abs().mean() + motion.diff(dim=2).abs().mean())

    assert roughness(0.3) < 0.05 * roughness(400.0)
