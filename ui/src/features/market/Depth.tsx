import { useLayoutEffect, useRef, useState, type RefObject } from "react";
import { IconButton } from "@/components/Button";
import { HotText, write } from "@/components/HotText";
import { Panel } from "@/components/Panel";
import type { BookTop, InstrumentInfo, Millis } from "@/contract";
import { number, quantity, spreadBp } from "@/format/numbers";
import { useHot, useLive, useTopic } from "@/live/context";
import { hotKey } from "@/live/keys";
import css from "./Depth.module.css";

const ROW_PX = 22;
const SPREAD_PX = 34;

/** How many rows of a height fit into an element, followed as it is resized. */
export function useFittingRows(
  host: RefObject<HTMLElement | null>,
  rowPx: number,
  reservedPx: number,
): number {
  const [rows, setRows] = useState(8);
  useLayoutEffect(() => {
    const element = host.current;
    if (element === null) return undefined;
    const measure = () =>
      setRows(Math.max(1, Math.floor((element.clientHeight - reservedPx) / rowPx)));
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, [host, rowPx, reservedPx]);
  return rows;
}

type Level = readonly [number, number];

export function Depth({ info }: { info: InstrumentInfo }) {
  const { store } = useLive();
  const [frozen, setFrozen] = useState(false);
  const host = useRef<HTMLDivElement>(null);
  const asks = useRef<HTMLDivElement>(null);
  const bids = useRef<HTMLDivElement>(null);
  const key = hotKey.book(info.ix);
  useTopic("book", String(info.ix));
  const perSide = Math.max(1, Math.floor(useFittingRows(host, ROW_PX, SPREAD_PX) / 2));
  const book = (): BookTop | undefined => store.books.get(info.ix)?.value;
  useHot([key], () => {
    if (frozen) return;
    const now = book();
    const shownAsks = now?.asks.slice(0, perSide) ?? [];
    const shownBids = now?.bids.slice(0, perSide) ?? [];
    const deepest = Math.max(total(shownAsks), total(shownBids));
    paintSide(asks.current, shownAsks, deepest, info);
    paintSide(bids.current, shownBids, deepest, info);
    if (host.current !== null)
      host.current.dataset["stale"] = String(now !== undefined && !now.live);
  });
  const gap = () => {
    const ask = book()?.asks[0]?.[0];
    const bid = book()?.bids[0]?.[0];
    const live = book()?.live ?? false;
    if (!live)
      return book() === undefined ? "waiting for the book" : "book is healing: do not trust it";
    const bp = number(spreadBp(bid, ask), 2);
    return `spread ${number(ask === undefined || bid === undefined ? null : ask - bid, info.price_decimals)} · ${bp} bp`;
  };
  const rows = Array.from({ length: perSide }, (_, i) => i);
  return (
    <Panel
      title="Depth"
      actions={
        <IconButton
          icon="pause"
          label={frozen ? "Unfreeze" : "Freeze"}
          aria-pressed={frozen}
          onClick={() => setFrozen(!frozen)}
        />
      }
      state={frozen ? { kind: "partial", note: "frozen" } : { kind: "ready" }}
      subject={`price ${info.quote}, size ${info.base}`}
      age={() => {
        const stamped = store.books.get(info.ix);
        return stamped === undefined ? null : store.age(stamped.at, 0 as Millis);
      }}
    >
      <div className={css.columns}>
        <span>Price</span>
        <span>Size</span>
        <span>Total</span>
      </div>
      <div ref={host} className={css.book} aria-live="off" data-testid="depth">
        <div ref={asks} className={`${css.side} ${css.asks}`}>
          {rows.map((i) => (
            <Line key={i} />
          ))}
        </div>
        <div className={css.spread}>
          <HotText keys={[key]} read={gap} />
        </div>
        <div ref={bids} className={`${css.side} ${css.bids}`}>
          {rows.map((i) => (
            <Line key={i} />
          ))}
        </div>
      </div>
    </Panel>
  );
}

function Line() {
  return (
    <div className={css.line}>
      <i className={css.bar} />
      <span className={css.price} />
      <span />
      <span className="muted" />
    </div>
  );
}

function total(levels: readonly Level[]): number {
  return levels.reduce((sum, [, qty]) => sum + qty, 0);
}

function paintSide(
  side: HTMLElement | null,
  levels: readonly Level[],
  deepest: number,
  info: InstrumentInfo,
): void {
  if (side === null) return;
  let sum = 0;
  for (let i = 0; i < side.children.length; i += 1) {
    const [bar, price, size, cumulated] = side.children[i]!.children as unknown as HTMLElement[];
    const level = levels[i];
    sum += level?.[1] ?? 0;
    write(price!, level === undefined ? "" : number(level[0], info.price_decimals));
    write(size!, level === undefined ? "" : quantity(level[1], info.qty_decimals));
    write(cumulated!, level === undefined ? "" : quantity(sum, info.qty_decimals));
    const scale = level === undefined || deepest === 0 ? 0 : sum / deepest;
    bar!.style.transform = `scaleX(${scale.toFixed(3)})`;
  }
}
