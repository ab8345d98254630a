"""The page's modules by themselves, in Node where it is: what needs no browser to be right."""

import json
import math
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.contract.errors import INTERNAL, PROBLEMS
from backend.contract.settings import REPOSITORY
from backend.mesh.export import export_mesh
from backend.mesh.mesh import Mesh, Texture
from backend.mesh.placing import place

WEB = REPOSITORY / "backend" / "web"
MODULES = sorted((WEB / "js").glob("*.js"))


def node(script: str, *arguments: str) -> Any:
    """Return what `script`, a module, logs as JSON; `WEB` in it is the address of the page's modules."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("no Node here")
    script = f"const WEB = {json.dumps((WEB / 'js').as_uri())};\n{script}"
    command = [program, "--input-type=module", "-e", script, "--", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


PARSE = """
const { readFileSync } = require("node:fs"), { SourceTextModule } = require("node:vm");
for (const path of process.argv.slice(1)) new SourceTextModule(readFileSync(path, "utf8"), { identifier: path });
"""


def test_every_module_is_javascript_and_short() -> None:
    for module in MODULES:
        assert len(module.read_text().splitlines()) < 200, module.name
    program = shutil.which("node")
    if program is not None:
        command = [program, "--experimental-vm-modules", "--no-warnings", "-e", PARSE, "--", *map(str, MODULES)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


def test_the_page_without_the_viewer_is_light() -> None:
    files = [path for path in WEB.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 520_000


def test_the_page_loads_nothing_from_elsewhere_and_has_no_inline_script_or_style() -> None:
    page = (WEB / "index.html").read_text()
    assert re.findall(r'(?:src|href)="(?!/|#)([^"]*)"', page) == []
    assert re.findall(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", page) == []
    for path in [*MODULES, *(WEB / "css").glob("*.css")]:
        addresses = set(re.findall(r"https?://[^\s\"']+", path.read_text()))
        assert addresses <= {"http://www.w3.org/2000/svg"}, path.name


def test_every_icon_and_element_that_is_named_exists() -> None:
    page = (WEB / "index.html").read_text()
    scripts = "\n".join(module.read_text() for module in MODULES)
    symbols = set(re.findall(r'<symbol id="([^"]+)"', (WEB / "icons.svg").read_text()))
    assert set(re.findall(r"icons\.svg#([a-z-]+)", page)) <= symbols
    assert set(re.findall(r'\bicon\("([a-z-]+)"\)', scripts)) <= symbols
    ids = set(re.findall(r'\sid="([^"]+)"', page))
    assert set(re.findall(r'byId\("([^"]+)"\)', scripts)) <= ids
    assert set(re.findall(r'\sfor="([^"]+)"', page)) <= ids


def test_every_input_and_button_of_the_page_has_a_name() -> None:
    page = (WEB / "index.html").read_text()
    labelled = set(re.findall(r'\sfor="([^"]+)"', page))
    for tag in re.findall(r"<(?:input|select|canvas)[^>]*>", page):
        name = re.search(r'\sid="([^"]+)"', tag)
        inside_label = re.search(rf"<label[^>]*>\s*{re.escape(tag)}", page)
        assert "aria-label=" in tag or inside_label or (name and name.group(1) in labelled), tag
    for button in re.findall(r"<button.*?</button>", page):
        assert "aria-label=" in button or re.sub(r"<[^>]*>", "", button).strip(), button


COLORS = dict(
    re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), #[0-9a-f]{6}\)", (WEB / "css/tokens.css").read_text())
)
DARK = dict(
    re.findall(r"--([a-z-]+): light-dark\(#[0-9a-f]{6}, (#[0-9a-f]{6})\)", (WEB / "css/tokens.css").read_text())
)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2.2 defines it, 1 to 21."""

    def luminance(color: str) -> float:
        channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colors", [COLORS, DARK], ids=["light", "dark"])
def test_text_has_the_contrast_of_aa(colors: dict[str, str]) -> None:
    grounds = ("paper", "surface", "raised", "sunken")
    pairs = [(text, ground) for text in ("ink", "ink-soft") for ground in grounds]
    pairs += [("on-accent", "accent"), ("on-accent", "accent-deep"), ("accent", "accent-wash"), ("accent", "surface")]
    pairs += [("warn", "warn-wash"), ("bad", "bad-wash"), ("ink", "bad-wash")]
    for text, ground in pairs:
        assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
    for line in ("line-strong", "focus", "accent"):
        assert contrast(colors[line], colors["surface"]) >= 3, line


