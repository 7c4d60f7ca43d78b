# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated USRP that libuhd opens as a device of ``type=simusrp``: a UHD module in C++, and what belongs to it.

`build` compiles and finds the module, `control` changes a running device, `levels` says what SNR to expect, `taps`
puts a channel model on the receive path.
"""
