"""A record that was damaged or tampered with is refused; taken as it is, its damage becomes verdicts, never a crash."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from campaigns import SHORT, SMALL
from lab_command import STUDY, Here, lab, only_record, settings

Damage = Callable[[Path], None]


def truncated(path: Path) -> None:
    """Leave the first two thirds."""
    content = path.read_bytes()
    path.write_bytes(content[: 2 * len(content) // 3])


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(4000))


def gone(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def flipped(path: Path) -> None:
    """Change one bit in the middle, if there is one."""
    content = bytearray(path.read_bytes())
    if content:
        content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def rows_of(record: Path, pass_id: str) -> pd.DataFrame:
    """The results of one pass, read back from the file."""
    results = pd.read_csv(record / "results.csv", keep_default_na=False)
    return results[results["pass_id"] == pass_id]


# ------------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize("command", [["process"], ["report"], ["show"], ["show", "--faults"], ["show", "--budget"]])
@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("traces/t0001.energy.jls", flipped),
        ("traces/t0001.energy.jls", gone),
        ("output/t0001.latency/stdout.txt", flipped),
        ("events.jsonl", flipped),
        ("inputs/networks.json", emptied),
    ],
)
def test_a_changed_raw_file_is_refused(here: Here, record: Path, command: list[str], file: str, damage: Damage) -> None:
    damage(record / file)
    done = here(*command, record)
    assert (done.code, done.out) == (4, "")
    assert f"  {file}: " in done.err
    assert "--no-verify" in done.complaint()[-1]


def test_of_many_changed_files_the_first_are_named(here: Here, record: Path) -> None:
    for path in (record / "output").rglob("stdout.txt"):
        gone(path)
    done = here("process", record)
    assert done.code == 4
    assert len(done.complaint()) <= 12
    assert "… and" in done.err


@pytest.mark.parametrize("command", ["process", "report", "show", "resume"])
@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"schema": "lab.record/2"}', '{"schema": "lab.record/1"}', "\x00"]
)
def test_a_damaged_manifest(here: Here, record: Path, command: str, content: str) -> None:
    (record / "manifest.json").write_text(content)
    done = here(command, record)
    assert (done.code, done.out) == (4, "")
    assert "manifest" in done.complaint()[0]


@pytest.mark.parametrize("command", ["process", "report", "show", "resume"])
def test_a_folder_that_is_no_record(here: Here, tmp_path: Path, command: str) -> None:
    done = here(command, tmp_path)
    assert (done.code, done.out) == (4, "")
    assert "not a record" in done.complaint()[0]


def test_a_damaged_record_is_listed_among_the_others(here: Here, record: Path) -> None:
    broken = Path(shutil.copytree(record, record.parent / "20200101T000000Z-bad"))
    (broken / "manifest.json").write_text('{"schema": "lab.record/1", "state": "complete", "plan": {"trials": 5}}')
    done = here("list", "--records", record.parents[1])
    assert (done.code, done.err) == (4, "")
    first, second = done.out.splitlines()
    assert first.startswith(f"{broken}  unreadable: ")
    assert second.startswith(f"{record}  complete")
    rows = here("list", "--records", record.parents[1], "--json").json()
    assert "plan.trials: found 5, expected a list" in rows[0]["problem"]


def keys_of(manifest: dict[str, Any], depth: int = 3) -> list[tuple[str | int, ...]]:
    """Where the keys of a manifest are, down to a depth; of lists, only the first entry."""
    found: list[tuple[str | int, ...]] = []

    def walk(value: Any, here: tuple[str | int, ...]) -> None:
        if here:
            found.append(here)
        if len(here) < depth + 4 * (here[:1] == ("plan",)) and isinstance(value, dict):
            for key, item in value.items():
                walk(item, (*here, key))
        elif isinstance(value, list) and value:
            walk(value[0], (*here, 0))

    walk({key: value for key, value in manifest.items() if key != "files"}, ())
    return found


@pytest.mark.parametrize("replacement", [None, 7, "gone"])
@pytest.mark.parametrize("share", [0.1, pytest.param(1.0, marks=pytest.mark.slow)])
def test_no_damage_to_a_manifest_is_a_defect_of_the_lab(
    here: Here, record: Path, replacement: object, share: float
) -> None:
    whole = json.loads((record / "manifest.json").read_text())
    places = keys_of(whole)
    assert len(places) > 80
    chosen = random.Random(str(replacement)).sample(places, round(share * len(places)))
    for place in chosen:
        manifest = json.loads(json.dumps(whole))
        target = manifest
        for part in place[:-1]:
            target = target[part]
        if replacement == "gone" and isinstance(target, dict):
            del target[place[-1]]
        else:
            target[place[-1]] = replacement
        (record / "manifest.json").write_text(json.dumps(manifest))
        done = here("show", record)
        assert done.code in (0, 4), (place, done.err)
        if done.code == 4:
            done.complaint()


def test_a_record_that_another_version_began_is_not_resumed(here: Here, record: Path) -> None:
    manifest = json.loads((record / "manifest.json").read_text())
    manifest["experiment"]["resolved"]["passes"]["telepathy"] = {}
    manifest |= {"state": "running", "files": {}, "lab_version": "7.0"}
    (record / "manifest.json").write_text(json.dumps(manifest))
    with (record / "events.jsonl").open("r+") as log:
        lines = [line for line in log if '"pass_id":"t0001.energy"' not in line]
        log.seek(0)
        log.truncate()
        log.writelines(lines)
    done = here("resume", record)
    assert (done.code, done.out) == (4, "")
    assert "(7.0)" in done.complaint()[1]


def test_what_changed_is_not_sealed_anew_by_resuming(tmp_path: Path) -> None:
    overrides = (*SHORT, *SMALL, "repeats=1", "factors.platform=[NPU]")
    done = lab("run", STUDY, "--records", tmp_path, "--no-report", *settings(overrides))
    assert done.code == 0
    root = only_record(tmp_path)
    manifest = json.loads((root / "manifest.json").read_text())
    manifest["state"] = "interrupted"
    (root / "manifest.json").write_text(json.dumps(manifest))
    flipped(root / "traces" / "t0001.energy.jls")
    again = lab("resume", root)
    assert again.code == 4
    assert "changed since the record was sealed" in again.err


# ---------------------------------------------------------------------------------------------------- taken as they are


def process_as_is(here: Here, record: Path) -> int:
    """``lab process --no-verify``, and the other commands beside it; its exit code."""
    done = here("process", record, "--no-verify", "--no-report")
    assert "defect" not in done.err, done.err
    assert here("show", record, "--no-verify").code == 0
    assert here("show", record, "--faults", "--no-verify").code == 0
    return done.code


@pytest.mark.parametrize("damage", [truncated, garbage, gone, emptied])
def test_a_damaged_trace(here: Here, record: Path, damage: Damage) -> None:
    before = rows_of_others(here, record, "t0001")
    damage(record / "traces" / "t0001.energy.jls")
    assert process_as_is(here, record) == 0
    rows = rows_of(record, "t0001.energy").set_index("quantity")
    for quantity in ("energy_gross_j", "energy_net_j", "power_active_w", "power_idle_w"):
        assert rows.loc[quantity, "verdict"] == "invalid"
        assert rows.loc[quantity, "value"] == ""
        assert "trace_unreadable" in rows.loc[quantity, "reasons"]
    assert set(rows_of(record, "t0001.latency")["verdict"]) <= {"valid", "degraded"}, "the latency pass is sound"
    assert rows_of_others(here, record, "t0001") == before


@pytest.mark.parametrize("damage", [truncated, garbage, gone, emptied])
def test_damaged_output_of_the_latency_pass(here: Here, record: Path, damage: Damage) -> None:
    before = rows_of_others(here, record, "t0001")
    damage(record / "output" / "t0001.latency" / "stdout.txt")
    assert process_as_is(here, record) == 0
    latency = rows_of(record, "t0001.latency").set_index("quantity").loc["latency_s"]
    assert (latency["verdict"], latency["value"]) == ("invalid", "")
    assert "output_unreadable" in latency["reasons"]
    assert rows_of_others(here, record, "t0001") == before


@pytest.mark.parametrize("damage", [garbage, gone, emptied])
def test_damaged_output_of_the_energy_pass(here: Here, record: Path, damage: Damage) -> None:
    damage(record / "output" / "t0001.energy" / "stdout.txt")
    assert process_as_is(here, record) == 0
    energy = rows_of(record, "t0001.energy").set_index("quantity").loc["energy_gross_j"]
    assert (energy["verdict"], energy["value"]) == ("invalid", ""), "without a count there is no energy per inference"
    assert {"count_missing", "output_unreadable"} & set(energy["reasons"].split(";"))


def rows_of_others(here: Here, record: Path, trial_id: str) -> str:
    """The results of the other trials."""
    assert here("process", record, "--no-verify", "--no-report").code == 0
    lines = (record / "results.csv").read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith(f"{trial_id},"))


def line_of(record: Path, *parts: str) -> int:
    """The number, from 0, of the first line of the event log that holds all parts."""
    lines = (record / "events.jsonl").read_text().splitlines()
    return next(number for number, line in enumerate(lines) if all(part in line for part in parts))


@pytest.mark.parametrize("bad", ["garbage", '{"doc":"mark"}', '{"doc":"dream"}', "", "[]", "\ufffd\x00"])
def test_a_bad_line_about_a_pass_spoils_that_pass(here: Here, record: Path, bad: str) -> None:
    before = rows_of_others(here, record, "t0001")
    lines = (record / "events.jsonl").read_text().splitlines()
    lines[line_of(record, '"mark"', '"t0001.energy"')] = bad
    (record / "events.jsonl").write_text("\n".join(lines) + "\n")
    assert process_as_is(here, record) == 0
    rows = rows_of(record, "t0001.energy")
    assert set(rows["verdict"]) == {"invalid"}
    assert rows["reasons"].str.contains("log_damaged").all()
    assert rows_of_others(here, record, "t0001") == before
    assert "log_damaged: events.jsonl:" in here("show", record, "--faults", "--no-verify").out


def test_a_bad_end_of_a_pass_makes_the_pass_missing(here: Here, record: Path) -> None:
    lines = (record / "events.jsonl").read_text().splitlines()
    lines[line_of(record, '"pass_end"', '"t0001.energy"')] = "garbage"
    (record / "events.jsonl").write_text("\n".join(lines) + "\n")
    assert process_as_is(here, record) == 5
    results = pd.read_csv(record / "results.csv", keep_default_na=False)
    energy = results.query("trial_id == 't0001' and quantity == 'energy_gross_j'").iloc[0]
    assert (energy["verdict"], energy["reasons"]) == ("invalid", "pass_missing")


def test_the_report_of_a_damaged_record_says_so(here: Here, record: Path) -> None:
    truncated(record / "traces" / "t0001.energy.jls")
    garbage(record / "output" / "t0002.latency" / "stdout.txt")
    lines = (record / "events.jsonl").read_text().splitlines()
    lines[line_of(record, '"mark"', '"t0003.energy"')] = "garbage"
    (record / "events.jsonl").write_text("\n".join(lines) + "\n")
    done = here("process", record, "--no-verify")
    assert (done.code, done.err) == (0, "")
    page = (record / "report.html").read_text()
    for said in ("trace_unreadable", "output_unreadable", "log_damaged"):
        assert said in page


@pytest.mark.parametrize("seed", range(3))
def test_no_damage_to_raw_files_is_a_defect_of_the_lab(here: Here, sealed: Path, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    files = sorted(
        path
        for name in ("events.jsonl", "traces", "output", "inputs")
        for path in [sealed / name, *(sealed / name).rglob("*")]
        if path.is_file()
    )
    for number in range(5):
        copy = Path(shutil.copytree(sealed, tmp_path / str(number)))
        for _ in range(3):
            path = copy / chance.choice(files).relative_to(sealed)
            if path.is_file():
                chance.choice([truncated, garbage, gone, emptied, flipped])(path)
        done = here("process", copy, "--no-verify", "--no-report")
        assert done.code in (0, 4, 5), done.err
        if done.code == 4:
            done.complaint()
        else:
            results = pd.read_csv(copy / "results.csv")
            assert results.query("verdict != 'invalid'")["value"].notna().all()
