# SPDX-License-Identifier: GPL-3.0-or-later
"""TensorBoard's logs of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdr_sc.errors import MissingDependencyError, SdrScError

if TYPE_CHECKING:
    from sdr_sc.distill.epoch import EpochReport


class EpochLog:
    """Writes an epoch's losses, accuracy and time; a context manager.

    Args:
        folder: TensorBoard's log folder; None writes nothing.

    Raises:
        MissingDependencyError: a folder is given, but there is no TensorBoard.
        SdrScError: the folder cannot be written.
    """

    def __init__(self, folder: Path | None) -> None:
        self._writer: Any = None
        if folder is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingDependencyError(f"TensorBoard cannot be imported ({error}); run 'make setup'.") from error
        try:
            self._writer = SummaryWriter(str(folder))
        except OSError as error:
            raise SdrScError(f"{folder} cannot be written ({error.strerror}); choose another --tensorboard.") from error

    def __enter__(self) -> EpochLog:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, report: EpochReport) -> None:
        """Add an epoch; with the epoch's number as the step, a resumed run goes on where the log stands."""
        if self._writer is None:
            return
        for name, value in report.losses.items():
            self._writer.add_scalar(f"loss/{name}", value, report.epoch)
        self._writer.add_scalar("accuracy/training", report.accuracy, report.epoch)
        self._writer.add_scalar("seconds/epoch", report.seconds, report.epoch)
        self._writer.flush()
