# SPDX-License-Identifier: GPL-3.0-or-later
"""Small images, grey or RGB, as JPEG and WebP, less the bytes that both ends can agree on beforehand.

Of a JPEG file only the entropy-coded data and one byte of quality are sent: markers, sizes, quantisation and Huffman
tables follow from the quality and the image's shape. Of a WebP file the container's and the frame's fixed fields are
left out likewise. A file's own headers would be several times as long as an image of 28 x 28 pixels; leaving them out
favours these baselines. An image may be made smaller before it is compressed, and larger again where it arrives.
"""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image

from sdr_sc.errors import MissingDependencyError, SdrScError

SIDES = (28, 24, 20, 16)
"""Of 28 pixels a side, those that an image may be compressed at: 16 are the two blocks of JPEG and the one of WebP. An
image of another size is made smaller in the same proportions, see `size_at`."""
Shape = tuple[int, ...]
"""Of an image: (height, width), or (3, height, width) of red, green and blue."""
_CACHE_IMAGES = 40_000
_QUALITIES = 32  # of the first byte, that lower part; the upper one says the side
_EOI = b"\xff\xd9"
_SOS = b"\xff\xda"


class ImageCodec:
    """A lossy image format with the qualities that it is used at.

    Attributes:
        qualities: rising, up to 32; what is sent names quality and side by their places in its first byte.
    """

    name = ""
    qualities: tuple[int, ...] = ()

    def __init__(self) -> None:
        self._cache: dict[tuple[bytes, Shape, int], dict[int, bytes]] = {}

    def pack(self, image: np.ndarray, quality: int) -> bytes:
        """What has to be sent of an image, less the byte for quality and side.

        Args:
            image: uint8 ([3,] height, width).
        """
        raise NotImplementedError

    def unpack(self, data: bytes, quality: int, shape: Shape) -> np.ndarray:
        """The image of what `pack` returned; uint8 ``shape``.

        Raises:
            ValueError: the bytes are no image.
        """
        raise NotImplementedError

    def fit(self, image: np.ndarray, most_bytes: int, side: int = SIDES[0]) -> bytes | None:
        """The image at the highest quality that fits, its first byte saying which; None where none does.

        Args:
            image: uint8 ([3,] height, width).
            side: of `SIDES`.
        """
        known = self._known(image, side)
        low, high, best = 0, len(self.qualities) - 1, None
        small = None
        while low <= high:  # sizes rise with the quality, but for a byte here and there
            place = (low + high) // 2
            if place not in known:
                if small is None:
                    small = resized(image, size_at(image.shape, side), Image.Resampling.LANCZOS)
                known[place] = self.pack(small, self.qualities[place])
            if len(known[place]) + 1 <= most_bytes:
                best, low = place, place + 1
            else:
                high = place - 1
        return None if best is None else bytes([SIDES.index(side) * _QUALITIES + best]) + known[best]

    def restore(self, data: bytes, shape: Shape = (28, 28)) -> np.ndarray | None:
        """The image of what `fit` returned, zeros after it allowed, uint8 ``shape``; None where it is none."""
        if not data:
            return None
        side, quality = divmod(data[0], _QUALITIES)
        if side >= len(SIDES) or quality >= len(self.qualities):
            return None
        try:
            small = self.unpack(data[1:], self.qualities[quality], (*shape[:-2], *size_at(shape, SIDES[side])))
        except (ValueError, OSError, SyntaxError):
            return None
        return resized(small, (shape[-2], shape[-1]), Image.Resampling.BICUBIC)

    def _known(self, image: np.ndarray, side: int) -> dict[int, bytes]:
        """What was packed of an image at a size, by the quality's place; single steps, as threads may share it."""
        key = image.tobytes(), image.shape, side
        if len(self._cache) > _CACHE_IMAGES:
            self._cache = {}
        return self._cache.setdefault(key, {})


class Jpeg(ImageCodec):
    """Baseline JPEG with the standard's Huffman tables (ITU-T T.81, annex K)."""

    name = "jpeg"
    qualities = (1, 2, 3, 4, 5, 7, 10, 14, 19, 25, 32, 40, 50, 60, 70, 80, 87, 92, 95)

    def __init__(self) -> None:
        super().__init__()
        self._heads: dict[tuple[int, Shape], bytes] = {}

    def pack(self, image: np.ndarray, quality: int) -> bytes:
        """See `ImageCodec.pack`."""
        content = _jpeg(image, quality)
        return content[_scan_start(content) : -len(_EOI)]

    def unpack(self, data: bytes, quality: int, shape: Shape) -> np.ndarray:
        """See `ImageCodec.unpack`."""
        if (quality, shape) not in self._heads:
            content = _jpeg(np.zeros(shape, np.uint8), quality)
            self._heads[quality, shape] = content[: _scan_start(content)]
        return _pixels(self._heads[quality, shape] + data + _EOI, shape)