def test_events_are_read_whatever_the_pieces_in_which_they_come() -> None:
    stream = (
        "id: 1\r\nevent: state\r\ndata: {}\r\n\r\n: ping\r\n\r\nid: 2\r\nevent: stage\r\ndata: a\r\ndata: bé\r\n\r\n"
    )
    script = """
    const { messages } = await import(`${WEB}/job_events.js`);
    const [text] = process.argv.slice(1);
    const bytes = new TextEncoder().encode(text);
    const seen = [];
    for (const size of [1, 7, 1000]) {
      const body = new ReadableStream({ start(control) {
        for (let at = 0; at < bytes.length; at += size) control.enqueue(bytes.slice(at, at + size));
        control.close();
      } });
      const found = [];
      for await (const message of messages(body)) if (message.data) found.push(message);
      seen.push(found);
    }
    console.log(JSON.stringify(seen));
    """
    expected = [{"id": "1", "event": "state", "data": "{}"}, {"id": "2", "event": "stage", "data": "a\nbé"}]
    assert node(script, stream) == [expected] * 3


def test_a_long_queue_leaves_the_browser_connections() -> None:
    """Of five jobs three are listened to and two are asked after now and then; and all are heard to their end."""
    script = """
    const lines = [], asked = [];
    let ended = false;
    const reply = (body, type) => ({ ok: true, status: 200, headers: new Headers({ "content-type": type }), ...body });
    globalThis.fetch = async (path) => {
      if (!path.endsWith("/events")) {
        asked.push(path);
        const state = ended ? "succeeded" : "running";
        return reply({ json: async () => ({ id: path, state, progress: { stage: "segment", fraction: 0.5 } }) });
      }
      lines.push(path);
      const start = (control) => setTimeout(() => {
        ended = true;
        control.enqueue(new TextEncoder().encode('event: done\\ndata: {"id": "' + path + '"}\\n\\n'));
      }, 300);
      return reply({ body: new ReadableStream({ start }) });
    };
    const { followJob } = await import(`${WEB}/job_events.js`);
    const heard = [];
    const jobs = ["a", "b", "c", "d", "e"].map((self) => ({ links: { self, events: `${self}/events` } }));
    const { signal } = new AbortController();
    const follow = (job) => followJob(job, (event, data) => heard.push([event, data.name]), signal);
    const done = await Promise.all(jobs.map(follow));
    const stages = heard.filter(([event]) => event === "stage");
    console.log(JSON.stringify({ lines, asked: [...new Set(asked)], stages, done: done.map(({ id }) => id) }));
    """
    seen = node(script)
    assert seen["lines"][:3] == ["a/events", "b/events", "c/events"]
    assert seen["asked"] == ["d", "e"]
    assert seen["stages"] == [["stage", "segment"]] * 2
    assert [name[0] for name in seen["done"]] == ["a", "b", "c", "d", "e"]


def test_a_job_is_asked_after_where_the_service_has_no_stream_for_it() -> None:
    script = """
    const asked = [];
    globalThis.fetch = async (path) => {
      asked.push(path);
      if (!path.endsWith("/events")) {
        return { ok: true, status: 200, headers: new Headers(), json: async () => ({ id: path, state: "succeeded" }) };
      }
      const headers = new Headers({ "content-type": "application/problem+json" });
      return { ok: false, status: 503, headers, json: async () => ({ code: "overloaded", detail: "full" }) };
    };
    const { followJob } = await import(`${WEB}/job_events.js`);
    const done = await followJob({ links: { self: "a", events: "a/events" } }, () => {}, new AbortController().signal);
    console.log(JSON.stringify({ asked, id: done.id }));
    """
    assert node(script) == {"asked": ["a/events", "a"], "id": "a"}


