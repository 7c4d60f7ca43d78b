# SPDX-License-Identifier: GPL-3.0-or-later
"""What kinds of items there are: one file a modality, by the name that a model's contract has."""

from sdr_sc.semantic.modalities import image, image_text, text  # noqa: F401  # register themselves
