import { useRef, useState } from "react";
import { IconButton } from "@/components/Button";
import { write } from "@/components/HotText";
import { Panel } from "@/components/Panel";
import type { InstrumentInfo, Millis, TapeRow } from "@/contract";
import { number, quantity } from "@/format/numbers";
import { clock, zoneName, type Zone } from "@/format/time";
import { useHot, useLive, useTopic } from "@/live/context";
import { QUIET_STALE_MS } from "@/live/freshness";
import { hotKey } from "@/live/keys";
import { useAppSelector } from "@/state/store";
import { useFittingRows } from "./Depth";
import css from "./Tape.module.css";

const ROW_PX = 22;

export function Tape({ info }: { info: InstrumentInfo }) {
  const { store } = useLive();
  const zone = useAppSelector((state) => state.prefs.zone);
  const [frozen, setFrozen] = useState(false);
  const host = useRef<HTMLDivElement>(null);
  const key = hotKey.trades(info.ix);
  useTopic("trades", String(info.ix));
  const fitting = useFittingRows(host, ROW_PX, 0);
  useHot([key], () => {
    if (frozen) return;
    const trades = store.tapes.get(info.ix)?.value ?? [];
    const lines = host.current?.children;
    if (lines === undefined) return;
    for (let i = 0; i < lines.length; i += 1) {
      paintLine(lines[i] as HTMLElement, trades[trades.length - 1 - i], info, zone);
    }
  });
  return (
    <Panel
      title="Tape"
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
      staleMs={QUIET_STALE_MS}
      age={() => {
        const stamped = store.tapes.get(info.ix);
        return stamped === undefined ? null : store.age(stamped.at, 0 as Millis);
      }}
    >
      <div className={css.columns}>
        <span>Price</span>
        <span>Size</span>
        <span>{zoneName(zone)}</span>
      </div>
      <div ref={host} className={css.tape} aria-live="off" data-testid="tape">
        {Array.from({ length: fitting }, (_, i) => (
          <div key={i} className={css.line}>
            <span className={css.price} />
            <span />
            <span className="muted" />
          </div>
        ))}
      </div>
    </Panel>
  );
}

function paintLine(
  line: HTMLElement,
  trade: TapeRow | undefined,
  info: InstrumentInfo,
  zone: Zone,
): void {
  const [price, size, time] = line.children as unknown as HTMLElement[];
  const side = trade === undefined ? "" : trade.side > 0 ? "up" : "down";
  if (line.dataset["side"] !== side) line.dataset["side"] = side;
  write(
    price!,
    trade === undefined
      ? ""
      : `${trade.side > 0 ? "▲" : "▼"} ${number(trade.price, info.price_decimals)}`,
  );
  write(size!, trade === undefined ? "" : quantity(trade.qty, info.qty_decimals));
  write(time!, trade === undefined ? "" : clock(trade.venue_ms, zone));
}