def test_concurrent_calls_are_limited_and_the_others_run_in_order() -> None:
    script = """
    const { limitConcurrency } = await import(`${WEB}/limit_concurrency.js`);
    const enter = limitConcurrency(2);
    let running = 0, max = 0;
    const order = [];
    const visit = (name) => enter(async () => {
      max = Math.max(max, ++running);
      order.push(name);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running -= 1;
      if (name === 2) throw new Error("a fault lets the next one in");
      return name;
    }).catch(() => "fault");
    const came = await Promise.all([1, 2, 3, 4, 5].map(visit));
    console.log(JSON.stringify({ max, order, came }));
    """
    assert node(script) == {"max": 2, "order": [1, 2, 3, 4, 5], "came": [1, "fault", 3, 4, 5]}


def test_every_problem_of_the_service_has_a_title_and_a_word_on_what_to_do_next() -> None:
    sentences = json.loads((WEB / "words" / "en.json").read_text())
    codes = {problem.code for problem in (*PROBLEMS.values(), INTERNAL)}
    assert {key for code in codes for key in (f"problem.{code}", f"next.{code}")} <= set(sentences)


def test_starting_over_can_be_undone() -> None:
    script = """
    const { Edits } = await import(`${WEB}/edits.js`);
    const edits = new Edits("first");
    const summary = () => [edits.mask, edits.strokes.length, edits.isChanged];
    edits.push({ strokes: [{ points: [[0, 0]] }] });
    const seen = [summary()];
    edits.startOver(); seen.push(summary());
    edits.undo(); seen.push(summary());
    console.log(JSON.stringify(seen));
    """
    assert node(script) == [["first", 1, True], ["first", 0, False], ["first", 1, True]]


def test_the_menu_of_models_follows_the_states_of_the_service() -> None:
    script = """
    const { availability } = await import(`${WEB}/model_menu.js`);
    const health = {
      workers: [{ broken: { tampered: "" } }],
      fetching: { coming: { state: "fetching", bytes_done: 41, bytes_total: 100 } },
    };
    const of = (name, state, more = {}) => availability({ name, state, size_bytes: 4.6e6, ...more }, health);
    const remote = { size_bytes: 0, sends_to: "Bria" };
    const seen = [
      of("a", "embedded"), of("a", "complete"), of("a", "key set", remote), of("a", "no key", remote),
      of("a", "absent"), of("a", "partial"), of("coming", "partial"), of("a", "broken"), of("tampered", "complete"),
    ];
    console.log(JSON.stringify(seen.map(({ usable, words }) => [usable, words])));
    """
    assert node(script) == [
        [True, "built in"],
        [True, ""],
        [True, "sends your picture to Bria"],
        [False, "needs a key for Bria"],
        [False, "not on this machine, 5 MB"],
        [False, "partly fetched, 5 MB"],
        [False, "41% fetched, 5 MB"],
        [False, "damaged"],
        [False, "damaged"],
    ]


def test_the_lamp_says_which_network_comes_and_how_far_it_is() -> None:
    script = """
    const { fetchingWords } = await import(`${WEB}/engines.js`);
    console.log(JSON.stringify(fetchingWords(["u2net", { state: "fetching", bytes_done: 72, bytes_total: 176 }])));
    """
    assert node(script) == "40% of u2net"


@pytest.mark.parametrize("colored", [True, False])
def test_a_glb_of_ours_is_read_with_each_edge_once(tmp_path: Path, colored: bool) -> None:
    vertices = np.array([(0, 0, 0), (1, 0, 0), (0, 2, 0), (0, 0, 3)], np.float32)
    faces = np.array([(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)])
    colors = np.full((4, 3), 0.5, np.float32) if colored else None
    (tmp_path / "solid.glb").write_bytes(export_mesh(place(Mesh(vertices, faces, colors=colors))))
    script = """
    import { readFileSync } from "node:fs";
    const { parseGlb, edgesOf } = await import(`${WEB}/glb.js`);
    const file = readFileSync(process.argv[1]);
    const { positions, triangles } = parseGlb(file.buffer.slice(file.byteOffset, file.byteOffset + file.length));
    const edges = [...edgesOf(triangles)];
    console.log(JSON.stringify({ positions: [...positions], triangles: [...triangles], edges }));
    """
    read = node(script, str(tmp_path / "solid.glb"))
    extent = np.ptp(np.reshape(read["positions"], (-1, 3)), axis=0)
    np.testing.assert_allclose(sorted(extent), (1, 2, 3), atol=1e-5)
    assert len(read["triangles"]) == 12
    assert len(read["edges"]) == 12  # a tetrahedron has six edges, two ends each


