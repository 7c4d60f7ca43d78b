# SPDX-License-Identifier: GPL-3.0-or-later
"""Trained students as files: weights, ONNX, model cards."""
