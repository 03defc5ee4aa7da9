"""DuckDB over segments and rows in memory.

Values reach SQL only as parameters. The texts below are joined from constants of this package.
Every result is fetched whole: DuckDB 2 refuses the next statement on a connection otherwise.
"""

from typing import Any

import duckdb

from poise.core.errors import InvariantBroken
from poise.store.lake_schema import ChannelSchema

TRADES_SQL = """
SELECT id, price, qty, side, venue_ns, recv_ns, position
FROM rows
WHERE instrument = $number AND venue_ns >= $start_ns AND venue_ns < $end_ns
ORDER BY venue_ns DESC, id DESC
LIMIT $limit
"""

QUOTES_SQL = """
SELECT update_id, bid, bid_qty, ask, ask_qty, venue_ns, recv_ns, position
FROM rows
WHERE instrument = $number AND venue_ns >= $start_ns AND venue_ns < $end_ns
ORDER BY venue_ns DESC, update_id DESC
LIMIT $limit
"""

BARS_SQL = """
SELECT start_ns, end_ns, open, high, low, close, volume, buy_volume, trades, bid_close, ask_close,
       origin, position
FROM rows
WHERE instrument = $number AND timeframe = $timeframe
      AND start_ns >= $start_ns AND start_ns < $end_ns
QUALIFY row_number() OVER (
    PARTITION BY start_ns ORDER BY origin = 'live' DESC, position DESC
) = 1
ORDER BY start_ns DESC
LIMIT $limit
"""

BARS_FROM_TRADES_SQL = """
SELECT venue_ns // $bar_ns * $bar_ns AS start_ns,
       (venue_ns // $bar_ns + 1) * $bar_ns AS end_ns,
       arg_min(price, id) AS open, max(price) AS high, min(price) AS low,
       arg_max(price, id) AS close, CAST(sum(qty) AS BIGINT) AS volume,
       CAST(coalesce(sum(qty) FILTER (side > 0), 0) AS BIGINT) AS buy_volume,
       count(*) AS trades
FROM rows
WHERE instrument = $number AND venue_ns >= $start_ns AND venue_ns < $end_ns
GROUP BY venue_ns // $bar_ns
ORDER BY start_ns DESC
LIMIT $limit
"""

CLOSES_SQL = """
SELECT instrument, start_ns, close
FROM rows
WHERE instrument IN (SELECT unnest($numbers)) AND timeframe = $timeframe
      AND start_ns >= $start_ns AND start_ns < $end_ns
QUALIFY row_number() OVER (
    PARTITION BY instrument, start_ns ORDER BY origin = 'live' DESC, position DESC
) = 1
"""

GAPS_SQL = """
SELECT instrument, channel, first_id, last_id, from_ns, to_ns, reason, healed, position
FROM rows
WHERE to_ns >= $start_ns AND from_ns < $end_ns
ORDER BY from_ns, position
"""


class Sql:
    """One DuckDB in memory for a lake; callable from any thread.

    Parameters
    ----------
    threads
        Threads that DuckDB may use.
    """

    def __init__(self, threads: int = 2) -> None:
        # Nothing is ever fetched from the network: Parquet is built in.
        self._connection = duckdb.connect(
            ":memory:", config={"threads": threads, "autoinstall_known_extensions": False}
        )
        # Segments never change under their name, so their footers are worth keeping. The
        # extension must be there before it can be set.
        self._connection.execute("LOAD parquet").fetchall()
        self._connection.execute("SET parquet_metadata_cache = true").fetchall()

    def run(
        self,
        sql: str,
        schema: ChannelSchema,
        files: list[str],
        tail: Any,
        values: dict[str, Any],
    ) -> Any:
        """Answer a query over ``rows``: the segments' and the tail's together.

        Parameters
        ----------
        sql
            One of the texts above.
        schema
            Columns of ``rows``.
        files
            Paths of segments.
        tail
            Arrow table of the rows in memory, or None.
        values
            Parameters of the query.

        Returns
        -------
        pyarrow.Table
            All rows.
        """
        parts = []
        if files:
            parts.append("SELECT * FROM read_parquet($files)")
            values = values | {"files": files}
        if not files and tail is None:
            tail = schema.arrow_schema().empty_table()
        if tail is not None:
            parts.append("SELECT * FROM tail_rows")
        cursor = self._connection.cursor()
        try:
            if tail is not None:
                cursor.register("tail_rows", tail)
            query = f"WITH rows AS ({' UNION ALL '.join(parts)}) {sql}"
            return cursor.sql(query, params=values).to_arrow_table()
        except (duckdb.InvalidInputException, duckdb.IOException) as error:
            if "No magic bytes" in str(error) or "parquet" in str(error).lower():
                raise InvariantBroken(f"a segment of the lake is unreadable: {error}") from error
            raise
        finally:
            cursor.close()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()