def test_a_glb_of_ours_is_read_with_its_normals_and_texture(tmp_path: Path) -> None:
    vertices = np.array([(0, 0, 0), (1, 0, 0), (0, 2, 0), (0, 0, 3)], np.float32)
    faces = np.array([(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)])
    texture = Texture(np.full((4, 2), 0.25, np.float32), np.full((8, 8, 3), 200, np.uint8))
    (tmp_path / "solid.glb").write_bytes(export_mesh(place(Mesh(vertices, faces, texture=texture))))
    script = """
    import { readFileSync } from "node:fs";
    const { parseGlb } = await import(`${WEB}/glb.js`);
    const file = readFileSync(process.argv[1]);
    const read = parseGlb(file.buffer.slice(file.byteOffset, file.byteOffset + file.length));
    const start = [...new Uint8Array(await read.texture.arrayBuffer())].slice(0, 3);
    console.log(JSON.stringify([[...read.normals], [...read.uv], read.colors, read.texture.type, start]));
    """
    normals, uv, colors, kind, start = node(script, str(tmp_path / "solid.glb"))
    np.testing.assert_allclose(np.linalg.norm(np.reshape(normals, (-1, 3)), axis=1), 1, atol=1e-5)
    assert set(uv) == {0.25} and colors is None
    assert (kind, start) == ("image/jpeg", [0xFF, 0xD8, 0xFF])


def test_a_gif_of_the_page_is_read_elsewhere_picture_by_picture(tmp_path: Path) -> None:
    """Noise of few colours, large enough that the table of codes is begun anew several times."""
    script = """
    import { writeFileSync } from "node:fs";
    const { paletteOf, startGif } = await import(`${WEB}/gif.js`);
    const [width, height] = [150, 140];
    let seed = 7;
    const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
    const picture = () => {
      const pixels = new Uint8ClampedArray(4 * width * height);
      for (let at = 0; at < pixels.length; at += 4) {
        const [red, green, blue] = [0, 1, 2].map(() => (random() < 0.5 ? 0 : 255));
        pixels.set([red, green, blue, 255], at);
      }
      return pixels;
    };
    const pictures = [picture(), picture(), picture()];
    const gif = startGif(width, height, paletteOf(pictures), 8);
    for (const pixels of pictures) gif.add(pixels);
    writeFileSync(process.argv[1], new Uint8Array(await gif.end().arrayBuffer()));
    writeFileSync(process.argv[2], Buffer.concat(pictures.map((pixels) => Buffer.from(pixels.buffer))));
    console.log(JSON.stringify(paletteOf(pictures).length));
    """
    assert node(script, str(tmp_path / "made.gif"), str(tmp_path / "pixels")) == 8
    expected = np.fromfile(tmp_path / "pixels", np.uint8).reshape(3, 140, 150, 4)[..., :3]
    with Image.open(tmp_path / "made.gif") as gif:
        assert (gif.n_frames, gif.info["duration"], gif.info["loop"]) == (3, 80, 0)
        for number in range(3):
            gif.seek(number)
            np.testing.assert_array_equal(np.array(gif.convert("RGB")), expected[number])


def test_ar_is_offered_only_where_it_can_work() -> None:
    script = """
    const { arWay, sceneViewer } = await import(`${WEB}/ar.js`);
    const agent = "Mozilla/5.0 (Linux; Android 15) Chrome/140";
    const phone = { quickLook: false, agent, protocol: "https:", needsKey: false };
    const ways = [
      {}, { protocol: "http:" }, { needsKey: true }, { agent: "Mozilla/5.0 (Android 15; Mobile) Firefox/140" },
      { agent: "Mozilla/5.0 (X11; Linux)" }, { quickLook: true, agent: "iPhone", protocol: "http:", needsKey: true },
    ].map((facts) => arWay({ ...phone, ...facts }));
    console.log(JSON.stringify([ways, sceneViewer("https://a.b/jobs/1/model.glb", "https://a.b/#mesh/2")]));
    """
    ways, address = node(script)
    assert ways == ["scene-viewer", None, None, None, None, "quick-look"]
    assert address.startswith(
        "intent://arvr.google.com/scene-viewer/1.0?file=https%3A%2F%2Fa.b%2Fjobs%2F1%2Fmodel.glb&"
    )
    assert "S.browser_fallback_url=https%3A%2F%2Fa.b%2F%23mesh%2F2;end;" in address


