# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a sweep: a YAML file, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.documents import read_yaml
from sdr_sc.link.network.pdu_schema import SNR_DB
from sdr_sc.link.return_path import MOST_DELAY_FRAMES, MOST_LOSS_TARGET, PERFECT, ReturnPath
from sdr_sc.phy.frame.header import MAX_ITEMS
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.shown import shown
from sdr_sc.sweep.value_reader import ValueReader

Air = Literal["phy", "flowgraph"]
AIRS: tuple[str, ...] = get_args(Air)
CAM = "cam"
MODES = ("auto", *(mode.name.lower() for mode in FrameMode))
"""Of frames; auto: by what was fed back, frame by frame."""
USUAL_MODE = FrameMode.NORMAL.name.lower()
_LATER = ("margin_db", "loss_target")  # of feedback
_OF_ENTRIES = ("scheme", "name", "k", "stop", "mode")  # all other keys are the scheme's parameters


@dataclass(frozen=True)
class StopRule:
    """When a point has items enough.

    Attributes:
        interval_points: width of the 95 % interval of the accuracy, in points (hundredths), that is narrow enough; see
            `sdr_sc.sweep.tally.Tally.is_enough`.
        minimum_items: items before which nothing stops: an interval of few items is not to be trusted.
    """

    interval_points: float
    minimum_items: int = 1000


@dataclass(frozen=True)
class SchemeEntry:
    """One scheme of the sweep.

    Attributes:
        label: its name in results.
        scheme: its name in the catalogue.
        parameters: for the catalogue, such as ``model``.
        k: feature symbols per item, None for the CAM's choice; empty for those of the sweep.
        stop: its own rule; None for that of the sweep.
        mode: of its frames, one of `MODES`.
    """

    label: str
    scheme: str
    parameters: dict[str, Any] = field(default_factory=dict)
    k: tuple[int | None, ...] = ()
    stop: StopRule | None = None
    mode: str = USUAL_MODE


@dataclass(frozen=True)
class ChannelEntry:
    """One channel of the sweep.

    Attributes:
        label: its name in results.
        models: as `sdr_sc.phy.channels.parse_chain` reads them; '' is noise alone.
        realisation_items: items after which the channel is redrawn; 0 for one realisation that goes on.
        feedback: the way back from the receiver to the transmitter.
    """

    label: str
    models: str
    realisation_items: int
    feedback: ReturnPath = PERFECT

    @property
    def described(self) -> dict[str, Any]:
        """What its name stands for, in results; feedback, and its later keys, only where they say something, as in
        earlier files."""
        told = asdict(self.feedback)
        for name in _LATER:
            if told[name] == getattr(PERFECT, name):
                del told[name]
        return {
            "models": self.models,
            "realisation_items": self.realisation_items,
            **({"feedback": told} if self.feedback != PERFECT else {}),
        }


@dataclass(frozen=True)
class SweepConfig:
    """A whole sweep; its grid is schemes x channels x SNR x k x seeds.

    Attributes:
        schemes, channels: what is compared, and over what.
        snr_db: Es/N0 on the occupied subcarriers, for a channel gain of 1.
        k: feature symbols per item of schemes that have a choice; None for the CAM's.
        seeds: each gives the items' order, the channels and the noise.
        items: test items of a point, at most.
        items_per_frame: of schemes that put more than one item into a frame.
        air: ``phy``, or ``flowgraph`` for GNU Radio and the simulated USRP.
        carrier_offset_hz: between the ends.
        stop: None measures all items.
        data_set: name or path, see `sdr_sc.semantic.model_items.load_items`; its test split is sent.
    """

    schemes: tuple[SchemeEntry, ...]
    channels: tuple[ChannelEntry, ...]
    snr_db: tuple[float, ...]
    k: tuple[int | None, ...] = (None,)
    seeds: tuple[int, ...] = (1,)
    items: int = 10_000
    items_per_frame: int = 50
    air: Air = "phy"
    carrier_offset_hz: float = 700.0
    stop: StopRule | None = None
    data_set: str = DEFAULT_DATA_SET

    def to_dict(self) -> dict[str, Any]:
        """The configuration in plain types, for result files."""
        return asdict(self)

    @property
    def settings(self) -> dict[str, Any]:
        """What every point of a results file has in common."""
        names = ("items", "items_per_frame", "air", "carrier_offset_hz", "stop")
        return {name: value for name, value in self.to_dict().items() if name in names}


