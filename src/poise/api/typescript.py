"""Write the wire contract as TypeScript: ``python -m poise.api.typescript > ui/src/contract.ts``.

Every struct becomes an interface. One that travels as an array, or holds one that does, also gets
the tuple type of its wire form and a decoder; client messages get an encoder instead. Units that
could be mixed become branded types, chosen by field name (units stand last in our names).
"""

import inspect
import types
from collections.abc import Iterator
from typing import Literal, Union, get_args, get_origin

import msgspec
from msgspec import inspect as shapes

from poise.api import contract

HEADER = """\
// Written by `make types` from src/poise/api/contract.py. Do not edit.
/* oxlint-disable max-lines */

declare const unit: unique symbol;
/** A primitive that carries its unit, so that units cannot be mixed by accident. */
export type Branded<T, U extends string> = T & { readonly [unit]: U };
/** Index of an instrument in `Status.instruments`. */
export type InstrumentIx = Branded<number, "instrument">;
/** Milliseconds: UTC when a time, else a duration. */
export type Millis = Branded<number, "ms">;
/** Microseconds. */
export type Micros = Branded<number, "us">;
/** Nanoseconds UTC as decimal text. */
export type NsText = Branded<string, "ns">;
/** A difference of log prices; x 10,000 = basis points. */
export type LogPrice = Branded<number, "log">;
/** Standard deviations from the mean. */
export type ZScore = Branded<number, "z">;
/** 0.01 = 1 %. */
export type Fraction = Branded<number, "fraction">;
/** Bytes. */
export type Bytes = Branded<number, "bytes">;
"""

BRAND_OF_NAME = {
    **dict.fromkeys(("ix", "instrument", "y", "x", "pairs"), "InstrumentIx"),
    **dict.fromkeys(("spread", "spread_mean", "sigma", "alpha"), "LogPrice"),
    **dict.fromkeys(("z_window", "z_kalman"), "ZScore"),
    **dict.fromkeys(("change_24h", "funding_rate"), "Fraction"),
}
BRAND_OF_SUFFIX = {"_ms": "Millis", "_us": "Micros", "_ns": "NsText", "_bytes": "Bytes"}


def brand_of(field: str) -> str | None:
    """Branded type of a field by its name, or None for a plain primitive."""
    if field in BRAND_OF_NAME:
        return BRAND_OF_NAME[field]
    return next((brand for end, brand in BRAND_OF_SUFFIX.items() if field.endswith(end)), None)


class Names:
    """Names that the contract module gives to literals and unions."""

    def __init__(self) -> None:
        self.literals: dict[frozenset[object], str] = {}
        self.unions: dict[str, tuple[type, ...]] = {}
        for name, value in vars(contract).items():
            if get_origin(value) is Literal:
                self.literals[frozenset(get_args(value))] = name
            elif get_origin(value) in {Union, types.UnionType}:
                self.unions[name] = get_args(value)


def quoted(values: tuple[object, ...]) -> str:
    """TypeScript union of string literals."""
    return " | ".join(f'"{value}"' for value in values)


def structs() -> list[type[msgspec.Struct]]:
    """Structs of the contract in the order of its file."""
    return [
        value
        for value in vars(contract).values()
        if inspect.isclass(value)
        and issubclass(value, msgspec.Struct)
        and value.__module__ == contract.__name__
    ]


