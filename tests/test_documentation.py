"""What the documentation says exists, and what exists is documented."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from bqsync.cli import commands
from bqsync.config import load
from bqsync.errors import RULES, ErrorKind, ExitCode, Scope
from bqsync.model import Reason, TargetType, TimestampFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
TEXTS = {name: page.read_text(encoding="utf-8") for name, page in zip(NAMES, PAGES, strict=True)}
README, ERRORS, TYPES = TEXTS["README.md"], TEXTS["docs/errors.md"], TEXTS["docs/types.md"]

FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
ERROR_ROW = re.compile(
    r"^\| (?P<code>E\d{3}) \| `(?P<kind>\w+)` \| (?P<exit>\d+) \| (?P<reach>\w+) \|(?P<rest>.*)\|$", re.MULTILINE
)
DEPENDENCY_ROW = re.compile(r"^\| (?P<name>[\w.-]+) \| .+ \| .+ \|$", re.MULTILINE)
EXIT_ROW = re.compile(r"^\| (?P<code>\d+) \| (?P<name>[A-Z]*) ?\| (?P<meaning>.+) \|$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
PICTURE = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
LARGEST_PICTURE_BYTES = 150 * 1024
INTERRUPTED = 130
TOOLS = {"cd", "mkdir", "python3", ".", "git"}
"""What the README's shell examples use beside make and bqsync."""


def blocks(name: str, language: str) -> list[str]:
    return [match["code"] for match in FENCE.finditer(TEXTS[name]) if match["language"] == language]


def test_every_error_is_documented_with_its_code_exit_code_and_reach() -> None:
    documented = {row["kind"]: (row["code"], int(row["exit"]), row["reach"]) for row in ERROR_ROW.finditer(ERRORS)}
    reach = {scope: "all" if scope in {Scope.SOURCE, Scope.PROCESS} else "table" for scope in Scope}
    assert documented == {
        kind.value: (rule.code, int(rule.exit_code), reach[rule.scope]) for kind, rule in RULES.items()
    }


def test_every_error_of_bigquery_says_whether_it_is_tried_again() -> None:
    words = {"never": "no"}
    for row in ERROR_ROW.finditer(ERRORS):
        rule = RULES[ErrorKind(row["kind"])]
        if row["code"].startswith("E3"):
            assert row["rest"].split("|")[0].strip() == words.get(rule.retry.value, rule.retry.value), row["code"]
        else:
            assert rule.retry.value == "never", row["code"]


def test_error_codes_in_all_pages_exist() -> None:
    known = {rule.code for rule in RULES.values()}
    for name, text in TEXTS.items():
        assert set(re.findall(r"\bE\d{3}\b", text)) <= known, name


def test_every_exit_code_is_in_the_readme() -> None:
    documented = {int(row["code"]): row["name"] for row in EXIT_ROW.finditer(README)}
    assert documented == {**{int(code): code.name for code in ExitCode}, INTERRUPTED: ""}


