"""``lab import energyrunner``: one session as a table or JSON, and an exit code that says whether it holds."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from energyrunner_sessions import MadeSession, results_text, write_session

from lab.cli import import_energyrunner
from lab.errors import DataError, ExitCode


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    import_energyrunner.add_parser(parser.add_subparsers(dest="format", required=True))
    args = parser.parse_args(["energyrunner", *arguments])
    code: int = args.handler(args)
    return code


def test_json_gives_every_window_in_si_units(
    made: tuple[MadeSession, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    truth, folder = made
    assert run(str(folder), "--json") == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert (found["meter"], found["origin"], found["rate_hz"], found["samples"]) == ("JS110", "replayed", 1000.0, 5000)
    assert found["problems"] == []
    for window, true in zip(found["windows"], truth.windows, strict=True):
        assert window["window"] == true.index
        assert window["within_bound"] is True
        assert abs(window["energy_gross_j"] - window["energy_published_j"]) <= window["energy_edge_bound_j"]
        assert window["energy_published_j"] * true.inferences == pytest.approx(true.energy_uj * 1e-6, abs=0.51e-9)
        assert abs(window["match_residual_rel"]) < 1e-8
        assert abs(window["runner_residual_rel"]) < 1e-8
        assert window["published_samples"] == true.last - true.first


def test_real_sessions_are_imported_without_a_problem(
    real_session: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(real_session[1]), "--json") == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert len(found["windows"]) == 5
    assert all(window["within_bound"] for window in found["windows"])


def test_the_table_shows_meter_windows_and_the_runners_own_objection(
    made: tuple[MadeSession, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(made[1])) == ExitCode.OK
    text = capsys.readouterr().out
    assert "JS110, 3.3 V, 1000 Hz, 5.000 s" in text
    assert text.count(" yes ") == 2
    assert "The run must take at least 10 seconds" in text
    assert max(map(len, text.splitlines()[1:])) <= 120


def test_a_folder_above_the_session_is_enough_if_it_is_the_only_one(
    made: tuple[MadeSession, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(tmp_path)) == ExitCode.OK
    assert str(made[1]) in capsys.readouterr().out
    write_session(made[0], tmp_path / "second")
    with pytest.raises(DataError, match="2 sessions below it"):
        run(str(tmp_path))


def test_a_folder_without_a_session_is_invalid_data(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DataError) as caught:
            run(str(folder))
        assert caught.value.exit_code is ExitCode.DATA


def test_a_session_that_contradicts_itself_ends_with_exit_code_4(
    made: tuple[MadeSession, Path],
    damage: Callable[[str, bytes | str], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = results_text(made[0]).replace("at time 0.50", "at time 0.60")
    assert run(str(damage("results.txt", text))) == ExitCode.DATA
    assert "problem: window 2: published at 0.60 s" in capsys.readouterr().out


def test_without_inferences_the_table_has_question_marks(
    made: tuple[MadeSession, Path],
    damage: Callable[[str, bytes | str], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = damage("results.txt", results_text(made[0]).split("00514.965 ulp-ml: Performance")[0])
    assert run(str(folder)) == ExitCode.OK
    assert " ? " in capsys.readouterr().out
