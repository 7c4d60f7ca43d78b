# SPDX-License-Identifier: GPL-3.0-or-later
"""The semantic coder: student encoder and decoder, channel-adaptive module, model contract, inference."""
