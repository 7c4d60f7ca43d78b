# SPDX-License-Identifier: GPL-3.0-or-later
"""Baselines over the same frames as ours: what they answer, what they count, and what they refuse."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from command import ROOT

from sdr_sc.data import fashion_mnist
from sdr_sc.data.dataset import ImageSet
from sdr_sc.errors import SdrScError
from sdr_sc.phy.numerology import Numerology
from sdr_sc.schemes import bler_tables as error_rates
from sdr_sc.schemes import image_accuracy
from sdr_sc.schemes.catalogue import SCHEME_NAMES, check_scheme, make_scheme
from sdr_sc.schemes.features_ldpc import FeaturesScheme
from sdr_sc.schemes.image_accuracy import BUDGETS_BYTES, measure
from sdr_sc.schemes.image_codecs import SIDES, make_codec
from sdr_sc.schemes.image_ldpc import K_LIST, ImageScheme
from sdr_sc.schemes.label_ldpc import LabelScheme
from sdr_sc.schemes.learn import learn
from sdr_sc.schemes.link import Link, LinkResult, noisy_channel, run_scheme
from sdr_sc.schemes.model_files import size_of_teacher
from sdr_sc.schemes.pca import SHIPPED, PcaModel, fit
from sdr_sc.schemes.pca_scheme import PcaScheme
from sdr_sc.schemes.scheme import Scheme
from sdr_sc.semantic import weights
from sdr_sc.semantic.complexity import count_parameters
from sdr_sc.semantic.networks.dense import StudentDecoder, StudentEncoder
from sdr_sc.sweep.config import load_config
from sdr_sc.sweep.runner import check_air

ACCURACY = np.linspace(0.3, 0.9, len(BUDGETS_BYTES)) * np.array([[1.0], [0.9], [0.8], [0.7]])
OFFICE = Path(__file__).parents[3] / "shared/data/measured_channels/office_nlos_1.npz"


@pytest.fixture(scope="module")
def data() -> ImageSet:
    return fashion_mnist.load("test").first(400)


@pytest.fixture(scope="module")
def jpeg() -> Scheme:
    return ImageScheme("jpeg", "", 4096, "jpeg_ldpc", accuracy=ACCURACY)


def run(scheme: Scheme, data: ImageSet, snr_db: float, k: int | None, items: int, **more) -> LinkResult:
    result = run_scheme(scheme, data.images[:items], data.labels[:items], "", snr_db, k, Numerology(), seed=3, **more)
    assert result.items == items == result.confusion.sum() == result.items_by_frame.sum()
    assert result.correct == np.trace(result.confusion) == result.correct_by_frame.sum()
    assert result.lost == result.confusion[:, -1].sum()
    return result


def test_accuracy_and_uses_of_each_scheme_at_20_db(data: ImageSet) -> None:
    ours = run(make_scheme("ours"), data, 20.0, 16, 300)
    features = run(make_scheme("features_ldpc"), data, 20.0, 8, 300)
    label = run(make_scheme("label_ldpc"), data, 20.0, None, 300)
    pca = run(make_scheme("pca"), data, 20.0, 16, 300)
    for result, least in ((ours, 0.88), (features, 0.86), (label, 0.88), (pca, 0.78)):
        assert result.lost == 0 and result.correct / result.items > least
    assert ours.channel_uses == pca.channel_uses == 300 * 16
    assert ours.symbols_on_air == pca.symbols_on_air
    assert label.channel_uses < features.channel_uses < ours.channel_uses
    # Preamble and header: 14 symbols of 52 subcarriers a frame, for all of them; 48 of the 52 carry payload.
    assert ours.symbols_on_air == 6 * (14 + -(-50 * 16 // 48)) * 52
    assert (label.symbols_on_air - label.frames * 14 * 52) * 48 / 52 >= label.channel_uses


def test_images_arrive_and_cost_more_symbols(jpeg: Scheme, data: ImageSet) -> None:
    result = run(jpeg, data, 15.0, 2048, 25)
    assert result.lost == 0 and result.correct / 25 > 0.8
    assert result.channel_uses == 25 * 2048
    assert result.items_by_frame.tolist() == [2] * 12 + [1]


def test_what_cannot_be_decoded_is_wrong_and_counted(data: ImageSet) -> None:
    """The transmitter is given a good channel that has turned bad: frames arrive, codewords do not."""

    class Deceived(ImageScheme):
        def plan(self, snr_db, k):
            return super().plan(20.0, k)

    result = run(Deceived("jpeg", "", 4096, "jpeg_ldpc", accuracy=ACCURACY), data, 3.0, 256, 40)
    assert result.frames_lost == 0
    assert result.lost == 40 and result.correct == 0


def test_lost_frames_answer_nothing(jpeg: Scheme, data: ImageSet) -> None:
    for scheme in (jpeg, make_scheme("pca")):
        result = run(scheme, data, -25.0, None, 20)
        assert (result.frames_lost, result.lost, result.correct) == (result.frames, 20, 0)


def test_an_image_that_fits_at_no_quality_is_lost(jpeg: Scheme, data: ImageSet) -> None:
    result = run(jpeg, data, 0.0, 64, 20)
    assert result.frames_lost == 0 and result.lost == 20


def test_bad_channels_get_robust_modes_and_large_budgets(jpeg: ImageScheme) -> None:
    modes = [jpeg.plan(float(snr_db), 1024).mode for snr_db in range(-5, 26, 3)]
    assert modes == sorted(modes) and modes[0] < 20 and modes[-1] > 50
    budgets = [jpeg.plan(float(snr_db), None).k for snr_db in range(-5, 26, 3)]
    assert budgets[0] > 2 * budgets[-1]
    assert jpeg.plan(None, 1024) == jpeg.plan(-3.0, 1024) and jpeg.plan(-30.0, 1024) == jpeg.plan(-6.0, 1024)
    jpeg.begin("")
    assert [jpeg.frame_items(25.0, k, 50) for k in (4096, 64, 4096, 256)] == [1, 50, 1, 16]


def test_the_first_frame_of_coded_schemes_is_a_robust_one(jpeg: ImageScheme, data: ImageSet) -> None:
    jpeg.begin("")
    assert [jpeg.frame_items(snr_db, 64, 50) for snr_db in (None, None, 20.0)] == [50, 50, 50]
    result = run(make_scheme("label_ldpc"), data, 10.0, None, 60)
    assert result.items_by_frame.tolist() == [50, 10] and result.lost == 0


def test_same_seed_gives_every_scheme_the_same_noise(data: ImageSet) -> None:
    ours, pca = (run(make_scheme(name), data, 10.0, 8, 200) for name in ("ours", "pca"))
    assert np.abs(ours.snr_estimates_db - pca.snr_estimates_db).max() < 0.7
    again = run(make_scheme("pca"), data, 10.0, 8, 200)
    assert (again.snr_estimates_db == pca.snr_estimates_db).all() and (again.confusion == pca.confusion).all()


def test_a_channel_as_text_is_in_front_of_the_noise(data: ImageSet) -> None:
    scheme, numerology = make_scheme("ours"), Numerology()
    faded = run_scheme(
        scheme, data.images, data.labels, "rayleigh(doppler_hz=50)", 10.0, 4, numerology, items_per_frame=10, seed=4
    )
    assert np.std(faded.snr_estimates_db) > 2.0  # noise alone: half a decibel


@pytest.mark.parametrize("name", ["jpeg", "webp"])
@pytest.mark.parametrize("side", SIDES)
def test_images_without_their_headers(name: str, side: int, data: ImageSet) -> None:
    codec = make_codec(name)
    for image in data.images[:20]:
        errors, sizes = [], []
        for most in (60, 120, 400):
            packed = codec.fit(image, most, side)
            if packed is None:
                continue
            assert len(packed) <= most
            restored = codec.restore(packed + bytes(3))
            assert restored.shape == (28, 28)
            errors.append(float(np.abs(restored.astype(float) - image).mean()))
            sizes.append(len(packed))
        assert len(sizes) > 1 and errors[-1] <= errors[0] and errors[-1] < (12 if side == 28 else 40)
    assert codec.fit(data.images[0], 5, side) is None


@pytest.mark.parametrize("name", ["jpeg", "webp"])
def test_no_bytes_break_an_image_decoder(name: str) -> None:
    codec, rng = make_codec(name), np.random.default_rng(7)
    for length in (0, 1, 2, 30, 300):
        for _ in range(20):
            restored = codec.restore(rng.bytes(length))
            assert restored is None or restored.shape == (28, 28)
    assert codec.restore(b"\xff" + bytes(30)) is None
    assert codec.restore(bytes([len(SIDES) * 32]) + bytes(30)) is None


def test_few_bytes_hold_a_small_image(data: ImageSet) -> None:
    """The size follows from the table, and is a smaller one where the table's does not fit."""
    small_is_better = np.where(np.array(BUDGETS_BYTES) < 60, ACCURACY[::-1], ACCURACY)
    scheme = ImageScheme("jpeg", "", 4096, "jpeg_ldpc", accuracy=small_is_better)
    sides = {most: {SIDES[scheme._packed(image, most)[0] // 32] for image in data.images[:50]} for most in (50, 150)}
    assert sides == {50: {16}, 150: {28}}
    large = ImageScheme("jpeg", "", 4096, "jpeg_ldpc", accuracy=ACCURACY)
    assert {SIDES[large._packed(image, 45)[0] // 32] for image in data.images[:50]} > {28}
    packed = scheme._packed(data.images[0], 50)
    assert (
        large._answer_to([packed + bytes(9)]) == large._classifier.classes(large._codec.restore(packed)[None]).tolist()
    )


def test_more_bytes_are_worth_no_less(data: ImageSet) -> None:
    class Median:  # a classifier that the test knows
        name = fingerprint = "median"

        def classes(self, images: np.ndarray) -> np.ndarray:
            return (np.median(images, axis=(1, 2)) > 20).astype(np.int64)

    images = data.images[:40]
    shares = measure(make_codec("jpeg"), Median(), images, Median().classes(images))  # type: ignore[arg-type]
    assert (np.diff(shares, axis=1) >= 0).all() and shares[0, 0] < 0.2 < shares[-1, 0] and shares[0, -1] > 0.9


def test_a_decoded_image_is_classified_once(data: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    scheme = ImageScheme("jpeg", "", 4096, "jpeg_ldpc", accuracy=ACCURACY)
    first = run(scheme, data, 15.0, 1024, 20)

    def never(images: np.ndarray) -> np.ndarray:
        raise AssertionError(f"{len(images)} images are asked about again")

    with monkeypatch.context() as patched:
        patched.setattr(scheme._classifier, "classes", never)
        again = run(scheme, data, 15.0, 1024, 20)
    assert (first.confusion == again.confusion).all() and first.correct > 12
    fresh = ImageScheme("jpeg", "", 4096, "jpeg_ldpc", accuracy=ACCURACY)
    assert (run(fresh, data, 15.5, 1024, 20).confusion == run(scheme, data, 15.5, 1024, 20).confusion).all()


def test_a_target_needs_fewer_symbols() -> None:
    whole, some, none = (ImageScheme("jpeg", "", 4096, "j", target, ACCURACY) for target in (0, 60, 95))
    for snr_db in (0.0, 10.0, 20.0):
        assert some.plan(snr_db, None).k < whole.plan(snr_db, None).k
        assert some.plan(snr_db, None).expected >= 0.6
        assert none.plan(snr_db, None) == whole.plan(snr_db, None)
    features = FeaturesScheme("fashion_mnist_student", "features_ldpc", 85)
    fewer = features.plan(10.0, None, 50)[0].symbols
    features._target = 0.0
    features._plans.clear()
    assert fewer < features.plan(10.0, None, 50)[0].symbols


def test_pca_learns_from_little_and_survives_its_file(tmp_path, data: ImageSet) -> None:
    training = fashion_mnist.load("train").first(3000)
    model = fit(training.images, training.labels, (8,), epochs=6)
    model.save(tmp_path / "pca.safetensors")
    result = run(PcaScheme.load(tmp_path / "pca.safetensors"), data, 20.0, 8, 300)
    assert result.correct / 300 > 0.6
    sent = model.encode(data.images[:50], 8)
    assert np.mean(np.abs(sent) ** 2) == pytest.approx(1.0, abs=1e-3)
    again = PcaModel.read(tmp_path / "pca.safetensors")
    np.testing.assert_allclose(again.encode(data.images[:50], 8), sent, atol=0.02)
    (tmp_path / "pca.safetensors").write_bytes(b"nothing")
    with pytest.raises(SdrScError, match="is damaged or was edited"):
        PcaModel.read(tmp_path / "pca.safetensors")
    (tmp_path / "pca.safetensors.sha256").unlink()
    with pytest.raises(SdrScError, match="no PCA baseline"):
        PcaScheme.load(tmp_path / "pca.safetensors")


def test_error_rates_are_learned_through_frames() -> None:
    table, shipped = learn("", links=160, lengths=(128,)), error_rates.rates_for("")
    assert (np.diff(table.snr_db, axis=2) >= 0).all() and (np.diff(shipped.snr_db, axis=2) >= 0).all()
    half = error_rates.LOST.index(0.5)
    near = shipped.snr_db[shipped.symbols.tolist().index(128)]
    assert np.abs(table.snr_db[0, 20:130, half] - near[20:130, half]).max() < 1.0
    for mode in (40, 70, 100):
        assert shipped.lost(mode, near[mode, half], 128) == pytest.approx(0.5, abs=0.05)
        assert (
            shipped.lost(mode, near[mode, half] + 3, 128) < 0.01 < 0.99 < shipped.lost(mode, near[mode, half] - 3, 128)
        )


def test_over_noise_alone_coded_schemes_are_fed_a_smoothed_snr() -> None:
    class Heard(LabelScheme):
        told: list[float] = []

        def send(self, images, labels, snr_db, k):
            if snr_db is not None:
                self.told.append(snr_db)
            return super().send(images, labels, snr_db, k)

    data, spreads = fashion_mnist.load("test").first(300), {}
    for channel in ("", "rician(doppler_hz=0, k_factor_db=60)"):
        scheme = Heard("student", "label_ldpc")
        Heard.told = []
        scheme.begin(channel)
        link = Link(scheme, noisy_channel(channel, 5.0, 0.0, 1, Numerology()), None, 10, Numerology())
        link.sound(data.images[:1], data.labels[:1])
        assert sum(outcome.correct for outcome in link.send(data.images, data.labels)) > 200
        spreads[channel] = np.std(Heard.told), np.mean(Heard.told)
    (smooth, mean), (single, other) = spreads.values()
    assert smooth < 0.5 * single and abs(mean - other) < 0.3
    assert make_scheme("ours").smoothing == 0.0


def test_a_channel_without_a_table_gets_the_most_careful_one() -> None:
    tdl = error_rates.rates_for("tdl_c(delay_spread_ns=300,doppler_hz=5)")
    other, noise = error_rates.rates_for("rician(doppler_hz=3)"), error_rates.rates_for("")
    assert (other.snr_db >= tdl.snr_db).all() and (other.snr_db >= noise.snr_db).all()
    assert other.channel == "any other"
    office = [error_rates.rates_for(f"measured(file='{folder}office_nlos_1.npz', frequency_scaled=True)")
              for folder in ("", "/data/", "../shared/data/measured_channels/")]  # fmt: skip
    assert all(one is office[0] for one in office) and "office_nlos_1" in office[0].channel


def test_labels_over_a_measured_channel_mostly_arrive(data: ImageSet) -> None:
    """One codeword a frame, each frame over a channel of its own, notches and all."""
    if not OFFICE.exists():
        pytest.skip(f"{OFFICE} is not there: measured channels are handed out apart from this project")
    scheme, lost = make_scheme("label_ldpc"), 0
    channel = f"measured(file='{OFFICE}', frequency_scaled=True)"
    for seed in range(40):
        air = noisy_channel(channel, 10.0, 700.0, seed, Numerology())
        scheme.begin(channel)
        link = Link(scheme, air, None, 50, Numerology())
        link.sound(data.images, data.labels)
        lost += sum(int((outcome.found < 0).any()) for outcome in link.send(data.images[:50], data.labels[:50]))
    assert lost <= 3


def test_damaged_error_rates_are_one_sentence(tmp_path) -> None:
    for number, text in enumerate(("{", "{}", '{"format_version": 1, "modes": [], "tables": []}')):
        path = tmp_path / f"{number}.json"
        path.write_text(text)
        with pytest.raises(SdrScError, match="error rates|other modes"):
            error_rates.read_tables(path)


@pytest.mark.parametrize(
    "scheme, parameters, words",
    [
        ("bpg_ldpc", {}, "scheme 'bpg_ldpc' is unknown; use one of ours, fixed_rate, jpeg_ldpc"),
        ("ours", {"modle": "x"}, "no parameter 'modle'; its parameters are: model, name"),
        ("ours", {"model": 3}, "model of scheme ours is 3; give text"),
        ("jpeg_ldpc", {"frame_symbols": "many"}, "give a whole number"),
        ("fixed_rate", {}, "needs the parameter model"),
    ],
)
def test_catalogue_reports_a_mistake(scheme: str, parameters: dict, words: str) -> None:
    with pytest.raises(SdrScError, match=words):
        check_scheme(scheme, parameters)
    with pytest.raises(SdrScError, match=words):
        make_scheme(scheme, **parameters)


def test_the_example_compares_schemes_without_any_file_from_elsewhere() -> None:
    config = load_config(ROOT / "examples" / "sweep.yaml")
    check_air(config)
    assert [channel.models for channel in config.channels] == [""] and config.items <= 1000
    assert {entry.scheme for entry in config.schemes} == {"ours", "pca", "features_ldpc", "label_ldpc"}
    for entry in config.schemes:
        check_scheme(entry.scheme, entry.parameters)
        assert set(entry.parameters.values()) <= {"student"}, "all else may be a file"


def test_schemes_refuse_what_they_cannot_do(jpeg: ImageScheme, data: ImageSet) -> None:
    images, labels = data.images[:2], data.labels[:2]
    with pytest.raises(SdrScError, match="k=5 is not a budget of scheme jpeg_ldpc; choose one of 64"):
        jpeg.send(images, labels, 10.0, 5)
    with pytest.raises(SdrScError, match="scheme label_ldpc has no k"):
        make_scheme("label_ldpc").send(images, labels, 10.0, 4)
    with pytest.raises(SdrScError, match="k=5 is not in the list of scheme pca"):
        make_scheme("pca").send(images, labels, 10.0, 5)
    with pytest.raises(SdrScError, match="teacher file none.onnx is missing"):
        make_scheme("webp_ldpc", teacher="none.onnx")
    with pytest.raises(SdrScError, match="frame_symbols of scheme jpeg_ldpc is 100; give 4096 to 65280"):
        make_scheme("jpeg_ldpc", frame_symbols=100)
    with pytest.raises(SdrScError, match="target of scheme features_ldpc is 101; give a percentage"):
        make_scheme("features_ldpc", target=101)


def test_every_scheme_says_what_it_is(jpeg: Scheme) -> None:
    schemes = [jpeg, *(make_scheme(name) for name in ("ours", "label_ldpc", "pca"))]
    for scheme in schemes:
        about = scheme.describe()
        assert about["scheme"] == scheme.name and about["kind"]
        assert scheme.name in SCHEME_NAMES
        assert "error_rates_of_channel" not in about  # sweeps ask a scheme that knows of no channel
    assert "no teacher was given" in jpeg.describe()["classifier"]
    asked_for = ImageScheme("jpeg", "student", 4096, "jpeg_ldpc", accuracy=ACCURACY).describe()
    assert asked_for["classifier"] == "student fashion_mnist_student"
    assert asked_for["classifier_fingerprint"] == jpeg.describe()["classifier_fingerprint"]
    assert "one task" in schemes[2].describe()["told"]
    assert jpeg.k_list == K_LIST


def test_what_decides_a_schemes_figures_is_reported(jpeg: Scheme, tmp_path: Path) -> None:
    tables = hashlib.sha256(error_rates.FILE.read_bytes()).hexdigest()[:16]
    coded = [jpeg, *(make_scheme(name) for name in ("features_ldpc", "label_ldpc"))]
    assert [scheme.describe()["error_rates_sha256"] for scheme in coded] == [tables] * 3
    kept = ImageScheme("jpeg", "student", 4096, "jpeg_ldpc").describe()
    assert kept["image_accuracy_sha256"] == hashlib.sha256(image_accuracy.FILE.read_bytes()).hexdigest()[:16]
    assert "image_accuracy_sha256" not in jpeg.describe()  # it was given its accuracies
    other = tmp_path / SHIPPED.name
    changed = PcaModel.read(SHIPPED)
    changed.layers[0][1][0] += 1
    changed.save(other)
    first, second = PcaScheme.load().describe(), PcaScheme.load(other).describe()
    assert {name for name in first if first[name] != second[name]} == {"file_sha256"}


def test_sizes_of_both_ends_are_reported(jpeg: Scheme) -> None:
    contract = weights.read_contract("fashion_mnist_student")
    encoder = count_parameters(StudentEncoder(contract.k_max))
    decoder = count_parameters(StudentDecoder(10, contract.k_max, contract.architecture["decoder_width"]))
    ours, features, pca, label, image = (
        scheme.describe()["sizes"]
        for scheme in (*(make_scheme(name) for name in ("ours", "features_ldpc", "pca", "label_ldpc")), jpeg)
    )
    assert ours == features
    assert (ours["transmitter"]["parameters"], ours["receiver"]["parameters"]) == (encoder, decoder)
    assert ours["receiver"]["bytes"] == 4 * decoder  # float32, and no batch-norm statistics
    layers = 66 * 256 + 256 + 256 * 256 + 256 + 256 * 10 + 10
    assert [pca[end]["parameters"] for end in ("transmitter", "receiver")] == [784 + 784 * 64, layers]
    assert [pca[end]["bytes"] for end in ("transmitter", "receiver")] == [2 * (784 + 784 * 64), 2 * layers]
    assert label["transmitter"] == image["receiver"] and label["transmitter"]["parameters"] == encoder + decoder
    assert label["receiver"] == image["transmitter"] == {"parameters": 0, "bytes": 0}


def test_sizes_of_teachers(tmp_path: Path) -> None:
    import onnx

    weight = onnx.numpy_helper.from_array(np.ones((3, 4), np.float32), "weight")
    shape = onnx.numpy_helper.from_array(np.array([1, 12]), "shape")
    path = tmp_path / "teacher.onnx"
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "teacher", [], [], [weight, shape])), path)
    assert size_of_teacher(str(path)) == {"parameters": 12, "bytes": path.stat().st_size}
    weight.data_location = onnx.TensorProto.EXTERNAL  # in a further file, of which nothing is known here
    weight.external_data.add(key="location", value="teacher.data")
    onnx.save_model(onnx.helper.make_model(onnx.helper.make_graph([], "teacher", [], [], [weight])), path)
    assert size_of_teacher(str(path)) == {"parameters": 12}
    assert size_of_teacher("torchvision.models:resnet18") == {}
