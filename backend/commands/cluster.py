"""`python -m backend cluster`: the nodes of a Ray cluster and the replicas of Mattemesh on it."""

from backend.cluster.connect import connect
from backend.cluster.deploy import LANES, deploy, deployed, handle, nodes, remove, replicas
from backend.contract.runner import WorkerStatus
from backend.contract.settings import Settings

WHAT = {"mask": "masks", "mesh": "meshes"}


def status(settings: Settings) -> int:
    """Print nodes and replicas; return 1 where masks or meshes have no replica that takes work."""
    return int(not show(settings.cluster or "auto"))


def deploy_all(settings: Settings) -> int:
    """Have the replicas run as `settings` say, wait until they do, and print them; return 1 where they do not."""
    address = connect(settings.cluster or "auto")
    try:
        deploy(settings)
    except RuntimeError as error:  # they do not come up; Serve's sentence says where its logs are
        print(error)
        return 1
    return int(not _show(address))


def remove_all(settings: Settings) -> int:
    """End the replicas. Services that stand before the cluster are not ready from then on."""
    connect(settings.cluster or "auto")
    remove()
    print("The replicas are removed. Ray itself goes on: `ray stop` ends it.")
    return 0


def show(address: str) -> bool:
    """Print the nodes and replicas of the cluster at `address`; return whether masks and meshes have some.

    Raises the errors of `connect`.
    """
    return _show(connect(address))


def _show(address: str) -> bool:
    print(f"Cluster {address}")
    for node in nodes():
        gpus = f", {node.gpus:g} GPUs" if node.gpus else ""
        print(f"  node {node.name}: {node.cpus:g} CPUs{gpus}")
    complete = True
    for lane in LANES:
        state = deployed(lane)
        rows = replicas(handle(lane)) if state else []
        complete &= any(row.state in ("idle", "busy") for row in rows)
        print(f"  {WHAT[lane]}: {f'{state}, {len(rows)} replicas' if state else 'not deployed'}")
        for row in rows:
            print(f"    {_line(row)}")
    return complete


def _line(row: WorkerStatus) -> str:
    memory = f", {row.memory_bytes / 1e6:.0f} MB" if row.memory_bytes else ""
    ends = f", {row.crashes} crashes, {row.kills} kills" if row.crashes or row.kills else ""
    networks = f", {', '.join(f'{name} on {device}' for name, device in row.loaded.items())}" if row.loaded else ""
    return f"on {row.node}: {row.state}{memory}{networks}{ends}{f'. {row.why}' if row.why else ''}"
