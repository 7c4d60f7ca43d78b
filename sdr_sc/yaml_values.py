# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML as plain values, within bounds of time, memory and depth; for `sdr_sc.documents`, which words the errors.

A few kilobytes of YAML can end the process or stand for gigabytes: PyYAML builds nested blocks by calling itself in C
until the stack ends, aliases and merges of aliases multiply, a number in base 60 takes quadratic time. So the events
are counted before anything is built, and the result is walked before anybody else walks it.
"""

from __future__ import annotations

import functools
import re
from typing import Any

DEPTH_LIMIT = 64
"""Lists and mappings within one another; files of ours have 8 at most."""
MOST_NODES = 300_000
"""Values in a text; flowgraphs and sweeps have a few thousand at most."""
MOST_VALUES = 1_000_000
"""The same with what aliases stand for."""
_LONGEST_INT_BITS = 14_000
"""Python refuses to print longer ones."""
_MERGE_TAG = "tag:yaml.org,2002:merge"


def load(text: str) -> Any:
    """What a YAML text holds: numbers, texts, truth values, None, lists, and dictionaries with keys that stand once.

    Raises:
        RecursionError: it is nested too deeply.
        ValueError: it is larger than the bounds, or holds a value of another kind.
        yaml.YAMLError: it is no YAML.
    """
    import yaml

    _check_events(text)
    try:
        value = yaml.load(text, Loader=_loader())
    except (AttributeError, KeyError, IndexError, TypeError):  # what PyYAML raises at !!bool x, !!int "", !!set [1]
        raise ValueError("a value does not fit its tag") from None
    _check_values(value)
    return value


def _check_events(text: str) -> None:
    """Depth and count of the values, before anything is built of them; this needs no stack."""
    import yaml

    depth = nodes = 0
    for event in yaml.parse(text, Loader=_plain_loader()):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_LIMIT:
                raise RecursionError
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            continue
        nodes += 1
        if nodes > MOST_NODES:
            raise ValueError(f"it has more than {MOST_NODES:,} values")


def _check_values(value: Any) -> None:
    """Kinds, depth and count of what was built, with all that aliases stand for."""
    left, count = [(value, 0)], 0
    while left:
        one, depth = left.pop()
        count += 1
        if count > MOST_VALUES:
            raise ValueError(f"its aliases stand for more than {MOST_VALUES:,} values")
        if isinstance(one, (list, dict)):
            if depth >= DEPTH_LIMIT:  # also a list that holds itself
                raise RecursionError
            inner = one if isinstance(one, list) else [*one.keys(), *one.values()]
            left.extend((each, depth + 1) for each in inner)
        elif isinstance(one, int):
            if one.bit_length() > _LONGEST_INT_BITS:
                raise ValueError("it holds a number of thousands of digits")
        elif one is not None and not isinstance(one, (str, float)):
            kind = {"date": "date", "datetime": "time", "bytes": "binary value"}.get(type(one).__name__, "set or pair")
            raise ValueError(f"it holds a {kind} where a text, a number or a list can stand; put a text in quotes")


def _plain_loader() -> Any:
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@functools.cache
def _loader() -> Any:
    """PyYAML's safe loader with our rules, made here since the import takes a moment."""
    import yaml

    def wrong(what: str, node: Any) -> Exception:
        return yaml.constructor.ConstructorError(None, None, what, node.start_mark)

    class Strict(_plain_loader()):  # type: ignore[misc]
        merged = 0

        def construct_mapping(self, node: Any, deep: bool = False) -> dict:
            seen = set()
            for key_node, _ in node.value:
                if key_node.tag == _MERGE_TAG:
                    continue
                key = self.construct_object(key_node, deep=True)
                try:
                    stands_twice = key in seen
                    seen.add(key)
                except TypeError:
                    raise wrong("a key is a list or a mapping", key_node) from None
                if stands_twice:
                    raise wrong(f"key {key!r} stands twice", key_node)
            return super().construct_mapping(node, deep)

        def flatten_mapping(self, node: Any) -> None:
            """Merges of merges would double their members with each level."""
            own = len(node.value)
            for key_node, value_node in node.value:
                if key_node.tag == _MERGE_TAG and len(getattr(value_node, "value", ())) > 64:
                    raise wrong("a merge has more than 64 members", key_node)
            super().flatten_mapping(node)
            self.merged += len(node.value) - own
            if self.merged > MOST_NODES:
                raise wrong(f"its merges stand for more than {MOST_NODES:,} values", node)

        def construct_yaml_int(self, node: Any) -> int:
            if ":" in str(node.value):
                raise wrong(f"{node.value[:40]} is a number in base 60 in YAML; put it in quotes", node)
            return super().construct_yaml_int(node)

        def construct_yaml_float(self, node: Any) -> float:
            if ":" in str(node.value):
                raise wrong(f"{node.value[:40]} is a number in base 60 in YAML; put it in quotes", node)
            return super().construct_yaml_float(node)

    Strict.add_constructor("tag:yaml.org,2002:int", Strict.construct_yaml_int)
    Strict.add_constructor("tag:yaml.org,2002:float", Strict.construct_yaml_float)
    # YAML 1.1 takes 2e6 and 2.0e6, without a sign in the exponent, for text; YAML 1.2 takes them for numbers.
    Strict.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
    )
    return Strict
