"""What a query answers: an Arrow table that also becomes pandas or polars."""

from dataclasses import dataclass
from typing import Any

from poise.core.errors import UserError


@dataclass(frozen=True)
class Answer:
    """Rows of a query.

    Attributes
    ----------
    arrow
        The rows as a ``pyarrow.Table``.
    """

    arrow: Any

    def __len__(self) -> int:
        return len(self.arrow)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Hand the rows to any library that speaks Arrow's C interface, without a copy."""
        return self.arrow.__arrow_c_stream__(requested_schema)

    @property
    def columns(self) -> list[str]:
        """Column names."""
        return list(self.arrow.column_names)

    def to_pandas(self) -> Any:
        """Rows as a pandas DataFrame.

        Raises
        ------
        UserError
            When pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: F401
        except ImportError as error:
            raise UserError("pandas is not installed: pip install 'poise[notebook]'") from error
        return self.arrow.to_pandas()

    def to_polars(self) -> Any:
        """Rows as a polars DataFrame.

        Raises
        ------
        UserError
            When polars is not installed.
        """
        try:
            import polars as pl
        except ImportError as error:
            raise UserError("polars is not installed: pip install 'poise[notebook]'") from error
        return pl.from_arrow(self.arrow)
