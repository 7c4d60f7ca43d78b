# SPDX-License-Identifier: GPL-3.0-or-later
"""Incremental refinement: a receiver asks for more symbols of the items that it is not sure of.

The transmitter keeps the features of what it sent (`sender`), the receiver what arrived of them (`soft_buffer`) and how
sure it is of each item (`receiver`). What it asks for goes back as a few bytes (`requests`); what is sent in return
rides after the new items of a later frame, whose header names the request.
"""
