# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at the airs in shared memory, and clear away what killed processes left."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sdr_sc.places import why_not_private
from sdr_sc.processes import lives, pid_namespace
from sdr_sc.simusrp.build import SimusrpError
from sdr_sc.simusrp.layout import LIVE_KEYS, PACES, RX_STATES, TX_STATES, AirHeader, DeviceSlot, Owner, fits

FOLDER = Path("/dev/shm")
LOCK_LIMIT_S = 5.0
RING_AGE_S = 10.0


@dataclass(frozen=True)
class Stream:
    """A transmitter's channel or a receiver: ``direction`` is ``tx`` or ``rx``, ``index`` its place in samples."""

    direction: str
    state: str
    rate_hz: float
    freq_hz: float
    gain_db: float
    index: int


@dataclass(frozen=True)
class Device:
    """A device on an air, with its live values as they are now."""

    name: str
    pid: int
    channels: int
    ppm: float
    values: dict[str, float]
    streams: tuple[Stream, ...]


@dataclass(frozen=True)
class AirState:
    """An air: ``now_s`` is its time, ``bytes`` what it takes of the shared memory."""

    name: str
    pace: str
    now_s: float
    bytes: int
    devices: tuple[Device, ...]


def prefix() -> str:
    """How the names of this user's files begin."""
    return f"sdr_sc-simusrp-{os.geteuid()}-"


def air_names() -> list[str]:
    """Airs that have files of this user, also those that nobody uses any more."""
    pattern = re.compile(re.escape(prefix()) + r"([A-Za-z0-9_-]+)(\.ring-\d+)?")
    matches = [pattern.fullmatch(file.name) for file in FOLDER.glob(prefix() + "*") if _is_own(file)]
    return sorted({match.group(1) for match in matches if match})


def is_alive(owner: Owner) -> bool:
    """Whether the process lives; its start time distinguishes it from a later one with the same pid.

    One of another pid namespace (a container that shares ``/dev/shm``) cannot be seen, and counts as alive.
    """
    if pid_namespace() == 0 or owner.pid_namespace != pid_namespace():
        return True
    return owner.start_ticks != 0 and lives(owner.pid, owner.start_ticks)


@contextmanager
def opened(air: str, lock: bool = False) -> Iterator[AirHeader]:
    """The air's header, mapped.

    Args:
        air: its name.
        lock: hold its lock, which guards the registry.

    Raises:
        SimusrpError: there is no such air, its file is another user's or open to others, another version made it, or
            the lock cannot be had.
    """
    path = FOLDER / (prefix() + air)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        known = ", ".join(air_names())
        raise SimusrpError(
            f"there is no air '{air}': no program has a simulated USRP open on it; "
            + (f"there are: {known}." if known else "start one first.")
        ) from None
    except OSError as error:
        raise SimusrpError(f"air '{air}' cannot be opened: {error.strerror}; look at {path}.") from error
    try:
        # Whoever may write the file decides what is read here, and ends this process by making the file shorter.
        status = os.fstat(descriptor)
        reason = why_not_private(status) if stat.S_ISREG(status.st_mode) else "it is no regular file"
        if reason:
            raise SimusrpError(f"air '{air}' is not used, because of {path}: {reason}; remove it, or use another air.")
        if lock:
            _lock(descriptor, air)
        if os.fstat(descriptor).st_size != ctypes.sizeof(AirHeader):
            raise _other_version(air)
        # The mapping lives as long as somebody holds a part of the header.
        header = AirHeader.from_buffer(mmap.mmap(descriptor, ctypes.sizeof(AirHeader)))
        if not fits(header):
            raise _other_version(air)
        yield header
    finally:
        os.close(descriptor)


def _other_version(air: str) -> SimusrpError:
    return SimusrpError(
        f"air '{air}' was made by another version of the simulated USRP; end the programs that use it and run "
        "'sdr-sc simusrp clean'."
    )


def _lock(descriptor: int, air: str) -> None:
    end = time.monotonic() + LOCK_LIMIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > end:
                raise SimusrpError(f"air '{air}' is locked by another process; end it and try again.") from None
            time.sleep(0.001)


def now_ps(header: AirHeader) -> int:
    """The air's time in picoseconds."""
    return int(header.now_ps) if header.pace == 1 else (time.monotonic_ns() - int(header.epoch_ns)) * 1000


