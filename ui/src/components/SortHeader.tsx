import css from "./Table.module.css";

export interface Sort<K extends string> {
  by: K;
  down: boolean;
}

interface SortHeaderProps<K extends string> {
  name: K;
  label: string;
  title?: string;
  numeric?: boolean;
  sort: Sort<K>;
  onSort: (sort: Sort<K>) => void;
  className?: string | undefined;
}

export function SortHeader<K extends string>({
  name,
  label,
  title,
  numeric = true,
  sort,
  onSort,
  className,
}: SortHeaderProps<K>) {
  const active = sort.by === name;
  return (
    <th
      scope="col"
      className={`${numeric ? "num" : ""} ${className ?? ""}`}
      aria-sort={active ? (sort.down ? "descending" : "ascending") : "none"}
    >
      <button
        type="button"
        className={css.sort}
        data-active={active}
        title={title}
        onClick={() => onSort({ by: name, down: active ? !sort.down : numeric })}
      >
        {label}
        {active ? (sort.down ? " ↓" : " ↑") : ""}
      </button>
    </th>
  );
}

/** Order by a key; unknown values last either way. */
export function ordered<T, K extends string>(
  rows: readonly T[],
  sort: Sort<K>,
  value: (row: T, by: K) => number | string | null,
): T[] {
  const sign = sort.down ? -1 : 1;
  return rows
    .map((row, place) => ({ row, place, value: value(row, sort.by) }))
    .toSorted((a, b) => {
      if (a.value === null || b.value === null)
        return a.value === b.value ? a.place - b.place : a.value === null ? 1 : -1;
      if (typeof a.value === "string" && typeof b.value === "string")
        return sign * a.value.localeCompare(b.value);
      return sign * (Number(a.value) - Number(b.value)) || a.place - b.place;
    })
    .map((entry) => entry.row);
}