def test_the_size_of_a_mesh_for_a_purpose_is_in_the_unit_of_its_file() -> None:
    script = """
    const { presetSize } = await import(`${WEB}/words.js`);
    const bounds = [[-0.5, 0, -0.25], [0.5, 2, 0.25]];
    const presets = [[0.1, "mm"], [0.3, "m"], [1, "m"], [null, "m"]].map(([height_m, unit]) => ({ height_m, unit }));
    console.log(JSON.stringify(presets.map((preset) => presetSize(bounds, preset))));
    """
    assert node(script) == ["50 × 100 × 25 mm", "15 × 30 × 8 cm", "0.50 × 1.00 × 0.25 m", "1.00 × 2.00 × 0.50 m"]


def test_undo_and_redo_know_what_the_service_has_seen() -> None:
    script = """
    const { Edits } = await import(`${WEB}/edits.js`);
    const edits = new Edits("first");
    const summary = () => [edits.mask, edits.strokes.length, edits.canUndo, edits.canRedo];
    const seen = [summary()];
    const stroke = { points: [[0, 0]] };
    edits.push({ strokes: [stroke, stroke] }); seen.push(summary());
    edits.push({ mask: "second" }); seen.push(summary());
    edits.push({ strokes: [stroke] }); seen.push(summary());
    edits.undo(); edits.undo(); seen.push(summary());
    edits.redo(); seen.push(summary());
    edits.undo(); edits.push({ strokes: [stroke] }); seen.push(summary());
    edits.undo(); edits.undo(); edits.undo(); seen.push(summary());
    console.log(JSON.stringify(seen));
    """
    assert node(script) == [
        ["first", 0, False, False],
        ["first", 2, True, False],
        ["second", 0, True, False],
        ["second", 1, True, False],
        ["first", 2, True, True],
        ["second", 0, True, True],
        ["first", 3, True, False],
        ["first", 0, False, True],
    ]


CARD = {"found": True, "grade": "B", "points": 76, "touches": ["left", "top"], "parts": 2, "holes": 1, "advice": [],
        "doubted": False, "coverage": 0.2, "edge_sharpness": 1.0, "confidence_mean": 0.96}  # fmt: skip


def verdicts(*reports: dict[str, Any]) -> list[Any]:
    """Return the title, the tone and the names of the figures that the page shows of each report of a matte."""
    script = """
    const { verdictOf, matteFigures } = await import(`${WEB}/words.js`);
    const shown = (report) => {
      const { title, tone } = verdictOf(report);
      return [title, tone, matteFigures(report).map(([name]) => name).join()];
    };
    console.log(JSON.stringify(JSON.parse(process.argv[1]).map(shown)));
    """
    return list(node(script, json.dumps(reports)))


def report_of(segmenter: str, uniform: bool = True, **card: Any) -> dict[str, Any]:
    return {
        "mask": {**CARD, **card},
        "segmenter": {"name": segmenter},
        "background": {"uniform": uniform},
        "options": {"mode": "object"},
    }


def test_a_zip_of_the_page_is_read_elsewhere_and_equal_names_are_kept_apart(tmp_path: Path) -> None:
    script = """
    import { writeFileSync } from "node:fs";
    const { zipOf } = await import(`${WEB}/zip.js`);
    async function* files() {
      yield { name: "a.png", blob: new Blob(["one"]) };
      yield { name: "Krüge/a.png", blob: new Blob([new Uint8Array(100_000).fill(7)]) };
      yield { name: "a.png", blob: new Blob([]) };
    }
    const zip = await zipOf(files());
    writeFileSync(process.argv[1], Buffer.from(await zip.arrayBuffer()));
    console.log("true");
    """
    node(script, str(tmp_path / "all.zip"))
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.testzip() is None
        contents = {name: archive.read(name) for name in archive.namelist()}
    assert contents == {"a.png": b"one", "Krüge/a.png": bytes([7]) * 100_000, "a (2).png": b""}


