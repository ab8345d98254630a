"""What runs on a cluster: a Serve application of replicas for masks and one for meshes, without Serve's HTTP proxy."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, get_args

from pydantic import SecretStr

from backend.cluster.replica import AHEAD, Replica, node_name
from backend.contract.runner import NodeStatus, WorkerStatus
from backend.contract.settings import Settings
from backend.contract.work import Lane
from backend.workers.handler import load as load_engines
from backend.workers.messages import Handler

LANES: tuple[Lane, ...] = ("mask", "mesh")
# What differs from machine to machine: a replica takes these from the environment of its node.
OF_A_NODE = frozenset({"checkpoints_dir", "triposr_weights", "logs_dir", "data_dir", "debug_dir"})
# What a replica has no use for.
OF_A_FRONT = frozenset({"cluster", "files_url", "cuda_devices"})
ANSWER_S = 5.0  # in which a replica says how it is
UPSCALE_S, DOWNSCALE_S = 5.0, 300.0  # how long the load has to stay before replicas come; before they go


def app_name(lane: Lane) -> str:
    """Return the name of the Serve application of `lane`."""
    return f"mattemesh-{lane}"


def deploy(
    settings: Settings,
    lanes: Iterable[Lane] = LANES,
    load: Callable[[Settings, Lane, bool], Handler] = load_engines,
    wait: bool = True,
) -> None:
    """Have the replicas of `lanes` run as `settings` say; what runs otherwise is replaced, one replica after the other.

    This process is a driver of the cluster. `load` makes the handler in their workers. Raises RuntimeError where
    replicas do not come up, with `wait`.
    """
    from ray.exceptions import ActorAlreadyExistsError
    from ray.serve import RunTarget

    serve = _serve()
    try:
        serve.start(proxy_location="Disabled")
    except ActorAlreadyExistsError:  # the bridge of the other lane has started it at the same moment
        serve.start(proxy_location="Disabled")
    targets = [RunTarget(_application(settings, lane, load), name=app_name(lane), route_prefix=None) for lane in lanes]
    serve.run_many(targets, wait_for_applications_running=wait)


def deployed(lane: Lane) -> str:
    """Return the state of the replicas of `lane` in Serve's words, as RUNNING or DEPLOYING; "" where there are none."""
    app = _serve().status().applications.get(app_name(lane))
    return "" if app is None else str(app.status.value)


def remove() -> None:
    """End all replicas, after what they do now."""
    for lane in LANES:
        if deployed(lane):
            _serve().delete(app_name(lane), _blocking=True)


def handle(lane: Lane) -> Any:
    """Return the handle by which the replicas of `lane` get their work, deployed or not."""
    return _serve().get_deployment_handle(lane, app_name(lane))


def replicas(handle: Any, known: Sequence[WorkerStatus] = ()) -> list[WorkerStatus]:
    """Return how the replicas behind `handle` are; for those that do not answer within 5 s, as rows of `known` say.

    Raises TimeoutError where it cannot be asked which there are.
    """
    try:
        answers = handle.broadcast("status").results(timeout_s=ANSWER_S, return_exceptions=True)
    except Exception as error:
        if type(error).__name__ == "DeploymentUnavailableError":  # Ray's, which is imported only where it is used
            return []
        raise
    rows = [row for row in answers if isinstance(row, WorkerStatus)]
    heard = {(row.node, row.pid) for row in rows}
    silent = [row for row in known if (row.node, row.pid) not in heard]
    return [*rows, *silent[: sum(isinstance(answer, TimeoutError) for answer in answers)]]


def nodes() -> tuple[NodeStatus, ...]:
    """Return the living machines of the cluster."""
    import ray

    rows = [row for row in ray.nodes() if row["Alive"]]
    found = [
        NodeStatus(
            node_name(row["NodeManagerAddress"], row["NodeID"]),
            row["Resources"].get("CPU", 0.0),
            row["Resources"].get("GPU", 0.0),
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda node: node.name))


def common(settings: Settings) -> dict[str, Any]:
    """Return the settings that hold for every machine, as JSON has them: no folder, and no secret, which would lie in
    the cluster's own store. Nodes take those from their environment."""
    secret = {name for name, row in Settings.model_fields.items() if _is_secret(row.annotation)}
    return settings.model_dump(mode="json", exclude={*OF_A_NODE, *OF_A_FRONT, *secret})


def _serve() -> Any:
    """Return Serve, which says on stderr only what fails."""
    from ray import serve

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    return serve


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_is_secret(one) for one in get_args(annotation))


def _application(settings: Settings, lane: Lane, load: Callable[[Settings, Lane, bool], Handler]) -> Any:
    from ray import serve
    from ray.serve.config import AutoscalingConfig, RequestRouterConfig

    mask = lane == "mask"
    least, most = settings.cluster_mask_replicas if mask else settings.cluster_mesh_replicas
    cpus = settings.cluster_mask_cpus if mask else settings.cluster_mesh_cpus
    gpus = settings.cluster_mask_gpus if mask else settings.cluster_mesh_gpus
    number: dict[str, Any] = {"num_replicas": least}
    if most > least:
        number = {
            "autoscaling_config": AutoscalingConfig(
                min_replicas=least,
                max_replicas=most,
                target_ongoing_requests=settings.batch_size,
                metrics_interval_s=1.0,
                look_back_period_s=UPSCALE_S,
                upscale_delay_s=UPSCALE_S,
                downscale_delay_s=DOWNSCALE_S,
            )
        }
    own = common(settings) | {"threads": settings.threads or max(1, round(cpus))}
    deployment: Any = serve.deployment(
        name=lane,
        max_ongoing_requests=settings.batch_size + AHEAD + 1,  # one is for asking how it is
        health_check_period_s=1.0,
        health_check_timeout_s=10.0,
        graceful_shutdown_timeout_s=settings.mask_deadline_s if mask else settings.mesh_deadline_s,
        # By default a router waits up to half a second before it looks again for a free replica.
        request_router_config=RequestRouterConfig(initial_backoff_s=0.005, max_backoff_s=0.05),
        ray_actor_options={"num_cpus": cpus, "num_gpus": gpus},
        logging_config={"enable_access_log": False},
        **number,
    )
    return deployment(Replica).bind(lane, own, load)
