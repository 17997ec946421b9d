"""The figures of speed: that they are counted right; how fast anything is, no test says."""

from pathlib import Path

import torch

from nvrc_core.evaluation.step_speed import HEADINGS, Traffic, main

CLIP = Path(__file__).parents[2] / "data" / "bunny_176x144_32f.mkv"


def test_traffic_is_what_operations_read_and_write():
    a = torch.ones(10, 3)
    with Traffic() as traffic:
        b = a.T.contiguous() + 1  # a view, a copy, and a sum
        b.mul_(a.view(3, 10))
    copied, summed, multiplied = 2 * 120, 2 * 120, 3 * 120
    assert (traffic.operations, traffic.bytes) == (3, copied + summed + multiplied)


def test_it_measures_a_clip(capsys):
    main([str(CLIP), "--frames", "3", "--steps", "1", "--device", "cpu"])
    *_, heading, _, row = capsys.readouterr().out.splitlines()
    assert heading.count("|") == row.count("|") == len(HEADINGS) + 1
    cells = row.split("|")
    assert "bunny" in cells[1]
    assert all(float(cell) >= 0 for cell in cells[2:-1] if cell.strip())
