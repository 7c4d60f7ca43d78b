# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a sweep in which schemes are compared, and what each could send in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sdr_sc.evidence.verdicts import Option
from sdr_sc.link.return_path import ReturnPath
from sdr_sc.report.sweep.operating_points import Key, Operation
from sdr_sc.report.sweep.results_set import Study
from sdr_sc.report.sweep.selection import View
from sdr_sc.sweep.config import ChannelEntry

MARGINS_DB = (0.0, 3.0, 6.0)
WRONG_BY_DB = (3.0, 6.0)
RECEIVERS_DB = (0.0, 5.0, 10.0, 20.0)
BUDGETS = (1.0, 2.0, 4.0, 8.0)
"""Payload symbols an item."""
MEAN = "mean over SNR"
ACKNOWLEDGED = "acknowledgements"


@dataclass(frozen=True)
class Setting:
    """Conditions that schemes are compared in.

    Attributes:
        name: for people.
        options: by scheme, what it could send, over the same conditions.
        budget: payload symbols an item at most; None for the scheme's own rule.
        is_single: one channel at one SNR.
    """

    name: str
    options: Mapping[str, tuple[Option, ...]]
    budget: float | None = None
    is_single: bool = False


def settings_of(study: Study, margins: bool = True) -> list[Setting]:
    """All settings that the results hold: each channel at each SNR and in the mean; transmitters that may be wrong and
    take a margin; and one setting for all SNRs: no feedback, or receivers of different SNR.

    Channels that differ in the transmitter's margin alone (`margin_db`, `loss_target` of the feedback) are one setting,
    in which each scheme takes the margin that is best for it, or acknowledgements. Not where the feedback is wrong by a
    known error, as that would tell the margin: there each is a setting of its own.

    Args:
        study: the results.
        margins: whether the transmitter may take one; without, all trust what is fed back.
    """
    table = View(study).operations
    channels = {entry.label: entry for config in study.configs for entry in config.channels}
    if not margins:
        channels = {
            label: one for label, one in channels.items() if not one.feedback.margin_db and not one.feedback.loss_target
        }
    with_feedback = {label: one for label, one in channels.items() if one.feedback.assumed_db is None}
    without = {label: one for label, one in channels.items() if one.feedback.assumed_db is not None}
    snrs = sorted({key.snr_db for key in table})
    found: list[Setting] = []
    for label, ways in _by_margin(with_feedback).items():
        found += [
            replace(
                _setting(f"{label}, {snr_db:g} dB", table, {way: [(one, snr_db)] for way, one in ways.items()}),
                is_single=True,
            )
            for snr_db in snrs
        ]
        if len(snrs) > 1:
            conditions = {way: [(one, snr_db) for snr_db in snrs] for way, one in ways.items()}
            found.append(_setting(f"{label}, {MEAN}", table, conditions))
    found += _with_margins(table, with_feedback, snrs) if margins else []
    if without:
        at = ", ".join(f"{snr_db:g}" for snr_db in snrs)
        found += _budgeted(f"one setting for all of {at} dB", table, without, snrs)
        if set(RECEIVERS_DB) < set(snrs):
            few = ", ".join(f"{snr_db:g}" for snr_db in RECEIVERS_DB)
            found += _budgeted(f"one setting for all of {few} dB", table, without, RECEIVERS_DB)
    return [one for one in found if len(one.options) > 1]


def _by_margin(channels: Mapping[str, ChannelEntry]) -> dict[str, dict[str, str]]:
    """By the label of a setting's first channel, the labels of all its channels by what the transmitter does."""
    found: dict[str, dict[str, str]] = {}
    first: dict[tuple[str, int, ReturnPath], str] = {}
    for label, one in channels.items():
        trusting = replace(one.feedback, margin_db=0.0, loss_target=0.0)
        alike = (one.models, one.realisation_items, trusting)
        name = label if one.feedback.error_db else first.setdefault(alike, label)
        found.setdefault(name, {})[_way(one.feedback)] = label
    return {label: {"": label} if len(ways) == 1 else ways for label, ways in found.items()}


def _way(feedback: ReturnPath) -> str:
    """What a transmitter does with what is reported to it.

    >>> _way(ReturnPath(margin_db=3.0)), _way(ReturnPath(loss_target=0.02))
    ('margin of 3 dB', 'acknowledgements')
    """
    margin = f"margin of {feedback.margin_db:g} dB"
    if not feedback.loss_target:
        return margin
    return f"{ACKNOWLEDGED}, {margin}" if feedback.margin_db else ACKNOWLEDGED


def _budgeted(
    name: str, table: Mapping[Key, Operation], channels: Mapping[str, ChannelEntry], snrs: Sequence[float]
) -> list[Setting]:
    conditions = {label: [(label, snr_db) for snr_db in snrs] for label in channels}
    whole = _setting(name, table, conditions)
    return [whole, *(Setting(f"{name}, {budget:g} symbols at most", whole.options, budget) for budget in BUDGETS)]


def _with_margins(
    table: Mapping[Key, Operation], channels: Mapping[str, ChannelEntry], snrs: Sequence[float]
) -> list[Setting]:
    """A transmitter whose knowledge may be wrong either way chooses a margin: an error less a margin is an error."""
    by_error: dict[float, str] = {}
    acknowledged: dict[float, str] = {}
    for label, one in channels.items():
        error_db, target = one.feedback.error_db, one.feedback.loss_target
        if not one.models and one.feedback == ReturnPath(error_db=error_db, loss_target=target):
            (acknowledged if target else by_error)[error_db] = label
    found = []
    for most in WRONG_BY_DB:
        errors = [error for error in (-6.0, -3.0, 0.0, 3.0, 6.0) if abs(error) <= most]
        options = {
            f"margin of {margin:g} dB": [(by_error.get(error - margin, ""), snr) for snr in snrs for error in errors]
            for margin in MARGINS_DB
        }
        if not all(label for places in options.values() for label, _ in places):
            continue  # whoever lacks a margin would be denied it
        options[ACKNOWLEDGED] = [(acknowledged.get(error, ""), snr) for snr in snrs for error in errors]
        found.append(_setting(f"SNR wrong by up to {most:g} dB either way, best margin", table, options))
    return found if len(by_error) > 1 else []


def _setting(
    name: str, table: Mapping[Key, Operation], conditions: Mapping[str, Sequence[tuple[str, float]]]
) -> Setting:
    """A setting from the channel and the SNR of its conditions, by the label of each way to send."""
    sent = {(key.scheme, key.k) for key in table}
    options: dict[str, list[Option]] = {}
    for label, places in conditions.items():
        for scheme, k in sorted(sent, key=lambda pair: (pair[0], pair[1] or 0)):
            keys = [Key(scheme, channel, snr_db, k) for channel, snr_db in places]
            if all(key in table for key in keys):
                told = ", ".join(part for part in ("" if k is None else f"k={k}", label) if part)
                options.setdefault(scheme, []).append(Option(told, tuple(table[key] for key in keys)))
    return Setting(name, {scheme: tuple(found) for scheme, found in options.items()})
