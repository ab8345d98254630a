"""A runner that counts is a runner: it changes nothing of what goes through it."""

import asyncio

import pytest

from backend.api.metrics.recorded import MeteredRunner, Metrics
from backend.contract.errors import OverloadedError
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.contract.work import Done, File, OnStage, Stage, Work
from tests.helpers.in_process import InProcessRunner

WORK = Work("remove-bg", {"file": b"photo"}, MaskOptions())
DONE = Done((File("mask.png", "image/png", b"mask"),), (Stage("segment", 0.1, "cpu"),))


def outcomes(metrics: Metrics) -> dict[str, float]:
    families = metrics.registry.collect()
    samples = [s for f in families if f.name == "mattemesh_work" for s in f.samples if s.name.endswith("_total")]
    return {sample.labels["outcome"]: sample.value for sample in samples}


def run(perform: object) -> tuple[Metrics, object]:
    """Return the metrics after one piece of work, and what came of it: its result or its error."""
    metrics = Metrics()
    runner = MeteredRunner(InProcessRunner(Settings(), perform), metrics)  # type: ignore[arg-type]
    try:
        return metrics, asyncio.run(runner.run(WORK))
    except Exception as error:
        return metrics, error
    finally:
        runner.close()


def test_a_result_comes_back_as_it_is_and_its_stages_are_counted() -> None:
    metrics, done = run(lambda work, on_stage: DONE)
    assert done == DONE
    assert outcomes(metrics) == {"ok": 1}
    assert metrics.registry.get_sample_value("mattemesh_stage_seconds_count", {"stage": "segment"}) == 1


@pytest.mark.parametrize(("error", "outcome"), [(OverloadedError("full"), "overloaded"), (KeyError("bug"), "internal")])
def test_an_error_comes_back_as_it_is_and_is_counted_by_its_code(error: Exception, outcome: str) -> None:
    def fail(work: Work, on_stage: OnStage) -> Done:
        raise error

    metrics, raised = run(fail)
    assert raised is error
    assert outcomes(metrics) == {outcome: 1}


def test_work_that_nobody_waits_for_any_more_is_counted_as_such() -> None:
    metrics = Metrics()
    ended = asyncio.Event()

    class Endless(InProcessRunner):
        async def run(self, work: Work, on_stage: OnStage = lambda stage: None) -> Done:
            await ended.wait()
            return DONE

    async def leave() -> None:
        runner = MeteredRunner(Endless(Settings(), lambda work, on_stage: DONE), metrics)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await runner.run(WORK)
        runner.close()

    asyncio.run(leave())
    assert outcomes(metrics) == {"abandoned": 1}
