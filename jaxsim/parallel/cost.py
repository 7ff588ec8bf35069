"""What a program costs: operations, and bytes that devices send each other."""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax

KINDS = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "all-to-all",
    "collective-permute",
)
"""Names of collectives in XLA's programs."""

_BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2}
_BYTES |= {"f32": 4, "s32": 4, "u32": 4, "f64": 8, "s64": 8, "u64": 8, "c64": 8}

_ARRAY = re.compile(r"\b([a-z]+[0-9]*)\[([0-9,]*)\]")
_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) .*\{$")
_OPERATION = re.compile(r"= (.*?) (" + "|".join(KINDS) + r")(?:-start)?\(", re.ASCII)
_CALLED = re.compile(
    r"(?:body|condition|calls|to_apply|true_computation|false_computation)=%?([\w.\-]+)"
)
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r'"known_trip_count":\s*(\{[^}]*\})')
_LISTED = re.compile(r"replica_groups=\{\{([0-9,]*)\}")
_NAMED = re.compile(r"replica_groups=mesh\[([^\]]*)\] \{([^}]*)\}")
_AXIS = re.compile(r"'([^']+)'(?:=(\d+)|:\(\d+\)(\d+))?")
_COUNTED = re.compile(r"replica_groups=\[(\d+),(\d+)\]<=")


class Work(NamedTuple):
    """What a program does, on all devices together.

    Attributes:
      flops: a multiplication and an addition count as two.
      moved_bytes: what matrix products and convolutions read and write; what is done
        to single numbers in between is fused into them.
    """

    flops: float
    moved_bytes: float

    def times(self, count: float) -> "Work":
        """Returns the work of doing it so often."""
        return Work(count * self.flops, count * self.moved_bytes)


def count_work(jaxpr: Any) -> Work:
    """Returns the work of all matrix products and convolutions of a program.

    Loops of known length count as often as they run, others once; of alternatives the
    dearest counts.

    Args:
      jaxpr: such as `jax.jit(f).trace(x).jaxpr`.
    """
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    return _sum(map(_work, jaxpr.eqns))


def _sum(parts: Iterable[Work]) -> Work:
    parts = list(parts)
    return Work(sum(part.flops for part in parts), sum(p.moved_bytes for p in parts))


def _work(equation: Any) -> Work:
    name, options = equation.primitive.name, equation.params
    if name == "scan":
        return count_work(options["jaxpr"]).times(float(options["length"]))
    if name == "cond":
        return max(map(count_work, options["branches"]))
    terms = 0.0
    if name == "dot_general":
        (contracted, _), _ = options["dimension_numbers"]
        terms = math.prod(equation.invars[0].aval.shape[at] for at in contracted)
    elif name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        outputs = kernel[options["dimension_numbers"].rhs_spec[0]]
        # Of an image spread out by zeros, one tap in so many meets a number.
        terms = math.prod(kernel) / outputs / math.prod(options["lhs_dilation"])
    if terms:
        arrays = [x.aval for x in (*equation.invars, *equation.outvars)]
        return Work(
            2.0 * math.prod(equation.outvars[0].aval.shape) * terms,
            sum(float(math.prod(a.shape)) * a.dtype.itemsize for a in arrays),
        )
    inner = jax.tree.leaves(options, is_leaf=lambda x: hasattr(x, "eqns"))
    return _sum(count_work(x) for x in inner if hasattr(x, "eqns"))


def collective_bytes(program: str) -> dict[str, float]:
    """Returns how many bytes each device sends in a run, by the kind of collective.

    Of n devices in a ring, each sends (n - 1) / n of an array to gather or to scatter
    it, and twice as much to reduce it everywhere.

    Args:
      program: compiled for several devices, as `compiled.as_text()` gives it.
    """
    sent: dict[str, dict[str, float]] = {}
    calls: dict[str, list[tuple[str, int]]] = {}
    at = entry = ""
    for line in program.splitlines():
        if head := _HEAD.match(line):
            at = head[2]
            entry = at if head[1] else entry
            sent[at], calls[at] = defaultdict(float), []
        elif at:
            if operation := _OPERATION.search(line):
                sent[at][operation[2]] += _sent(line, operation[1], operation[2])
            trips = _TRIPS.search(line)
            times = int(json.loads(trips[1])["n"]) if trips else 1
            called = _CALLED.findall(line)
            for branches in _BRANCHES.findall(line):
                called += [name.strip(" %") for name in branches.split(",")]
            calls[at] += [(name, times) for name in called]

    def total(name: str) -> dict[str, float]:
        found = defaultdict(float, sent.get(name, {}))
        for callee, times in calls.get(name, ()):
            for kind, count in total(callee).items():
                found[kind] += times * count
        return found

    return {kind: count for kind, count in sorted(total(entry).items()) if count}


def _sent(line: str, shape: str, kind: str) -> float:
    size = sum(
        _BYTES.get(dtype, 4) * math.prod(int(n) for n in dims.split(",") if n)
        for dtype, dims in _ARRAY.findall(shape)
    )
    devices = _group_size(line)
    # Of a group whose size is not told, as if it were large.
    share = 1.0 if devices is None else (devices - 1) / devices
    match kind:
        case "all-reduce":
            return 2 * share * size
        case "reduce-scatter":
            return share * size * (devices or 1)
        case "collective-permute":
            return float(size)
        case _:
            return share * size


def _group_size(line: str) -> int | None:
    """Returns how many devices take part, in any of the ways that XLA writes groups."""
    if counted := _COUNTED.search(line):
        return int(counted[2])
    if listed := _LISTED.search(line):
        return len(listed[1].split(","))
    if named := _NAMED.search(line):
        sizes = {name: int(size) for name, size, _ in _AXIS.findall(named[1])}
        return math.prod(
            int(part) if part else sizes[name]
            for name, _, part in _AXIS.findall(named[2])
        )
    return None
