# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: items over the simulated air while the SNR falls and rises again, with a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.data.dataset import DEFAULT_DATA_SET, Dataset
from sdr_sc.demo.cam_response import find_steps
from sdr_sc.demo.with_base import BaseFiles, base_for_report, base_rows, class_names, contract_with_base
from sdr_sc.errors import ContractError
from sdr_sc.flowgraph.fitting_model import check_entries, contract_for_images
from sdr_sc.flowgraph.loopback import LOOPBACK, MULTITASK_KB, MULTITASK_LOOPBACK, Accounting, run_loopback
from sdr_sc.link.sender_settings import SenderSettings
from sdr_sc.link.timing.schedule import SnrSchedule
from sdr_sc.phy.numerology import Numerology
from sdr_sc.report.run.write import write_report
from sdr_sc.results.rows import Row, clustered_interval, snr_bias_row, write_summary
from sdr_sc.results.run_folder import Table, read_frames, read_items
from sdr_sc.results.task_rows import names_for_report, task_rows
from sdr_sc.semantic import weights
from sdr_sc.semantic.asked_tasks import AskedTasks, answers_questions
from sdr_sc.semantic.cam import table_for
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.modalities.base import item_word
from sdr_sc.semantic.model_items import load_items, spec_for
from sdr_sc.semantic.tasks.base import task_of
from sdr_sc.shown import shown

LEVELS_DB = (25.0, 20.0, 15.0, 10.0, 5.0, 0.0, 5.0, 10.0, 15.0, 20.0, 25.0)
RESPONSE_GOAL_FRAMES = 3


@dataclass(frozen=True)
class DemoConfig:
    """Settings of a demonstration.

    Attributes:
        images: items to send.
        feedback_timeout_s: of the encoder; a longer one makes short runs on a busy machine lose nothing.
        multitask: answer several tasks of each item.
        tasks: with ``multitask``: those beside the first one; '' for all that model and data set have.
        gallery: that retrieval searches; '' for the one beside the model.
        question: that each item is asked, where a task answers questions.
        base, rules, local_base: of a receiver with knowledge bases, see `sdr_sc.demo.with_base.BaseFiles`.
    """

    images: int = 1100
    items_per_frame: int = 4
    model: str = weights.DEFAULT_MODEL
    seed: int = 1
    cfo_hz: float = 2000.0
    deadline_s: float = 300.0
    data_set: str = DEFAULT_DATA_SET
    feedback_timeout_s: float = 0.25
    multitask: bool = False
    tasks: str = ""
    gallery: str = ""
    question: str = ""
    base: str = ""
    rules: str = ""
    local_base: str = ""

    @property
    def files(self) -> BaseFiles:
        """Of the receiver's bases."""
        return BaseFiles(self.base, self.rules, self.local_base)

    @property
    def flowgraph(self) -> Path:
        """That is run."""
        return MULTITASK_KB if self.base else MULTITASK_LOOPBACK if self.multitask else LOOPBACK

    def to_dict(self) -> dict[str, Any]:
        """For ``summary.json``, without the files of bases where there are none."""
        return {name: value for name, value in asdict(self).items() if value or name not in vars(BaseFiles())}


@dataclass(frozen=True)
class DemoResult:
    """What a demonstration left behind."""

    folder: Path
    report: Path
    rows: list[Row]
    accounting: Accounting