def leaves(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command by what is typed for it; of a group, its commands."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


COMMANDS = dict(leaves(commands))


def parameters(command: click.Command) -> list[str]:
    """Every spelling of every option of a command."""
    return [spelling for parameter in command.params if isinstance(parameter, click.Option)
            for spelling in (*parameter.opts, *parameter.secondary_opts)]


def test_every_command_has_a_row_in_the_readme() -> None:
    assert set(re.findall(r"^\| `bqsync ([a-z]+(?: [a-z]+)*)", README, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_in_the_readme(name: str) -> None:
    rows = "\n".join(line for line in README.splitlines() if line.startswith(f"| `bqsync {name}"))
    common = README[README.index("Every command takes"):README.index("| exit code | name |")]
    for option in parameters(COMMANDS[name]):
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", rows + common), option


def test_every_option_of_the_group_is_in_the_readme() -> None:
    assert [option for option in parameters(commands) if f"`bqsync {option}`" not in README] == []


def bqsync_calls(text: str) -> Iterator[list[str]]:
    """The words after `bqsync` in code, whether in a block or between back quotes."""
    spans = [*re.findall(r"(?<!`)`([^`\n]+)`(?!`)", FENCE.sub("", text)),
             *(line for match in FENCE.finditer(text) if match["language"] == "sh"
               for line in match["code"].splitlines())]
    for span in spans:
        for call in re.findall(r"(?:^|bin/)bqsync ([a-z-][^|;]*)", span):
            yield call.split()


@pytest.mark.parametrize("name", NAMES)
def test_commands_and_options_in_the_pages_exist(name: str) -> None:
    for words in bqsync_calls(TEXTS[name]):
        if words[0].startswith("-"):
            assert words[0] in {*parameters(commands), "-h", "--help"}, words
            continue
        # A group may be named alone, in a sentence about all its commands.
        called = next((called for called in (" ".join(words[:2]), words[0]) if called in COMMANDS), None)
        assert called or words[0] in commands.commands, words
        known = {*(parameters(COMMANDS[called]) if called else ()), "-h", "--help"}
        assert {word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word)} <= known, words


def test_shell_examples_of_the_readme_use_what_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    seen = set()
    for block in blocks("README.md", "sh"):
        code = re.sub(r"(<<'(\w+)')\n.*?^\2$", r"\1", block, flags=re.MULTILINE | re.DOTALL)
        for line in code.splitlines():
            program, *arguments = shlex.split(line)
            seen.add(program)
            assert program in TOOLS | {"make", "bqsync"}, line
            if program == "make":
                assert set(arguments) <= targets, line
    assert {"make", "bqsync"} <= seen


@pytest.mark.parametrize("name", NAMES)
def test_make_targets_in_the_pages_exist(name: str) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", TEXTS[name])) <= targets


def test_python_examples_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database and the configuration that a newcomer makes fit each other."""
    monkeypatch.chdir(tmp_path)
    [program] = re.findall(r"python3 <<'END'\n(.*?)^END$", README, re.MULTILINE | re.DOTALL)
    exec(compile(program, "README.md", "exec"), {})  # noqa: S102 - our own text
    [whole] = [code for code in blocks("README.md", "toml") if "[source]" in code]
    (tmp_path / "config.toml").write_text(whole, encoding="utf-8")
    config = load(tmp_path / "config.toml", environ={})
    assert config.source.db.stat().st_size > 0
    assert len(whole.splitlines()) == 10


@pytest.mark.parametrize("name", NAMES)
def test_toml_examples_are_valid(name: str, tmp_path: Path) -> None:
    for code in blocks(name, "toml"):
        if "[source]" not in code:
            assert tomllib.loads(code)
            continue
        (tmp_path / "config.toml").write_text(code, encoding="utf-8")
        assert load(tmp_path / "config.toml", environ={}).tables


@pytest.mark.parametrize("name", NAMES)
def test_python_examples_compile(name: str) -> None:
    for code in blocks(name, "python"):
        compile(code, name, "exec")


def direct_dependencies() -> dict[str, str]:
    """Each requirement of pyproject.toml by name, in which group it stands; the package itself is left out."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"every": project["dependencies"], **project["optional-dependencies"]}
    found = {re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]: group
             for group, requirements in groups.items() for requirement in requirements}
    return {name: group for name, group in found.items() if name != "bqsync"}


def test_every_direct_dependency_has_a_line_and_no_other() -> None:
    page = TEXTS["docs/dependencies.md"]
    documented: dict[str, str] = {}
    for section in page.split("\n## ")[1:]:
        heading = section.splitlines()[0]
        group = extra[1] if (extra := re.match(r"Extra `(\w+)`", heading)) else "every"
        documented |= {row["name"]: group for row in DEPENDENCY_ROW.finditer(section) if row["name"] != "package"}
    assert documented == direct_dependencies()


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_internal_links_lead_somewhere(name: str) -> None:
    for link in LINK.finditer(FENCE.sub("", TEXTS[name])):
        place, _, anchor = link["target"].partition("#")
        if re.match(r"\w+:", place):
            continue
        page = (ROOT / name).parent / place if place else ROOT / name
        assert page.exists(), link["target"]
        if anchor:
            assert anchor in anchors(page.read_text(encoding="utf-8")), link["target"]


def test_every_picture_is_there_is_small_says_what_it_shows_and_is_shown() -> None:
    shown = set()
    for name, text in TEXTS.items():
        for picture in PICTURE.finditer(text):
            file = ((ROOT / name).parent / picture["target"]).resolve()
            assert file.stat().st_size <= LARGEST_PICTURE_BYTES, file
            assert len(picture["text"].split()) > 3, f"{name}: {picture['target']} needs words for who can't see it"
            shown.add(file)
    assert shown == set((ROOT / "docs" / "images").iterdir())


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {link["target"].partition("#")[0] for link in LINK.finditer(README)}
    assert {name for name in NAMES if name != "README.md"} <= linked


@pytest.mark.parametrize("name", NAMES)
def test_files_named_in_the_pages_exist(name: str) -> None:
    """Paths of this repository between back quotes, and modules of the package."""
    text = FENCE.sub("", TEXTS[name])
    for path in re.findall(r"`((?:systemd|sql|protos|tests|bench|docs)/[\w./-]*)`", text):
        assert (ROOT / path).exists() or path == "bench/results.md", path
    rooms = "|".join(path.name for path in (ROOT / "daemon" / "bqsync").iterdir() if path.is_dir())
    for path in re.findall(rf"`((?:{rooms})/\w*(?:\.py)?)`", text):
        assert (ROOT / "daemon" / "bqsync" / path).exists() or (ROOT / path).exists() \
            or (ROOT / "tests" / path).exists(), path
    for module in re.findall(r"`bqsync((?:\.\w+)+)`", text):
        stem = ROOT / "daemon" / "bqsync" / module.strip(".").replace(".", "/")
        assert stem.is_dir() or stem.with_suffix(".py").exists(), module


def test_every_reason_type_and_format_is_explained() -> None:
    reasons = set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", TYPES[TYPES.index("## Reasons"):], re.MULTILINE))
    assert reasons == {reason.value for reason in Reason}
    values = TYPES[TYPES.index("## Values"):TYPES.index("## TIMESTAMP")]
    assert set(re.findall(r"^\| ([A-Z0-9]+) \|", values, re.MULTILINE)) == {kind.value for kind in TargetType}
    formats = TYPES[TYPES.index("## TIMESTAMP"):TYPES.index("## NULL")]
    assert set(re.findall(r"^\| `(\w+)` \|", formats, re.MULTILINE)) == {form.value for form in TimestampFormat}


def test_changelog_begins_with_what_is_not_released() -> None:
    versions = re.findall(r"^## \[(.+?)\]", TEXTS["CHANGELOG.md"], re.MULTILINE)
    assert versions[0] == "Unreleased"
