# SPDX-License-Identifier: GPL-3.0-or-later
"""Schemes by name. Making one imports what it needs; looking names up imports nothing heavy."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.errors import SdrScError
from sdr_sc.schemes.scheme import BaseScheme, Scheme
from sdr_sc.semantic.weights import DEFAULT_MODEL

if TYPE_CHECKING:
    from sdr_sc.schemes.learned import ModelScheme

FRAME_SYMBOLS = 4096
"""Most payload symbols of a frame of coded bits: its preamble and header are then an eighth of it."""

Maker = Callable[..., Scheme]
MAKERS: dict[str, Maker] = {}
"""By name; a maker takes the data set first; its further arguments are the scheme's parameters."""


def _scheme(maker: Maker) -> Maker:
    MAKERS[maker.__name__.strip("_")] = maker
    return maker


@_scheme
def _ours(data_set: str, model: str = DEFAULT_MODEL, name: str = "ours", mapping: str = "interleave") -> Scheme:
    """A distilled student whose channel-adaptive module follows the SNR; with the mapping `importance`, its first
    features ride on the subcarriers that the receiver reports as the strongest."""
    return _mapped(_student(data_set, model, name), mapping)


@_scheme
def _fixed_rate(data_set: str, model: str, name: str = "fixed_rate") -> Scheme:
    """A learned coder of one k, trained without the adaptive parts; `model` is its file."""
    return _student(data_set, model, name)


@_scheme
def _jpeg_ldpc(
    data_set: str, teacher: str = "", frame_symbols: int = FRAME_SYMBOLS, target: int = 0, name: str = "jpeg_ldpc"
) -> Scheme:
    """JPEG, LDPC and QAM; a teacher classifies at the receiver, or ``student``, which stands in where none is given."""
    from sdr_sc.schemes.image_ldpc import ImageScheme

    return ImageScheme("jpeg", teacher, frame_symbols, name, target, data_set=data_set)


@_scheme
def _webp_ldpc(
    data_set: str, teacher: str = "", frame_symbols: int = FRAME_SYMBOLS, target: int = 0, name: str = "webp_ldpc"
) -> Scheme:
    """As jpeg_ldpc with WebP images."""
    from sdr_sc.schemes.image_ldpc import ImageScheme

    return ImageScheme("webp", teacher, frame_symbols, name, target, data_set=data_set)


@_scheme
def _features_ldpc(data_set: str, model: str = DEFAULT_MODEL, target: int = 0, name: str = "features_ldpc") -> Scheme:
    """A student's features, quantised, then LDPC and QAM; its decoder at the receiver."""
    from sdr_sc.flowgraph.fitting_model import contract_for_images
    from sdr_sc.schemes.features_ldpc import FeaturesScheme

    contract_for_images(model, data_set)
    return FeaturesScheme(model, name, target, data_set)


@_scheme
def _features_vq(data_set: str, model: str = DEFAULT_MODEL, target: int = 0, name: str = "features_vq") -> Scheme:
    """A student's features, vector-quantised and entropy-coded, then LDPC and QAM; each cell has its class."""
    from sdr_sc.flowgraph.fitting_model import contract_for_images
    from sdr_sc.schemes.features_vq import VectorScheme

    contract_for_images(model, data_set)
    return VectorScheme(model, name, target, data_set)


@_scheme
def _thumbnail_ldpc(data_set: str, target: int = 0, name: str = "thumbnail_ldpc") -> Scheme:
    """Thumbnails of few levels, entropy-coded over a frame's items, LDPC and QAM; a classifier that was trained on
    them."""
    from sdr_sc.schemes.thumbnail_ldpc import ThumbnailScheme

    return ThumbnailScheme(name, target, data_set)


@_scheme
def _deepjscc(data_set: str, file: str = "", name: str = "deepjscc") -> Scheme:
    """A learned image codec over the air, and a classifier of its pictures."""
    from sdr_sc.schemes.deepjscc import JsccScheme

    return JsccScheme(file, name, data_set)


