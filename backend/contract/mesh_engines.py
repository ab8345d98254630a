"""The one table of mesh engines: options, /models, availability, cache keys, the page and the registry read its rows.

A new engine is its own file, a row here and, if it has weights, a model of the same name in the catalogue. Facts only:
`load` names the function that makes the engine, so that this process imports nothing heavy.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class MeshEngineFacts:
    """Facts about one engine that the rest of the service needs."""

    title: str  # how the page calls it
    load: str  # "module:function" of (Settings, Memoize) -> MeshEngine; raises ModelUnavailableError
    embedded_about: str = ""  # the sentence for /models of an engine without weights; "": the catalogue describes it
    own_weights: str = ""  # the setting that names the operator's own weights, used in place of the catalogue's

    @property
    def embedded(self) -> bool:
        """Whether the engine needs no weights."""
        return bool(self.embedded_about)


MESH_ENGINES: dict[str, MeshEngineFacts] = {
    "triposr": MeshEngineFacts("TripoSR", "backend.engines.triposr:load_triposr", own_weights="triposr_weights"),
    "form": MeshEngineFacts(
        "Form",
        "backend.engines.form.engine:load_form",
        "Embedded: a small network predicts the front and the back; the closed, coloured solid over both is a guess.",
    ),
    "relief": MeshEngineFacts(
        "Relief",
        "backend.mesh.relief:load_relief",
        "Embedded: inflates the matte to a closed, coloured solid; needs no weights.",
    ),
}
DEFAULT_MESH = "triposr"  # what `auto` uses when its weights are on this machine
STAND_IN_MESH = "form"  # what it uses otherwise
VIEWS_ENGINE = "form"  # what joins several photos of one object
