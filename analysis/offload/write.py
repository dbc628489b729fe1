"""The tables of the offload model as files."""

from __future__ import annotations

import io
from pathlib import Path

from analysis.offload.tables import Offload


def write_tables(found: Offload, folder: Path) -> tuple[Path, ...]:
    """Write each table as CSV and Parquet into a folder, which is made; the same tables give the same bytes.

    Returns the paths written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, frame in found.frames.items():
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        text = frame.to_csv(index=False, lineterminator="\n").encode("utf-8")
        for suffix, content in (("parquet", buffer.getvalue()), ("csv", text)):
            path = folder / f"{name}.{suffix}"
            temporary = path.with_name(path.name + ".new")
            temporary.write_bytes(content)
            temporary.replace(path)
            written.append(path)
    return tuple(written)