@_scheme
def _soft_ldpc(data_set: str, model: str = DEFAULT_MODEL, sent: int = 2, name: str = "soft_ldpc") -> Scheme:
    """The likeliest classes with their confidence, decided at the transmitter, entropy-coded, LDPC and QAM; `sent` is
    how many of the classes."""
    from sdr_sc.flowgraph.fitting_model import contract_for_images
    from sdr_sc.schemes.soft_ldpc import SoftScheme

    contract_for_images(model, data_set)
    return SoftScheme(model, name, sent, data_set)


@_scheme
def _label_ldpc(data_set: str, teacher: str = "", name: str = "label_ldpc") -> Scheme:
    """The class, decided at the transmitter, then LDPC and QAM; for one task that is known beforehand."""
    from sdr_sc.schemes.label_ldpc import LabelScheme

    return LabelScheme(teacher, name, data_set)


@_scheme
def _pca(data_set: str, file: str = "", name: str = "pca", mapping: str = "interleave") -> Scheme:
    """Principal components as analog symbols, and a classifier of them; Fashion-MNIST's without a file. `mapping` as of
    ours: the first components matter most."""
    from sdr_sc.schemes.pca_scheme import PcaScheme

    return _mapped(PcaScheme.load(file, name, data_set), mapping)


@_scheme
def _refined(
    data_set: str,
    model: str = DEFAULT_MODEL,
    name: str = "refined",
    reject_percent: int = 0,
    compare: int = 0,
    mapping: str = "interleave",
) -> Scheme:
    """As ours, with more symbols for the items that the receiver is not sure of; `reject_percent` is the confidence
    below which it does not answer; with `compare` 1 the transmitter confirms answers that are its own. Frames with
    more symbols of earlier items are interleaved, whatever the `mapping`."""
    from sdr_sc.flowgraph.fitting_model import contract_for_images
    from sdr_sc.link.refinement.receiver import Settings
    from sdr_sc.schemes.refined import RefinedScheme

    contract_for_images(model, data_set)
    if not 0 <= reject_percent <= 100:
        raise SdrScError(f"parameter reject_percent of scheme refined is {reject_percent}; give 0 to 100.")
    settings = Settings(reject_below=reject_percent / 100, compare=bool(compare))
    return _mapped(RefinedScheme.load(model, name, settings=settings), mapping)


def _mapped(scheme: BaseScheme, mapping: str) -> Any:
    """A scheme whose frames are mapped as a parameter says."""
    from sdr_sc.link.mapping import check_mapping

    scheme.by_importance = check_mapping(f"scheme {scheme.name}", mapping)
    return scheme


def _student(data_set: str, model: str, name: str) -> ModelScheme:
    from sdr_sc.flowgraph.fitting_model import contract_for_images
    from sdr_sc.schemes.learned import ModelScheme

    contract_for_images(model, data_set)
    return ModelScheme.load(model, name)


SCHEME_NAMES = tuple(MAKERS)
"""All names that `make_scheme` knows."""


def check_scheme(scheme: str, parameters: dict[str, Any]) -> None:
    """Refuse a name or parameters that `make_scheme` cannot use, without making anything.

    Raises:
        SdrScError: an unknown name, an unknown, missing or ill-typed parameter; the message lists the known ones.
    """
    if scheme not in MAKERS:
        raise SdrScError(f"scheme {scheme!r} is unknown; use one of {', '.join(SCHEME_NAMES)}.")
    signature = inspect.signature(MAKERS[scheme], eval_str=True).parameters
    known = {key: parameter for key, parameter in signature.items() if key != "data_set"}
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


def make_scheme(scheme: str, data_set: str = DEFAULT_DATA_SET, /, **parameters: Any) -> Scheme:
    """The scheme of a name.

    Args:
        scheme: one of `SCHEME_NAMES`.
        data_set: that it is to send.
        parameters: as its maker takes them.

    Raises:
        SdrScError: see `check_scheme`; or what it needs is missing or damaged.
    """
    check_scheme(scheme, parameters)
    return MAKERS[scheme](data_set, **parameters)
