"""Poise: one Python platform for a crypto trading desk."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from poise.store.lake_query import open_lake

__version__ = "0.1.0"
__all__ = ["__version__", "open_lake"]


def __getattr__(name: str) -> Any:
    # Lazy: the core process must start without Arrow and DuckDB.
    if name == "open_lake":
        from poise.store.lake_query import open_lake

        return open_lake
    raise AttributeError(f"module 'poise' has no attribute {name!r}")
