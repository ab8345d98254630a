"""Recorded metrics: clients cannot blow up cardinality, and the metered runner does not change its work."""

import asyncio

import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from backend.api.metrics.recorded import MeteredRunner, Metrics
from backend.api.middleware.request_log import RequestLog
from backend.contract.errors import OverloadedError
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.contract.work import Done, File, OnStage, Stage, Work
from tests.helpers.in_process import InProcessRunner


def value(metrics: Metrics, sample: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(sample, labels)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def client(metrics: Metrics) -> TestClient:
    app = FastAPI()

    @app.get("/jobs/{job_id}")
    async def job(job_id: str) -> str:
        return job_id

    app.add_middleware(RequestLog, observe=metrics.request)
    return TestClient(app, raise_server_exceptions=False)


def test_requests_are_counted_by_the_routes_template(client: TestClient, metrics: Metrics) -> None:
    for name in ("one", "two", "three"):
        client.get(f"/jobs/{name}")
    labels = {"method": "GET", "route": "/jobs/{job_id}"}
    assert value(metrics, "mattemesh_http_requests_total", **labels, status="200") == 3
    assert value(metrics, "mattemesh_http_request_seconds_count", **labels) == 3
    assert "jobs/one" not in metrics.exposition().decode()


def test_what_a_stranger_invents_is_one_row(client: TestClient, metrics: Metrics) -> None:
    client.get("/jobs/one")
    rows = len(metrics.exposition().splitlines())
    for i in range(50):
        client.request(f"METHOD{i}", f"/nowhere/{i}")
    assert value(metrics, "mattemesh_http_requests_total", method="other", route="other", status="404") == 50
    assert len(metrics.exposition().splitlines()) < rows + 25


def test_finished_work_records_each_stage(metrics: Metrics) -> None:
    done = Done((File("mask.png", "image/png", b""),), (Stage("segment", 0.2, "cpu"), Stage("encode", 0.1, "cpu")))
    metrics.finished("remove-bg", done, 0.4)
    metrics.failed("remove-bg", "overloaded")
    assert value(metrics, "mattemesh_work_total", kind="remove-bg", outcome="ok") == 1
    assert value(metrics, "mattemesh_work_total", kind="remove-bg", outcome="overloaded") == 1
    assert value(metrics, "mattemesh_stage_seconds_sum", stage="segment") == pytest.approx(0.2)
    assert value(metrics, "mattemesh_work_seconds_sum", kind="remove-bg") == pytest.approx(0.4)


def test_two_services_in_one_process_count_for_themselves() -> None:
    one, other = Metrics(), Metrics()
    one.failed("remove-bg", "internal")
    assert value(one, "mattemesh_work_total", kind="remove-bg", outcome="internal") == 1
    assert value(other, "mattemesh_work_total", kind="remove-bg", outcome="internal") is None


def test_the_text_is_what_prometheus_reads(client: TestClient, metrics: Metrics) -> None:
    client.get("/jobs/one")
    names = {family.name for family in text_string_to_metric_families(metrics.exposition().decode())}
    assert {"mattemesh_http_requests", "process_resident_memory_bytes"} <= names


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


def test_abandoned_work_is_counted_as_abandoned() -> None:
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
