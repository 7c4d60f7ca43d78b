# SPDX-License-Identifier: GPL-3.0-or-later
"""Fits the settings of the thumbnail coder: levels and context model of each, and a classifier that has seen it.

Run as ``python -m sdr_sc.schemes.thumbnail.fit [START [14x6 ...]]`` it makes the files that come with the package
again, in half an hour of one core: one network for all of `TOGETHER`, then of each of `SETTINGS` by itself. It learns
labels and the soft answers of the shipped student to whole images; 5,000 images are held out, by which settings are
judged. ``python -m sdr_sc.schemes.thumbnail.fit student`` prints what that student has of them at full size with few
levels, for which it was not trained.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import DEFAULT_DATA_SET, ImageSet
from sdr_sc.distill.split import held_out
from sdr_sc.schemes.thumbnail import coder
from sdr_sc.schemes.thumbnail.classifier import ThumbnailNet, probabilities
from sdr_sc.schemes.thumbnail.context_fit import fit_context
from sdr_sc.schemes.thumbnail.pictures import lloyd_levels, quantised, shrinking, thumbnails
from sdr_sc.schemes.thumbnail.source import FOLDER, ThumbnailSource

Setting = tuple[int, int]
TOGETHER: tuple[Setting, ...] = ((10, 4), (12, 4), (12, 6), (14, 4), (14, 6), (14, 8), (14, 10), (16, 6), (16, 10))
SETTINGS: dict[Setting, tuple[Setting | None, tuple[int, ...]]] = {
    (10, 4): (None, (6,)),
    (12, 5): (None, (6,)),
    (14, 6): (None, (6, 8)),
    (14, 10): (None, (6,)),
    (14, 7): ((14, 10), (5,)),
}
"""Sides and numbers of levels; the setting whose network it goes on from, None for that of all together; epochs of each
round of its own training."""
TOGETHER_EPOCHS = 9
_BATCH, _HELD_OUT, _TEMPERATURE = 256, 5000, 2.0


class Pictures:
    """Training images with labels and soft answers, made small and coarse as they are asked for.

    Args:
        data: the training split.
        soft: float32 (n, classes), logits of a teacher, of each image.
    """

    def __init__(self, data: ImageSet, soft: np.ndarray) -> None:
        self.training, self.held = held_out(len(data), min(_HELD_OUT, len(data) // 4), seed=1)
        self.data = data
        self._images = torch.from_numpy(data.images[self.training])
        self._labels = torch.from_numpy(data.labels[self.training].astype(np.int64))
        self._soft = torch.from_numpy(soft[self.training])
        self._levels: dict[Setting, np.ndarray] = {}

    def levels(self, setting: Setting) -> np.ndarray:
        """float64 (levels,) of the training images."""
        if setting not in self._levels:
            small = thumbnails(self.data.images[self.training[:20_000]], setting[0])
            self._levels[setting] = lloyd_levels(small, setting[1])
        return self._levels[setting]

    def batch(self, chosen: torch.Tensor, setting: Setting, rng: np.random.Generator) -> torch.Tensor:
        """float32 (n, 1, side, side): images mirrored or not and moved by up to a pixel, then small and coarse."""
        images = self._images[chosen].float()
        mirrored = torch.from_numpy(rng.random(len(chosen)) < 0.5)[:, None, None]
        images = torch.where(mirrored, images.flip(2), images)
        down, right = (int(step) for step in rng.integers(-1, 2, 2))
        side, levels = images.shape[-1], torch.from_numpy(self.levels(setting)).float()
        images = functional.pad(images, (1, 1, 1, 1))[:, 1 + down : 1 + down + side, 1 + right : 1 + right + side]
        matrix = torch.from_numpy(shrinking(side, setting[0])).float()
        small = (matrix @ images @ matrix.T).round()
        return levels[torch.bucketize(small, (levels[1:] + levels[:-1]) / 2)][:, None] / 255

    def train(self, network: nn.Module, settings: tuple[Setting, ...], epochs: int, rate: float, seed: int = 1) -> None:
        """A setting drawn for each batch; half of the loss by labels, half by the soft answers."""
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        steps = len(self.training) // _BATCH * epochs
        optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps, pct_start=0.2)
        network.train()
        order = torch.empty(0, dtype=torch.int64)
        for _ in range(steps):
            if len(order) < _BATCH:
                order = torch.randperm(len(self.training))
            chosen, order = order[:_BATCH], order[_BATCH:]
            logits = network(self.batch(chosen, settings[int(rng.integers(len(settings)))], rng))
            loss = class_loss(logits, self._labels[chosen], self._soft[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()

    def finished(self, network: nn.Module, setting: Setting) -> ThumbnailSource:
        """A setting with its context model, and what it costs and is worth on the held-out images."""
        side, count = setting
        levels = self.levels(setting).astype(np.float32).astype(np.float64)
        context = fit_context(quantised(thumbnails(self.data.images[self.training], side), levels), count)
        index = quantised(thumbnails(self.data.images[self.held], side), levels)
        network.eval()
        found = probabilities(network, (levels / 255).astype(np.float32)[index]).argmax(axis=1)
        bits = [len(coder.encode(index[first : first + 50], context)) for first in range(0, len(index), 50)]
        tensors = {name: one.detach().numpy().astype(np.float16).astype(np.float32)
                   for name, one in network.state_dict().items() if not name.endswith("tracked")}  # fmt: skip
        accuracy = float((found == self.data.labels[self.held]).mean())
        return ThumbnailSource(context, levels, tensors, accuracy, sum(bits) / len(index))


def class_loss(logits: torch.Tensor, labels: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
    """Half by labels (n,), half by a teacher's logits (n, classes), in the mean over n."""
    told = functional.softmax(soft / _TEMPERATURE, 1)
    found = functional.log_softmax(logits / _TEMPERATURE, 1)
    distance = functional.kl_div(found, told, reduction="batchmean")
    return (functional.cross_entropy(logits, labels) + _TEMPERATURE**2 * distance) / 2


