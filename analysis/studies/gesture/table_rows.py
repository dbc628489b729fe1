"""The study's tables for a gesture record, each beside what is printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from analysis.studies import StudyTable
from analysis.studies.gesture import printed
from analysis.studies.gesture.evidence import (
    FORM_WORDS,
    OWN_FORMS,
    TFLITE_FORMS,
    accuracy_settles,
    loss_change,
    loss_settles,
    mean,
    middle,
    pooled,
    share_words,
)
from analysis.studies.gesture.passes import StudyPass, groups

if TYPE_CHECKING:
    from analysis.readers.gesture import GestureOutput

MAKERS = {"own": "the lab's own", "tflite": "TensorFlow Lite"}


def study_tables(passes: Sequence[StudyPass]) -> Iterator[StudyTable]:
    """Table 1, table 2, sizes, what the small forms lose, and the claims."""
    if not passes:
        return
    yield _structure(passes)
    yield _results(passes)
    yield _sizes(passes[0].output)
    yield _small_forms(passes)
    yield _claims(passes)


def _table(name: str, title: str, rows: Sequence[dict[str, Any]], note: str) -> StudyTable:
    import pandas as pd

    return StudyTable(name, title, pd.DataFrame(list(rows)), note)


def _structure(passes: Sequence[StudyPass]) -> StudyTable:
    output = min((item.output for item in passes), key=lambda output: len(output.gestures))
    rows = []
    for number, (name, outputs, parameters) in enumerate(output.layers):
        said = printed.LAYERS[number] if number < len(printed.LAYERS) else ("", None, None)
        rows.append(
            {"layer": name, "outputs": outputs, "parameters": parameters, "printed name": said[0],
             "printed outputs": said[1], "printed parameters": said[2]}
        )  # fmt: skip
    total = sum(parameters for _, _, parameters in output.layers)
    rows.append(
        {"layer": "all", "outputs": None, "parameters": total, "printed name": "Total params", "printed outputs": None,
         "printed parameters": printed.PARAMETERS}
    )  # fmt: skip
    note = f"Of the network for {len(output.gestures)} gestures; a weight per input and output, a bias per output."
    return _table("gesture_structure", "Network structure (table 1)", rows, note)


def _results(passes: Sequence[StudyPass]) -> StudyTable:
    rows: list[dict[str, Any]] = [
        {
            "network": "printed (2 gestures)",
            "trainings": 1,
            "training accuracy": printed.ACCURACY["training"],
            "training loss": printed.LOSS["training"],
            "validation accuracy": printed.ACCURACY["validation"],
            "validation loss": printed.LOSS["validation"],
            "unseen accuracy": None,
            "unseen loss": None,
            "unseen gestures": None,
        }
    ]
    for name, members in groups(passes).items():
        row: dict[str, Any] = {"network": name, "trainings": len(members)}
        for part in ("training", "validation", "unseen"):
            judged = [item.output.trained[part] for item in members if part in item.output.trained]
            row[f"{part} accuracy"] = mean([item.accuracy for item in judged])
            row[f"{part} loss"] = mean([item.loss for item in judged])
        found = pooled(members, "unseen")
        row["unseen gestures"] = None if found is None else found[1] // len(members)
        rows.append(row)
    note = (
        "Means over the trainings, which differ in their seed: initial weights, order, and which fifth is held back. "
        "Unseen gestures were captured apart; the study has none."
    )
    return _table("gesture_results", "Results after training (table 2)", rows, note)


def _sizes(output: GestureOutput) -> StudyTable:
    rows: list[dict[str, Any]] = [_size("trained model's file", "printed", printed.MODEL_BYTES)]
    if output.keras_bytes is not None:
        rows.append(_size("trained model's file (.h5, with RMSprop's state)", "Keras", output.keras_bytes))
    rows.append(_size("quantised, called 16-bit", "printed", printed.SMALL_BYTES))
    for maker, forms in (("tflite", TFLITE_FORMS), ("own", OWN_FORMS)):
        for form in forms:
            found = output.form(form, maker)
            if found is not None:
                rows.append(_size(FORM_WORDS[form], MAKERS[maker], found.size_bytes))
    rows.append(_size("the parameters alone, 4 bytes each", "arithmetic", 4 * output.parameters))
    rows.append(_size("the parameters alone, 2 bytes each", "arithmetic", 2 * output.parameters))
    rows.append(_size("the parameters alone, 1 byte each", "arithmetic", output.parameters))
    note = (
        f"{printed.SMALL_BYTES:,} bytes hold no {2 * printed.PARAMETERS:,} bytes of 16-bit parameters: the printed "
        "file held whole numbers of 8 bits. Own sizes are what lies in flash, without code; .tflite files where the "
        "bench's python3 has TensorFlow. The printed 113 kB are taken as 113,000 bytes."
    )
    return _table("gesture_sizes", "Sizes (figure 6)", rows, note)


def _size(what: str, maker: str, size: int) -> dict[str, Any]:
    return {"form": what, "made by": maker, "bytes": size, "of the printed model (%)": 100 * size / printed.MODEL_BYTES}


def _small_forms(passes: Sequence[StudyPass]) -> StudyTable:
    rows = []
    for name, members in groups(passes).items():
        for maker, forms in (("own", OWN_FORMS), ("tflite", TFLITE_FORMS)):
            for form in forms:
                found = [item.output.form(form, maker) for item in members]
                known = [item for item in found if item is not None]
                if not known:
                    continue
                row: dict[str, Any] = {"network": name, "form": FORM_WORDS[form], "made by": MAKERS[maker]}
                for part, words in (("all", "training and validation"), ("unseen", "unseen")):
                    judged = [item.judged[part] for item in known if part in item.judged]
                    row[f"accuracy, {words}"] = mean([item.accuracy for item in judged])
                    row[f"loss, {words}"] = mean([item.loss for item in judged])
                row["change of loss"] = mean([loss_change(item.output, form, "all", maker) for item in members])
                rows.append(row)
    note = (
        f"Means over the trainings. Printed (figure 7): {printed.LOSS_BEFORE} before and {printed.LOSS_AFTER} after, a "
        f"change of {printed.LOSS_AFTER - printed.LOSS_BEFORE:+.5f}, accuracy as before."
    )
    return _table("gesture_forms", "What the small forms lose (figure 7)", rows, note)


def _claims(passes: Sequence[StudyPass]) -> StudyTable:
    rows = []
    for name, members in groups(passes).items():
        rows += [{"claim": claim, "printed": said, "network": name, "here": here} for claim, said, here in _of(members)]
    note = "Epochs are medians over the trainings; shares pool their gestures."
    return _table("gesture_claims", "Claims beside this record", rows, note)


def _of(members: Sequence[StudyPass]) -> Iterator[tuple[str, str, str]]:
    outputs = [item.output for item in members]
    epochs = [output.epochs for output in outputs]
    validation = pooled(members, "validation")
    if validation is not None:
        yield "validation accuracy", "91.67 % (11 of 12, or of a multiple)", share_words(*validation)
    unseen = pooled(members, "unseen")
    if unseen is not None:
        yield "accuracy on gestures that nobody trained on", "not stated", share_words(*unseen)
    settled = middle([accuracy_settles([epoch.accuracy for epoch in part]) for part in epochs])
    yield (
        "training accuracy saturates by epoch",
        str(printed.ACCURACY_SATURATES),
        "–" if settled is None else str(settled),
    )
    settled = middle([loss_settles([epoch.loss for epoch in part]) for part in epochs])
    yield "training loss saturates by epoch", str(printed.LOSS_SATURATES), "–" if settled is None else str(settled)
    lowest = middle([1 + min(range(len(part)), key=lambda at: part[at].validation_loss) for part in epochs if part])
    yield "validation loss is lowest at epoch", "not stated", "–" if lowest is None else str(lowest)
    last = mean([part[-1].validation_loss for part in epochs if part])
    least = mean([min(epoch.validation_loss for epoch in part) for part in epochs if part])
    if last is not None and least is not None:
        yield "validation loss at the end, and at its lowest", "0.3393", f"{last:.4f}, {least:.4f}"
    zero = sum(bool(part) and part[-1].loss == 0.0 for part in epochs)
    yield "training loss ends at exactly 0", "yes (0.0000e+00)", f"in {zero} of {len(epochs)} trainings"
    for form in ("float16", "int8"):
        change = mean([loss_change(output, form) for output in outputs])
        if change is not None:
            yield f"change of the mean loss, {FORM_WORDS[form]}", "−0.00223", f"{change:+.5f}".replace("-", "−")