def load_config(path: str | Path) -> SweepConfig:
    """Read a sweep's YAML file.

    Raises:
        SdrScError: the file cannot be read, or says something that makes no sense; in one sentence that names the key.
    """
    content = read_yaml(path, "sweep", "give a YAML file as docs/sweeps.md shows")
    return config_from(content, shown(path))


def config_from(content: Any, source: str = "sweep") -> SweepConfig:
    """A configuration from what a YAML file holds.

    Args:
        source: the file's name, for errors.

    Raises:
        SdrScError: a key is unknown or missing, or its value makes no sense.

    >>> config_from({"schemes": ["ours"], "snr_db": {"from": 0, "to": 10, "step": 5}, "k": [4, "cam"]}).snr_db
    (0.0, 5.0, 10.0)
    """
    reader = _Reader(source, CAM)
    known = ("schemes", "channels", "snr_db", "k", "seeds", "items", "items_per_frame", "air", "carrier_offset_hz",
             "stop", "data_set", "mode")  # fmt: skip
    top = reader.mapping("", content, known, required=("schemes", "snr_db"))
    items_per_frame = reader.whole("items_per_frame", top.get("items_per_frame", 50), 1, MAX_ITEMS)
    air = top.get("air", "phy")
    if air not in AIRS:
        reader.fail("air", f"is {air!r}; use {' or '.join(AIRS)}")
    stop, data_set = top.get("stop"), top.get("data_set", DEFAULT_DATA_SET)
    if not isinstance(data_set, str) or not data_set:
        reader.fail("data_set", f"is {data_set!r}; give a name, or the path of your own images")
    usual = reader.mode("mode", top.get("mode", USUAL_MODE))
    return SweepConfig(
        schemes=reader.entries("schemes", top["schemes"], lambda key, value: reader.scheme(key, value, usual)),
        channels=reader.channels(top.get("channels", {"awgn": ""}), items_per_frame, air),
        snr_db=reader.range("snr_db", top["snr_db"]),
        k=reader.ks("k", top.get("k", [CAM])),
        seeds=reader.entries("seeds", top.get("seeds", [1]), lambda name, v: reader.whole(name, v, 0, 2**32 - 1)),
        items=reader.whole("items", top.get("items", 10_000), 1, 10_000_000),
        items_per_frame=items_per_frame,
        air=air,
        carrier_offset_hz=reader.number("carrier_offset_hz", top.get("carrier_offset_hz", 700.0), -1e5, 1e5),
        stop=None if stop is None else reader.stop(stop),
        data_set=data_set,
    )


