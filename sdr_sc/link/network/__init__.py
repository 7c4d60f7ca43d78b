# SPDX-License-Identifier: GPL-3.0-or-later
"""PDUs and samples between programs: bounded readers of foreign bytes, sockets, keys."""
