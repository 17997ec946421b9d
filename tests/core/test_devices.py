"""Devices by name, and global state that is put back."""

import pytest
import torch

from nvrc_core.devices import default_threads, runtime
from nvrc_core.errors import ResourceError, UsageError


@pytest.mark.parametrize("name", ["tpu", "", "cpu:1", "cuda:x", "cuda:-1", "mps"])
def test_unknown_devices_are_usage_errors(name: str):
    with pytest.raises(UsageError), runtime(name, 1, 10_000):
        pass


def test_missing_devices_are_resource_errors():
    with pytest.raises(ResourceError, match="is not there"), runtime("cuda:99", 1, 10_000):
        pass


def test_auto_is_a_device_that_is_there():
    with runtime("auto", 1, 10_000) as where:
        assert where.device.type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("threads", [0, -3])
def test_threads_are_positive(threads: int):
    with pytest.raises(UsageError), runtime("cpu", threads, 10_000):
        pass


def test_threads_hold_inside_and_are_put_back():
    before = torch.get_num_threads()
    with runtime("cpu", 2, 10_000) as where:
        assert torch.get_num_threads() == where.threads == 2
        assert where.name == "cpu (2 threads)"
    assert torch.get_num_threads() == before
    with pytest.raises(KeyError), runtime("cpu", 2, 10_000):
        raise KeyError
    assert torch.get_num_threads() == before


def test_one_thread_by_name():
    with runtime("cpu", 1, 10_000) as where:
        assert where.name == "cpu (1 thread)"


@pytest.mark.parametrize("message", ["DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"])
def test_torch_out_of_memory_is_a_resource_error(message: str):
    with pytest.raises(ResourceError, match="out of memory"), runtime("cpu", 1, 10_000):
        raise RuntimeError(message)


def test_a_real_lack_of_memory_is_a_resource_error():
    with pytest.raises(ResourceError, match="out of memory"), runtime("cpu", 1, 10_000):
        torch.empty(2**60, dtype=torch.uint8)


def test_other_failures_stay_what_they_are():
    with pytest.raises(RuntimeError, match="a bug"), runtime("cpu", 1, 10_000):
        raise RuntimeError("a bug")


def test_small_pictures_get_one_thread_and_large_ones_no_more_than_there_are():
    assert default_threads(176 * 144) == 1
    assert default_threads(7680 * 4320) == min(torch.get_num_threads(), 8)
