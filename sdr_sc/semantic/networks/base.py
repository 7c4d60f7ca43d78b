# SPDX-License-Identifier: GPL-3.0-or-later
"""What training, export and inference ask of an encoder, whatever network it is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.shown import reason_of, shown


class Encoder(nn.Module):
    """Items and SNR to ``k_max`` complex feature symbols, best first.

    Input: float32 (n, channels, height, width), normalised as the contract says, and float32 (n,) SNR in dB.
    Output: float32 (n, k_max, 2), not yet normalised in power.

    A subclass splits itself into `pooled`, which does not depend on the SNR, and `from_pooled`, which does: in training
    the first part runs once for all SNRs and k.

    Attributes:
        kind: name of this architecture in a model's contract.
        width: length of a pooled vector; 0 where there is none, so that no teacher's features can be learned.
        k_max: symbols of an item.
    """

    kind = ""
    width = 0
    k_max: int

    @classmethod
    def refusal(cls, item_shape: Sequence[int]) -> str:
        """Why it takes no items of a shape, to follow "where the student takes"; '' if it does."""
        return ""

    def pooled(self, images: Tensor) -> Tensor:
        """Feature vectors (n, width)."""
        raise NotImplementedError

    def from_pooled(self, pooled: Tensor, snr_db: Tensor) -> Tensor:
        """Symbols of feature vectors, for an SNR each."""
        raise NotImplementedError

    def forward(self, images: Tensor, snr_db: Tensor) -> Tensor:
        return self.from_pooled(self.pooled(images), snr_db)

    def adamw_modules(self) -> list[nn.Module]:
        """Layers whose weights AdamW takes and not Muon, which is for inner matrices: the first, and FiLM's."""
        return []

    def backbone(self) -> list[nn.Module]:
        """What rests in the decision epochs: all that `pooled` is made of."""
        return []

    def ignore_snr(self) -> None:
        """Give for any SNR what one SNR gives, after a training without any.

        Raises:
            SdrScError: this network cannot.
        """
        raise SdrScError(f"the encoder {self.kind} cannot do without the SNR; train it with --cam.")

    def for_inference(self) -> nn.Module:
        """A module of the same function for export, `self` where nothing can be made quicker."""
        return self


class OwnEncoder(Encoder):
    """A network of the user's own in the form that training asks for.

    Args:
        kind: its import path.
        network: a module whose ``forward(images, snr_db)`` gives (n, k_max, 2). Where it also has ``width``, ``pooled``
            and ``from_pooled`` (see `Encoder`), these are used; likewise its methods ``adamw_modules``, ``backbone``,
            ``ignore_snr`` and ``for_inference``.
        k_max, item_shape: that it was made for.

    Raises:
        ContractError: it raises, or its output has another shape or type, or is not finite.
    """

    def __init__(self, kind: str, network: nn.Module, k_max: int, item_shape: Sequence[int]) -> None:
        super().__init__()
        self.kind, self.k_max, self.network, self._item_shape = kind, k_max, network, tuple(item_shape)
        self._is_split = all(hasattr(network, name) for name in ("width", "pooled", "from_pooled"))
        self.width = int(network.width) if self._is_split else 0  # type: ignore[arg-type]
        channels = item_shape[0] if len(item_shape) == 3 else 1
        self._try(torch.zeros(2, channels, *item_shape[-2:]))

    @torch.no_grad()
    def _try(self, images: Tensor) -> None:
        was_training = self.network.training
        self.network.eval()
        try:
            symbols = self(images, torch.zeros(len(images)))
        except Exception as error:
            raise ContractError(
                f"student {shown(self.kind)} fails on images of shape {tuple(images.shape)} "
                f"({type(error).__name__}: {reason_of(error)}); correct its forward."
            ) from error
        finally:
            self.network.train(was_training)
        wanted = (len(images), self.k_max, 2)
        if not isinstance(symbols, Tensor) or tuple(symbols.shape) != wanted or symbols.dtype != torch.float32:
            found = f"{tuple(symbols.shape)} {symbols.dtype}" if isinstance(symbols, Tensor) else type(symbols).__name__
            raise ContractError(
                f"student {shown(self.kind)} gives {found} where symbols of shape {wanted} in float32 are needed; "
                "correct its forward."
            )
        if not bool(symbols.isfinite().all()):
            raise ContractError(f"student {shown(self.kind)} gives symbols that are no finite numbers; correct it.")

    def pooled(self, images: Tensor) -> Tensor:
        return self.network.pooled(images) if self._is_split else images  # type: ignore[operator]

    def from_pooled(self, pooled: Tensor, snr_db: Tensor) -> Tensor:
        if self._is_split:
            return self.network.from_pooled(pooled, snr_db)  # type: ignore[operator]
        return self.network(pooled, snr_db)

    def adamw_modules(self) -> list[nn.Module]:
        named = self._method("adamw_modules")
        return list(named() if named else self.network.modules())

    def backbone(self) -> list[nn.Module]:
        named = self._method("backbone") if self._is_split else None
        return list(named()) if named else []

    def ignore_snr(self) -> None:
        (self._method("ignore_snr") or super().ignore_snr)()

    def for_inference(self) -> nn.Module:
        make = self._method("for_inference")
        return OwnEncoder(self.kind, make(), self.k_max, self._item_shape).eval() if make else self

    def _method(self, name: str) -> Callable[[], Any] | None:
        """A method of the user's network; a layer of that name is none."""
        found = getattr(self.network, name, None)
        return found if inspect.ismethod(found) else None
