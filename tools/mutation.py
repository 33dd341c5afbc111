"""Break the code that must not be wrong in every small way there is: the tests must notice each.

A mutant is one change of one module: a comparison, `and` for `or`, a constant, a returned value, a statement or an
argument that is missing, two arguments in the wrong order. Each is tried in a child that is forked from one where all
libraries are loaded, by the quick tests that are about the module, up to the first that fails. Who survives must be in
`tools/mutation_survivors.txt`, with the reason.

`python tools/mutation.py [--sample N] [--seed S] [WORD ...]` tries those whose description has one of the words.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import importlib.machinery
import os
import random
import resource
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
SURVIVORS: Final = ROOT / "tools" / "mutation_survivors.txt"
CPU_LIMIT: Final = 120
"""Seconds of the processor's time for the tests of one mutant: one that never ends is noticed, too."""

_ENGINE: Final = ("tests/engine",)
_SETS: Final = ("tests/library/test_sets.py", "tests/library/test_sets_interrupted.py")
MODULES: Final[dict[str, tuple[str, ...]]] = {
    "fsm/engine/executor/*.py": ("tests/engine/test_executor.py", *_ENGINE, *_SETS),
    "fsm/engine/journal/*.py": ("tests/engine/test_journal.py", *_ENGINE, "tests/library", "tests/unit/trust"),
    "fsm/engine/machine.py": ("tests/engine/test_machine.py", *_ENGINE),
    "fsm/lifecycle.py": ("tests/engine/test_machine.py", *_ENGINE),
    "fsm/engine/performing.py": ("tests/engine/test_executor_control.py", *_ENGINE, "tests/unit/kit"),
    "fsm/system/files/swap.py": ("tests/unit/files/test_swap.py", "tests/unit/files"),
    "fsm/system/files/atomic.py": ("tests/unit/files/test_atomic.py", "tests/unit/files"),
}
"""What is mutated, and the tests that must notice; first those that notice most."""

_OTHER: Final[dict[type[ast.AST], type[Any]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
}


@dataclass(frozen=True)
class Mutant:
    """One change: the file, what is changed where (the list of survivors knows it by that), and its source."""

    path: str
    what: str
    source: Callable[[], str]

    def __str__(self) -> str:
        return f"{self.path} {self.what}"


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that one node can become."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in _OTHER:
            yield _with(node, ops=[_OTHER[type(op)]()])
        case ast.BoolOp() | ast.BinOp() if type(node.op) in _OTHER:
            yield _with(node, op=_OTHER[type(node.op)]())
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int() | float() as number):
            yield ast.Constant(number + 1)
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Raise():
            yield ast.Pass()
        case ast.If(test=ast.Name() | ast.Attribute() | ast.Call()):
            yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
        case ast.Call():
            yield from _calls(node)


def _calls(node: ast.Call) -> Iterator[ast.Call]:
    if len(node.args) > 1 and not any(isinstance(one, ast.Starred) for one in node.args[:2]):
        yield _with(node, args=[node.args[1], node.args[0], *node.args[2:]])
    for index in range(len(node.keywords)):
        yield _with(node, keywords=node.keywords[:index] + node.keywords[index + 1 :])


def _with(node: Any, **fields: Any) -> Any:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> Any:
        return ast.copy_location(self._new, node) if node is self._old else self.generic_visit(copy.copy(node))

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                setattr(node, name, [self.visit(one) if isinstance(one, ast.AST) else one for one in value])
            elif isinstance(value, ast.AST):
                setattr(node, name, self.visit(value))
        return node


def _places(node: ast.AST, where: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Every node that runs, with the function it is in: no annotation, no decorator, no text of an assertion."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        where = f"{where}.{node.name}".lstrip(".")
    yield where, node
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "msg", "bases"}:
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, ast.AST):
                yield from _places(one, where)