def print_student() -> None:
    """The shipped student's accuracy on held-out images whose pixels have few levels."""
    data = load_dataset(DEFAULT_DATA_SET, "train")
    pictures = Pictures(data, np.empty((len(data), 0), np.float32))
    images, labels = data.images[pictures.held], data.labels[pictures.held]
    for count in (256, 16, 8, 6, 4):
        levels = pictures.levels((images.shape[-1], count)) if count < 256 else np.arange(256)
        coarse = np.rint(levels).astype(np.uint8)[quantised(images, levels)]
        share = float((soft_answers(coarse).argmax(axis=1) == labels).mean())
        print(f"{count} levels: {100 * share:.2f} % of {len(labels):,} held-out images", flush=True)


def soft_answers(images: np.ndarray) -> np.ndarray:
    """float32 (n, classes): logits of the shipped student without a channel."""
    from sdr_sc.semantic import weights
    from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

    encoder, decoder = SemanticEncoder(weights.DEFAULT_MODEL), SemanticDecoder(weights.DEFAULT_MODEL)
    contract = encoder.contract
    best_db = contract.training_snr_db[1]
    parts = (images[first : first + 250] for first in range(0, len(images), 250))
    return np.concatenate([decoder.decode(encoder.encode(part, best_db, contract.k_max), best_db) for part in parts])


def file_of(setting: Setting) -> str:
    """Name of a setting's file."""
    return f"thumbnail_{setting[0]}x{setting[1]}.safetensors"


def main(settings: tuple[Setting, ...] = tuple(SETTINGS), start: Path = Path()) -> None:
    """Fit settings and write their files.

    Args:
        start: a file of the network for all settings, to go on from; it is trained, and kept there, where there is none
            yet; an empty path keeps none.
    """
    torch.set_num_threads(1)
    data = load_dataset(DEFAULT_DATA_SET, "train")
    pictures, classes = Pictures(data, soft_answers(data.images).astype(np.float32)), len(data.class_names)
    network = ThumbnailNet(classes).to(memory_format=torch.channels_last)
    if start.is_file():
        network.load_state_dict(torch.load(start, weights_only=True))
    else:
        pictures.train(network, TOGETHER, TOGETHER_EPOCHS, 6e-3)
        if start.name:
            torch.save(network.state_dict(), start)
    together = {name: one.clone() for name, one in network.state_dict().items()}
    for setting in settings:
        before, rounds = SETTINGS[setting]
        network.load_state_dict(together)
        if before is not None:
            tensors = ThumbnailSource.read(FOLDER / file_of(before)).network
            network.load_state_dict({name: torch.from_numpy(one) for name, one in tensors.items()}, strict=False)
        for place, epochs in enumerate(rounds):
            pictures.train(network, (setting,), epochs, 2e-3, seed=1 + place)
        source = pictures.finished(network, setting)
        source.save(FOLDER / file_of(setting))
        print(
            f"{source.name}: {source.item_bits:.1f} bits, {100 * source.accuracy:.2f} % of held-out images", flush=True
        )


if __name__ == "__main__":
    if sys.argv[1:] == ["student"]:
        print_student()
        sys.exit()
    chosen = tuple((int(side), int(levels)) for side, levels in (one.split("x") for one in sys.argv[2:]))
    main(chosen or tuple(SETTINGS), Path(*sys.argv[1:2]))
