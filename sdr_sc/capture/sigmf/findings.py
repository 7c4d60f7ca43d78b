# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a recording, reported one by one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

ERROR, WARNING = "error", "warning"
SHOWN_OF_A_KIND = 5


@dataclass(frozen=True)
class Finding:
    """A fault of a recording.

    Attributes:
        severity: ``"error"`` or ``"warning"``.
        where: the part that is at fault, such as ``"annotations[3]"`` or ``"x.sigmf-data"``.
        text: what is wrong, and where that helps, how to fix it.
    """

    severity: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.text}"


class Findings:
    """Collects findings; of one kind only the first few, and then the count of all, so that memory stays bounded."""

    def __init__(self) -> None:
        self._shown: list[Finding] = []
        self._kinds: Counter[tuple[str, str]] = Counter()

    def add(self, severity: str, where: str, text: str, kind: str = "") -> None:
        """Add one; findings of the same ``kind``, which says what they are in the plural, are counted together."""
        if kind:
            self._kinds[severity, kind] += 1
            if self._kinds[severity, kind] > SHOWN_OF_A_KIND:
                return
        finding = Finding(severity, where, text)
        if finding not in self._shown:
            self._shown.append(finding)

    def extend(self, findings: list[Finding]) -> None:
        """Add some that were collected elsewhere."""
        self._shown += [finding for finding in findings if finding not in self._shown]

    def all(self) -> list[Finding]:
        """All of them, and a line for each kind that has more than were kept."""
        more = [
            Finding(severity, "and", f"{count - SHOWN_OF_A_KIND} more {kind}")
            for (severity, kind), count in self._kinds.items()
            if count > SHOWN_OF_A_KIND
        ]
        return self._shown + more
