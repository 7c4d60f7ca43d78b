# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc kb``: make, look at, ask, check and update knowledge bases."""

from __future__ import annotations

import click

from sdr_sc.cli.kb.asking import info, query, verify
from sdr_sc.cli.kb.describing import describe, fetch_language_model
from sdr_sc.cli.kb.fitting import fit
from sdr_sc.cli.kb.making import build, diff, key, update


@click.group("kb")
def command() -> None:
    """Knowledge bases: what a receiver looks up, made for one model.

    \b
    sdr-sc kb build noto_emoji --model multitask_student -o emoji.kb
    sdr-sc kb fit emoji.kb --model multitask_student --data-set noto_emoji       (for flowgraphs)
    sdr-sc kb query emoji.kb "a red fruit" --model multitask_student
    sdr-sc kb describe emoji.kb "a red fruit" --model multitask_student
    sdr-sc kb build my_pictures,size=32 --model multitask_student --add-to emoji.kb -o emoji2.kb
    sdr-sc kb diff emoji.kb emoji2.kb -o emoji.1-2.increment     (what the receivers need)
    sdr-sc kb update emoji.kb emoji.1-2.increment                (at each of them)
    """


for verb in (build, fit, info, query, describe, verify, diff, update, key, fetch_language_model):
    command.add_command(verb)
