"""The study's tables: every experiment, accuracy by epoch, spread of the implementations, growth, early stopping."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from analysis.figures.data import Point
from analysis.studies import StudyTable
from analysis.studies.training.claims import Evidence, claims_frame
from analysis.studies.training.early_stopping import stops
from analysis.studies.training.equality import Equality, pairs_frame, reference_frame
from analysis.studies.training.growth import Law, laws
from analysis.studies.training.points import Matrices, value_of, variation
from analysis.studies.training.profile import Profile, profile_frame, profiles_of
from analysis.studies.training.trainings import Trainings

if TYPE_CHECKING:
    import pandas as pd

    from lab.record.reader import Record

_SHOWN_EPOCHS = (1, 2, 3, 5, 10, 15, 20, 25, 30)
_RUN_TIME = "elapsed_s"
GROWTH_TIME = "user_s"
"""What grows: the processor's time, which other programs on the machine do not stretch as they do the elapsed time."""
MIB = 1024.0 * 1024.0


Frame = tuple[str, str, "Callable[[], pd.DataFrame | None]", str]
"""Name, title, what makes it, and the note below."""


def study_tables(record: Record, matrices: Matrices, trainings: Trainings) -> Iterator[StudyTable]:
    """Those that the record has data for."""
    profiles = profiles_of(record)
    if profiles:
        frames: Iterator[Frame] = _profile(profiles)
    else:
        frames = _weights(trainings) if trainings.left_weights else _study(matrices, trainings)
    for name, title, make, note in frames:
        frame = make()
        if frame is not None and len(frame):
            yield StudyTable(name, title, frame, note)


def _study(matrices: Matrices, trainings: Trainings) -> Iterator[Frame]:
    evidence = Evidence(matrices, trainings)
    yield "claims", "What the study says, and what this record shows", lambda: claims_frame(evidence), CLAIMS_NOTE
    yield "experiments", "Table of experiments", lambda: experiments_frame(matrices), EXPERIMENTS_NOTE
    yield "accuracy_per_epoch", ACCURACY_TITLE, lambda: accuracy_frame(trainings), ACCURACY_NOTE
    if len(matrices.implementations) > 1:
        title = "Spread between the implementations"
        yield "between_implementations", title, lambda: spread_frame(matrices), SPREAD_NOTE
        yield "accuracy_error", ERROR_TITLE, lambda: accuracy_error_frame(trainings), ""
    yield "growth", "User time against parameters P: three laws", lambda: growth_frame(matrices), GROWTH_NOTE
    title = "Early stopping: what each patience would have done"
    yield "early_stopping", title, lambda: early_stopping_frame(trainings), STOPPING_NOTE


def _weights(trainings: Trainings) -> Iterator[Frame]:
    equality = Equality(trainings)
    title = "Weights against the float64 reference"
    yield "weights_against_reference", title, lambda: reference_frame(equality), EQUALITY_NOTE
    title = "Weights of the implementations, pair by pair"
    yield "weights_in_pairs", title, lambda: pairs_frame(equality), EQUALITY_NOTE
    title = "Do repeats leave the same bytes?"
    yield "repeats_equal", title, lambda: repeats_frame(equality), REPEATS_NOTE
    yield "accuracy_per_epoch", ACCURACY_TITLE, lambda: accuracy_frame(trainings), ACCURACY_NOTE
    yield "accuracy_error", ERROR_TITLE, lambda: accuracy_error_frame(trainings), ""


def _profile(profiles: list[Profile]) -> Iterator[Frame]:
    yield "profile", "Where the time goes, by function", lambda: profile_frame(profiles), PROFILE_NOTE