def mutants(path: Path) -> list[Mutant]:
    """Every mutant of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found, name, seen = [], path.relative_to(ROOT).as_posix(), Counter[str]()
    for where, node in _places(tree):
        for new in changes(node):
            if ast.dump(new) == ast.dump(node):  # two equal arguments
                continue
            what = f"{where or 'module'}: {_short(node)} => {_short(new)}"
            seen[what] += 1
            what += f" #{seen[what]}" if seen[what] > 1 else ""
            found.append(Mutant(name, what, partial(_source, tree, node, new)))
    return found


def _source(tree: ast.Module, node: ast.AST, new: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(_Replace(node, new).visit(tree)))


def _short(node: ast.AST) -> str:
    """A node in one line; of one with a body its head."""
    text = ast.unparse(ast.fix_missing_locations(copy.deepcopy(node)))
    return text.splitlines()[0] if isinstance(node, ast.If) else " ".join(text.split())


def noticed(mutant: Mutant | None, tests: tuple[str, ...]) -> bool:
    """Whether a test fails, in a child of this process, with a mutant; None: with the code as it is."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT))
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        os._exit(_tested(mutant, tests))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if mutant is None and status != 0:
        raise RuntimeError(f"{' '.join(tests)} fails without any mutant")
    return status != 0


def _tested(mutant: Mutant | None, tests: tuple[str, ...]) -> int:
    import pytest  # noqa: PLC0415 - only where tests run

    if mutant is not None:
        _put_in_place(mutant)
    options = ["-q", "-x", "-m", "quick", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-profile=quick"]
    # Hypothesis was imported before pytest could rewrite it.
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    try:
        return int(pytest.main([*options, *tests]))
    except BaseException:  # whatever a mutant throws, it was noticed
        return 3


def _put_in_place(mutant: Mutant) -> None:
    """Have this process import the mutant instead of the file."""
    source, found = mutant.source(), importlib.machinery.SourceFileLoader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> Any:
        if Path(self.path) == ROOT / mutant.path:
            return compile(source, self.path, "exec", dont_inherit=True)
        return found(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]


def reasons() -> dict[str, str]:
    """Why known survivors may survive; blocks of a reason, with `#`, and the mutants below it."""
    known, reason, open_ = dict[str, str](), "", False
    for line in SURVIVORS.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            reason, open_ = (f"{reason} {line[1:].strip()}" if open_ else line[1:].strip()), True
        elif line:
            known[line], open_ = reason, False
    return known


def main(arguments: list[str]) -> int:
    """Try the mutants; 1 where one survives that is not in the list."""
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="*")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    for library in ("pytest", "hypothesis", "pydantic", "apsw", "transitions", "sh", "ruamel.yaml", "rich", "click"):
        importlib.import_module(library)
    known, failed = reasons(), 0
    for pattern, tests in MODULES.items():
        for path in sorted(ROOT.glob(pattern)):
            every = [one for one in mutants(path) if not chosen.words or any(w in str(one) for w in chosen.words)]
            some = every
            if chosen.sample is not None and chosen.sample < len(every):
                some = random.Random(chosen.seed).sample(every, chosen.sample)
            failed += _try(path.relative_to(ROOT).as_posix(), some, len(every), tests, known)
    return 1 if failed else 0


def _try(name: str, some: list[Mutant], every: int, tests: tuple[str, ...], known: dict[str, str]) -> int:
    """Try the mutants of one file; returns how many survive without a reason."""
    if not some:
        return 0
    noticed(None, tests)  # whatever else would make them fail
    survivors = list[Mutant]()
    for one in some:
        found = noticed(one, tests)
        survivors += [] if found else [one]
        print(f"{'noticed ' if found else 'expected' if str(one) in known else 'SURVIVED'}  {one}", flush=True)
    new = [one for one in survivors if str(one) not in known]
    print(
        f"{name}: {len(some)} of {every} mutants tried, {len(survivors)} survive, {len(new)} of them unexpected",
        flush=True,
    )
    return len(new)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
