# SPDX-License-Identifier: GPL-3.0-or-later
"""Channel uses and quality where both ends hold a base, beside features alone, for the same quality."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sdr_sc.errors import SdrScError
from sdr_sc.evidence.knowledge.added import difference
from sdr_sc.evidence.knowledge.both_ends.content import NEAR, NEW, REPEATED, Content, base_vectors, contents
from sdr_sc.evidence.knowledge.both_ends.scheme import EntryScheme
from sdr_sc.evidence.multitask.measure import quality
from sdr_sc.evidence.multitask.rivals import rival_rows
from sdr_sc.evidence.multitask.rows import ON_AIR, RETRIEVAL, SYMBOLS, Setting, answers_of, cost, share_row
from sdr_sc.evidence.tables import APART
from sdr_sc.evidence.watched import OUTPUTS, watch
from sdr_sc.results.rows import Row
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.knowledge.both_ends.choice import UNLIKE
from sdr_sc.semantic.knowledge.both_ends.entries import SharedEntries
from sdr_sc.semantic.knowledge.both_ends.tag import BaseTag

Log = Callable[[str], None]
SIZES, SNRS_DB = (100, 1000, 10_000), (0.0, 5.0, 10.0, 20.0)
CONTROLS = 1000
"""Entries of the base that controls are measured with."""
CLASS, LISTED = "classification", "R@5"
ALLOWED_POINTS, GOAL = 0.5, 30.0
SAME_K, SAME_QUALITY = "features alone with its k", "features alone of its quality"
RIVAL_ITEMS = 8000
LIKENESS_ITEMS, LEAST_ITEMS = 4000, 50
LIKENESS_DB = ((-30.0, -12.0), (-12.0, -9.0), (-9.0, -7.0), (-7.0, -5.0), (-5.0, -3.0))


@dataclass(frozen=True, eq=False)
class Point:
    """What a way of sending reached at one SNR.

    Attributes:
        right: bool (n,), by metric.
        symbols, on_air: payload symbols, and all symbols on the air, of an item.
    """

    right: dict[str, np.ndarray]
    symbols: float
    on_air: float

    def share(self, metric: str) -> float:
        """Of right answers, %."""
        return 100.0 * float(self.right[metric].mean())


def same_quality(wanted: Point, others: Sequence[Point]) -> int | None:
    """Which of several points, by rising symbols, is the first that has a point's quality, but for `ALLOWED_POINTS` in
    each metric; None where none has.

    >>> made = [Point({CLASS: np.arange(10) < n, LISTED: np.arange(10) < n}, n, n) for n in (3, 7, 8)]
    >>> same_quality(made[1], made), same_quality(made[2], made[:2])
    (1, None)
    """
    for place, one in enumerate(others):
        if all(one.share(name) >= wanted.share(name) - ALLOWED_POINTS for name in (CLASS, LISTED)):
            return place
    return None


class Bench:
    """A model on a data set, with the rows that come of it.

    Args:
        setting: model, data, gallery of the test part's entries, SNRs, k, seed and channel.
        sends: items that are sent at each point.
        log: gets what is measured.
    """

    def __init__(self, setting: Setting, sends: int, log: Log) -> None:
        self.setting, self.log = setting, log
        self.encoder, self.decoder = SemanticEncoder(setting.model), SemanticDecoder(setting.model)
        contract = self.encoder.contract
        names = tuple(spec.name for spec in contract.tasks)
        if setting.gallery is None or not {CLASS, RETRIEVAL} <= {*names}:
            raise SdrScError("both ends are measured with a model of classification and retrieval, and its gallery.")
        self.tasks = (CLASS, RETRIEVAL)
        self.contents = contents(setting.test, sends, setting.seed)
        entries = setting.test.targets(RETRIEVAL, np.arange(len(setting.test)))
        self._occurring = np.unique(entries[entries >= 0])
        self.gallery = setting.gallery.some(self._occurring)
        self.snr_db = float(np.clip(10.0, *contract.training_snr_db))
        self.rows: list[Row] = []

    def vectors(self, items: np.ndarray) -> np.ndarray:
        """As a base keeps them."""
        k_max = self.encoder.contract.k_max
        parts = [
            self.encoder.encode(items[at : at + 500], self.snr_db, k_max).view(np.float32)
            for at in range(0, len(items), 500)
        ]
        return np.concatenate(parts)

    def shared(self, content: Content, size: int, version: int = 1) -> SharedEntries:
        """A base for a content, as both ends have it."""
        setting = self.setting
        raw = base_vectors(content, size, setting.test, setting.train, self.vectors, setting.seed)
        return SharedEntries.of_vectors(raw, BaseTag("e" * 16, version, f"{size:064x}"), self.snr_db)

    def targets(self, content: Content) -> dict[str, np.ndarray]:
        """What is right."""
        found = {
            spec.name: answers_of(spec, self.setting.test, content.places)
            for spec in self.decoder.contract.tasks
            if spec.name in (*self.tasks, "subgroup")
        }
        return {**found, RETRIEVAL: np.searchsorted(self._occurring, found[RETRIEVAL])}

    def measure(self, name: str, content: Content, scheme: ModelScheme, snr_db: float, k: int | None) -> Point:
        """Send a content, and keep rows of what came of it."""
        self.log(f"{name}, {snr_db:g} dB")
        setting, items = self.setting, self.setting.test.items(content.places)
        nobody = np.zeros(len(items), np.int64)
        width = max(part.stop for part in self.decoder.parts.values())
        seen = watch(scheme, OUTPUTS, items, nobody, snr_db, k, setting.seed, setting.channel, width, None)
        outputs = seen.values.astype(np.float32)
        shares = quality("", outputs, self.decoder, self.targets(content), self.gallery, content.places)
        right = {}
        for title, flags, groups in shares:
            metric = title.rpartition(APART)[2]
            right[metric] = flags
            self.rows.append(share_row(f"{name}: {metric}{APART}{snr_db:g} dB", flags, groups))
        payload, on_air = cost("", seen.result, len(items))
        for what, one in ((SYMBOLS, payload), (ON_AIR, on_air)):
            self.rows.append(Row(f"{name}: {what}{APART}{snr_db:g} dB", one.value, "symbols", n=len(items)))
        lost = 100.0 * seen.result.lost / len(items)
        self.rows.append(Row(f"{name}: items lost{APART}{snr_db:g} dB", lost, "%", n=len(items)))
        return Point(right, payload.value, on_air.value)

    def entry_rows(self, name: str, scheme: EntryScheme, snr_db: float) -> None:
        """How the items were sent."""
        total = sum(scheme.sent.values())
        for kind in ("entry", "residual"):
            share = 100.0 * scheme.sent[kind] / max(total, 1)
            self.rows.append(Row(f"{name}: sent by {kind}{APART}{snr_db:g} dB", share, "%", n=total))
        if scheme.power:
            power = 10 * float(np.log10(np.mean(scheme.power)))
            self.rows.append(Row(f"{name}: mean payload power{APART}{snr_db:g} dB", power, "dB", n=len(scheme.power)))

    def compared(
        self, name: str, content: Content, ours: Point, alone: Sequence[Point], chosen: int, snr_db: float
    ) -> None:
        """Rows of how many fewer symbols ours needs than features alone: than those with the k that ours sends plain
        items with, and than those of the same quality; where no k has it, than those with the most symbols. With how
        far the quality of ours is above that of each.

        Args:
            alone: features alone, by ``k_list``.
            chosen: place of the k that ours sends plain items with.
        """
        at = f"{APART}{snr_db:g} dB"
        place = same_quality(ours, alone)
        for which, rival in ((SAME_K, alone[chosen]), (SAME_QUALITY, alone[-1 if place is None else place])):
            k = self.setting.k_list[alone.index(rival)]
            self.rows.append(Row(f"{name}: k of {which}{at}", float(k), "", n=len(content.places)))
            for metric in (CLASS, LISTED):
                title = f"{name}: {metric} above {which}{at}"
                self.rows.append(difference(title, ours.right[metric], rival.right[metric], content.places))
            for what, own, other in (
                (SYMBOLS, ours.symbols, rival.symbols),
                (ON_AIR, ours.on_air, rival.on_air),
            ):
                fewer, title = 100.0 * (1.0 - own / other), f"{name}: fewer {what} than {which}{at}"
                is_goal = (content.name, what, which) == (REPEATED, SYMBOLS, SAME_QUALITY)
                self.rows.append(
                    Row.at_least(title, fewer, "%", GOAL, len(content.places)) if is_goal else Row(title, fewer, "%")
                )


def bench_both_ends(setting: Setting, sizes: Sequence[int], sends: int, log: Log) -> list[Row]:
    """Rows of all contents, bases, SNRs and controls, in tables whose columns are SNRs.

    Plain items are sent with the smallest k whose quality, for this content and SNR, is within `ALLOWED_POINTS` of that
    of the largest one: what features alone are best sent with.

    Raises:
        SdrScError: model or data set do not fit.
    """
    bench = Bench(setting, sends, log)
    for content in bench.contents:
        alone = {
            snr_db: [
                bench.measure(
                    f"{content.name}, features alone, k={k}",
                    content,
                    ModelScheme(bench.encoder, bench.decoder),
                    snr_db,
                    k,
                )
                for k in setting.k_list
            ]
            for snr_db in setting.snrs_db
        }
        chosen = {snr_db: same_quality(points[-1], points) or 0 for snr_db, points in alone.items()}
        for size in sizes:
            shared = bench.shared(content, size)
            for snr_db in setting.snrs_db:
                name = f"{content.name}, base of {size:,}"
                scheme = EntryScheme(bench.encoder, bench.decoder, bench.tasks, shared, shared)
                ours = bench.measure(name, content, scheme, snr_db, setting.k_list[chosen[snr_db]])
                bench.entry_rows(name, scheme, snr_db)
                bench.compared(name, content, ours, alone[snr_db], chosen[snr_db], snr_db)
        if content.name in (REPEATED, NEAR):
            _controls(bench, content, {snr_db: setting.k_list[place] for snr_db, place in chosen.items()})
        if content.name == REPEATED:
            bench.rows += _rivals(bench, content)
    bench.rows += likeness_rows(bench, sizes)
    return bench.rows


def _controls(bench: Bench, content: Content, k: dict[float, int]) -> None:
    """A base that the receiver has in another order, no residuals, entries for all items, a receiver with another
    version that the transmitter does not know of, and one that it knows of."""
    shared, other = bench.shared(content, CONTROLS), bench.shared(content, CONTROLS, 2)
    order = np.random.default_rng(bench.setting.seed).permutation(len(shared))
    shuffled = replace(shared, symbols=shared.symbols[order])
    ends = (bench.encoder, bench.decoder, bench.tasks)
    for snr_db in bench.setting.snrs_db:
        for what, scheme in (
            ("entries in another order at the receiver", EntryScheme(*ends, shared, shuffled)),
            ("no residuals", EntryScheme(*ends, shared, shared, with_residuals=False)),
            ("every item by its entry alone", EntryScheme(*ends, shared, shared, always=True)),
            ("another version at the receiver, not known", EntryScheme(*ends, shared, other)),
            ("another version at the receiver, known", EntryScheme(*ends, None, other)),
        ):
            name = f"{content.name}, base of {CONTROLS:,}, {what}"
            bench.measure(name, content, scheme, snr_db, k[snr_db])
            bench.entry_rows(name, scheme, snr_db)
            unread = 100.0 * sum(scheme.unread.values()) / max(sum(scheme.sent.values()), 1)
            bench.rows.append(Row(f"{name}: items of frames not read{APART}{snr_db:g} dB", unread, "%"))


def _rivals(bench: Bench, content: Content) -> list[Row]:
    """Coded messages that serve the same tasks, see `rival_rows`."""
    setting = replace(bench.setting, gallery=bench.gallery)
    targets = bench.targets(content)
    rows = rival_rows(setting, bench.decoder, content.places, targets, RIVAL_ITEMS, bench.log)
    found = []
    for row in rows:
        at, title, metric = row.name.split(APART)
        if "one transmission" not in title:
            found.append(replace(row, name=f"{content.name}, {title}: {metric}{APART}{at}"))
    return found


def likeness_rows(bench: Bench, sizes: Sequence[int]) -> list[Row]:
    """What an entry in an item's place costs, beside noise of the same power and of twice that power: without a
    channel, by how much the entry differs. This is what `sdr_sc.semantic.knowledge.both_ends.choice.UNLIKE` is from."""
    setting, rows = bench.setting, []
    places = np.sort(np.random.default_rng(setting.seed).permutation(len(setting.test))[:LIKENESS_ITEMS])
    content = Content(NEW, places, np.empty(0, np.int64))
    targets, items = bench.targets(content), setting.test.items(places)
    full = bench.vectors(items).view(np.complex64)
    shared = bench.shared(content, max(sizes))
    number, cosine = shared.nearest(full)
    left = np.clip(1.0 - np.square(cosine), 1e-6, 0.5)[:, None]
    rng = np.random.default_rng(setting.seed)
    noise = (rng.standard_normal((*full.shape, 2)) @ np.array([1.0, 1.0j])) / np.sqrt(2.0)
    ways = {"the entry": np.sqrt(1.0 - left) * shared.symbols[number]}
    for times in (1.0, UNLIKE):
        error = np.minimum(times * left, 0.99)
        ways[f"noise of {times:g} times its power"] = (1 - error) * full + np.sqrt(error * (1 - error)) * noise
    error_db = 10 * np.log10(left[:, 0])
    for what, features in ways.items():
        error = left[:, 0] * (UNLIKE if what.startswith(f"noise of {UNLIKE:g}") else 1.0)
        snr_db = 10 * np.log10((1 - np.minimum(error, 0.99)) / np.minimum(error, 0.99))
        k = np.full(len(places), full.shape[1])
        outputs = bench.decoder.outputs_of_prefixes(features.astype(np.complex64), snr_db, k)
        for title, right, _ in quality("", outputs, bench.decoder, targets, bench.gallery):
            metric = title.rpartition(APART)[2]
            for low, high in LIKENESS_DB:
                chosen = (error_db >= low) & (error_db < high)
                if metric in (CLASS, LISTED) and np.count_nonzero(chosen) >= LEAST_ITEMS:
                    at = f"{low:g} to {high:g} dB"
                    rows.append(
                        share_row(f"an entry that differs by so much, {what}: {metric}{APART}{at}", right[chosen])
                    )
    return rows