ACCURACY_TITLE = "Accuracy on the test images (%) after each epoch"
ERROR_TITLE = "Accuracy, difference from the first program (% points)"
CLAIMS_NOTE = (
    "Similar accuracy: within one percentage point. Constant memory: largest over smallest at most 1.05. A dropped "
    "accuracy: more than one percentage point below the best epoch."
)
EXPERIMENTS_NOTE = "Means of the repeats; ±: half of the 95 % interval. The draft asks for this table and has none."
ACCURACY_NOTE = "First repeat of each. All repeats of a program begin with the same weights and order."
SPREAD_NOTE = "Coefficient of variation: standard deviation over mean of the implementations' means."
STOPPING_NOTE = "Worked out from the whole trainings by the rule of the programs' --early-stop N."
REPEATS_NOTE = "Network files after the last epoch, compared byte by byte."
GROWTH_NOTE = (
    "Fitted to the mean user time of each shape by least squares of logarithms; off: how far points typically lie "
    "from the law."
)
EQUALITY_NOTE = (
    "Δ: difference of all weights and biases; relative: over their own rms; ULP: units in the last place of the "
    "coarser of the two precisions. Epoch 0 is before training."
)
PROFILE_NOTE = "Share of the samples (perf) or instructions (callgrind) of the whole process; small ones together."


# ----------------------------------------------------------------------------------------------------------- frames


def experiments_frame(matrices: Matrices) -> pd.DataFrame:
    """A row for each point of the matrix, also for those without a value."""
    import pandas as pd

    quantities = {
        name: matrices.values(name)
        for name in ("parameters", "epochs", _RUN_TIME, "user_s", "system_s", "epoch_s", "peak_rss_bytes", "accuracy")
    }
    energies = matrices.values("energy_process_gross_j")
    rows = []
    for shape in matrices.shapes:
        for implementation in matrices.implementations:
            key = shape, implementation
            found = {name: points.get(key) for name, points in quantities.items()}
            elapsed = found[_RUN_TIME]
            row = {
                "hidden layers": shape,
                "implementation": implementation,
                "parameters": _whole(found["parameters"]),
                "epochs": _whole(found["epochs"]),
                "repeats": None if elapsed is None else elapsed.n,
                "elapsed (s)": _value(elapsed),
                "± (s)": None if elapsed is None else elapsed.expanded_u,
                "user (s)": _value(found["user_s"]),
                "system (s)": _value(found["system_s"]),
                "an epoch (s)": _value(found["epoch_s"]),
                "peak memory (MiB)": _value(found["peak_rss_bytes"], 1 / MIB),
                "accuracy (%)": _value(found["accuracy"], 100.0),
            }
            if energies:
                row["energy (J)"] = _value(energies.get(key))
            rows.append(row)
    frame = pd.DataFrame(rows)
    return frame[frame["elapsed (s)"].notna() | frame["accuracy (%)"].notna()]


def accuracy_frame(trainings: Trainings) -> pd.DataFrame | None:
    """A row for each shape and program, a column for some of the epochs."""
    import pandas as pd

    most = max((len(item.accuracies) for item in trainings.members), default=0)
    if not most:
        return None
    epochs = sorted({epoch for epoch in _SHOWN_EPOCHS if epoch < most} | {most})
    rows = []
    for shape in trainings.shapes:
        for implementation in trainings.implementations:
            for precision in trainings.precisions:
                item = trainings.first(implementation, shape, precision)
                if item is None or not item.accuracies:
                    continue
                cells = {
                    f"epoch {epoch}": percent(item.accuracies[epoch - 1]) if epoch <= len(item.accuracies) else None
                    for epoch in epochs
                }
                best = max(range(len(item.accuracies)), key=lambda place: item.accuracies[place])
                rows.append(
                    {
                        "hidden layers": shape,
                        "program": item.program if len(trainings.precisions) > 1 else implementation,
                        **cells,
                        "best": percent(item.accuracies[best]),
                        "in epoch": best + 1,
                    }
                )
    return pd.DataFrame(rows)


