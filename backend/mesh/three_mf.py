"""Mesh in a file's frame -> a 3MF: millimetres, and colours per vertex by the materials extension (3MF Consortium)."""

import numpy as np

from backend.mesh.mesh import Mesh
from backend.mesh.zipped import zipped

TYPES = """<?xml version="1.0" encoding="UTF-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
 <Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
 <Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>
</Types>
"""
RELATIONS = """<?xml version="1.0" encoding="UTF-8"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
 <Relationship Target="/3D/3dmodel.model" Id="rel0"
  Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/>
</Relationships>
"""
HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<model unit="millimeter" xml:lang="en-US" xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
 xmlns:m="http://schemas.microsoft.com/3dmanufacturing/material/2015/02">
 <metadata name="Application">Mattemesh</metadata>
 <resources>
"""
TAIL = """ </resources>
 <build>
  <item objectid="2"/>
 </build>
</model>
"""
COLOR = '   <m:color color="#%02X%02X%02XFF"/>\n'
VERTEX = '     <vertex x="%.7g" y="%.7g" z="%.7g"/>\n'
TRIANGLE = '     <triangle v1="%d" v2="%d" v3="%d"/>\n'
PAINTED = '     <triangle v1="%d" v2="%d" v3="%d" pid="1" p1="%d" p2="%d" p3="%d"/>\n'
LEVELS = 32  # per channel: printers have a few filaments, and a palette of 16.7 M colours would outweigh the mesh


def three_mf_bytes(mesh: Mesh) -> bytes:
    """Return the 3MF of a mesh whose vertices are one per place, in millimetres."""
    lines = [HEAD]
    used = np.zeros(len(mesh.vertices), np.int64)
    if mesh.colors is not None:
        steps = np.rint(np.clip(mesh.colors, 0.0, 1.0) * (LEVELS - 1)).astype(np.int64)
        palette, used = np.unique(steps, axis=0, return_inverse=True)
        lines.append('  <m:colorgroup id="1">\n')
        shown = np.rint(palette * (255 / (LEVELS - 1))).astype(np.int64)
        lines += [COLOR % tuple(row) for row in shown.tolist()]
        lines.append("  </m:colorgroup>\n")
    group = ' pid="1" pindex="0"' if mesh.colors is not None else ""
    lines.append(f'  <object id="2" type="model"{group}>\n   <mesh>\n    <vertices>\n')
    lines += [VERTEX % tuple(row) for row in mesh.vertices.tolist()]
    lines.append("    </vertices>\n    <triangles>\n")
    if mesh.colors is None:
        lines += [TRIANGLE % tuple(row) for row in mesh.faces.tolist()]
    else:
        rows = np.concatenate([mesh.faces, used.reshape(-1)[mesh.faces]], axis=1)
        lines += [PAINTED % tuple(row) for row in rows.tolist()]
    lines += ["    </triangles>\n   </mesh>\n  </object>\n", TAIL]
    parts = {"[Content_Types].xml": TYPES, "_rels/.rels": RELATIONS, "3D/3dmodel.model": "".join(lines)}
    return zipped({name: text.encode() for name, text in parts.items()})
