# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the learned image codec over white noise: encoder, decoder and classifier together.

The loss has three parts: the square error of the picture, and of what the classifier says of it the cross entropy by
labels and the distance from the shipped student's soft answers to the whole images. The gradient of the last two goes
through the picture and the noise to the encoder, so that the symbols hold what the task needs. In a batch each image
has an SNR and a k of its own, so that the classifier's batch norm sees what it will see.

Run as ``python -m sdr_sc.schemes.jscc.fit FILE`` it makes a file for the scheme's ``file``, in a quarter of an hour of
one core; without FILE it replaces the one that comes with the package.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.distill.split import held_out
from sdr_sc.files import write_whole
from sdr_sc.schemes.jscc.networks import K_LIST, SNR_RANGE_DB, ImageLink, told, unit_power
from sdr_sc.schemes.thumbnail.fit import class_loss, soft_answers
from sdr_sc.sealed import sidecar, sidecar_line

SHIPPED = Path(__file__).parents[1] / "tables" / "deepjscc_fashion_mnist.safetensors"
EPOCHS = 13
_BATCH, _RATE = 256, 4e-3
_SHOWN_EVERY = 200  # steps
_PICTURE_WEIGHT = 5.0  # of the square error, about 0.03, beside the class's loss


def over_noise(link: ImageLink, images: torch.Tensor, k: torch.Tensor, snr_db: torch.Tensor) -> torch.Tensor:
    """Pictures of images (n, 1, 28, 28) that went over white noise, LMMSE estimates of the symbols, each with its k and
    its SNR in dB, both (n,)."""
    about = told(snr_db, k)
    noise = 10 ** (-snr_db / 10)[:, None]
    is_sent = torch.arange(2 * K_LIST[-1]) < 2 * k[:, None]
    sent = unit_power(link.encoder(images, about) * is_sent, k[:, None])
    received = (sent + torch.randn_like(sent) * (noise / 2) ** 0.5) / (1 + noise)
    return link.decoder(received * is_sent, about)


def train(
    link: ImageLink, images: torch.Tensor, labels: torch.Tensor, soft: torch.Tensor, epochs: int, seed: int = 1
) -> None:
    """All networks on images (n, 28, 28) uint8, their labels, and a teacher's logits (n, classes)."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    steps = len(images) // _BATCH * epochs
    optimiser = torch.optim.AdamW(link.parameters(), _RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, steps, pct_start=0.2)
    ks, order = torch.tensor(K_LIST), torch.empty(0, dtype=torch.int64)
    link.train()
    for step in range(steps):
        if step % _SHOWN_EVERY == 0:
            print(f"step {step} of {steps}", flush=True)
        if len(order) < _BATCH:
            order = torch.randperm(len(images))
        chosen, order = order[:_BATCH], order[_BATCH:]
        batch = images[chosen][:, None].float() / 255
        batch = batch.flip(3) if rng.random() < 0.5 else batch
        snr_db = torch.rand(_BATCH) * (SNR_RANGE_DB[1] - SNR_RANGE_DB[0]) + SNR_RANGE_DB[0]
        pictures = over_noise(link, batch, ks[torch.randint(len(ks), (_BATCH,))], snr_db)
        loss = class_loss(link.logits(pictures), labels[chosen], soft[chosen])
        loss = loss + _PICTURE_WEIGHT * functional.mse_loss(pictures, batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


def main(path: Path = SHIPPED) -> None:
    """Train, write the file, and print what it is worth."""
    from safetensors.torch import save

    torch.set_num_threads(1)
    data = load_dataset(DEFAULT_DATA_SET, "train")
    training, held = held_out(len(data), 5000, seed=1)
    torch.manual_seed(1)
    link, start = ImageLink(len(data.class_names)).to(memory_format=torch.channels_last), time.process_time()
    images, labels = torch.from_numpy(data.images[training]), torch.from_numpy(data.labels[training].astype(np.int64))
    train(link, images, labels, torch.from_numpy(soft_answers(data.images[training]).astype(np.float32)), EPOCHS)
    minutes = (time.process_time() - start) / 60
    tensors = {name: one.half().contiguous() for name, one in link.state_dict().items() if not name.endswith("tracked")}
    content = save(tensors, metadata={"kind": "sdr_sc deepjscc baseline", "processor_minutes": f"{minutes:.1f}"})
    write_whole({path: content, sidecar(path): sidecar_line(path, content)})
    print(f"trained for {minutes:.1f} processor minutes")
    link.eval()
    truth = torch.from_numpy(data.labels[held].astype(np.int64))
    wanted = torch.from_numpy(data.images[held])[:, None].float() / 255
    with torch.inference_mode():
        for k in K_LIST:
            for snr_db in (0.0, 10.0, 20.0):
                pictures = over_noise(link, wanted, torch.full((len(held),), k), torch.full((len(held),), snr_db))
                psnr_db = -10 * float(torch.log10(functional.mse_loss(pictures, wanted)))
                share = float((link.logits(pictures).argmax(1) == truth).float().mean())
                print(
                    f"k={k}, {snr_db:g} dB: {100 * share:.1f} % of the held-out images, PSNR {psnr_db:.1f} dB",
                    flush=True,
                )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
