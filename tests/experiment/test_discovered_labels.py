"""Discovered folders are called by what tells them apart, not by their whole path."""

from hypothesis import given
from hypothesis import strategies as st

from lab.experiment.discovery import labelled

names = st.sampled_from(["a", "bb", "energy", "v1.0", "board-7"])
folders = st.lists(st.lists(names, min_size=1, max_size=4).map("/".join), min_size=1, max_size=6, unique=True)


def test_the_part_that_differs_is_the_label() -> None:
    found = labelled(["v1.0/closed/X/results/nucleo/kws/energy", "v1.0/closed/X/results/disco/kws/energy"])
    assert [label for _, label in found] == ["nucleo", "disco"]


def test_a_single_folder_is_called_by_a_part_of_its_path() -> None:
    assert labelled(["session"]) == [("session", "session")]


@given(folders)
def test_labels_are_unique_and_belong_to_their_folders(given_folders: list[str]) -> None:
    found = labelled(given_folders)
    assert [folder for folder, _ in found] == given_folders
    assert len({label for _, label in found}) == len(given_folders)
    assert all(part in folder for folder, label in found for part in label.split(" "))
