"""
Google's own GoogleSQL analyzer: resolves and type-checks a statement against a catalog, as BigQuery does first.

It is the package `zetasql`, a WebAssembly module. Compiling that takes half a minute and more of computing, so the
machine code is kept in a folder; later starts take less than a second.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.empty_pb2 import Empty
from wasmtime import Config, Engine, Func, Linker, Module, SharedMemory, Store, WasiConfig
from zetasql.core.exceptions import ServerError
from zetasql.core.wasm_client import WasmClient, get_tzinfo_dir
from zetasql.wasi import get_wasm_path
from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2 as service
from zetasql.wasi._pb2.zetasql.proto import options_pb2 as language
from zetasql.wasi._pb2.zetasql.public import options_pb2 as features
from zetasql.wasi._pb2.zetasql.public import type_pb2 as types
from zetasql.wasi._pb2.zetasql.resolved_ast import resolved_node_kind_pb2 as nodes

from bqsync.model import TargetRef

Tables = Mapping[TargetRef, Sequence[tuple[str, str]]]
"""What the statement may name: the columns of each table, (name, GoogleSQL type) each."""

_KINDS = {name.removeprefix("TYPE_"): number for name, number in types.TypeKind.items()}
_KINDS["FLOAT64"] = _KINDS["DOUBLE"]
_NAMES = {number: name for name, number in _KINDS.items()}
_STATEMENTS = (nodes.RESOLVED_QUERY_STMT, nodes.RESOLVED_MERGE_STMT, nodes.RESOLVED_ALTER_TABLE_STMT)


class RefusedError(Exception):
    """The analyzer refuses a statement; the message is its own."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A statement that passed."""

    kind: str
    """As the analyzer names its nodes: `query`, `merge`, `alter_table`."""
    columns: tuple[tuple[str, str], ...] = ()
    """Name and type of the columns that a query returns."""


class Analyzer:
    """
    One WebAssembly process.

    Args:
        cache: a folder for compiled code.
    """

    def __init__(self, cache: Path) -> None:
        self._client = _Client(cache)
        self._language = _bigquery(self._client)
        self._known: Tables | None = None
        self._catalog_id = 0

    def resolve(self, statement: str, tables: Tables) -> Resolved:
        """
        Resolve every name and type of a statement.

        Raises:
            RefusedError: BigQuery would not run it.
        """
        self._know(tables)
        request = service.AnalyzeRequest(sql_statement=statement, registered_catalog_id=self._catalog_id)
        request.options.language_options.CopyFrom(self._language)
        try:
            answer = self._client.call_grpc_func("ZetaSqlLocalService_Analyze", request, service.AnalyzeResponse)
        except ServerError as error:
            raise RefusedError(f"{error}\n{statement}") from None
        return _resolved(answer.resolved_statement)

    def _know(self, tables: Tables) -> None:
        """Register these tables, unless they are those of the last statement: with all functions it takes 50 ms."""
        known = {ref: tuple(columns) for ref, columns in tables.items()}
        if known == self._known:
            return
        if self._known is not None:
            last = service.UnregisterRequest(registered_id=self._catalog_id)
            self._client.call_grpc_func("ZetaSqlLocalService_UnregisterCatalog", last, Empty)
        self._known = None
        request = service.RegisterCatalogRequest()
        _fill(request.simple_catalog, known)
        request.simple_catalog.builtin_function_options.language_options.CopyFrom(self._language)
        registered = self._client.call_grpc_func(
            "ZetaSqlLocalService_RegisterCatalog", request, service.RegisterResponse)
        self._known, self._catalog_id = known, registered.registered_id


class _Client(WasmClient):  # type: ignore[misc] # without annotations
    """The package's client, but for two things: compiled code is kept, and bytes are copied whole."""

    def __init__(self, cache: Path) -> None:
        settings = cache / "cache.toml"
        settings.write_text(f'[cache]\ndirectory = "{cache}/modules"\n', encoding="utf-8")
        config = Config()
        config.shared_memory = True
        config.cranelift_opt_level = "none"  # the statements are short: compiling is what takes its time
        config.cache = str(settings)
        engine = Engine(config)
        self.module = Module.from_file(engine, get_wasm_path())
        self.store = Store(engine)
        self.store.set_wasi(_wasi())
        linker = Linker(engine)
        linker.define_wasi()
        self.exports = linker.instantiate(self.store, self.module).exports(self.store)
        initialize, memory = self.exports["_initialize"], self.exports["memory"]
        if not isinstance(initialize, Func) or not isinstance(memory, SharedMemory):
            raise TypeError("this is another module than the one that was tried")
        initialize(self.store)
        self.memory = memory

    def write_bytes(self, ptr: int, data: bytes) -> None:
        ctypes.memmove(self._address(ptr), data, len(data))

    def read_bytes(self, ptr: int, size: int) -> bytes:
        return ctypes.string_at(self._address(ptr), size)

    def _address(self, ptr: int) -> int:
        return (ctypes.cast(self.memory.data_ptr(), ctypes.c_void_p).value or 0) + ptr


def _wasi() -> WasiConfig:
    wasi = WasiConfig()
    wasi.inherit_stderr()
    wasi.preopen_dir(str(get_tzinfo_dir()), "/usr/share/zoneinfo")
    return wasi


def _bigquery(client: WasmClient) -> Any:
    """
    The dialect: all released features, and what else BigQuery documents, but those that it excludes.

    FLOAT64 can't be grouped by, JSON can't be compared.
    Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#data_type_properties
    """
    options = client.call_grpc_func(
        "ZetaSqlLocalService_GetLanguageOptions", service.LanguageOptionsRequest(maximum_features=True),
        language.LanguageOptionsProto)
    options.product_mode = features.PRODUCT_EXTERNAL
    options.enabled_language_features.remove(features.FEATURE_JSON_TYPE_COMPARISON)
    options.enabled_language_features.append(features.FEATURE_DISALLOW_GROUP_BY_FLOAT)
    options.enabled_language_features.append(features.FEATURE_ALTER_COLUMN_SET_DATA_TYPE)
    del options.supported_statement_kinds[:]
    options.supported_statement_kinds.extend(_STATEMENTS)
    return options


def _fill(catalog: Any, tables: Tables) -> None:
    catalog.name = "bigquery"
    for ref, columns in tables.items():
        table = _child(_child(catalog, ref.project), ref.dataset).table.add(name=ref.table)
        for name, type_name in columns:
            table.column.add(name=name, is_writable_column=True).type.type_kind = _KINDS[type_name]


def _child(catalog: Any, name: str) -> Any:
    return next((child for child in catalog.catalog if child.name == name), None) or catalog.catalog.add(name=name)


def _resolved(statement: Any) -> Resolved:
    node = statement.WhichOneof("node")
    if node == "resolved_alter_object_stmt_node":
        node = getattr(statement, node).WhichOneof("node")
    kind = node.removeprefix("resolved_").removesuffix("_stmt_node")
    columns = statement.resolved_query_stmt_node.output_column_list
    return Resolved(kind, tuple((one.name, _NAMES[one.column.type.type_kind]) for one in columns))
