import { useEffect, useRef } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router";
import type { PanelState } from "@/components/Panel";
import { Splitter } from "@/components/Splitter";
import { useStoredNumber } from "@/components/useStoredNumber";
import type { InstrumentInfo } from "@/contract";
import { useHot, useLive, useOrderBeat, useTopic } from "@/live/context";
import { hotKey, pairKey } from "@/live/keys";
import { failureOf, useAddPairMutation, usePairQuery } from "@/state/api";
import { pairPath, useDesk, type Desk } from "@/state/instruments";
import { useAppDispatch, useAppSelector } from "@/state/store";
import { setPair, setPairTimeframe } from "@/state/workspace";
import { PairCharts } from "./PairCharts";
import { PairHeader } from "./PairHeader";
import css from "./PairsPage.module.css";
import { PairTable } from "./PairTable";
import { mostCorrelated } from "./pairModel";

export default function PairsPage() {
  const desk = useDesk();
  const params = useParams();
  const remembered = useAppSelector((state) => state.workspace.pair);
  const { store } = useLive();
  const chosen = params["y"] !== undefined || remembered !== null;
  useTopic("pairs", chosen ? null : "");
  useOrderBeat(() => store.pairRows.size);
  if (desk === null) return null;
  if (!chosen && store.pairRows.size === 0 && desk.status.pairs.length > 0)
    return <p className={css.nothing}>Waiting for the first prices of the pairs…</p>;
  const best = mostCorrelated([...store.pairRows.values()].map(({ value }) => value));
  const first = best === undefined ? desk.status.pairs[0] : ([best.y, best.x] as const);
  const named = (symbol: string | undefined) =>
    symbol === undefined ? undefined : desk.bySymbol.get(symbol);
  const y =
    named(params["y"]) ??
    named(remembered?.y) ??
    (first && desk.byIx.get(first[0])) ??
    desk.instruments[0];
  const x =
    named(params["x"]) ??
    named(remembered?.x) ??
    (first && desk.byIx.get(first[1])) ??
    desk.instruments[1];
  if (y === undefined || x === undefined || y.ix === x.ix)
    return <p className={css.nothing}>A pair needs two different instruments of this run.</p>;
  return <Pairs desk={desk} y={y} x={x} />;
}

function Pairs({ desk, y, x }: { desk: Desk; y: InstrumentInfo; x: InstrumentInfo }) {
  const navigate = useNavigate();
  const dispatch = useAppDispatch();
  const [search] = useSearchParams();
  const [width, setWidth] = useStoredNumber("poise.pairs", 556);
  const remembered = useAppSelector((state) => state.workspace.pairTimeframe);
  const asked = search.get("tf");
  const timeframe = desk.timeframe(remembered)?.name ?? desk.timeframes[0]?.name ?? "1m";
  // A link names its timeframe once; after that the tabs and keys 1, 2, 3 decide.
  useEffect(() => {
    if (asked !== null && desk.timeframe(asked) !== undefined) dispatch(setPairTimeframe(asked));
  }, [asked, desk, dispatch]);
  useEffect(() => {
    dispatch(setPair({ y: y.symbol, x: x.symbol }));
    document.title = `${y.base} / ${x.base} · Poise`;
  }, [dispatch, y, x]);
  const { detail, state } = usePair(desk, y, x, timeframe);
  const key = pairKey(y.ix, x.ix, timeframe);
  const open = (a: InstrumentInfo, b: InstrumentInfo) =>
    void navigate(pairPath(a.symbol, b.symbol, timeframe));
  return (
    <div className={css.grid} style={{ "--table": `${width}px` } as React.CSSProperties}>
      <div className={css.table}>
        <PairTable
          desk={desk}
          timeframe={timeframe}
          selected={key}
          onOpen={(row) => {
            const a = desk.byIx.get(row.y);
            const b = desk.byIx.get(row.x);
            if (a !== undefined && b !== undefined) open(a, b);
          }}
        />
      </div>
      <Splitter
        label="Width of the pair table"
        side="left"
        size={width}
        min={400}
        max={720}
        onSize={setWidth}
      />
      <div className={css.main}>
        <PairHeader
          key={`header ${key}`}
          desk={desk}
          pair={key}
          y={y}
          x={x}
          timeframe={timeframe}
          detail={detail}
          onPair={open}
          onTimeframe={(next) => {
            dispatch(setPairTimeframe(next));
            void navigate(pairPath(y.symbol, x.symbol, next), { replace: true });
          }}
        />
        <PairCharts key={`charts ${key}`} pair={key} y={y} x={x} detail={detail} state={state} />
      </div>
    </div>
  );
}

/** The pair's history and live stream; a pair that the desk does not follow yet is added first. */
function usePair(desk: Desk, y: InstrumentInfo, x: InstrumentInfo, timeframe: string) {
  const { store } = useLive();
  const followed = desk.status.pairs.some(([a, b]) => a === y.ix && b === x.ix);
  const [addPair, adding] = useAddPairMutation();
  const asked = useRef("");
  const name = `${y.ix}|${x.ix}`;
  useEffect(() => {
    if (followed || asked.current === name) return;
    asked.current = name;
    void addPair({ y: y.ix, x: x.ix, csrf: desk.status.csrf_token });
  }, [followed, name, addPair, y.ix, x.ix, desk.status.csrf_token]);
  const query = usePairQuery(
    { y: y.ix, x: x.ix, timeframe },
    { skip: !followed, refetchOnMountOrArgChange: true },
  );
  const key = pairKey(y.ix, x.ix, timeframe);
  useTopic("pair", followed ? key : null);
  // Snapshots after the first mean that the stream had a hole: ask for the history again.
  const epoch = useRef({ key, seen: 0 });
  useHot([hotKey.pair(key)], () => {
    const live = store.pairs.get(key);
    if (live === undefined) return;
    if (epoch.current.key !== key) epoch.current = { key, seen: 0 };
    if (epoch.current.seen > 0 && live.epoch > epoch.current.seen) void query.refetch();
    epoch.current.seen = live.epoch;
  });
  const error = followed ? query.error : adding.error;
  const detail = query.currentData;
  let state: PanelState = { kind: "ready" };
  if (detail === undefined) state = { kind: "loading" };
  if (detail !== undefined && !detail.row.ready && detail.history.end_ms.length === 0) {
    state = {
      kind: "empty",
      why: `Warming up: ${detail.row.bars} of ${detail.row.window} bars.`,
      next: "The charts start once the window is full.",
    };
  }
  if (detail === undefined && error !== undefined) {
    const failure = failureOf(error);
    const retry = () =>
      followed
        ? void query.refetch()
        : void addPair({ y: y.ix, x: x.ix, csrf: desk.status.csrf_token });
    state = {
      kind: "error",
      title: failure.title,
      hint: failure.hint,
      requestId: failure.requestId,
      retry,
    };
  }
  return { detail, state };
}