def spread_frame(matrices: Matrices) -> pd.DataFrame:
    """A row for each shape: coefficient of variation of the implementations, slowest over fastest."""
    import pandas as pd

    columns = {"accuracy": "accuracy", _RUN_TIME: "elapsed time", "peak_rss_bytes": "peak memory"}
    values = {name: matrices.values(name) for name in columns}
    rows = []
    for shape in matrices.shapes:
        row: dict[str, object] = {"hidden layers": shape}
        for name, title in columns.items():
            here = {
                implementation: value
                for implementation in matrices.implementations
                if (value := value_of(values[name], shape, implementation)) is not None
            }
            row["implementations"] = len(here)
            found = variation(list(here.values()))
            row[f"{title}: variation (%)"] = None if found is None else 100.0 * found
            if name == _RUN_TIME and len(here) > 1 and min(here.values()) > 0:
                slow, fast = max(here, key=lambda item: here[item]), min(here, key=lambda item: here[item])
                row["slowest over fastest"] = here[slow] / here[fast]
                row["slowest"], row["fastest"] = slow, fast
        rows.append(row)
    return pd.DataFrame(rows)


def accuracy_error_frame(trainings: Trainings) -> pd.DataFrame | None:
    """A row for each shape and program but the first: its accuracy minus the first's, at the end and at the most."""
    import pandas as pd

    rows = []
    for shape in trainings.shapes:
        firsts = [
            item
            for precision in trainings.precisions
            for implementation in trainings.implementations
            if (item := trainings.first(implementation, shape, precision)) is not None and item.accuracies
        ]
        for item in firsts[1:]:
            differences = [percent(a - b) for a, b in zip(item.accuracies, firsts[0].accuracies, strict=False)]
            largest = max(differences, key=abs)
            rows.append(
                {
                    "hidden layers": shape,
                    "program": item.program,
                    "against": firsts[0].program,
                    "after the last epoch": differences[-1],
                    "largest of any epoch": largest,
                    "in epoch": differences.index(largest) + 1,
                    "test images": item.output.test_images,
                }
            )
    return pd.DataFrame(rows) if rows else None


def growth_laws(matrices: Matrices) -> dict[str, list[Law]]:
    """Implementation → the laws of its run time over parameters, the nearest first."""
    parameters, times = matrices.values("parameters"), matrices.values(GROWTH_TIME)
    found = {}
    for implementation in matrices.implementations:
        pairs = [
            (size, time)
            for shape in matrices.shapes
            if (size := value_of(parameters, shape, implementation)) is not None
            and (time := value_of(times, shape, implementation)) is not None
        ]
        fitted = laws([size for size, _ in pairs], [time for _, time in pairs]) if pairs else []
        if fitted:
            found[implementation] = fitted
    return found


def growth_frame(matrices: Matrices) -> pd.DataFrame:
    """A row for each implementation and law."""
    import pandas as pd

    return pd.DataFrame(
        {"implementation": implementation, "law": law.kind, "user time": law.words(), "off (%)": 100.0 * law.off}
        for implementation, fitted in growth_laws(matrices).items()
        for law in fitted
    )


def early_stopping_frame(trainings: Trainings) -> pd.DataFrame:
    """A row for each shape and patience."""
    import pandas as pd

    return pd.DataFrame(
        {
            "hidden layers": shape,
            "patience": stop.patience,
            "epochs": stop.epochs,
            "of": stop.planned,
            "epochs saved (%)": percent(stop.saved),
            "best until then (%)": percent(stop.best),
            "in epoch": stop.best_epoch,
            "best of all epochs (%)": percent(stop.highest),
            "after the last epoch (%)": percent(stop.final),
        }
        for shape, (_, found) in stops(trainings).items()
        for stop in found
    )


def repeats_frame(equality: Equality) -> pd.DataFrame:
    """A row for each program that trained more than once."""
    import pandas as pd

    return pd.DataFrame(
        {"hidden layers": training.shape, "program": training.program, "same bytes": same}
        for training, same in equality.repeated()
    )


def percent(share: float) -> float:
    """A share as a percentage, without the dust that binary fractions leave behind the sixth decimal."""
    return round(100.0 * share, 6)


def _value(point: Point | None, factor: float = 1.0) -> float | None:
    return None if point is None or point.value is None else factor * point.value


def _whole(point: Point | None) -> int | None:
    value = _value(point)
    return None if value is None else round(value)
