"""The service's sentences on the page: each has its line in the other languages, and is read as that one."""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from backend.contract.settings import REPOSITORY
from backend.weights.catalogue import CATALOGUE, EMBEDDED_ENGINES
from backend.weights.remote_services import REMOTE_SERVICES
from tests.web.test_web_modules import WEB, node

BACKEND = REPOSITORY / "backend"
LISTS = {path.stem: json.loads(path.read_text()) for path in sorted((WEB / "words" / "service").glob("*.json"))}
ROOMS = ("engines", "images", "matte", "mesh", "pipeline.py")  # whatever adds to a report's notes, reasons and advice
PLACE = re.compile(r"\{\w*\}")
ABOUT = {
    *(model.about for model in CATALOGUE.values()),
    *(about for _, about in EMBEDDED_ENGINES.values()),
    *(service.about for service in REMOTE_SERVICES.values()),
}


def template(node: ast.AST) -> str | None:
    """Return a string of the sources with `{}` for what is filled in; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def said(tree: ast.AST) -> Iterator[str]:
    """Yield the sentences of a module that are neither a docstring nor an error."""
    apart: set[int] = set()
    for part in ast.walk(tree):
        name = getattr(part.func, "attr", getattr(part.func, "id", "")) if isinstance(part, ast.Call) else ""
        is_docstring = isinstance(part, ast.Expr) and not isinstance(part.value, ast.Call)
        is_error = isinstance(part, ast.Raise) or name.endswith("Error") or name in ("info", "warning", "exception")
        if is_docstring or is_error or isinstance(part, ast.JoinedStr):  # of the last, what is filled in
            apart |= {id(inner) for inner in ast.walk(part) if inner is not part}
    for part in ast.walk(tree):
        text = None if id(part) in apart else template(part)
        if text and re.fullmatch(r"[A-Z{`].* .*\.", text, re.DOTALL):
            yield re.sub(r"\{\w*(?::[^}]*)?\}", "{}", text)


def trees(*rooms: str) -> list[ast.AST]:
    paths = [BACKEND / room for room in rooms]
    files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*.py")))]
    return [ast.parse(file.read_text()) for file in files]


def pattern(sentence: str) -> re.Pattern[str]:
    return re.compile(".+?".join(re.escape(piece) for piece in PLACE.split(sentence)))


def unlike(sentences: Iterable[str], others: Iterable[str]) -> list[str]:
    """Return the sentences that are none of the others, whatever stands in the places: one's may hold more than the
    other's."""
    known = [(other, pattern(other)) for other in others]
    return [
        one
        for one in sorted(sentences)
        if not any(shape.fullmatch(one) or pattern(one).fullmatch(other) for other, shape in known)
    ]


@pytest.mark.parametrize("language", LISTS)
def test_every_sentence_that_the_service_says_of_a_result_has_a_line(language: str) -> None:
    told = {sentence for tree in trees(*ROOMS) for sentence in said(tree)} | ABOUT
    assert len(told) > 100
    ends = {"The segmentation is used unchanged."}  # only ever the end of another one
    assert unlike(told - ends, LISTS[language]) == []


@pytest.mark.parametrize("language", LISTS)
def test_no_line_is_of_a_sentence_that_nothing_says(language: str) -> None:
    texts = {
        text
        for tree in trees(*ROOMS, "weights", "workers")
        for part in ast.walk(tree)
        if (text := template(part)) and " " in text
    } | ABOUT
    joined = "\n".join(texts)
    begun = [pattern(text) for text in texts if len(PLACE.sub("", text)) > 15]  # another literal may end a sentence
    others = [line for line in LISTS[language] if not all(piece.strip() in joined for piece in PLACE.split(line))]
    others = [line for line in others if not any(shape.match(line) for shape in begun)]
    assert unlike(others, [text for text in texts if len(PLACE.sub("", text)) > 15]) == []