class Writer:
    """Turns msgspec's description of types into TypeScript text."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.memo: dict[type, bool] = {}

    def needs_decoding(self, kind: shapes.Type) -> bool:
        """Whether the wire form differs from the interface."""
        match kind:
            case shapes.StructType(cls=cls, array_like=array_like, fields=fields):
                if cls not in self.memo:
                    self.memo[cls] = array_like or any(self.needs_decoding(f.type) for f in fields)
                return self.memo[cls]
            case shapes.ListType(item_type=item):
                return self.needs_decoding(item)
            case shapes.UnionType(types=members):
                return any(self.needs_decoding(member) for member in members)
        return False

    def text(self, kind: shapes.Type, field: str, *, wire: bool = False) -> str:
        """TypeScript type of a field; `wire` asks for its form in the message."""
        match kind:
            case shapes.StructType(cls=cls):
                return cls.__name__ + ("Wire" if wire and self.needs_decoding(kind) else "")
            case shapes.ListType(item_type=item):
                inner = self.text(item, field, wire=wire)
                return f"readonly ({inner})[]" if " | " in inner else f"readonly {inner}[]"
            case shapes.TupleType(item_types=items):
                return f"[{', '.join(self.text(item, field) for item in items)}]"
            case shapes.LiteralType(values=values):
                named = self.names.literals.get(frozenset(values))
                return named or quoted(values)
            case shapes.UnionType():
                return self.union(kind, field, wire=wire)
            case shapes.StrType():
                return brand_of(field) or "string"
            case shapes.IntType() | shapes.FloatType():
                return brand_of(field) or "number"
            case shapes.BoolType():
                return "boolean"
            case shapes.NoneType():
                return "null"
        raise TypeError(f"no TypeScript for {kind!r} of {field}")

    def union(self, kind: shapes.UnionType, field: str, *, wire: bool) -> str:
        """Name of a union when the contract names it, else its members."""
        members = {member.cls for member in kind.types if isinstance(member, shapes.StructType)}
        for name, classes in self.names.unions.items():
            if members == set(classes) and len(members) == len(kind.types):
                return name + ("Wire" if wire else "")
        return " | ".join(self.text(member, field, wire=wire) for member in kind.types)

    def decode(self, kind: shapes.Type, value: str) -> str:
        """Render the expression that turns the wire form `value` into the interface."""
        if not self.needs_decoding(kind):
            return value
        match kind:
            case shapes.StructType(cls=cls):
                return f"decode{cls.__name__}({value})"
            case shapes.ListType(item_type=item):
                return f"{value}.map({self.decoder(item)})"
            case shapes.UnionType(includes_none=True, types=members):
                (inner,) = [m for m in members if not isinstance(m, shapes.NoneType)]
                return f"{value} === null ? null : {self.decode(inner, value)}"
        raise TypeError(f"no decoder for {kind!r}")

    def decoder(self, kind: shapes.Type) -> str:
        """Name of the function that decodes one item of a list."""
        match kind:
            case shapes.StructType(cls=cls):
                return f"decode{cls.__name__}"
            case shapes.UnionType():
                return f"decode{self.union(kind, '', wire=False)}"
        raise TypeError(f"no decoder for items {kind!r}")


def doc_comment(text: str | None) -> list[str]:
    """JSDoc of a Python docstring."""
    lines = inspect.cleandoc(text or "").splitlines()
    if len(lines) == 1:
        return [f"/** {lines[0]} */"]
    return ["/**", *(f" * {line}".rstrip() for line in lines), " */"]


def interface(writer: Writer, cls: type[msgspec.Struct], info: shapes.StructType) -> Iterator[str]:
    """Lines of the interface of one struct."""
    yield from doc_comment(cls.__doc__)
    yield f"export interface {cls.__name__} {{"
    if info.tag is not None:
        yield f'  readonly tag: "{info.tag}";'
    for field in info.fields:
        yield f"  readonly {field.name}: {writer.text(field.type, field.name)};"
    yield "}"


def wire_type(writer: Writer, cls: type[msgspec.Struct], info: shapes.StructType) -> Iterator[str]:
    """Lines of the wire form: a labelled tuple, or an object whose members need decoding."""
    if not info.array_like:
        yield f"export interface {cls.__name__}Wire {{"
        for field in info.fields:
            yield f"  readonly {field.name}: {writer.text(field.type, field.name, wire=True)};"
        yield "}"
        return
    yield f"export type {cls.__name__}Wire = readonly ["
    if info.tag is not None:
        yield f'  tag: "{info.tag}",'
    for field in info.fields:
        yield f"  {field.name}: {writer.text(field.type, field.name, wire=True)},"
    yield "];"


def decoder_function(
    writer: Writer, cls: type[msgspec.Struct], info: shapes.StructType
) -> Iterator[str]:
    """Lines of the function from wire form to interface."""
    name = cls.__name__
    yield f"export function decode{name}(w: {name}Wire): {name} {{"
    yield "  return {"
    if info.tag is not None:
        yield "    tag: w[0],"
    offset = 0 if info.tag is None else 1
    for place, field in enumerate(info.fields, start=offset):
        value = f"w[{place}]" if info.array_like else f"w.{field.name}"
        yield f"    {field.name}: {writer.decode(field.type, value)},"
    yield "  };"
    yield "}"


def encoder_function(cls: type[msgspec.Struct], info: shapes.StructType) -> Iterator[str]:
    """Lines of the function from interface to wire form, for messages that the client sends."""
    name = cls.__name__
    items = [f'"{info.tag}"', *(f"m.{field.name}" for field in info.fields)]
    yield f'export function encode{name}(m: Omit<{name}, "tag">): {name}Wire {{'
    yield f"  return [{', '.join(items)}];"
    yield "}"


def union_lines(
    writer: Writer, name: str, classes: tuple[type, ...], *, sent: bool
) -> Iterator[str]:
    """Lines of a named union, its wire form and the decoder that switches on the tag."""
    yield f"export type {name} = {' | '.join(cls.__name__ for cls in classes)};"
    yield f"export type {name}Wire = {' | '.join(f'{cls.__name__}Wire' for cls in classes)};"
    if sent:
        return
    yield ""
    yield f"export function decode{name}(w: {name}Wire): {name} {{"
    yield "  switch (w[0]) {"
    for cls in classes:
        info = shapes.type_info(cls)
        if not isinstance(info, shapes.StructType) or not writer.needs_decoding(info):
            raise TypeError(f"{name} joins {cls.__name__}, which has no tagged wire form")
        yield f'    case "{info.tag}":'
        yield f"      return decode{cls.__name__}(w);"
    yield "  }"
    yield "}"


def generate() -> str:
    """Return the whole text of contract.ts."""
    names = Names()
    writer = Writer(names)
    sent = set(names.unions["ClientMessage"])
    blocks: list[list[str]] = [HEADER.splitlines()]
    blocks += [
        [f"export type {name} = {quoted(get_args(literal))};"]
        for name, literal in vars(contract).items()
        if get_origin(literal) is Literal
    ]
    waiting = dict(names.unions)
    for cls in structs():
        info = shapes.type_info(cls)
        if not isinstance(info, shapes.StructType):
            raise TypeError(f"{cls.__name__} is not described as a struct")
        blocks.append(list(interface(writer, cls, info)))
        if writer.needs_decoding(info):
            blocks.append(list(wire_type(writer, cls, info)))
            blocks.append(
                list(
                    encoder_function(cls, info)
                    if cls in sent
                    else decoder_function(writer, cls, info)
                )
            )
        for name in [name for name, classes in waiting.items() if cls == classes[-1]]:
            members = waiting.pop(name)
            blocks.append(list(union_lines(writer, name, members, sent=set(members) <= sent)))
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


if __name__ == "__main__":
    print(generate(), end="")  # noqa: T201  (this module is a command)
