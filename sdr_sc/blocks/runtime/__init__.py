# SPDX-License-Identifier: GPL-3.0-or-later
"""What the blocks share: guards against exceptions, PDUs, tags."""
