# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions about pictures, asked after reception, and thumbnails: trained, shipped, asked, and refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import toy_pictures
import toy_texts

from sdr_sc.data.asked import asked_data
from sdr_sc.distill.export.onnx_export import StudentExporter
from sdr_sc.distill.multitask.config import MultiTaskConfig
from sdr_sc.distill.multitask.lesson import Lesson
from sdr_sc.distill.multitask.picture_tasks import AskedOf, input_thumbnails
from sdr_sc.distill.multitask.train import MultiTaskTrainer
from sdr_sc.errors import ContractError, DataSetError, SdrScError
from sdr_sc.files import write_whole
from sdr_sc.semantic import weights
from sdr_sc.semantic.asked_tasks import AskedTasks
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder
from sdr_sc.semantic.questions import Questions
from sdr_sc.semantic.tasks.reconstruction import Reconstruction, thumbnails

PLACES = np.arange(toy_pictures.PICTURES)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_pictures.make_model(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def outputs(model: Path) -> np.ndarray:
    """Of all tasks, of the test pictures, sent once."""
    encoder, decoder = SemanticEncoder(model), SemanticDecoder(model)
    return decoder.outputs(encoder.encode(toy_pictures.load("test").pictures, 20.0, 16), 20.0)


def right_of(outputs: np.ndarray, questions: Questions, text: str, number: int) -> np.ndarray:
    wanted = [toy_pictures.answer(one, number) for one in range(len(outputs))]
    return questions.ask(outputs, text).best == wanted


def test_any_question_may_be_asked_of_what_was_received(model: Path, outputs: np.ndarray) -> None:
    questions = Questions(model)
    for number, text in enumerate(toy_pictures.QUESTIONS):
        assert right_of(outputs, questions, text, number).mean() > 0.9, text
    assert right_of(outputs, questions, "WHAT  colour is the square", 0).mean() > 0.9, "words alone count"
    own = [toy_pictures.QUESTIONS[one % 4] for one in PLACES]
    each = questions.ask(outputs, own).best
    assert (each == [toy_pictures.answer(one, one % 4) for one in PLACES]).mean() > 0.9, "a question an item"
    other = np.roll(outputs, 1, axis=0)
    assert right_of(other, questions, toy_pictures.COLOUR, 0).mean() < 0.4, "of another picture it is wrong"


def test_a_thumbnail_comes_with_it(model: Path, outputs: np.ndarray) -> None:
    decoder, items = SemanticDecoder(model), toy_pictures.load("test").pictures
    spec, task = decoder.contract.task("reconstruction"), Reconstruction()
    assert spec.shape == (3, 8, 8) and spec.outputs == 192
    answer = task.answer(outputs[:, decoder.parts["reconstruction"]], spec)
    own, others = (task.figure(task.score_pictures(one, items).mean())
                   for one in (answer, replace(answer, pictures=np.roll(answer.pictures, 1, axis=0))))  # fmt: skip
    assert own > others + 3 and own > 18


def test_the_first_task_needs_a_question(model: Path, outputs: np.ndarray) -> None:
    encoder = SemanticEncoder(model)
    features = encoder.encode(toy_pictures.load("test").pictures, 20.0, 16)
    features[-1] = np.nan  # lost
    with pytest.raises(ContractError, match="'toy_pictures' answers questions, and none is asked; give one"):
        SemanticDecoder(model).answer(features, 20.0)
    found = SemanticDecoder(model, question=toy_pictures.COLOUR).answer(features, 20.0)
    assert (found.best[:-1] == Questions(model).ask(outputs, toy_pictures.COLOUR).best[:-1]).all()
    assert found.best[-1] == -1 and found.confidence[-1] == 0


def test_tasks_that_are_asked_of_a_receiver(model: Path, outputs: np.ndarray) -> None:
    contract = weights.read_contract(model)
    asked = AskedTasks.of(contract, "question, reconstruction", model=model, question=toy_pictures.COLOUR)
    assert asked.names == ("reconstruction",)
    spoiled = outputs.copy()
    spoiled[0], spoiled[1] = np.nan, np.inf
    found = asked.answers(spoiled)["reconstruction"]
    assert found.best[:3].tolist() == [-1, -2, 0] and found.pictures is not None
    for tasks, question, words in (
        ("reconstruction", "", "answers a question, and none is asked; give one"),
        ("", "  ", "the question is empty"),
        ("", "?!", "has no word; ask another"),
        ("", "why " * 17, "has more than 16 words; ask another"),
        ("", "x" * 10_000, "has 10000 bytes, more than 256; ask a shorter one"),
        ("keywords", "why?", "has no task 'keywords'; it answers question, reconstruction"),
    ):
        with pytest.raises(ContractError, match=words) as error:
            AskedTasks.of(contract, tasks, model=model, question=question)
        assert "\n" not in str(error.value) and len(str(error.value)) < 300
    with pytest.raises(ContractError, match="model 'fashion_mnist_student' needs none for classification; leave the"):
        AskedTasks.of(weights.read_contract(weights.DEFAULT_MODEL), "", question="why?")


def test_questions_of_another_model_and_outputs_of_another_are_refused(model: Path, outputs: np.ndarray) -> None:
    with pytest.raises(ContractError, match="has no task 'question'; it answers classification"):
        Questions(weights.DEFAULT_MODEL)
    questions = Questions(model)
    with pytest.raises(ContractError, match="vectors of 10 numbers where its own have 24"):
        questions.logits(outputs[:, :10], np.zeros((1, 16, 19), np.int32))
    with pytest.raises(ContractError, match="2 questions about 48 items; give one, or one an item"):
        questions.ask(outputs, ["why?", "how?"])


def test_an_exported_model_answers_by_thumbnails_and_says_where_questions_are(model: Path, outputs: np.ndarray) -> None:
    pair = model.with_suffix(".onnx")
    write_whole(StudentExporter(model).float32(pair))
    decoder = SemanticDecoder(pair)
    features = SemanticEncoder(model).encode(toy_pictures.load("test").pictures, 20.0, 16)
    assert np.allclose(decoder.outputs(features, 20.0), outputs, atol=1e-3)
    with pytest.raises(ContractError, match="is an exported model; give the weights file that it was made from"):
        Questions(pair)
    assert Questions(model).ask(decoder.outputs(features, 20.0), toy_pictures.COLOUR).best.shape == (48,)


def test_the_contract_holds_both_tasks_and_their_quality(model: Path) -> None:
    contract = weights.read_contract(model)
    assert contract.task("question").names == toy_pictures.ANSWERS and contract.task("question").outputs == 24
    assert max(map(max, contract.cam.accuracy)) > 0.9
    psnr_db = Reconstruction().figure(np.array(contract.cam.others["reconstruction"]))
    assert psnr_db[-1, -1] > psnr_db[0, 0] > 8
    card = model.with_suffix(".md").read_text()
    assert "| SNR (dB), reconstruction (dB) |" in card and "question network, at the receiver" in card
    assert "a picture of 3 x 8 x 8 values" in card


def test_targets_are_of_what_the_encoder_sees(model: Path) -> None:
    config = MultiTaskConfig(tasks=("question", "reconstruction"), encoder="dense", k_list=(4, 8))
    data = toy_pictures.load("train")
    lesson = Lesson.of(data, config, None)
    assert len(lesson.data) == toy_pictures.PICTURES, "a picture once, whatever is asked of it"
    batch = lesson.batch(np.array([3, 5]), np.random.default_rng(1))
    assert batch.pictures.thumbnails is not None
    assert np.allclose(batch.pictures.thumbnails.numpy(), thumbnails(data.pictures[[3, 5]], (3, 8, 8)), atol=1e-4)
    asked = batch.pictures.asked
    assert asked is not None
    question, right = asked.drawn(20, torch.Generator().manual_seed(1))
    for place, number in enumerate((3, 5)):
        pairs = set(zip(question[place].tolist(), right[place].tolist(), strict=True))
        wanted = {(one, toy_pictures.answer(number, one)) for one in ((number + np.arange(3)) % 4).tolist()}
        assert pairs == wanted, "all that is asked of it, and nothing else"
    none = AskedOf(asked.tokens, torch.full((1, 2), -1), torch.full((1, 2), -1))
    assert none.drawn(3, torch.Generator().manual_seed(1))[0].tolist() == [[-1] * 3]


def test_a_run_that_was_cut_off_goes_on_the_same(tmp_path: Path) -> None:
    config = MultiTaskConfig(
        tasks=("question", "reconstruction"), encoder="small", k_list=(2, 4), steps=6, batch_items=8, decoder_width=16
    )
    lesson = Lesson.of(toy_pictures.load("train"), config, None)
    whole = MultiTaskTrainer(lesson, config)
    whole.run()
    assert set(whole.history[-1][1]) == {"question", "reconstruction", "loss"}
    cut = MultiTaskTrainer(lesson, config)
    cut.run(4, every=4, checkpoint=tmp_path / "state")
    again = MultiTaskTrainer(lesson, config)
    again.resume(tmp_path / "state")
    again.run()
    for name, value in whole.average.state_dict().items():
        assert bool((value == again.average.state_dict()[name]).all()), name


def test_what_a_data_set_cannot_teach_is_one_sentence() -> None:
    def lesson(data: object, *tasks: str, labels: int = 0) -> Lesson:
        return Lesson.of(data, MultiTaskConfig(tasks=tasks, labels=labels), None)  # type: ignore[arg-type]

    texts, pictures = toy_texts.load("train"), toy_pictures.load("train")
    with pytest.raises(SdrScError, match="reconstruction is of pictures, and the data set's items are .* text; leave"):
        lesson(texts, "classification", "reconstruction")
    with pytest.raises(SdrScError, match="question is learned from a data set that asks questions, such as easy_vqa"):
        lesson(texts, "question")
    with pytest.raises(SdrScError, match="a number of labels is of a task with classes, and there is none"):
        lesson(pictures, "question", labels=10)
    with pytest.raises(DataSetError, match="has no targets for the task 'classification'; it has 'question'"):
        lesson(pictures, "classification")


def test_the_pictures_of_one_question_and_all_pictures_once() -> None:
    data = toy_pictures.load("test")
    one = asked_data(data, "  What colour is the SQUARE? ")
    asked_of = [number for number in range(toy_pictures.PICTURES) if 0 in (number + np.arange(3)) % 4]
    assert len(one) == len(asked_of) and one.groups.tolist() == asked_of  # type: ignore[attr-defined]
    wanted = [toy_pictures.answer(number, 0) for number in asked_of]
    assert one.targets("question", np.arange(len(one))).tolist() == wanted
    every = asked_data(data, "")
    assert len(every) == toy_pictures.PICTURES and np.array_equal(every.items(PLACES), data.pictures)
    assert every.targets("question", PLACES).shape == (toy_pictures.PICTURES, 3)
    with pytest.raises(DataSetError, match="does not ask 'why\\?' of its test pictures; ask what it asks, such as"):
        asked_data(data, "why?")
    with pytest.raises(DataSetError, match="data set toy_texts asks no questions, and 'why\\?' is given"):
        asked_data(toy_texts.load("test"), "why?")


def test_thumbnails_of_what_the_encoder_sees_are_those_of_the_pictures() -> None:
    config = MultiTaskConfig(tasks=("question", "reconstruction"), encoder="dense", k_list=(4, 8))
    lesson = Lesson.of(toy_pictures.load("train"), config, None)
    inputs = lesson.batch(np.arange(4), np.random.default_rng(1)).inputs
    found = input_thumbnails(inputs, (3, 5, 7), lesson.modality).numpy()
    assert np.allclose(found, thumbnails(toy_pictures.load("train").pictures[:4], (3, 5, 7)), atol=1e-4)
