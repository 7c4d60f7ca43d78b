# SPDX-License-Identifier: GPL-3.0-or-later
"""A name that is wrong is refused before anything that takes seconds is imported or loaded, by every verb."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from command import ROOT, environment

from sdr_sc.cli.main import cli
from sdr_sc.cli.shared.options import DATA_SET, DATA_SETS, MODEL, SNR_DB, FiniteRange, number_list
from sdr_sc.data.catalogue import check_known
from sdr_sc.errors import DataSetError

OTHERS = {("teacher", "probe", "model"), ("teacher", "vectors", "model"), ("kb", "build", "data_set")}
"""Names of large models; and a data set that may be a CSV file."""


def parameters(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Parameter]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from parameters(found, (*path, name))
    else:
        for one in command.params:
            assert one.name is not None
            yield (*path, one.name), one


def test_every_verb_checks_names_of_models_and_data_sets_as_it_reads_them() -> None:
    found = {path: one.type for path, one in parameters(cli) if path not in OTHERS}
    models = {path: kind for path, kind in found.items() if path[-1] in ("model", "models")}
    sets = {path: kind for path, kind in found.items() if path[-1] in ("data_set", "new_set", "calibration_set")}
    assert len(models) > 20 and len(sets) > 20
    assert [path for path, kind in models.items() if kind is not MODEL] == []
    assert [path for path, kind in sets.items() if kind not in (DATA_SET, DATA_SETS)] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bench", "evidence", "multitask", "nosuch"), "model 'nosuch' is neither a file nor a shipped model"),
        (("bench", "evidence", "multitask", "wordnet_student", "--k", "5"), "k=5 is not in the list"),
        (("bench", "evidence", "multitask", "wordnet_student", "--channel", "nosuch"), "channel models 'nosuch'"),
        (("bench", "evidence", "multitask", "wordnet_student", "--json", "/proc/x/y"), "cannot be written"),
        (("bench", "evidence", "knowledge", "--new", "nosuch"), "data set 'nosuch' is unknown"),
        (("bench", "evidence", "knowledge", "--k", "5"), "k=5 is not in the list"),
        (("kb", "build", "nosuch", "-o", "x.kb"), "data set 'nosuch' is unknown"),
        (("kb", "fit", "x.kb", "--data-set", "fashion_mnist", "--k", "5"), "k=5 is not in the list"),
    ],
)
def test_torch_is_not_imported_for_a_wrong_argument(arguments, said) -> None:
    code = (
        "import sys\n"
        "from sdr_sc.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print('imported', [name for name in ('torch', 'onnxruntime') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment(), cwd=ROOT
    )
    assert done.returncode == 1 and said in done.stderr, done.stderr
    assert "imported []" in done.stdout


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("nosuch", "'nosuch' is unknown"),
        ("wordnet+nosuch", "'nosuch' is unknown"),
        ("wordnet+wordnet", "named twice"),
        ("wordnet+noto_emoji,side=5", "side=5"),
        ("fashion_mnist,only", "option 'only'"),
        ("no/such/folder,size=32", "is unknown"),
        (".,size=5", "size=5"),
    ],
)
def test_a_data_set_that_is_none_is_known_without_loading_one(spec, said, monkeypatch) -> None:
    monkeypatch.setattr("sdr_sc.data.catalogue.LOADERS", dict.fromkeys(("wordnet", "noto_emoji", "fashion_mnist")))
    with pytest.raises(DataSetError, match=said):
        check_known(spec)


@pytest.mark.parametrize("spec", ["wordnet", "wordnet+noto_emoji,only=noto_emoji,side=64", ".", ".,size=32"])
def test_a_data_set_that_may_be_one_is_not_refused(spec) -> None:
    check_known(spec)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e99", "x"])
def test_an_snr_is_a_finite_number(value) -> None:
    for kind in (SNR_DB, FiniteRange(-20, 60)):
        with pytest.raises(click.BadParameter):
            kind.convert(value, None, None)
    assert SNR_DB.convert("-5.5", None, None) == -5.5
    if value != "1e99":
        with pytest.raises(click.BadParameter, match="give numbers with commas"):
            number_list(click.Context(cli), cli.params[0], f"0,{value}")
