"""A second device that takes no hardware: its tensors lie in main memory, and must not meet those of the processor.

What mixes devices fails here as it would on a GPU, and so does what waits for the device where a graph is recorded.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

ELSEWHERE = torch.device("meta")  # a device that needs no driver, and on which autograd starts no thread
HERE = torch.device("cpu")
_ops = torch.ops.aten
_COPIES = (_ops._to_copy.default, _ops.copy_.default)
_WAITING = (
    _ops._local_scalar_dense.default,
    _ops.nonzero.default,
    _ops.masked_select.default,
    _ops._unique2.default,
    _ops.bincount.default,
)
_INDEXING = (_ops.index.Tensor, _ops.index_put.default, _ops.index_put_.default, _ops._index_put_impl_.default)


class RemoteTensor(Tensor):
    """A tensor that says it is elsewhere; `held` has its values. It is treated as those of CUDA are."""

    held: Tensor
    is_cuda = True

    @staticmethod
    def __new__(cls, held: Tensor) -> "RemoteTensor":
        remote = Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=ELSEWHERE,
        )
        remote.held = held
        return remote

    @classmethod
    def __torch_dispatch__(cls, func: Callable, types: Sequence[type], args: tuple = (), kwargs: dict | None = None):
        return _run(func, args, kwargs or {})


class _Dispatch(TorchDispatchMode):
    """For operations of no tensor, which make new ones."""

    def __torch_dispatch__(self, func: Callable, types: Sequence[type], args: tuple = (), kwargs: dict | None = None):
        return _run(func, args, kwargs or {})


class _Functions(TorchFunctionMode):
    """For what never becomes an operation that could be intercepted."""

    def __torch_function__(self, func: Callable, types: Sequence[type], args: tuple = (), kwargs: dict | None = None):
        kwargs = kwargs or {}
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            return func(*args, **kwargs | {"device": HERE}).to(kwargs["device"])
        if func is Tensor.new_tensor:
            first, *others = args
            return torch.tensor(*others, **{"dtype": first.dtype} | kwargs | {"device": HERE}).to(first.device)
        if func is Tensor.tolist:
            return args[0].cpu().tolist()
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            tensor, key, *value = args
            key = key if isinstance(key, tuple) else (key,)
            key = tuple(torch.tensor(part, dtype=torch.int64) if isinstance(part, list) else part for part in key)
            args = tensor, key, *value
        return func(*args, **kwargs)


class _Generator(torch.Generator):
    """Of the processor, whatever device is asked for."""

    def __new__(cls, device: Any = None) -> "_Generator":
        return super().__new__(cls)


@contextmanager
def emulation() -> Iterator[None]:
    """Tensors can be made on `ELSEWHERE`, and moved there and back, in this block."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(torch, "Generator", _Generator))
        # Adam has a form that never waits for devices that it knows, of which this is none.
        stack.enter_context(patch.object(torch.optim.Adam, "step", _unrecorded(torch.optim.Adam.step)))
        stack.enter_context(_Functions())
        stack.enter_context(_Dispatch())
        yield


def _unrecorded(step: Callable) -> Callable:
    def call(self: torch.optim.Optimizer) -> Any:
        with patch.object(RecordedSteps, "_recording", False):
            return step(self)

    return call


class RecordedSteps:
    """In place of `StepGraphs`, whose rules it enforces from the second call of each function on."""

    _recording = False

    def __init__(self, device: torch.device, generators: tuple[torch.Generator, ...]) -> None:
        self._seen: set[Hashable] = set()

    def run(self, key: Hashable, work: Callable[[], Tensor]) -> Tensor:
        RecordedSteps._recording = key in self._seen
        self._seen.add(key)
        try:
            return work()
        finally:
            RecordedSteps._recording = False


def _run(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    tensors: list[Tensor] = []
    _changed((args, tuple(kwargs.values())), Tensor, tensors.append)
    remote = [tensor for tensor in tensors if isinstance(tensor, RemoteTensor)]
    local = [tensor for tensor in tensors if not isinstance(tensor, RemoteTensor)]
    if any(tensor.device == ELSEWHERE for tensor in local):
        raise NotImplementedError(f"a tensor elsewhere that has no values, in {func}")
    if remote and local and func not in _COPIES and not _may_meet(func, args, local):
        raise RuntimeError(f"tensors of two devices meet in {func}")
    device = kwargs.get("device")
    waits = remote and _waits(func, args)
    if RecordedSteps._recording and (waits or _crosses(func, device, remote, local)):
        raise RuntimeError(f"the host waits for the device in {func}")
    here = {name: HERE if name == "device" and device else _held(value) for name, value in kwargs.items()}
    result = func(*_held(args), **here)
    if func._schema.is_mutable:
        given = {id(tensor.held): tensor for tensor in remote}
        return _changed(result, Tensor, lambda tensor: given.get(id(tensor), tensor))
    stays_elsewhere = bool(remote) if device is None else torch.device(device) == ELSEWHERE
    return _changed(result, Tensor, RemoteTensor) if stays_elsewhere else result


def _may_meet(func: Any, args: tuple, local: list[Tensor]) -> bool:
    """As CUDA has it: numbers may come from the processor, and indices of what is elsewhere."""
    if func in _INDEXING and isinstance(args[0], RemoteTensor):
        local = [tensor for tensor in local if not any(tensor is index for index in args[1])]
    return all(tensor.dim() == 0 for tensor in local)


def _waits(func: Any, args: tuple) -> bool:
    """Whether the host has to know values, as it has where the shape of a result depends on them."""
    masks = func in _INDEXING and any(index is not None and index.dtype == torch.bool for index in args[1])
    return masks or func in _WAITING


def _crosses(func: Any, device: Any, remote: list[Tensor], local: list[Tensor]) -> bool:
    """Whether values are copied from one device to another."""
    if func not in _COPIES:
        return False
    return bool(remote and local) or (device is not None and (torch.device(device) == ELSEWHERE) != bool(remote))


def _held(tree: Any) -> Any:
    return _changed(tree, RemoteTensor, lambda tensor: tensor.held)


def _changed(tree: Any, kind: type, change: Callable) -> Any:
    if isinstance(tree, kind):
        return change(tree)
    return type(tree)(_changed(part, kind, change) for part in tree) if isinstance(tree, list | tuple) else tree
