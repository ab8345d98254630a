"""Requests made from /openapi.json, right and wrong ones: no server error, and every answer is one that it names."""

import base64
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.helpers.examples import share_of
from tests.helpers.incidents import PHOTO
from tests.helpers.real_service import RealService

# Answers of the 5xx family that give a reason are no faults: a model may be absent.
TOLD = {"model-unavailable", "overloaded", "timed-out", "worker-lost"}
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
HEALTHY = list(HealthCheck)


def ask_everything(service: RealService, examples: int) -> tuple[int, dict[str, str]]:
    """Ask each operation that often at random; return how many requests there were, and the first fault of each
    operation that has one."""
    document = service.get("/openapi.json").json()
    sent, faults = 0, {}
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = result.ok()
        try:
            sent += _ask(service, operation, examples)
        except BaseException as fault:  # FailureGroup, AssertionError
            if isinstance(fault, KeyboardInterrupt):
                raise
            causes = getattr(fault, "exceptions", [fault])
            faults[f"{operation.method.upper()} {operation.path}"] = "; ".join(str(one)[:600] for one in causes)
    assert len(document["paths"]) > 10
    return sent, faults


def _ask(service: RealService, operation: Any, examples: int) -> int:
    job_id = service.ended(service.hand_in(PHOTO)["id"])["id"] if "{job_id}" in operation.path else ""
    sent = 0

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.generate,),
        suppress_health_check=HEALTHY,
    )
    @given(case=st.one_of(*(operation.as_strategy(mode) for mode in GenerationMode)))
    def ask(case: Any) -> None:
        nonlocal sent, job_id
        sent += 1
        if sent % 2:  # else no request would be right: no picture and no number of a job comes about by chance
            _put_right(case, job_id)
        answer = case.call(base_url=f"http://127.0.0.1:{service.port}", timeout=60)
        if answer.status_code == 204 and operation.method == "delete":
            job_id = service.ended(service.hand_in(PHOTO)["id"])["id"]
        case.validate_response(answer, checks=CHECKS)
        assert answer.status_code < 500 or answer.json()["code"] in TOLD, answer.text

    ask()
    return sent


def _put_right(case: Any, job_id: str) -> None:
    if job_id:
        case.path_parameters["job_id"] = job_id
        if "name" in case.path_parameters:
            case.path_parameters["name"] = "mask.png"
    if isinstance(case.body, dict):
        for part in ("file", "mask", "background"):
            if part in case.body or part == "file":
                case.body[part] = base64.b64encode(PHOTO).decode() if case.media_type == "application/json" else PHOTO
        if "model" in case.body:
            case.body["model"] = "stub"


def test_requests_of_every_operation_get_documented_answers(service: RealService) -> None:
    sent, faults = ask_everything(service, 12)
    assert faults == {}
    assert sent > 100


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_five_hundred_requests_of_every_operation_get_documented_answers(service: RealService) -> None:
    _, faults = ask_everything(service, share_of(500))
    assert faults == {}
    assert service.worker()["crashes"] == service.worker("mesh")["crashes"] == 0