def test_a_dropped_folder_gives_its_pictures_in_order() -> None:
    script = """
    const { droppedFiles } = await import(`${WEB}/dropped.js`);
    const file = (name) => ({ name, isFile: true, file: (done) => done({ name }) });
    const folder = (name, children) => {
      const pieces = [children.slice(0, 2), children.slice(2), []];
      const readEntries = (done) => done(pieces.shift());
      return { name, isDirectory: true, createReader: () => ({ readEntries }) };
    };
    const inner = folder("inner", [file("x.webp")]);
    const tree = folder("shop", [file("b10.jpg"), file("notes.txt"), file("b9.JPG"), file(".hidden.jpg"), inner]);
    const item = (entry) => ({ webkitGetAsEntry: () => entry });
    const came = await droppedFiles({ items: [item(tree), item(file("odd.dat"))], files: [] });
    const plain = await droppedFiles({ items: [], files: [{ name: "one.jpg" }] });
    console.log(JSON.stringify([came, plain].map((files) => files.map(({ name }) => name))));
    """
    assert node(script) == [["b9.JPG", "b10.jpg", "x.webp", "odd.dat"], ["one.jpg"]]


def test_strokes_that_the_service_has_applied_stay_single_steps_of_undo() -> None:
    script = """
    const { Edits } = await import(`${WEB}/edits.js`);
    const edits = new Edits("first");
    const stroke = { points: [[0, 0]] };
    edits.push({ strokes: [stroke] });
    edits.push({ strokes: [stroke] });
    edits.settle(edits.last, "second");
    const summary = () => [edits.mask, edits.strokes.length, edits.canUndo];
    const seen = [summary()];
    edits.undo(); seen.push(summary());
    edits.undo(); seen.push(summary());
    console.log(JSON.stringify(seen));
    """
    assert node(script) == [["second", 0, True], ["first", 1, True], ["first", 0, False]]


def test_what_cannot_reach_the_service_is_tried_until_it_can_and_other_errors_are_not() -> None:
    script = """
    const { persist, onConnection } = await import(`${WEB}/connection.js`);
    const { Problem } = await import(`${WEB}/api.js`);
    const lamp = [];
    onConnection((isAway) => lamp.push(isAway));
    let tries = 0;
    const away = new Problem({ code: "unreachable", title: "Away" });
    const came = await persist(async () => {
      tries += 1;
      if (tries < 3) throw away;
      return "here";
    });
    const refused = await persist(async () => { throw new Problem({ code: "overloaded", title: "Full" }); }).catch(
      (problem) => problem.code);
    const left = await persist(async () => { throw away; }, () => false).catch((problem) => problem.code);
    console.log(JSON.stringify({ tries, came, lamp, refused, left }));
    """
    seen = node(script)
    assert (seen["tries"], seen["came"], seen["refused"], seen["left"]) == (3, "here", "overloaded", "unreachable")
    assert seen["lamp"][0] is True and seen["lamp"][-1] is False


def test_a_report_is_shown_in_plain_words() -> None:
    title = verdicts(report_of("u2net"))[0][0]
    assert title == "Good; touches the left and top edges; 2 parts; one opening"
    script = """
    const { percentOf } = await import(`${WEB}/words.js`);
    const { timeLeft } = await import(`${WEB}/progress.js`);
    console.log(JSON.stringify([percentOf(0.9981), percentOf(1), timeLeft(12.4)]));
    """
    assert node(script) == ["99.8%", "100%", "about 12 s left"]


def test_a_matte_that_nothing_vouches_for_has_no_grade_and_no_confidence() -> None:
    plain = "Share of the photo,Edge sharpness"
    assert verdicts(
        report_of("own-mask", grade="A", points=100),
        report_of("own-alpha", grade="A", points=100),
        report_of("paper", grade="A"),
        report_of("border", doubted=True, grade="C"),
        report_of("border", uniform=False, grade="A"),
        report_of("border", grade="A", touches=[], parts=1, holes=0),
    ) == [
        ["Edited by you, not graded", "calm", plain],
        ["The photo’s own transparency, not graded", "calm", plain],
        ["Only the ink, not graded", "calm", plain],  # of what does not look like ink on paper
        ["Doubtful: check before you use it", "poor", plain],
        ["A first guess", "fair", plain],
        ["Clean", "good", "Grade,Share of the photo,Edge sharpness,Confidence"],
    ]


