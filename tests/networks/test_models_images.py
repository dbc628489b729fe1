"""Representative images: CIFAR-100 is checked before it is believed, and stand-ins are drawn from the seed alone."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.errors import DataError, UsageError
from lab.networks.building.images import COUNT, read_cifar100, representative_images

PIXELS = np.random.default_rng(1).integers(0, 256, (60, 3072), np.uint8)


def cifar_folder(folder: Path, content: Any = None, **changes: Any) -> Path:
    """A small stand-in for cifar-100-python, pickled as the published one is."""
    batch = {b"data": PIXELS, b"fine_labels": [i % 100 for i in range(60)], b"batch_label": b"testing batch 1 of 1"}
    batch |= {name.encode(): value for name, value in changes.items()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test").write_bytes(pickle.dumps(batch if content is None else content, protocol=2))
    return folder


def test_images_are_taken_from_the_test_set_with_channels_last(tmp_path: Path) -> None:
    pixels, published = read_cifar100(cifar_folder(tmp_path))
    assert pixels.shape == (60, 32, 32, 3)
    assert not published
    # The file has all red values of an image first, row by row.
    np.testing.assert_array_equal(pixels[7, :, :, 0].reshape(-1), PIXELS[7, :1024])
    np.testing.assert_array_equal(pixels[7, 3, :, 2], PIXELS[7, 2048 + 96 : 2048 + 128])


def test_the_folder_above_will_do(tmp_path: Path) -> None:
    cifar_folder(tmp_path / "cifar-100-python")
    chosen = representative_images(tmp_path, seed=4)
    assert chosen.facts["kind"] == "CIFAR-100"
    assert chosen.facts["published"] is False
    assert (chosen.facts["images"], chosen.facts["of"]) == (COUNT, 60)
    every, _ = read_cifar100(tmp_path)
    known = {image.tobytes() for image in every}
    assert len({image.tobytes() for image in chosen.pixels} & known) == COUNT


def test_the_seed_chooses(tmp_path: Path) -> None:
    folder = cifar_folder(tmp_path)
    first, again, other = (representative_images(folder, seed).facts["sha256"] for seed in (1, 1, 2))
    assert first == again != other


def test_synthetic_images_are_drawn_from_the_seed_and_say_so() -> None:
    first, again, other = (representative_images(None, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert first.facts["sha256"] == again.facts["sha256"] != other.facts["sha256"]
    assert first.facts["kind"] == "synthetic"
    assert first.pixels.shape == (COUNT, 32, 32, 3)
    # As in photographs: the whole range is used, neighbours are alike, images differ.
    assert first.pixels.min() < 20
    assert first.pixels.max() > 235
    values = first.pixels.astype(float)
    assert np.abs(np.diff(values, axis=2)).mean() < 0.5 * values.std()
    assert values.mean(axis=(1, 2)).std() > 10


def test_the_stand_ins_do_not_change_from_version_to_version() -> None:
    digest = representative_images(None, 1).facts["sha256"]
    assert digest == "817a2b886b633cc98f9f31a9a80c0f6c08b0d11e88dcf0e6b8f117410c5c3c94"


class Evil:
    """Runs a command when it is unpickled by anything careless."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (eval, ("open('/dev/null')",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": PIXELS[:, :3000]}, "does not hold images"),
        ({"data": PIXELS.astype(np.float32)}, "does not hold images"),
        ({"data": [1, 2]}, "does not hold images"),
        ({"fine_labels": [1]}, "a label for each"),
        ({"data": PIXELS[:0], "fine_labels": []}, "no batch of CIFAR-100"),
        ({"fine_labels": [100] * 60}, "other than 0 to 99"),
        ({"fine_labels": ["apple"] * 60}, "other than 0 to 99"),
        ({"content": {b"labels": [1]}}, "no batch of CIFAR-100"),
        ({"content": [1]}, "no batch of CIFAR-100"),
        ({"content": Evil()}, r"no batch of CIFAR-100.*it asks for"),
    ],
)
def test_what_is_not_cifar100_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_cifar100(cifar_folder(tmp_path, **changes))


@pytest.mark.parametrize("content", [b"", b"\x80\x04garbage", b"PK\x03\x04"])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "test").write_bytes(content)
    with pytest.raises(DataError, match="no batch of CIFAR-100"):
        read_cifar100(tmp_path)


def test_a_folder_without_it_is_a_mistake_of_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file 'test'") as raised:
        read_cifar100(tmp_path)
    assert "cifar-100-python.tar.gz" in str(raised.value.advice)
