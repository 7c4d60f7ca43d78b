# SPDX-License-Identifier: GPL-3.0-or-later
"""Inference with the student networks: numpy in, numpy out.

Weights files are run by torch and ONNX files by onnxruntime; each is imported when a coder is loaded, not before.
"""

from sdr_sc.semantic.inference.decoder import SemanticDecoder, answers, check_features
from sdr_sc.semantic.inference.encoder import SemanticEncoder, unit_power
from sdr_sc.semantic.inference.network import Network

__all__ = ["Network", "SemanticDecoder", "SemanticEncoder", "answers", "check_features", "unit_power"]
