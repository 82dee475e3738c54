"""One failure, as an operator reads it: what happened, why, and how to fix it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bqsync.errors.kinds import ErrorKind
from bqsync.errors.rules import RULES, ErrorRule
from bqsync.errors.texts import utf8


class BqsyncError(Exception):
    """
    One failure as an operator reads it.

    Args:
        kind: decides code, exit code, retry and scope through `RULES`.
        what: what happened, one sentence, naming the file, table, line or object. Never a cell value.
        why: the reason as far as it is known.
        fix: the next step for the operator; None for the sentence of the kind's rule.
        retry_after_s: for how long the other side asks to be left alone; None where it does not say.
    """

    def __init__(
        self, kind: ErrorKind, *, what: str, why: str, fix: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(what)
        self.kind = kind
        self.what = what
        self.why = why
        self.fix = RULES[kind].fix if fix is None else fix
        self.retry_after_s = retry_after_s

    @property
    def rule(self) -> ErrorRule:
        """The rule of this error's kind."""
        return RULES[self.kind]

    def as_dict(self) -> dict[str, str]:
        """The same for `--json` and for log lines. The texts are UTF-8, whatever the name of a file is."""
        return {"code": self.rule.code, "kind": self.kind.value, "what": utf8(self.what), "why": utf8(self.why),
                "fix": utf8(self.fix)}

    def render(self) -> str:
        """The same for a terminal."""
        return render_error({"code": self.rule.code, "what": self.what, "why": self.why, "fix": self.fix})


def render_error(error: Mapping[str, str], whose: str = "") -> str:
    """Code, what, why and fix for a terminal, at least three lines; the table that it is of stands behind the code."""
    return (f"error[{error['code']}]{f' {whose}' if whose else ''}: {error['what']}\n  why   {error['why']}\n"
            f"  fix   {error['fix']}")


def noted_error(error: Mapping[str, str]) -> BqsyncError:
    """What `BqsyncError.as_dict` has made of an error, as an error again."""
    return BqsyncError(ErrorKind(error["kind"]), what=error["what"], why=error["why"], fix=error["fix"])


def internal_error(failure: BaseException) -> BqsyncError:
    """A fault of bqsync's own, told without a traceback; the log has it."""
    return BqsyncError(
        ErrorKind.INTERNAL, what=f"bqsync failed unexpectedly: {type(failure).__name__}",
        why="this is a fault of bqsync, not of your data; nothing that was delivered is lost",
        fix="run it again with --log-level debug and report the traceback",
    )


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file of the operator's."""

    message: str
    """What is wrong, naming the field."""
    fix: str
    line: int | None = None
    """Line in the file, counted from 1, where it is known."""


class ConfigurationError(BqsyncError):
    """A configuration that can't be used: all its problems at once, so that they are mended in one go."""

    def __init__(self, path: str, problems: Sequence[Problem], kind: ErrorKind = ErrorKind.CONFIG_INVALID) -> None:
        first = problems[0]
        where = path if first.line is None else f"{path}, line {first.line}"
        more = "" if len(problems) == 1 else f" ({len(problems)} problems in all)"
        super().__init__(kind, what=f"{where}: {first.message}{more}", why="the configuration is refused as a whole",
                         fix=first.fix)
        self.path = path
        self.problems = tuple(problems)

    def as_dict(self) -> dict[str, str]:
        """As for every error; `problems` holds them all, one a line."""
        lines = (f"line {p.line}: {p.message}" if p.line else p.message for p in self.problems)
        return {**super().as_dict(), "problems": utf8("\n".join(lines))}

    def render(self) -> str:
        """Every problem with its line and its fix."""
        lines = [f"error[{self.rule.code}]: {self.path} can't be used"]
        for problem in self.problems:
            where = f"line {problem.line}: " if problem.line is not None else ""
            lines += [f"  {where}{problem.message}", f"    fix   {problem.fix}"]
        return "\n".join(lines)
