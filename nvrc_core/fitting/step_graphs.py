"""Optimiser steps without their Python: on CUDA, thousands of small kernels take longer to launch than to run."""

from collections.abc import Callable, Hashable

import torch
from torch import Tensor


class StepGraphs:
    """Repeats functions; on a CUDA device the second call of each records a CUDA graph, which all calls from then on
    replay. On other devices it just calls them.

    What is repeated takes its inputs from tensors that stay at one place in memory, changes such tensors, draws from
    `generators` alone, and never waits for the device. All graphs share the memory of one step: what one returned is
    only good until another runs.
    """

    def __init__(self, device: torch.device, generators: tuple[torch.Generator, ...]) -> None:
        self._records = device.type == "cuda"
        self._generators = generators
        self._graphs: dict[Hashable, tuple[torch.cuda.CUDAGraph, Tensor] | None] = {}
        self._pool = torch.cuda.graph_pool_handle() if self._records else None

    def run(self, key: Hashable, work: Callable[[], Tensor]) -> Tensor:
        """What `work` returns, which has to do the same at each call with the same key."""
        if not self._records:
            return work()
        if key not in self._graphs:
            self._graphs[key] = None  # a first call may make constants, which a graph could not
            return work()
        graph, result = self._graphs[key] = self._graphs[key] or self._recorded(work)
        graph.replay()
        return result

    def _recorded(self, work: Callable[[], Tensor]) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph, pool=self._pool):
            result = work()
        return graph, result
