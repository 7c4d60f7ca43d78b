# SPDX-License-Identifier: GPL-3.0-or-later
"""Fine-tuning of EfficientNet-Lite2 on the task, all weights, with checkpoints within the epoch.

Each step draws all its randomness from a seed made of the run's seed and the step's number, so that a checkpoint needs
no generator's state, and a resumed run equals an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sdr_sc.data.dataset import ImageSet
from sdr_sc.distill.checkpoint import as_json, read_checkpoint, write_checkpoint
from sdr_sc.distill.config import VALIDATION_SEED
from sdr_sc.distill.split import draw_labelled, held_out
from sdr_sc.distill.state import load_module, load_optimisers, module_arrays, optimiser_arrays
from sdr_sc.distill.teachers.base import CHUNK, as_batch
from sdr_sc.distill.teachers.efficientnet import EfficientNetLite2
from sdr_sc.documents import whole_number
from sdr_sc.errors import SdrScError
from sdr_sc.semantic.modalities.image_views import ViewPolicy, apply_views, draw_views
from sdr_sc.shown import shown

CHECKPOINT_VERSION = 3
_ORDER, _STEP, _VIEWS = 0, 1, 2  # the uses of a seed


@dataclass(frozen=True)
class FitConfig:
    """Settings of a fit; every one is kept in the teacher's card.

    Attributes:
        learning_rate: largest rate of the body; the head's is ``head_rate`` times as large.
        warm_up: part of the steps over which the rate rises; after it, it falls as a cosine to zero.
        ema_decay: decay of the running mean of the weights, which is what is shipped.
        validation_items: training images held out, drawn with the seed; 0 to train on all.
        limit: train on the first images only (0: on all), for quick checks.
        labels: train on so many images only (0: on all), drawn as `sdr_sc.distill.split.draw_labelled` does; what is
            held out then is what ``sdr-sc distill`` holds out.
        label_seed: of that draw.
        shift: largest move of the augmentation, pixels of the original image.
        erase: side of the square that it erases, pixels of the original image.
        pretrained: start from the ImageNet weights.
    """

    seed: int = 1
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 1e-3
    head_rate: float = 5.0
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    warm_up: float = 0.1
    ema_decay: float = 0.998
    image_size: int = 64
    stem_stride: int = 2
    dropout: float = 0.2
    shift: int = 2
    erase: int = 8
    validation_items: int = 5000
    limit: int = 0
    labels: int = 0
    label_seed: int = 1
    pretrained: bool = True

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2 or self.limit < 0 or self.validation_items < 0:
            raise SdrScError(
                "a fit needs 1 epoch and 2 images a batch or more, and no negative number of images; "
                "fix --epochs, --batch-size, --limit or --validation-images."
            )
        if min(self.labels, self.label_seed) < 0 or (self.labels and self.limit):
            raise SdrScError("a fit takes --labels or --limit, each of 0 or more; leave one of them out.")
        if not 0 < self.learning_rate < 1:
            raise SdrScError(f"the learning rate {self.learning_rate:g} is not between 0 and 1; 0.001 is a good one.")
        if not 0 <= self.label_smoothing < 1:
            raise SdrScError(
                f"label smoothing {self.label_smoothing:g} is not 0 or more and below 1; 0.05 is a good one."
            )
        self.views()  # refuses what no view can have

    def views(self) -> ViewPolicy:
        """How the views that are fitted on are drawn."""
        return ViewPolicy(self.shift, self.erase)


class FitTrainer:
    """State of a fit; `run` goes from where it stands to the end.

    Args:
        data: the training set; part of it is held out for validation.
        config: the settings.
        device: where to train; a GPU trains in bfloat16 where it can. A CPU does not: the depthwise layers' backward
            pass is several times slower in bfloat16 than in float32, also with AMX, and eats all that the others gain.

    Attributes:
        step, steps: done, and to be done in all.
        earlier_schedules: (step, epochs) for each time that the run was resumed with another number of epochs: up to
            that step the learning rate was that of so many epochs.

    Raises:
        SdrScError: there are too few images for a batch.
    """

    def __init__(self, data: ImageSet, config: FitConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        split_seed = VALIDATION_SEED if config.labels else config.seed
        used, validation = held_out(len(data), config.validation_items, split_seed)
        used = used[: config.limit or None]
        if config.labels:
            used = draw_labelled(data.labels, used, config.labels, config.label_seed)
        if len(used) < config.batch_size:
            raise SdrScError(
                f"{len(used)} training images do not fill one batch of {config.batch_size}; use more images."
            )
        self.images, self.labels = _tensors(data, used)
        self.validation = _tensors(data, validation)
        torch.manual_seed(config.seed)
        network = EfficientNetLite2(
            config.image_size, config.stem_stride, len(data.class_names), config.dropout, config.pretrained
        )
        self.network = network.to(device, memory_format=torch.channels_last).train()
        self.average = EfficientNetLite2(
            config.image_size, config.stem_stride, len(data.class_names), config.dropout, pretrained=False
        ).to(device, memory_format=torch.channels_last)
        self.average.load_state_dict(network.state_dict())
        self.average.eval()
        self.optimiser = torch.optim.AdamW(self._groups(), lr=config.learning_rate, fused=True)
        self.steps_per_epoch = len(used) // config.batch_size
        self.steps = config.epochs * self.steps_per_epoch
        self.step = 0
        self.earlier_schedules: list[tuple[int, int]] = []
        self._autocast = device.type == "cuda" and torch.cuda.is_bf16_supported()

    def _groups(self) -> list[dict]:
        groups = []
        for part, scale in ((self.network.body, 1.0), (self.network.head, self.config.head_rate)):
            matrices = [p for p in part.parameters() if p.ndim > 1]
            vectors = [p for p in part.parameters() if p.ndim <= 1]
            groups.append({"params": matrices, "weight_decay": self.config.weight_decay, "scale": scale})
            groups.append({"params": vectors, "weight_decay": 0.0, "scale": scale})
        return groups

    def rate(self, step: int) -> float:
        """Learning rate of the body at a step: a linear rise, then a cosine down to zero."""
        rise = max(1.0, self.config.warm_up * self.steps)
        if step < rise:
            return self.config.learning_rate * (step + 1) / (rise + 1)
        return self.config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1.0, self.steps - rise)))

    def run(
        self,
        on_step: Callable[[float], None] = lambda loss: None,
        on_epoch: Callable[[int, float | None], None] = lambda epoch, accuracy: None,
        checkpoint: Path | None = None,
        checkpoint_steps: int = 200,
    ) -> EfficientNetLite2:
        """Train to the end; returns the averaged network in evaluation mode.

        Args:
            on_step: called with the loss after each step.
            on_epoch: called after each epoch with its number and the accuracy on the held-out images, a fraction; None
                after a short epoch, until as many images were learned from as are held out.
            checkpoint: file that is replaced after every ``checkpoint_steps`` steps and at the end; None for none.

        Raises:
            SdrScError: the loss is no longer a number.
        """
        while self.step < self.steps:
            loss = self._one_step()
            if not math.isfinite(loss):
                raise SdrScError(f"the loss is {loss} at step {self.step}; train with a smaller --learning-rate.")
            self.step += 1
            if checkpoint is not None and (self.step % checkpoint_steps == 0 or self.step == self.steps):
                self.save(checkpoint)
            on_step(loss)
            if self.step % self.steps_per_epoch == 0:
                done = self.step // self.steps_per_epoch
                due = max(1, -(-len(self.validation[1]) // (self.steps_per_epoch * self.config.batch_size)))
                on_epoch(done, self.validate() if done % due == 0 or self.step == self.steps else None)
        return self.average

    def _one_step(self) -> float:
        epoch, position = divmod(self.step, self.steps_per_epoch)
        order = torch.randperm(len(self.labels), generator=_generator(self.config.seed, _ORDER, epoch))
        chosen = order[position * self.config.batch_size : (position + 1) * self.config.batch_size]
        # Dropout and stochastic depth know no other generator.
        torch.manual_seed(_generator(self.config.seed, _STEP, self.step).initial_seed())
        draws = np.random.default_rng((self.config.seed, _VIEWS, self.step))
        views = draw_views(self.config.views(), tuple(self.images.shape[1:]), len(chosen), draws)
        images = as_batch(apply_views(self.images[chosen], views)).float().to(self.device)
        labels = self.labels[chosen].to(self.device)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(self.step) * group["scale"]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._autocast):
            logits, _ = self.network(images)
        loss = nn.functional.cross_entropy(logits.float(), labels, label_smoothing=self.config.label_smoothing)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self._update_average()
        return loss.item()

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.ema_decay, (1.0 + self.step) / (10.0 + self.step))
        for mean, value in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1.0 - decay)
            else:
                mean.copy_(value)

    def validate(self) -> float | None:
        """Accuracy of the averaged network on the held-out images, a fraction; None where there are none."""
        images, labels = self.validation
        return accuracy(self.average, images, labels, self.device) if len(labels) else None

    def save(self, path: Path) -> None:
        """Write the state; a kill while writing leaves the last whole file."""
        about = {
            "version": CHECKPOINT_VERSION,
            "config": asdict(self.config),
            "images": len(self.labels),
            "step": self.step,
            "earlier_schedules": self.earlier_schedules,
        }
        parts = {
            "network": module_arrays(self.network),
            "average": module_arrays(self.average),
            "optimiser": optimiser_arrays([self.optimiser], self.network),
        }
        named = {f"{part}/{name}": value for part, arrays in parts.items() for name, value in arrays.items()}
        write_checkpoint(path, named, about)

    def load(self, path: Path) -> None:
        """Go to where a checkpoint stands. The number of epochs may be another than the checkpoint's.

        Raises:
            SdrScError: it cannot be read, belongs to other settings, or is past the last epoch.
        """
        named, about = read_checkpoint(path)
        config, step = about.get("config"), whole_number(about.get("step"), 0)
        stored = dict(config) if isinstance(config, dict) else {}
        epochs = whole_number(stored.pop("epochs", None), 1)
        belongs = (about.get("version"), {**stored, "epochs": self.config.epochs}, about.get("images"))
        here = (CHECKPOINT_VERSION, as_json(asdict(self.config)), len(self.labels))
        if belongs != here or epochs is None or step is None:
            raise SdrScError(
                f"checkpoint {shown(path)} belongs to other settings; give those, or delete it to start again."
            )
        parts: dict[str, dict[str, np.ndarray]] = {"network": {}, "average": {}, "optimiser": {}}
        for name, value in named.items():
            part, _, rest = name.partition("/")
            parts.setdefault(part, {})[rest] = value
        load_module(self.network, parts["network"], "weights")
        load_module(self.average, parts["average"], "averaged weights")
        load_optimisers([self.optimiser], self.network, parts["optimiser"])
        self.step = step
        self.earlier_schedules = [(int(until), int(of)) for until, of in about.get("earlier_schedules", [])]
        if self.step > self.steps:
            raise SdrScError(f"checkpoint {shown(path)} is past {self.config.epochs} epochs; give more --epochs.")
        if epochs != self.config.epochs:
            self.earlier_schedules.append((self.step, epochs))


@torch.inference_mode()
def accuracy(network: EfficientNetLite2, images: Tensor, labels: Tensor, device: torch.device) -> float:
    """Part of the images, uint8 (n, [3,] height, width), that a network in evaluation mode answers right."""
    hits = 0
    for chunk, wanted in zip(images.split(CHUNK), labels.split(CHUNK), strict=True):
        logits, _ = network(as_batch(chunk).to(device))
        hits += int((logits.argmax(1).cpu() == wanted).sum())
    return hits / len(labels)


def _tensors(data: ImageSet, index: np.ndarray) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(data.images[index]), torch.from_numpy(data.labels[index])


def _generator(*words: int) -> torch.Generator:
    # torch takes 32 bits of a seed; the sequence mixes all words into them.
    return torch.Generator().manual_seed(int(np.random.SeedSequence(words).generate_state(1)[0]))
