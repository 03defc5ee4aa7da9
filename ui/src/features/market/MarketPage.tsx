import { useEffect } from "react";
import { useNavigate, useParams } from "react-router";
import { Splitter } from "@/components/Splitter";
import { useStoredNumber } from "@/components/useStoredNumber";
import type { InstrumentInfo } from "@/contract";
import { marketPath, useDesk, type Desk } from "@/state/instruments";
import { useAppDispatch, useAppSelector } from "@/state/store";
import { setSymbol } from "@/state/workspace";
import { CandleChart } from "./CandleChart";
import { Depth } from "./Depth";
import { InstrumentStrip } from "./InstrumentStrip";
import css from "./MarketPage.module.css";
import { Tape } from "./Tape";
import { Watchlist } from "./Watchlist";

export default function MarketPage() {
  const desk = useDesk();
  const { symbol } = useParams();
  const remembered = useAppSelector((state) => state.workspace.symbol);
  if (desk === null) return null;
  const wanted = symbol ?? remembered ?? "";
  const info = desk.bySymbol.get(wanted) ?? desk.instruments[0];
  if (info === undefined) return <p className={css.nothing}>This run follows no instrument.</p>;
  return <Market desk={desk} info={info} />;
}

function Market({ desk, info }: { desk: Desk; info: InstrumentInfo }) {
  const navigate = useNavigate();
  const dispatch = useAppDispatch();
  const [watch, setWatch] = useStoredNumber("poise.watch", 372);
  const [side, setSide] = useStoredNumber("poise.side", 288);
  const wanted = useAppSelector((state) => state.workspace.timeframe);
  const timeframe = desk.timeframe(wanted)?.name ?? desk.timeframes[0]?.name ?? "1m";
  useEffect(() => {
    dispatch(setSymbol(info.symbol));
    document.title = `${info.symbol} · Poise`;
  }, [dispatch, info.symbol]);
  return (
    <div
      className={css.grid}
      style={{ "--watch": `${watch}px`, "--side": `${side}px` } as React.CSSProperties}
    >
      <div className={css.watch}>
        <Watchlist
          instruments={desk.instruments}
          selected={info.ix}
          onSelect={(next) => void navigate(marketPath(next.symbol))}
        />
      </div>
      <Splitter
        label="Width of the watchlist"
        side="left"
        size={watch}
        min={300}
        max={560}
        onSize={setWatch}
      />
      <div className={css.main}>
        <InstrumentStrip key={info.ix} info={info} />
        <div className={css.work}>
          <CandleChart desk={desk} instrument={info} timeframe={timeframe} />
          <Splitter
            label="Width of depth and tape"
            side="right"
            size={side}
            min={240}
            max={480}
            onSize={setSide}
          />
          <div className={css.side}>
            <Depth key={`depth ${info.ix}`} info={info} />
            <Tape key={`tape ${info.ix}`} info={info} />
          </div>
        </div>
      </div>
    </div>
  );
}
