"""From what the files say to the board, the instruments and the workload adapter of a campaign."""

from __future__ import annotations

from pathlib import Path

from lab.bench import boards
from lab.bench import model as bench_model
from lab.bench.assemble import assemble_bench
from lab.bench.recordings import Replay
from lab.bench.serial_board import SerialBoard
from lab.bench.simavr_board import SimavrBoard
from lab.config.environment import resolve
from lab.errors import HardwareError
from lab.experiment import model
from lab.runner.campaign import Equipment
from lab.workloads.protocol import Workload


def equip(experiment: model.Experiment, bench: bench_model.Bench, experiment_path: Path, bench_path: Path) -> Equipment:
    """Board, instruments and workload; nothing is opened yet.

    Relative paths are relative to the file they stand in. Raises :class:`lab.errors.HardwareError` for what this
    version cannot drive.
    """
    assembled = assemble_bench(bench, bench_path, campaign_seed=experiment.seed)
    workload = make_workload(experiment.workload, bench, experiment_path.parent, bench_path.parent)
    return Equipment(assembled.board, assembled.instruments, workload, assembled.elsewhere)


def make_workload(
    workload: model.Workload, bench: bench_model.Bench, experiment_folder: Path, bench_folder: Path
) -> Workload:
    """The adapter of an experiment's workload on a bench; a plan needs no more than this.

    Raises :class:`lab.errors.UsageError` for what cannot be.
    """
    if isinstance(workload, model.TfliteBenchmarkWorkload):
        return _tflite_benchmark(workload, bench.board, bench_folder)
    if isinstance(workload, model.ProgramWorkload):
        from lab.workloads.program import ProgramSettings, ProgramWorkload

        return ProgramWorkload(
            ProgramSettings(
                source=resolve(workload.source, experiment_folder).resolve(),
                command=workload.command,
                reader=workload.reader,
                build=workload.build,
                prepare=workload.prepare,
                data_env=None if workload.data is None else workload.data.env,
                data_needs=() if workload.data is None else workload.data.needs,
                opens_window=workload.opens_window,
                network=None if workload.network is None else workload.network.dense,
                element="float32" if workload.network is None else workload.network.element,
            )
        )
    if isinstance(workload, model.FirmwareWorkload):
        return _firmware(workload, experiment_folder)
    if isinstance(workload, model.ObserveWorkload):
        from lab.workloads.observe import Observation

        return Observation(workload.duration, ends_early=workload.ends_early)
    from lab.workloads.recorded import RecordedSession

    return RecordedSession(
        None if workload.folder is None else resolve(workload.folder, experiment_folder),
        workload.session,
        inferences=workload.inferences,
        plays=any(isinstance(item, Replay) for item in bench.instruments.values()),
    )


def _firmware(workload: model.FirmwareWorkload, experiment_folder: Path) -> Workload:
    from lab.workloads.firmware import FirmwareSettings, FirmwareWorkload

    return FirmwareWorkload(
        FirmwareSettings(
            source=resolve(workload.source, experiment_folder).resolve(),
            uses=tuple(resolve(path, experiment_folder).resolve() for path in workload.uses),
            prepare=workload.prepare,
            data_env=None if workload.data is None else workload.data.env,
            data_needs=() if workload.data is None else workload.data.needs,
            steps=workload.steps,
            compiler=workload.compiler,
            image=workload.image,
            command=workload.command,
            reader=workload.reader,
            quantities=workload.quantities,
        )
    )


def _tflite_benchmark(workload: model.TfliteBenchmarkWorkload, board: boards.Board, bench_folder: Path) -> Workload:
    from lab.workloads.tflite_benchmark import TfliteBenchmark, TfliteBenchmarkSettings

    if isinstance(board, boards.ReplayBoard | boards.NoBoard | SerialBoard | SimavrBoard):
        raise HardwareError("this program runs on boards with Linux only", advice="name another with --bench")
    models = None if isinstance(board, boards.SimulatedBoard) else board.models
    return TfliteBenchmark(
        TfliteBenchmarkSettings(
            network=workload.network,
            input=workload.input,
            compression=workload.compression,
            threads=workload.threads,
            accelerator=workload.accelerator,
            runtime=board.tflite.runtime,
            program=board.tflite.benchmark_model,
            python=board.tflite.python,
            xnnpack=board.tflite.xnnpack,
            npu=board.tflite.npu,
            nnapi_accelerator=board.tflite.nnapi_accelerator,
            delegate=board.tflite.delegate,
            delegate_options=board.tflite.delegate_options,
            models=None if models is None else resolve(models, bench_folder),
        )
    )