def live_values(slot: DeviceSlot, at_ps: int) -> dict[str, float]:
    """Values of a device at a moment of the air."""
    values = dict(zip(LIVE_KEYS, slot.initial, strict=True))
    since = dict.fromkeys(LIVE_KEYS, -(2**63))
    count = slot.change_count
    for number in range(max(0, count - len(slot.changes)), count):
        change = slot.changes[number % len(slot.changes)]
        if change.key >= len(LIVE_KEYS):
            continue
        key = LIVE_KEYS[change.key]
        if since[key] <= change.at_ps <= at_ps:
            since[key], values[key] = change.at_ps, change.value
    return values


def read_air(air: str) -> AirState:
    """What is on an air now.

    Raises:
        SimusrpError: as `opened`.
    """
    with opened(air) as header:
        time_ps = now_ps(header)
        devices = []
        for place, slot in enumerate(header.devices):
            if not slot.used or not is_alive(slot.owner):
                continue
            streams = [
                Stream("tx", TX_STATES[tx.state], tx.rate_hz, tx.freq_hz, tx.gain_db, tx.declared)
                for tx in header.tx
                if tx.state in (1, 2) and tx.device == place
            ] + [
                Stream("rx", RX_STATES[rx.state], rx.rate_hz, rx.freq_hz, rx.gain_db, rx.claimed)
                for rx in header.rx
                if rx.state in (1, 2) and rx.device == place
            ]
            values = live_values(slot, time_ps)
            name = slot.name.decode(errors="replace")
            devices.append(Device(name, slot.owner.pid, slot.channels, slot.ppm, values, tuple(streams)))
        pace = PACES[header.pace] if header.pace < len(PACES) else "none"
    return AirState(air, pace, time_ps * 1e-12, sum(_bytes(file) for file in _files(air)), tuple(devices))


def clean() -> list[str]:
    """Remove this user's files of airs, and of transmitters, that no living process uses.

    Returns:
        What was removed: names of airs, and of rings of airs that are in use.
    """
    removed = []
    for air, files in left_over(remove=True).items():
        is_whole = FOLDER / (prefix() + air) in files or not _files(air)
        removed += [air] if is_whole else [file.name for file in files]
    return removed


def left_over(remove: bool = False) -> dict[str, list[Path]]:
    """Files that no living process uses, by air; other users' files are never among them.

    Args:
        remove: them, too. The air's lock is held meanwhile, so that nobody begins to use one.
    """
    found = {}
    for air in air_names():
        try:
            with opened(air, lock=True) as header:
                found[air] = _without_use(air, header)
                _remove(found[air] if remove else [])
        except SimusrpError:  # another version's, or only rings
            files, mapped = _files(air), _mapped_files()
            found[air] = [] if any(str(file) in mapped for file in files) else files
            _remove(found[air] if remove else [])
    return {air: files for air, files in found.items() if files}


def _without_use(air: str, header: AirHeader) -> list[Path]:
    files = _files(air)
    if not any(slot.used and is_alive(slot.owner) for slot in header.devices):
        return files
    kept = {f".ring-{tx.serial}" for tx in header.tx if tx.state in (1, 2) and is_alive(tx.owner)}
    rings = [file for file in files[1:] if file.suffix not in kept and _is_old(file)]
    mapped = _mapped_files() if rings else ""
    return [file for file in rings if str(file) not in mapped]


def _remove(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _files(air: str) -> list[Path]:
    """The air's own file first, if it is there, and its rings."""
    main = FOLDER / (prefix() + air)
    return [file for file in (main, *sorted(FOLDER.glob(main.name + ".ring-*"))) if _is_own(file)]


def _is_own(file: Path) -> bool:
    try:
        return file.lstat().st_uid == os.geteuid()
    except OSError:
        return False


def _is_old(file: Path) -> bool:
    """Whether a ring's maker has had the time to map it and to enter it into the registry."""
    try:
        return time.time() - file.stat().st_mtime > RING_AGE_S
    except OSError:
        return False


def _bytes(file: Path) -> int:
    try:
        return file.stat().st_blocks * 512
    except OSError:
        return 0


def _mapped_files() -> str:
    """The lines about our shared memory in the maps of all processes that this user may look at."""
    lines = []
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            text = maps.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        lines += [line for line in text.splitlines() if prefix() in line]
    return "\n".join(lines)
