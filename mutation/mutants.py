"""The mutants of a source file: its syntax tree with one small change each.

A change is what a mistake would be: a comparison or a bound off by one, a condition or a statement without effect,
an operand, a keyword or a row of a table left out. Prose, annotations and docstrings stay.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

SWAPPED = dict[type[ast.AST], Any](
    [
        *[(ast.Lt, ast.LtE), (ast.LtE, ast.Lt), (ast.Gt, ast.GtE), (ast.GtE, ast.Gt)],
        *[(ast.Eq, ast.NotEq), (ast.NotEq, ast.Eq), (ast.Is, ast.IsNot), (ast.IsNot, ast.Is)],
        *[(ast.In, ast.NotIn), (ast.NotIn, ast.In), (ast.Add, ast.Sub), (ast.Sub, ast.Add)],
        *[(ast.Mult, ast.FloorDiv), (ast.Div, ast.Mult), (ast.FloorDiv, ast.Mult), (ast.Mod, ast.FloorDiv)],
        *[(ast.Pow, ast.Mult), (ast.LShift, ast.RShift), (ast.RShift, ast.LShift)],
        *[(ast.BitAnd, ast.BitOr), (ast.BitOr, ast.BitAnd), (ast.BitXor, ast.BitOr)],
    ]
)
OPPOSITES = {"min": "max", "max": "min", "any": "all", "all": "any"}
# Without these the module cannot be imported, or only types differ.
KEPT_DECORATORS = {
    "abstractmethod",
    "classmethod",
    "dataclass",
    "overload",
    "override",
    "property",
    "staticmethod",
}
TYPING = {"Literal", "NewType", "TypeVar", "cast", "getLogger", "get_logger"}
CLEARED = {ast.Call: "keywords", ast.FunctionDef: "decorator_list", ast.AsyncFunctionDef: "decorator_list"}
TABLES = {
    ast.Set: "elts",
    ast.List: "elts",
    ast.Tuple: "elts",
    ast.Dict: "keys",
    ast.ClassDef: "decorator_list",
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
type Located = ast.expr | ast.stmt | ast.keyword
type Place = tuple[ast.AST, str, int | None]  # the parent, its field, and the index in a list


@dataclass(frozen=True, slots=True)
class Mutant:
    path: Path
    number: int  # in the file
    line: int
    lines: range  # of the statement, or of its head if it contains others
    before: str
    after: str
    function: str  # or the class; empty in neither
    names: frozenset[str]  # that an assignment at import defines; empty elsewhere
    is_at_import: bool  # the change takes effect only if the module is imported again

    def tree(self) -> ast.Module:
        tree = ast.parse(self.path.read_text())
        for number, (place, _old, new, _in_function) in enumerate(_changes(tree)):
            if number == self.number:
                _put(place, new)
                return ast.fix_missing_locations(tree)
        raise IndexError(self.number)

    def code(self) -> CodeType:
        return compile(self.tree(), str(self.path.resolve()), "exec", dont_inherit=True)

    def assignment(self) -> CodeType | None:
        """The mutant's statement alone if it only assigns names at import."""
        for each in self.tree().body:
            if isinstance(each, ast.Assign | ast.AnnAssign) and each.lineno <= self.line <= (
                each.end_lineno or 0
            ):
                return compile(ast.Module([each], []), str(self.path.resolve()), "exec", dont_inherit=True)
        return None

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.before} -> {self.after}"