def test_a_mesh_is_ready_only_where_its_scorecard_says_so() -> None:
    sound = {"grade": "A", "points": 100, "ready": True, "guessed": "", "faces": 1200, "watertight": True,
             "winding_consistent": True, "volume": 0.2, "bounds": [[-0.5, 0, -0.25], [0.5, 1.2, 0.25]],
             "silhouette_iou": 0.98, "advice": []}  # fmt: skip
    flawed = {**sound, "grade": "C", "ready": False, "advice": ["Thin."]}
    cards = [
        sound,
        {**flawed, "guessed": "So.", "advice": ["So."]},
        {**flawed, "guessed": "So.", "advice": ["So.", "Thin."]},
        flawed,
        {**flawed, "winding_consistent": False},
        {**flawed, "volume": -0.2},
        {**flawed, "watertight": False, "volume": None},
    ]
    script = """
    const { meshVerdict, meshFigures } = await import(`${WEB}/words.js`);
    const cards = JSON.parse(process.argv[1]);
    const shown = cards.map((card) => [meshVerdict(card).title, meshVerdict(card).tone, ...meshFigures(card).slice(3)]);
    const byColour = { segmenter: { name: "border" }, background: { uniform: false } };
    const byNetwork = { segmenter: { name: "u2net" } };
    const doubted = { ...byNetwork, mask: { doubted: true } };
    for (const [card, matte] of [[cards[0], byColour], [cards[0], byNetwork], [cards[2], doubted]]) {
      const { title, tone } = meshVerdict({ ...card, guessed: "" }, matte);
      shown.push([title, tone]);
    }
    console.log(JSON.stringify(shown));
    """
    size = ["Width × height × depth", "1.00 × 1.20 × 0.50 m"]
    match, guess = ["Outline match", "98%"], ["Shape", "guessed"]
    assert node(script, json.dumps(cards)) == [
        ["Closed and ready to use", "good", size, match],
        ["Closed; the back is guessed", "fair", size, guess],
        ["Closed, with flaws; the back is guessed", "fair", size, guess],
        ["Closed, with flaws", "fair", size, match],
        ["Some triangles face inward", "fair", size, match],
        ["Some triangles face inward", "fair", size, match],
        ["Not closed", "fair", size, match],
        ["Closed; the cutout is a first guess", "fair"],
        ["Closed and ready to use", "good"],
        ["Closed, with flaws; the cutout is in doubt", "fair"],
    ]


def test_the_brush_on_the_page_has_the_coverage_of_the_service() -> None:
    """The rings of a soft stroke, laid over each other, are the service's falloff to within two levels of 8 bits."""
    from backend.matte.editing.brush import coverage_at

    script = """
    const { rings } = await import(`${WEB}/paint.js`);
    console.log(JSON.stringify(rings(60, 0.25)));
    """
    rings = node(script)
    distances = np.linspace(0, 64, 200, dtype=np.float32)
    clear = np.ones_like(distances)
    for ring in rings:
        clear *= np.where(distances <= ring["distance"], 1 - ring["share"], 1)
    step = 45 / len(rings)  # the falloff's width over the rings: where within a ring one looks
    exact = coverage_at(distances, 60.0, 0.25)
    assert np.abs((1 - clear) - exact).max() < 1.5 * step / 45 + 0.01
    assert math.isclose(float(1 - clear[0]), 1.0, abs_tol=1e-6)


def test_a_finished_stage_is_listed_once_and_never_beside_its_being_under_way() -> None:
    script = """
    const { finished } = await import(`${WEB}/progress.js`);
    const stages = ["decode", "load u2net", "segment", "decode"].map((name) => ({ name }));
    console.log(JSON.stringify([finished(stages, "segment"), finished(stages, "refine"), finished([], undefined)]));
    """
    assert node(script) == [["decode"], ["decode", "segment"], []]
