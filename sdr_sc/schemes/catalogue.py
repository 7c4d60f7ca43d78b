# SPDX-License-Identifier: GPL-3.0-or-later
"""Schemes by name. Making one imports what it needs; looking names up imports nothing heavy."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from sdr_sc.errors import SdrScError
from sdr_sc.schemes.scheme import Scheme

DEFAULT_MODEL = "fashion_mnist_student"
FRAME_SYMBOLS = 4096
"""Most payload symbols of a frame of coded bits: its preamble and header are then an eighth of it."""

Maker = Callable[..., Scheme]
MAKERS: dict[str, Maker] = {}
"""By name; a maker's keyword arguments are the scheme's parameters, its docstring says what it is."""


def _scheme(maker: Maker) -> Maker:
    MAKERS[maker.__name__.strip("_")] = maker
    return maker


@_scheme
def _ours(model: str = DEFAULT_MODEL, name: str = "ours") -> Scheme:
    """A distilled student whose channel-adaptive module follows the SNR."""
    return _student(model, name)


@_scheme
def _fixed_rate(model: str, name: str = "fixed_rate") -> Scheme:
    """A learned coder of one k, trained without the adaptive parts; `model` is its file."""
    return _student(model, name)


@_scheme
def _jpeg_ldpc(
    teacher: str = "", frame_symbols: int = FRAME_SYMBOLS, target: int = 0, name: str = "jpeg_ldpc"
) -> Scheme:
    """JPEG, LDPC and QAM; a teacher classifies at the receiver, or ``student``, which stands in where none is given."""
    from sdr_sc.schemes.image_ldpc import ImageScheme

    return ImageScheme("jpeg", teacher, frame_symbols, name, target)


@_scheme
def _webp_ldpc(
    teacher: str = "", frame_symbols: int = FRAME_SYMBOLS, target: int = 0, name: str = "webp_ldpc"
) -> Scheme:
    """As jpeg_ldpc with WebP images."""
    from sdr_sc.schemes.image_ldpc import ImageScheme

    return ImageScheme("webp", teacher, frame_symbols, name, target)


@_scheme
def _features_ldpc(model: str = DEFAULT_MODEL, target: int = 0, name: str = "features_ldpc") -> Scheme:
    """A student's features, quantised, then LDPC and QAM; its decoder at the receiver."""
    from sdr_sc.flowgraph.fitting_model import contract_for_images
    from sdr_sc.schemes.features_ldpc import FeaturesScheme

    contract_for_images(model)
    return FeaturesScheme(model, name, target)


@_scheme
def _label_ldpc(teacher: str = "", name: str = "label_ldpc") -> Scheme:
    """The class, decided at the transmitter, then LDPC and QAM; for one task that is known beforehand."""
    from sdr_sc.schemes.label_ldpc import LabelScheme

    return LabelScheme(teacher, name)


@_scheme
def _pca(file: str = "", name: str = "pca") -> Scheme:
    """Principal components as analog symbols, and a classifier fitted on them; the shipped ones without a file."""
    from sdr_sc.schemes.pca_scheme import PcaScheme

    return PcaScheme.load(file, name)


def _student(model: str, name: str) -> Scheme:
    from sdr_sc.flowgraph.fitting_model import contract_for_images
    from sdr_sc.schemes.learned import ModelScheme

    contract_for_images(model)
    return ModelScheme.load(model, name)


SCHEME_NAMES = tuple(MAKERS)
"""All names that `make_scheme` knows."""


def check_scheme(scheme: str, parameters: dict[str, Any]) -> None:
    """Refuse a name or parameters that `make_scheme` cannot use, without making anything.

    Raises:
        SdrScError: an unknown name, an unknown, missing or ill-typed parameter; the message tells the known ones.
    """
    if scheme not in MAKERS:
        raise SdrScError(f"scheme {scheme!r} is unknown; use one of {', '.join(SCHEME_NAMES)}.")
    known = inspect.signature(MAKERS[scheme], eval_str=True).parameters
    for key, value in parameters.items():
        if key not in known:
            raise SdrScError(f"scheme {scheme} has no parameter {key!r}; its parameters are: {', '.join(known)}.")
        kind = known[key].annotation
        if not isinstance(value, kind) or isinstance(value, bool):
            wanted = "a whole number" if kind is int else "text"
            raise SdrScError(f"parameter {key} of scheme {scheme} is {value!r}; give {wanted}.")
    for key, parameter in known.items():
        if parameter.default is inspect.Parameter.empty and key not in parameters:
            raise SdrScError(f"scheme {scheme} needs the parameter {key}; its parameters are: {', '.join(known)}.")


def make_scheme(scheme: str, **parameters: Any) -> Scheme:
    """The scheme of a name.

    Args:
        scheme: one of `SCHEME_NAMES`.
        parameters: as its maker takes them.

    Raises:
        SdrScError: see `check_scheme`; or what it needs is missing or damaged.
    """
    check_scheme(scheme, parameters)
    return MAKERS[scheme](**parameters)