def mutants_of(path: Path) -> list[Mutant]:
    tree = ast.parse(path.read_text())
    heads = {
        line: _head(node) for node in ast.walk(tree) if isinstance(node, ast.stmt) for line in _head(node)
    }
    names = {
        line: _names(each) for each in tree.body for line in range(each.lineno, (each.end_lineno or 0) + 1)
    }
    owners = {
        line: node.name  # those inside come later
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    found = []
    for number, (_place, old, new, in_function) in enumerate(_changes(tree)):
        before, after = (
            "nothing" if node is None else " ".join(ast.unparse(node).split()) for node in (old, new)
        )
        defined = frozenset() if in_function else names.get(old.lineno, frozenset())
        lines = heads.get(old.lineno, range(old.lineno, old.lineno + 1))
        owner = owners.get(old.lineno, "")
        found.append(Mutant(path, number, old.lineno, lines, before, after, owner, defined, not in_function))
    return found


def _head(statement: ast.stmt) -> range:
    body = getattr(statement, "body", None) or getattr(statement, "cases", None)
    end = getattr(body[0], "lineno", getattr(getattr(body[0], "pattern", None), "lineno", 0)) if body else 0
    return range(statement.lineno, max(statement.lineno + 1, end or (statement.end_lineno or 0) + 1))


def _names(statement: ast.stmt) -> frozenset[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    return frozenset(names or {getattr(statement, "name", "")} - {""})


def _changes(tree: ast.Module) -> Iterator[tuple[Place, Located, ast.AST | None, bool]]:
    """Each place, the node there, its replacement (None removes it), and whether it is the body of a function."""
    waiting: list[tuple[Place, ast.AST, bool]] = [
        ((tree, "body", i), n, False) for i, n in enumerate(tree.body)
    ]
    while waiting:
        place, node, in_function = waiting.pop(0)
        if _stays(place, node):
            continue
        if isinstance(node, ast.expr | ast.stmt):
            for new in _replacements(node, in_function=in_function):
                yield place, node, ast.copy_location(new, node), in_function
        waiting[:0] = [
            (slot, child, in_function or (isinstance(node, FUNCTIONS) and slot[1] == "body"))
            for slot, child in _children(node)
        ]
        yield from (
            (slot, part, None, in_function and slot[1] == "keywords")
            for slot, part in _removable(node, in_function=in_function)
        )


def _removable(node: ast.AST, *, in_function: bool) -> Iterator[tuple[Place, Located]]:
    """The keywords of a call, decorators, and the rows of a module's tables."""
    field = CLEARED.get(type(node), "") or ("" if in_function else TABLES.get(type(node), ""))
    for index, part in enumerate(getattr(node, field, ())):
        # A part without a name is **values of a dictionary or a call.
        is_kept = part is None or getattr(part, "arg", "") is None
        is_kept = is_kept or isinstance(getattr(node, "ctx", None), ast.Store)
        if not is_kept and (field != "decorator_list" or KEPT_DECORATORS.isdisjoint(_words(part))):
            yield (node, field, index), part


def _words(node: ast.AST) -> list[str]:
    return re.findall(r"\w+", ast.unparse(node))


def _children(node: ast.AST) -> Iterator[tuple[Place, ast.AST]]:
    for field, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            yield (node, field, None), value
        elif isinstance(value, list):
            yield from (((node, field, i), each) for i, each in enumerate(value) if isinstance(each, ast.AST))


def _stays(place: Place, node: ast.AST) -> bool:
    match node:
        case (
            ast.Expr(value=ast.Constant()) | ast.Assert() | ast.Import() | ast.ImportFrom() | ast.TypeAlias()
        ):
            return True
        case ast.JoinedStr() | ast.Pass() | ast.Global() | ast.Nonlocal() | ast.expr_context():
            return True
        case ast.Call(func=ast.Name(id=name)) | ast.Subscript(value=ast.Name(id=name)) if name in TYPING:
            return True
        case ast.Call(func=ast.Attribute(attr=name)) if name in TYPING:
            return True
    is_class_option = isinstance(place[0], ast.ClassDef) and place[1] == "keywords"
    is_data_class = place[1] == "decorator_list" and "dataclass" in _words(node)
    return is_class_option or is_data_class or place[1] in {"annotation", "returns", "type_params"}


def _replacements(node: ast.expr | ast.stmt, *, in_function: bool) -> Iterator[ast.AST]:  # noqa: C901, PLR0912 - one case per kind of node
    match node:
        case ast.Compare(left=left, ops=ops, comparators=others):
            for i, op in enumerate(ops):
                yield ast.Compare(left, [*ops[:i], SWAPPED[type(op)](), *ops[i + 1 :]], others)
        case ast.BoolOp(op=op, values=values):
            for i in range(len(values)):
                rest = [*values[:i], *values[i + 1 :]]
                yield ast.BoolOp(op, rest) if rest[1:] else rest[0]
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.BinOp(left=left, op=op, right=right) if type(op) in SWAPPED:
            yield ast.BinOp(left, SWAPPED[type(op)](), right)
        case ast.AugAssign(target=target, op=op, value=value) if type(op) in SWAPPED:
            yield ast.AugAssign(target, SWAPPED[type(op)](), value)
        case ast.Constant(value=value):
            yield from _other_values(value)
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.If(body=body, orelse=orelse) if in_function:
            yield ast.If(ast.Constant(False), body, orelse)
            yield ast.If(ast.Constant(True), body, orelse)
        case ast.IfExp(body=body, orelse=orelse):
            yield from (body, orelse)
        case ast.Raise() | ast.Delete() | ast.Expr(value=ast.Call() | ast.Await()):
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case ast.Subscript(value=value, slice=ast.Slice(), ctx=ast.Load()):
            yield value
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()
        case ast.Call(func=function, args=args, keywords=keywords):
            if isinstance(function, ast.Name) and function.id in OPPOSITES:
                yield ast.Call(ast.Name(OPPOSITES[function.id], ast.Load()), args, keywords)


def _other_values(value: object) -> Iterator[ast.Constant]:
    """Prose with a space in it is left alone: the wording of a message is no contract."""
    match value:
        case bool():
            yield ast.Constant(not value)
        case int() | float():
            yield ast.Constant(value + 1)
        case str() if " " not in value:
            yield ast.Constant(f"{value}XX")
        case bytes() if b" " not in value:
            yield ast.Constant(value + b"XX")


def _put(place: Place, new: ast.AST | None) -> None:
    parent, field, index = place
    if index is None:
        setattr(parent, field, new)
    elif new is None:
        del getattr(parent, field)[index]
        if isinstance(parent, ast.Dict):
            del parent.values[index]
    else:
        getattr(parent, field)[index] = new
