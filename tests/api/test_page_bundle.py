import shutil
from pathlib import Path

import pytest

from backend.api.page_bundle import bundle_modules, read_page, with_sentences
from backend.contract.settings import REPOSITORY

WEB = REPOSITORY / "backend" / "web"


def test_modules_come_in_the_order_of_their_imports_and_only_those_that_are_used() -> None:
    made = bundle_modules(
        {
            "app": 'import { two } from "./b.js";\nawait two();\n',
            "b": 'import { one } from "./a.js";\n\nexport const two = () => one;\nconst own = 1;\n',
            "a": "export const one = 1;\nexport async function more() {}\nexport class Third {}\n",
            "unused": "export const lost = 1;\n",
        },
        {},
    )["page.js"]
    assert made.index("// a.js") < made.index("// b.js") < made.index("// app.js")
    assert "return { one, more, Third };" in made and "return { two };" in made
    assert "unused" not in made and "export" not in made and "import" not in made


def test_the_sentences_of_a_language_take_the_place_of_the_english_ones() -> None:
    source = 'import sentences from "../words/en.json" with { type: "json" };\n\nexport const { a } = sentences;\n'
    made = bundle_modules({"app": 'import { a } from "./words.js";\na();\n', "words": source}, {"a": "„Krüge“"})[
        "page.js"
    ]
    assert 'const sentences = {"a": "„Krüge“"};' in made and "import" not in made


def test_only_other_languages_have_the_service_s_sentences() -> None:
    scripts = {language: read_page(WEB).files[f"page.{language}.js"].data.decode() for language in ("en", "de")}
    assert "Es wurde nichts verändert." in scripts["de"]
    assert "Nothing was changed." in scripts["de"] and "Nothing was changed." not in scripts["en"]


def test_a_mark_without_a_sentence_is_named_and_sentences_are_text() -> None:
    assert with_sentences('<p title="{{a.b}}">{{c}}</p>', {"a.b": '"', "c": "<&"}) == '<p title="&quot;">&lt;&amp;</p>'
    with pytest.raises(KeyError, match="absent"):
        with_sentences("{{absent}}", {})


def test_what_is_imported_when_it_is_needed_comes_in_a_file_of_its_own() -> None:
    made = bundle_modules(
        {
            "app": 'import { base } from "./base.js";\n/** @type {import("./base.js").Kind} */\n'
            'import("./far.js").then(({ far }) => far());\nimport("./near.js");\n',
            "base": "export const base = 1;\n",
            "both": 'import { base } from "./base.js";\nexport const both = base;\n',
            "own": "export const own = 2;\n",
            "far": 'import { both } from "./both.js";\nimport { own } from "./own.js";\nexport const far = 3;\n',
            "near": 'import { both } from "./both.js";\nexport const near = both;\n',
        },
        {},
    )
    assert sorted(made) == ["later/far.js", "later/near.js", "page.js"]
    assert (
        'import("/static/later/far.js").then(({ load }) => load({ $both })).then(({ far }) => far());'
        in made["page.js"]
    )
    assert "// both.js" in made["page.js"] and "// own.js" not in made["page.js"]  # what two need runs once
    assert "// own.js" in made["later/far.js"] and "// both.js" not in made["later/far.js"]
    with pytest.raises(ValueError, match="later still"):
        bundle_modules({"app": 'import("./a.js");\n', "a": 'import("./b.js");\n', "b": ""}, {})


def test_a_circle_of_imports_is_named() -> None:
    circle = {
        "app": 'import { a } from "./a.js";\n',
        "a": 'import { b } from "./b.js";\nexport const a = b;\n',
        "b": 'import { a } from "./a.js";\nexport const b = a;\n',
    }
    with pytest.raises(ValueError, match="a -> b -> a"):
        bundle_modules(circle, {})


def test_the_page_names_what_it_loads_by_digest_and_follows_its_files(tmp_path: Path) -> None:
    web = tmp_path / "web"
    shutil.copytree(WEB, web)
    page = read_page(web)
    for language in ("en", "de"):
        index = page.index[language].data.decode()
        script = page.files[f"page.{language}.js"]
        later = page.files["later/fix_step.js"]
        assert f"/static/later/fix_step.js?v={later.digest}" in script.data.decode()
        assert f'<html lang="{language}">' in index and "{{" not in index
        assert f'"/static/page.{language}.js?v={script.digest}"' in index
        assert f'"/static/page.css?v={page.files["page.css"].digest}"' in index
        assert f"/static/icons.svg?v={page.digests['icons.svg']}#photo" in index
        assert f"/static/icons.svg?v={page.digests['icons.svg']}#" in script.data.decode()
    assert read_page(web) is page
    (web / "css" / "base.css").write_text("body { margin: 1px }\n")
    assert b"margin: 1px" in read_page(web).files["page.css"].data
    assert read_page(web).files["page.css"].digest != page.files["page.css"].digest
