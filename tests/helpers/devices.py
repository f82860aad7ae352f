"""Devices that are not there: one without float64, like a Mac's, and one whose tensors stay among themselves."""

from contextlib import contextmanager
from unittest.mock import patch

import safetensors.torch
import torch
from torch import Tensor
from torch.nn import Parameter
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from grpo_lite.training import distributed

HERE, THERE = torch.device("cpu"), torch.device("cuda", 0)


class WithoutFloat64(TorchDispatchMode):
    """Whatever makes a tensor of float64 is refused."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **kwargs or {})
        for x in out if isinstance(out, tuple | list) else [out]:
            if isinstance(x, Tensor) and x.dtype in (torch.float64, torch.complex128):
                raise TypeError(f"{function}: Cannot convert a tensor to float64, which this device does not have")
        return out


class SecondDevice(TorchFunctionMode):
    """What is sent to the GPU, or made there, is marked, like what comes of it; beside other tensors it is refused.

    Everything is computed here. A number may stand beside tensors of the GPU, and an index may lie elsewhere.
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        there = any(map(is_there, tensors))
        if function == Tensor.device.__get__:
            return THERE if there else function(*args)
        if function in (Tensor.to, Tensor.cpu, Tensor.cuda):
            return moved(function, *args, **kwargs)
        if function in (Tensor.copy_, Tensor.data.__set__):
            out = function(*args, **kwargs)
            args[0].there = is_there(args[0 if function == Tensor.copy_ else 1])
            return out
        if function is torch._has_compatible_shallow_copy_type:  # asked by Module.to, of before and after
            return function(*args)
        if function in (Tensor.__getitem__, Tensor.__setitem__) and is_there(args[0]):
            tensors = [args[0], *(x for x in args[2:] if isinstance(x, Tensor))]
        if there and not all(is_there(x) or x.dim() == 0 for x in tensors):
            raise RuntimeError(f"{function.__name__}: Expected all tensors to be on the same device, but found two")
        if there and function in (Tensor.numpy, Tensor.__array__):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if kwargs.get("device") is not None:
            there, kwargs["device"] = torch.device(kwargs["device"]).type == "cuda", HERE
        generator = kwargs.get("generator")
        if generator is not None and is_there(generator) != there:
            raise RuntimeError(f"{function.__name__}: Expected a generator on the device of the numbers that it draws")
        return marked(function(*args, **kwargs), there)


def is_there(x):
    return getattr(x, "there", False)


def marked(out, there):
    for x in tree_leaves(out) if there else ():
        if isinstance(x, Tensor):
            x.there = True
    return out


def moved(function, x, *given, **named):
    """`to`, `cpu` or `cuda`, of which none leaves the CPU; a change of dtype is no move."""
    there = {Tensor.cpu: False, Tensor.cuda: True}.get(function, is_there(x))
    for goal in (*given, *named.values()):
        if isinstance(goal, str | torch.device):
            there = torch.device(goal).type == "cuda"
        elif isinstance(goal, Tensor):
            there = is_there(goal)
    stay = [HERE if isinstance(goal, str | torch.device) else goal for goal in given]
    named = {name: HERE if isinstance(goal, str | torch.device) else goal for name, goal in named.items()}
    out = Tensor.to(x, *stay, **named) if function is Tensor.to else x
    return marked(out.clone() if there != is_there(x) and out is x else out, there)


def moved_all(tensors, device):
    return {name: x.to(device) for name, x in tensors.items()}


class Generator(torch.Generator):
    """A generator that knows for which device it was made."""

    def __new__(cls, device="cpu"):
        made = super().__new__(cls)
        made.there = torch.device(device).type == "cuda"
        return made

    def manual_seed(self, seed):
        super().manual_seed(seed)
        return self


@contextmanager
def second_device():
    """A machine with a GPU, which a trainer takes."""
    copied, loaded = Parameter.__deepcopy__, safetensors.torch.load_file
    with (
        patch.object(distributed, "start", lambda use_cpu: HERE if use_cpu else THERE),
        patch.object(torch, "Generator", Generator),
        patch.object(Parameter, "__deepcopy__", lambda x, memo: marked(copied(x, memo), is_there(x))),
        patch.object(safetensors.torch, "load_file", lambda path, device, **_: moved_all(loaded(path), device)),
        SecondDevice(),
    ):
        yield