class WebP(ImageCodec):
    """Lossy WebP (VP8, RFC 6386)."""

    name = "webp"
    qualities = (0, 2, 4, 6, 8, 11, 15, 20, 26, 33, 41, 50, 60, 70, 78, 85, 90, 95)
    _CONTAINER = 20  # "RIFF", size, "WEBP", "VP8 ", size
    _FIXED = slice(3, 10)  # of the frame: start code, width, height

    def __init__(self) -> None:
        from PIL import features

        super().__init__()
        if not features.check("webp"):
            raise MissingDependencyError(
                "this Pillow has no WebP; install python3-pil from apt, or use the scheme jpeg_ldpc."
            )

    def pack(self, image: np.ndarray, quality: int) -> bytes:
        """See `ImageCodec.pack`."""
        buffer = io.BytesIO()
        _picture(image).convert("RGB").save(buffer, "WEBP", quality=quality, method=6)
        content = buffer.getvalue()
        length = int.from_bytes(content[16:20], "little")
        frame = content[self._CONTAINER : self._CONTAINER + length]
        return frame[: self._FIXED.start] + frame[self._FIXED.stop :]

    def unpack(self, data: bytes, quality: int, shape: Shape) -> np.ndarray:
        """See `ImageCodec.unpack`."""
        height, width = shape[-2:]
        fixed = b"\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little")
        frame = data[: self._FIXED.start] + fixed + data[self._FIXED.start :]
        padded = frame + b"\0" * (len(frame) % 2)
        chunk = b"VP8 " + len(frame).to_bytes(4, "little") + padded
        return _pixels(b"RIFF" + (len(chunk) + 4).to_bytes(4, "little") + b"WEBP" + chunk, shape)


_CODECS: dict[str, type[ImageCodec]] = {"jpeg": Jpeg, "webp": WebP}
CODEC_NAMES = tuple(_CODECS)


@lru_cache(maxsize=len(_CODECS))
def make_codec(name: str) -> ImageCodec:
    """The codec ``jpeg`` or ``webp``, the same one for all who ask: it remembers what it packed.

    >>> codec = make_codec("jpeg")
    >>> image = np.full((28, 28), 200, np.uint8)
    >>> [int(abs(codec.restore(codec.fit(image, 100, side)) - 200.0).max()) < 5 for side in SIDES]
    [True, True, True, True]
    """
    if name not in _CODECS:
        raise SdrScError(f"image format {name!r} is unknown; use {' or '.join(CODEC_NAMES)}.")
    return _CODECS[name]()


def size_at(shape: Shape, side: int) -> tuple[int, int]:
    """Height and width of an image where one of 28 pixels has so many a side.

    >>> size_at((28, 28), 24), size_at((3, 32, 64), 14)
    ((24, 24), (16, 32))
    """
    height, width = ((length * side + SIDES[0] // 2) // SIDES[0] for length in shape[-2:])
    return height, width


def resized(image: np.ndarray, size: tuple[int, int], how: Image.Resampling) -> np.ndarray:
    """The image at another height and width, uint8 ([3,] height, width)."""
    return image if image.shape[-2:] == size else _planes(_picture(image).resize((size[1], size[0]), how))


def _picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image if image.ndim == 2 else np.ascontiguousarray(image.transpose(1, 2, 0)))


def _planes(picture: Image.Image) -> np.ndarray:
    pixels = np.asarray(picture)
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _jpeg(image: np.ndarray, quality: int) -> bytes:
    buffer = io.BytesIO()
    _picture(image).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _scan_start(content: bytes) -> int:
    """Where a JPEG file's entropy-coded data begins."""
    marker = content.index(_SOS)
    return marker + 2 + int.from_bytes(content[marker + 2 : marker + 4], "big")


def _pixels(content: bytes, shape: Shape) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        pixels = _planes(image.convert("L" if len(shape) == 2 else "RGB"))
    if pixels.shape != shape:
        raise ValueError(f"an image of shape {pixels.shape}")
    return pixels