@pytest.mark.parametrize("language", LISTS)
def test_a_line_has_the_places_of_its_sentence_and_the_signs_of_its_language(language: str) -> None:
    for english, own in LISTS[language].items():
        assert set(PLACE.findall(own)) <= set(PLACE.findall(english)), english
        assert english.count("`") == own.count("`"), english
        assert own == own.strip() and not re.search(r"[\"']|\.\.\.|  ", own), english
        assert own.endswith(".") == english.endswith("."), english


ASK = """
import { readFileSync } from "node:fs";
const { ofService } = await import(process.argv[1]);
console.log(JSON.stringify(JSON.parse(readFileSync(process.argv[2])).map(ofService)));
"""


def of_service(language: str, sentences: list[str], folder: Path) -> list[list[str]]:
    """Return what the page in `language` makes of sentences of the service."""
    for name in ("js", "words"):
        (folder / name).mkdir()
    (folder / "js" / "language.mjs").write_text((WEB / "js" / "language.js").read_text())
    words = json.loads((WEB / "words" / f"{language}.json").read_text()) | {"service": LISTS.get(language, {})}
    (folder / "words" / "en.json").write_text(json.dumps(words))
    (folder / "asked.json").write_text(json.dumps(sentences))
    told: list[list[str]] = node(ASK, (folder / "js" / "language.mjs").as_uri(), str(folder / "asked.json"))
    return told


@pytest.mark.parametrize("language", LISTS)
def test_each_sentence_is_read_as_its_own_line(language: str, tmp_path: Path) -> None:
    filled = [
        tuple(PLACE.sub(lambda place: f"x{place.group()[1:-1]}x", text) for text in line)
        for line in LISTS[language].items()
    ]
    told = of_service(language, [english for english, _ in filled], tmp_path)
    assert told == [[own, language] for _, own in filled]


def test_numbers_and_sentences_within_a_sentence_are_german_too(tmp_path: Path) -> None:
    said_of_it = [
        "Left out a part of 4.1% of the object's size at 80 % from the left and 3 % from the top: it is too far from "
        "the object. instances=all keeps every part.",
        "The object is cut by the left edge; a photo that shows all of it makes a better mesh.",
        "View at 90°: Opened 12 areas in the backdrop's colour inside the object; holes=keep leaves them.",
        "The embedded segmenter `border` made this mask. The weights of u2net are not on this machine. Fetch them "
        "with: python -m backend models fetch u2net",
        "1,200 pieces hang loose beside the mesh; remove what is not part of it.",
    ]
    assert of_service("de", said_of_it, tmp_path) == [
        [
            "Ein Teil von 4,1\u00a0% der Größe des Objekts, 80\u00a0% von links und 3\u00a0% von oben, wurde "
            "weggelassen: Er ist zu weit vom Objekt entfernt. instances=all behält alle Teile.",
            "de",
        ],
        ["Das Objekt ist am Rand links abgeschnitten; ein Foto, das es ganz zeigt, ergibt ein besseres Modell.", "de"],
        [
            "Ansicht bei 90°: 12 Flächen in der Farbe des Hintergrunds im Inneren des Objekts wurden geöffnet; "
            "holes=keep belässt sie.",
            "de",
        ],
        [
            "Diese Maske stammt vom eingebauten Verfahren `border`. Die Gewichte von u2net fehlen auf diesem Rechner. "
            "So werden sie geholt: python -m backend models fetch u2net",
            "de",
        ],
        ["1.200 Stücke hängen lose neben dem Modell; was nicht dazugehört, bitte entfernen.", "de"],
    ]


def test_a_sentence_without_a_line_stays_english_and_the_english_page_has_the_service_s_own(tmp_path: Path) -> None:
    assert of_service("de", ["What only a new service says."], tmp_path) == [["What only a new service says.", "en"]]
    (tmp_path / "en").mkdir()
    assert of_service("en", ["The edge is soft."], tmp_path / "en") == [["The edge is soft.", "en"]]
