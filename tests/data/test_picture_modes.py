# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of every mode in a folder of one's own: their colours, as they are and as items of a model of both."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.image_folder import decode_picture
from sdr_sc.data.joint.slots import planes_of
from sdr_sc.data.own_options import OwnOptions
from sdr_sc.errors import DataSetError
from sdr_sc.semantic.model_items import fitted
from sdr_sc.semantic.weights import read_contract

SIDE = 16
GREY, GREY_ALPHA, RGB, RGBA = 0, 4, 2, 6
"""Colour types of PNG."""


def png(depth: int, colour_type: int, pixel: list[int], transparent: list[int] | None = None) -> bytes:
    """A PNG whose pixels are all one, with a colour that is transparent."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    bits = "".join(f"{value:0{depth}b}" for value in pixel) * SIDE
    row = b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    header = struct.pack(">IIBBBBB", SIDE, SIDE, depth, colour_type, 0, 0, 0)
    named = chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent)) if transparent else b""
    data = chunk(b"IDAT", zlib.compress(row * SIDE))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + named + data + chunk(b"IEND", b"")


def tiff(values: np.ndarray, **tags: object) -> bytes:
    raw = io.BytesIO()
    Image.fromarray(values).save(raw, "TIFF", **tags)
    return raw.getvalue()


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    raw = io.BytesIO()
    picture.save(raw, kind, **options)
    return raw.getvalue()


def palette(alpha: int) -> bytes:
    picture = Image.new("P", (SIDE, SIDE), 1)
    picture.putpalette([0, 0, 0, 200, 100, 0])
    return saved(picture, transparency=bytes([255, alpha]))


COLOURS = {
    "1 bit, white": (png(1, GREY, [1]), 255),
    "1 bit, black": (png(1, GREY, [0]), 0),
    "2 bits": (png(2, GREY, [2]), 170),
    "4 bits": (png(4, GREY, [8]), 136),
    "8 bits": (png(8, GREY, [136]), 136),
    "16 bits": (png(16, GREY, [0x8812]), 136),
    "1 bit, transparent": (png(1, GREY, [0], [0]), 255),
    "2 bits, transparent": (png(2, GREY, [2], [2]), 255),
    "2 bits, another is transparent": (png(2, GREY, [2], [1]), 170),
    "4 bits, transparent": (png(4, GREY, [8], [8]), 255),
    "8 bits, transparent": (png(8, GREY, [136], [136]), 255),
    "16 bits, transparent": (png(16, GREY, [0x8812], [0x8812]), 255),
    "16 bits, another is transparent": (png(16, GREY, [0x8812], [0x8813]), 136),
    "grey and alpha": (png(8, GREY_ALPHA, [55, 51]), 215),
    "grey and alpha, 16 bits": (png(16, GREY_ALPHA, [55 * 257, 51 * 257]), 215),
    "RGB": (png(8, RGB, [200, 100, 0]), (200, 100, 0)),
    "RGB, 16 bits": (png(16, RGB, [200 * 257, 100 * 257, 0]), (200, 100, 0)),
    "RGB, transparent": (png(8, RGB, [200, 100, 0], [200, 100, 0]), (255, 255, 255)),
    "RGB, 16 bits, transparent": (png(16, RGB, [51400, 25700, 1], [51400, 25700, 1]), (255, 255, 255)),
    "RGBA": (png(8, RGBA, [200, 100, 0, 51]), (244, 224, 204)),
    "RGBA, 16 bits": (png(16, RGBA, [51400, 25700, 0, 51 * 257]), (244, 224, 204)),
    "palette": (palette(255), (200, 100, 0)),
    "palette with alpha": (palette(51), (244, 224, 204)),
    "TIFF, 16 bits": (tiff(np.full((SIDE, SIDE), 0x8812, np.uint16)), 136),
    "TIFF, 16 bits, big end first": (tiff(np.full((SIDE, SIDE), 0x8812, ">u2")), 136),
    "TIFF, 16 bits, white is 0": (tiff(np.full((SIDE, SIDE), 0x8812, np.uint16), tiffinfo={262: 0}), 119),
    "PGM of 1,000": (b"P5 16 16 1000\n" + struct.pack(">H", 500) * SIDE**2, 128),
    "CMYK": (saved(Image.new("CMYK", (SIDE, SIDE), (55, 155, 255, 0)), "TIFF"), (200, 100, 0)),
}


@pytest.mark.parametrize("mode", COLOURS)
def test_each_mode_has_its_colours(mode: str) -> None:
    raw, wanted = COLOURS[mode]
    found = decode_picture(raw, OwnOptions())
    assert found.shape == (SIDE, SIDE) + (() if isinstance(wanted, int) else (3,)) and found.dtype == np.uint8
    assert np.abs(found.astype(int) - wanted).max() <= 1, found[0, 0]


@pytest.mark.parametrize("values, reason", [
    (np.full((SIDE, SIDE), 200, np.int32), "more than 16 bits"),
    (np.full((SIDE, SIDE), 200, np.int16), "a sign"),
    (np.full((SIDE, SIDE), 0.5, np.float32), "no whole numbers"),
])  # fmt: skip
def test_pixels_whose_white_is_not_known_are_refused(values: np.ndarray, reason: str, tmp_path: Path) -> None:
    raw = tiff(values) if values.dtype != np.int16 else tiff(values.astype(np.uint16), tiffinfo={339: 2})
    for folder in ("train/a", "train/b", "test/a", "test/b"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.tif").write_bytes(raw)
    with pytest.raises(DataSetError, match=f"x.tif cannot be decoded .*{reason}.*; replace it, or leave"):
        load_dataset(str(tmp_path), "test")


def test_a_folder_of_all_modes_becomes_items_of_a_model_of_pictures_and_texts(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            for number, (raw, _) in enumerate(COLOURS.values()):
                (tmp_path / part / name / f"{number:02}.{'png' if raw[1:4] == b'PNG' else 'tif'}").write_bytes(raw)
    data, contract = load_dataset(str(tmp_path), "test"), read_contract("multitask_student")
    slots = fitted(data.items(np.arange(len(data))), data.modality, contract)
    assert slots.shape == (2 * len(COLOURS), *contract.item_shape)
    wanted = np.array([np.broadcast_to(colour, 3) for _, colour in COLOURS.values()] * 2)
    pixels = planes_of(slots).astype(int)
    assert np.abs(pixels - wanted[:, :, None, None]).max() <= 1