class _Reader(ValueReader):
    """What the keys of a sweep are."""

    def ks(self, key: str, value: Any) -> tuple[int | None, ...]:
        def one(name: str, k: Any) -> int | None:
            if k == CAM or k is None:
                return None
            if not isinstance(k, int) or isinstance(k, bool) or k < 1:
                self.fail(name, f"has {k!r}; use whole numbers above 0, or {CAM!r}")
            return k

        return self.entries(key, value, one)

    def mode(self, key: str, value: Any) -> str:
        if value not in MODES:
            self.fail(key, f"is {value!r}; use one of {', '.join(MODES)}")
        return str(value)

    def scheme(self, key: str, value: Any, usual_mode: str) -> SchemeEntry:
        if isinstance(value, str):
            return SchemeEntry(value, value, mode=usual_mode)
        if not isinstance(value, Mapping) or not isinstance(value.get("scheme"), str):
            self.fail(key, f"has {value!r}; give a scheme's name, or keys of which one is 'scheme'")
        label = value.get("name", value["scheme"])
        if not isinstance(label, str) or not label.strip():
            self.fail(key, f"has the name {label!r}, which is no text; write names in quotes")
        parameters = {name: one for name, one in value.items() if name not in _OF_ENTRIES}
        for name in parameters:
            if not isinstance(name, str):
                self.fail(key, f"has the parameter {name!r} of scheme {label!r}, which is no text; write it in quotes")
        k = self.ks(f"k of scheme {label!r}", value["k"]) if "k" in value else ()
        stop = self.stop(value["stop"], f"stop of scheme {label!r}") if value.get("stop") is not None else None
        mode = self.mode(f"mode of scheme {label!r}", value.get("mode", usual_mode))
        return SchemeEntry(label, value["scheme"], parameters, k, stop, mode)

    def channels(self, value: Any, items_per_frame: int, air: str) -> tuple[ChannelEntry, ...]:
        if not isinstance(value, Mapping):
            self.fail("channels", "have to be names with models, such as awgn: '' or tdl_c: tdl_c(delay_spread_ns=300)")
        if not value:
            self.fail("channels", "is empty, so that there is nothing to measure; list at least one")
        found = []
        for label, one in value.items():
            if not isinstance(label, str) or not label.strip():
                self.fail("channels", f"has the name {label!r}, which is no text; write names in quotes")
            key = f"channels.{label}"
            spec = {"models": one or ""} if one is None or isinstance(one, str) else one
            spec = self.mapping(key, spec, ("models", "realisation_items", "feedback"), ("models",))
            models = spec["models"]
            if not isinstance(models, str):
                self.fail(f"{key}.models", f"is {models!r}; use text such as tdl_c(delay_spread_ns=300, doppler_hz=5)")
            # Noise alone has nothing to draw again, and the flowgraph's air goes on.
            usual = items_per_frame if models.strip() and air == "phy" else 0
            renew = self.whole(f"{key}.realisation_items", spec.get("realisation_items", usual), 0, 10_000_000)
            found.append(ChannelEntry(label, models, renew, self.feedback(f"{key}.feedback", spec.get("feedback"))))
        return tuple(found)

    def feedback(self, key: str, value: Any) -> ReturnPath:
        if value is None:
            return PERFECT
        spec = self.mapping(key, value, tuple(field.name for field in fields(ReturnPath)))
        if "assumed_db" in spec and len(spec) > 1:
            self.fail(key, "has assumed_db, which means that there is no feedback; leave its other keys out")
        assumed = spec.get("assumed_db")
        return ReturnPath(
            error_db=self.number(f"{key}.error_db", spec.get("error_db", 0), -40, 40),
            delay_frames=self.whole(f"{key}.delay_frames", spec.get("delay_frames", 0), 0, MOST_DELAY_FRAMES),
            loss=self.number(f"{key}.loss", spec.get("loss", 0), 0, 1),
            assumed_db=None if assumed is None else self.number(f"{key}.assumed_db", assumed, *SNR_DB),
            margin_db=self.number(f"{key}.margin_db", spec.get("margin_db", 0), -40, 40),
            loss_target=self.number(f"{key}.loss_target", spec.get("loss_target", 0), 0, MOST_LOSS_TARGET),
        )

    def stop(self, value: Any, key: str = "stop") -> StopRule:
        spec = self.mapping(key, value, ("interval_points", "minimum_items"), ("interval_points",))
        points = self.number(f"{key}.interval_points", spec["interval_points"], 0.01, 100)
        return StopRule(points, self.whole(f"{key}.minimum_items", spec.get("minimum_items", 1000), 1, 10_000_000))
