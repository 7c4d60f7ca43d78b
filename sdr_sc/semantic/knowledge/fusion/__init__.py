# SPDX-License-Identifier: GPL-3.0-or-later
"""What a base says of noisy features, and one answer from that and the decoder."""
