# SPDX-License-Identifier: GPL-3.0-or-later
"""Principal components as analog symbols, and a small network that classifies what arrives of them.

The components are scaled so that the mean square error of a linear receiver over white noise is least for the power
(K. H. Lee and D. P. Petersen, "Optimal linear coding for vector channels", IEEE Trans. Commun. 24 (1976) 1283-1290, at
high SNR): the amplitude of each is proportional to the fourth root of 1 / its variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.distill.split import held_out
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.files import write_whole
from sdr_sc.phy.linear import matmul
from sdr_sc.sealed import check_sidecar, sidecar, sidecar_line
from sdr_sc.shown import reason_of

K_LIST = (2, 4, 8, 16, 32)
SNR_RANGE_DB = (-7.0, 25.0)
SHIPPED = Path(__file__).parent / "tables" / "pca_fashion_mnist.safetensors"
_FRAME = 50
_HIDDEN = 256
_LARGEST_MATRIX = 4096


@dataclass(frozen=True)
class PcaModel:
    """Weights, float32.

    Attributes:
        mean: (pixels,), of images scaled to 0..1.
        basis: (pixels, 2 * largest k), components times their scales, by falling variance.
        layers: weight (inputs, outputs) and bias (outputs,) of each layer, ReLU between; the inputs are the received
            real and imaginary parts, zeros for what was not sent, the SNR / 10 dB and k over the largest k.
    """

    mean: np.ndarray
    basis: np.ndarray
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]

    def encode(self, images: np.ndarray, k: int) -> np.ndarray:
        """complex64 (n, k): mean power 1 over all of them; uint8 images (n, height, width)."""
        pixels = images.reshape(len(images), -1).astype(np.float32) / 255 - self.mean
        parts = matmul(pixels, np.ascontiguousarray(self.basis[:, : 2 * k]))
        power = 2 * float(np.mean(parts**2))
        return (parts / np.float32(np.sqrt(max(power, 1e-9)))).astype(np.float32).view(np.complex64)

    def logits(self, features: np.ndarray, snr_db: float) -> np.ndarray:
        """float32 (n, classes) for received complex64 (n, k), LMMSE estimates; what is not finite counts as 0."""
        n, k = features.shape
        k_max = self.basis.shape[1] // 2
        values = np.zeros((n, 2 * k_max + 2), np.float32)
        values[:, : 2 * k] = np.nan_to_num(np.ascontiguousarray(features, np.complex64).view(np.float32))
        values[:, -2] = np.clip(snr_db, *SNR_RANGE_DB) / 10
        values[:, -1] = k / k_max
        for place, (weight, bias) in enumerate(self.layers):
            values = matmul(values, np.ascontiguousarray(weight)) + bias
            if place < len(self.layers) - 1:
                np.maximum(values, 0, out=values)
        return values

    @property
    def classes(self) -> int:
        """How many it tells apart."""
        return len(self.layers[-1][1])

    def save(self, path: Path) -> None:
        """Write a safetensors file with its checksum beside it, whole or not at all."""
        from safetensors.numpy import save

        tensors = {"mean": self.mean, "basis": self.basis}
        for place, (weight, bias) in enumerate(self.layers):
            tensors[f"weight{place}"], tensors[f"bias{place}"] = weight, bias
        half = {name: np.ascontiguousarray(value, np.float16) for name, value in tensors.items()}
        content = save(half, metadata={"kind": "sdr_sc pca baseline"})
        write_whole({path: content, sidecar(path): sidecar_line(path, content)})

    @classmethod
    def read(cls, path: Path) -> PcaModel:
        """Read what `save` wrote, and compare it with the checksum beside it, if there is one.

        Raises:
            ContractError: there is no such file, or it holds something else.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        check_sidecar(path, "PCA baseline", "get it again", ContractError)
        try:
            raw = {name: value.astype(np.float32) for name, value in load_file(path).items()}
            layers = tuple((raw[f"weight{i}"], raw[f"bias{i}"]) for i in range((len(raw) - 2) // 2))
            model = cls(raw["mean"], raw["basis"], layers)
            sizes = [model.basis.shape[1] + 2, *(len(bias) for _, bias in layers)]
            fits = model.basis.shape[0] == len(model.mean) and len(layers) > 0
            if not fits or any(w.shape != (a, b) for (w, _), a, b in zip(layers, sizes, sizes[1:], strict=False)):
                raise ValueError("shapes that do not fit one another")
            if not all(np.isfinite(value).all() for value in raw.values()):
                raise ValueError("a value that is not finite")
            return model
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise ContractError(
                f"{path} holds no PCA baseline that can be read ({reason_of(error)}); make it with "
                "'python -m sdr_sc.schemes.pca FILE', or leave the file out for the shipped one."
            ) from error


def fit(
    images: np.ndarray, labels: np.ndarray, k_list: tuple[int, ...] = K_LIST, epochs: int = 30, seed: int = 1
) -> PcaModel:
    """Components and classifier from training images: uint8 (n, [3,] height, width), int (n,).

    The classifier is fitted on what a receiver over AWGN would see, frames of 50 images at SNRs drawn from
    `SNR_RANGE_DB` and k drawn from the list, with LMMSE's scale.
    """
    import torch

    flat = images.reshape(len(images), -1).astype(np.float32) / 255
    mean = flat.mean(axis=0)
    centred = flat - mean
    if min(flat.shape) < 2 * k_list[-1]:
        raise SdrScError(
            f"{len(flat)} images of {flat.shape[1]} values are too few for {2 * k_list[-1]} principal components; give "
            "more images."
        )
    variance, vectors = _principal(centred, seed)
    largest = np.argsort(variance)[::-1][: 2 * k_list[-1]]
    basis = (vectors[:, largest] * np.maximum(variance[largest], 1e-9) ** -0.25).astype(np.float32)
    model = PcaModel(mean, basis, ())
    sent = {k: model.encode(images, k).view(np.float32) for k in k_list}  # normalised over all: frames differ little
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    width, classes = basis.shape[1] + 2, int(labels.max()) + 1
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    network = torch.nn.Sequential(
        torch.nn.Linear(width, _HIDDEN), torch.nn.ReLU(), torch.nn.Linear(_HIDDEN, _HIDDEN), torch.nn.ReLU(),
        torch.nn.Linear(_HIDDEN, classes),
    )  # fmt: skip
    torch.random.set_rng_state(state)
    batch = 5 * _FRAME
    steps = epochs * (len(images) // batch)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, max(steps, 1))
    truth = torch.from_numpy(labels.astype(np.int64))
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < batch:
            order = torch.randperm(len(images), generator=generator)
        chosen, order = order[:batch], order[batch:]
        k = int(rng.choice(k_list))
        inputs = torch.from_numpy(_received(sent[k][chosen.numpy()], k, k_list[-1], rng))
        loss = torch.nn.functional.cross_entropy(network(inputs), truth[chosen], label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    layers = tuple((one.weight.detach().numpy().T.copy(), one.bias.detach().numpy().copy()) for one in linear)
    return PcaModel(mean, basis, layers)


def _principal(centred: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Variances and directions, float32 (values, directions), of images less their mean; of large images by the inner
    products of the images, of at most `_LARGEST_MATRIX` of them."""
    if centred.shape[1] <= _LARGEST_MATRIX:
        return np.linalg.eigh(centred.T @ centred / len(centred))
    some = centred[np.random.default_rng(seed).permutation(len(centred))[:_LARGEST_MATRIX]]
    variance, weights = np.linalg.eigh(some @ some.T / len(some))
    return variance, some.T @ weights / np.sqrt(len(some) * np.maximum(variance, 1e-9))


def _received(parts: np.ndarray, k: int, k_max: int, rng: np.random.Generator) -> np.ndarray:
    """The classifier's inputs: frames with noise, LMMSE's scale, and an SNR reported with half a decibel of error."""
    items = len(parts)
    frames = np.arange(items) // _FRAME
    snr_db = rng.uniform(*SNR_RANGE_DB, frames[-1] + 1)
    power = np.array([2 * np.mean(parts[frames == f] ** 2) for f in range(frames[-1] + 1)])
    noise = 10 ** (-snr_db / 10)
    received = parts / np.sqrt(power)[frames, None]
    received = received + rng.standard_normal(parts.shape) * np.sqrt(noise / 2)[frames, None]
    out = np.zeros((items, 2 * k_max + 2), np.float32)
    out[:, : 2 * k] = received / (1 + noise)[frames, None]
    out[:, -2] = np.clip(snr_db + rng.normal(0, 0.5, len(snr_db)), *SNR_RANGE_DB)[frames] / 10
    out[:, -1] = k / k_max
    return out


def main(path: Path, data_set: str = DEFAULT_DATA_SET) -> None:
    """Fit on the training images less those held out, a tenth but no more than 5000, and write the file."""
    import torch

    torch.set_num_threads(1)  # so small a network gains nothing from more
    data = load_dataset(data_set, "train")
    if data.modality != "image":
        raise SdrScError(f"principal components are of images, and {data_set} holds {data.modality}s; give images.")
    training, held = held_out(len(data), min(5000, max(1, len(data) // 10)), seed=1)
    model = fit(data.images[training], data.labels[training])
    model.save(path)
    for k in K_LIST:
        sent = model.encode(data.images[held], k)
        share = (model.logits(sent / np.float32(1 + 10**-2.5), 25.0).argmax(1) == data.labels[held]).mean()
        print(f"k={k}: {100 * share:.1f} % of the held-out images without noise")


if __name__ == "__main__":
    import sys

    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED, *sys.argv[2:3])