def schedule(images: int, items_per_frame: int) -> SnrSchedule:
    """25 dB down to 0 dB and up again, over the frames of the run.

    In steps of 5 dB; in larger ones where the run has fewer frames than that has levels, each of which needs a frame.

    Args:
        images: 1 or more.
        items_per_frame: 1 or more.

    >>> schedule(1100, 4).to_text()
    '0:25, 25:20, 50:15, 75:10, 100:5, 125:0, 150:5, 175:10, 200:15, 225:20, 250:25'
    >>> schedule(30, 4).to_text()
    '0:25, 1:15, 2:10, 3:0, 4:10, 5:15, 6:25'
    """
    frames, most = -(-images // items_per_frame), len(LEVELS_DB)
    count = most if frames >= most else frames - 1 + frames % 2  # odd: the lowest level stands in the middle
    down = tuple(LEVELS_DB[round(i * (most - 1) / max(count - 1, 1))] for i in range(count // 2 + 1))
    return SnrSchedule(tuple(i * frames // count for i in range(count)), down + down[-2::-1])


def run_demo(config: DemoConfig, folder: Path, on_poll: Callable[[Any], None]) -> DemoResult:
    """Run the loopback flowgraph on the schedule and write ``summary.json``, the CSV files and ``report.html``.

    Raises:
        SdrScError: something that it needs is missing or broken; in one sentence.
    """
    config = replace(config, data_set=spec_for(config.model, config.data_set))
    fitting = contract_with_base if config.base else contract_for_images
    contract = fitting(config.model, config.data_set)
    asked = asked_tasks(config, contract)
    plan = schedule(config.images, config.items_per_frame)
    accounting = run_loopback(
        config.deadline_s,
        on_poll,
        config.flowgraph,
        **_parameters(config, asked),
        items_per_frame=config.items_per_frame,
        snr_db=LEVELS_DB[0],
        snr_schedule=plan.to_text(),
        cfo_hz=config.cfo_hz,
        seed=config.seed,
        model=config.model,
        data_set=config.data_set,
        feedback_timeout_s=config.feedback_timeout_s,
        folder=str(folder),
    )
    table = table_for(contract, SenderSettings(tasks=",".join(asked.names)).target(contract))
    rows = measure(folder, replace(contract, cam=table), accounting) + task_rows(folder, accounting.to_dict())
    rows += base_rows(folder, accounting.knowledge)
    named = names_for_report(folder, asked)
    if config.base:
        named["class_names"] = class_names(contract, config.data_set, config.base)
    details = {
        "config": {
            **config.to_dict(),
            "snr_schedule": plan.to_text(),
            "model_id": contract.model_id,
            "numerology": Numerology().to_dict(),
            **named,
        },
        "accounting": accounting.to_dict(),
    }
    options = (" --multitask" if config.multitask else "") + (" --base ..." if config.base else "")
    write_summary(folder, f"sdr-sc demo{options}", rows, details)
    page = write_report(folder, base=base_for_report(config.files, accounting.knowledge))
    return DemoResult(folder, page, rows, accounting)


def answer_names(config: DemoConfig) -> list[str]:
    """What answers to the first task are called by their numbers; none without a base: as in the model's contract.

    Raises:
        SdrScError: the data set, the model or the base cannot be read.
    """
    if not config.base:
        return []
    return class_names(weights.read_contract(config.model), spec_for(config.model, config.data_set), config.base)


def asked_tasks(config: DemoConfig, contract: ModelContract) -> AskedTasks:
    """What the receiver is asked beside the model's first task.

    Raises:
        ContractError: model or gallery do not fit what is asked for.
        DataSetError: the data set has no targets for a task.
    """
    if not config.multitask:
        if answers_questions(contract, ""):
            raise ContractError(
                f"model {shown(config.model)} answers questions; give --multitask and --question, such as '*'."
            )
        return AskedTasks(contract)
    data = load_items(config.data_set, "test")
    tasks = config.tasks or ",".join(_in_common(contract, data, bool(config.question)))
    asked = AskedTasks.of(contract, tasks, config.gallery, weights.resolve(config.model, "decoder"), config.question)
    if not asked.names:
        raise ContractError(
            f"model {shown(config.model)} answers {', '.join(spec.name for spec in contract.tasks)}, and data set "
            f"{shown(config.data_set)} has {', '.join(data.tasks)}: there is no second task in common; give a model of "
            "several tasks and its data set, or leave --multitask out."
        )
    check_entries(asked, config.data_set)
    return asked


def _in_common(contract: ModelContract, data: Dataset, asks: bool) -> list[str]:
    """Tasks beside the first one that a model answers and a data set has targets for; of questions if one is asked."""
    found = []
    for spec in contract.tasks[1:]:
        task = task_of(spec.name)
        if (task.of_items or spec.name in data.tasks) and (asks or task.needs != "question"):
            found.append(spec.name)
    return found


def _parameters(config: DemoConfig, asked: AskedTasks) -> dict[str, Any]:
    """What the flowgraphs do not have in common."""
    if not (config.multitask or config.base):
        return {"images": config.images}
    further = {"tasks": ",".join(asked.names), "gallery": config.gallery, "question": config.question}
    return {"items": config.images, **further, **(config.files.parameters() if config.base else {})}


def read_sent(folder: Path) -> Table:
    """The ``frames.csv`` of a run in one process, where every frame is known, in the order of sending."""
    frames = read_frames(folder, torn=True)
    order = np.argsort(frames["frame_index"], kind="stable")
    return {name: values[order] for name, values in frames.items()}


def measure(folder: Path, contract: ModelContract, accounting: Accounting) -> list[Row]:
    """The figures of a run, from its ``frames.csv``."""
    frames = read_sent(folder)
    a = accounting
    items = read_items(folder, ("frame_index", "label", "correct"), torn=True)
    known = items["label"] >= 0  # of joined sets some items may have no class
    _, place = np.unique(items["frame_index"][known], return_inverse=True)
    low, high = clustered_interval(np.bincount(place, items["correct"][known]), np.bincount(place))
    accuracy = 100 * a.items_correct / max(a.items_labelled, 1)
    contradictions = len(a.discrepancies)
    word = item_word(contract.modality.name)
    rows = [
        Row(f"accuracy over all {word}s", accuracy, "%", n=a.items_labelled, ci95=(100 * low, 100 * high)),
        Row("frames lost", a.frames_lost, "frames", n=a.frames_sent),
        Row("contradictions in the count", contradictions, "", "0", contradictions == 0, a.frames_sent),
    ]
    if a.items_not_a_number:
        name = f"{word}s for which the model gave no number"
        rows.append(Row(name, a.items_not_a_number, f"{word}s", n=a.items_sent))
    errors_db = frames["snr_est_db"] - frames["snr_set_db"]
    rows.append(snr_bias_row("SNR estimate, bias", errors_db[~np.isnan(errors_db)]))
    uses = int(np.dot(frames["k"], frames["n_items"]))
    rows.append(Row(f"channel uses per {word}", uses / a.items_sent, "symbols", n=a.items_sent))
    rows += response_rows(*sent_settings(frames), contract)
    latency = frames["latency_ms"][~np.isnan(frames["latency_ms"])]
    if len(latency):
        rows.append(Row("latency, encoder to answer, median", float(np.median(latency)), "ms", n=len(latency)))
    return rows


def sent_settings(frames: Table) -> tuple[list[float], list[int]]:
    """SNR that was set, in dB, and k of each frame whose SNR is known."""
    known = ~np.isnan(frames["snr_set_db"])
    return frames["snr_set_db"][known].tolist(), frames["k"][known].astype(int).tolist()


def response_rows(snr_db: list[float], k: list[int], contract: ModelContract) -> list[Row]:
    """Worst response of the CAM, and whether k rose and came back."""
    steps = find_steps(snr_db, k, contract.cam)
    if not steps:
        return []
    took = [step.frames for step in steps]
    never = sum(frames is None for frames in took)
    worst = float("nan") if never else float(max(frames for frames in took if frames is not None))
    lowest = min(snr_db)
    calm, back = k[steps[0].frame_index - 1], k[-1]
    harsh = max(k[i] for i, s in enumerate(snr_db) if s == lowest)
    return [
        Row(
            "CAM response, slowest step",
            worst,
            "frames",
            f"<= {RESPONSE_GOAL_FRAMES}",
            worst <= RESPONSE_GOAL_FRAMES,
            len(steps),
        ),
        Row(f"k at {lowest:g} dB", harsh, "symbols", f"> k at {snr_db[0]:g} dB", harsh > calm),
        Row(f"k back at {snr_db[-1]:g} dB", back, "symbols", f"= {calm}, as at the start", back == calm),
    ]
