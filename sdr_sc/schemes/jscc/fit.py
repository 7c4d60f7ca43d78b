# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the learned image codec over white noise: first encoder and decoder for the least square error of the
pictures, then the classifier on what arrives.

Run as ``python -m sdr_sc.schemes.jscc.fit [FILE]`` it makes the file that comes with the package again, in some minutes
of one core.
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
from sdr_sc.schemes.jscc.networks import K_LIST, SNR_RANGE_DB, ImageLink, told
from sdr_sc.sealed import sidecar, sidecar_line

SHIPPED = Path(__file__).parents[1] / "tables" / "deepjscc_fashion_mnist.safetensors"
EPOCHS, CLASSIFIER_EPOCHS = 8, 3
_BATCH, _RATE = 256, 2e-3


def over_noise(link: ImageLink, images: torch.Tensor, k: int, snr_db: torch.Tensor) -> torch.Tensor:
    """Pictures of images (n, 1, 28, 28) that went over white noise, LMMSE estimates of the symbols, SNRs (n,) in dB."""
    about = told(snr_db, k)
    noise = 10 ** (-snr_db / 10)[:, None]
    sent = link.symbols(images, about, k)
    received = (sent + torch.randn_like(sent) * (noise / 2) ** 0.5) / (1 + noise)
    return link.pictures(received, about)


def train(link: ImageLink, images: torch.Tensor, labels: torch.Tensor | None, epochs: int, seed: int = 1) -> None:
    """Encoder and decoder on images (n, 28, 28) uint8; with labels the classifier alone."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    parts: list[torch.nn.Module] = [link.encoder, link.decoder] if labels is None else [link.classifier]
    parameters = [one for part in parts for one in part.parameters()]
    steps = len(images) // _BATCH * epochs
    optimiser = torch.optim.AdamW(parameters, _RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2 * _RATE, steps, pct_start=0.2)
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < _BATCH:
            order = torch.randperm(len(images))
        chosen, order = order[:_BATCH], order[_BATCH:]
        batch = images[chosen][:, None].float() / 255
        batch = batch.flip(3) if rng.random() < 0.5 else batch
        snr_db = torch.rand(_BATCH) * (SNR_RANGE_DB[1] - SNR_RANGE_DB[0]) + SNR_RANGE_DB[0]
        k = int(rng.choice(K_LIST))
        if labels is None:
            loss = functional.mse_loss(over_noise(link, batch, k, snr_db), batch)
        else:
            with torch.no_grad():
                pictures = over_noise(link, batch, k, snr_db)
            loss = functional.cross_entropy(link.logits(pictures), labels[chosen])
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
    link, start = ImageLink(len(data.class_names)), time.process_time()
    images, labels = torch.from_numpy(data.images[training]), torch.from_numpy(data.labels[training].astype(np.int64))
    train(link, images, None, EPOCHS)
    link.classifier.train()
    train(link, images, labels, CLASSIFIER_EPOCHS)
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
                pictures = over_noise(link, wanted, k, torch.full((len(held),), snr_db))
                psnr_db = -10 * float(torch.log10(functional.mse_loss(pictures, wanted)))
                share = float((link.logits(pictures).argmax(1) == truth).float().mean())
                print(
                    f"k={k}, {snr_db:g} dB: {100 * share:.1f} % of the held-out images, PSNR {psnr_db:.1f} dB",
                    flush=True,
                )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
