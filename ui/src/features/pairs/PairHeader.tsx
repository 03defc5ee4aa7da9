import { useRef, type ReactNode } from "react";
import { AgeDot } from "@/components/AgeDot";
import { Hint } from "@/components/Hint";
import { HotText, write } from "@/components/HotText";
import { IconButton } from "@/components/Button";
import { InstrumentPicker } from "@/components/InstrumentPicker";
import { Segmented } from "@/components/Segmented";
import type { InstrumentInfo, LogPrice, PairDetail, PairRow } from "@/contract";
import { basisPoints, BLANK, halfLife, known, number, signed } from "@/format/numbers";
import { useHot, useLive } from "@/live/context";
import { isStale } from "@/live/freshness";
import { hotKey, type PairKey } from "@/live/keys";
import type { Desk } from "@/state/instruments";
import css from "./PairHeader.module.css";

interface PairHeaderProps {
  desk: Desk;
  pair: PairKey;
  y: InstrumentInfo;
  x: InstrumentInfo;
  timeframe: string;
  detail: PairDetail | undefined;
  onPair: (y: InstrumentInfo, x: InstrumentInfo) => void;
  onTimeframe: (timeframe: string) => void;
}

function plusMinus(
  value: number | null | undefined,
  stderr: number | null | undefined,
  decimals: number,
): string {
  if (!known(value)) return BLANK;
  return known(stderr)
    ? `${number(value, decimals)} ± ${number(2 * stderr, decimals)}`
    : number(value, decimals);
}

export function PairHeader({
  desk,
  pair,
  y,
  x,
  timeframe,
  detail,
  onPair,
  onTimeframe,
}: PairHeaderProps) {
  const { store } = useLive();
  const header = useRef<HTMLElement>(null);
  const warm = useRef<HTMLSpanElement>(null);
  const key = hotKey.pair(pair);
  const keys = [key];
  const seconds = desk.timeframe(timeframe)?.seconds ?? 60;
  const row = (): PairRow | undefined => store.pairs.get(pair)?.row ?? detail?.row;
  const age = () => {
    const live = store.pairs.get(pair);
    return live === undefined || live.row === null ? null : store.age(live.at, live.row.age_ms);
  };
  useHot([key, hotKey.second], () => {
    const now = row();
    const warming = now !== undefined && !now.ready;
    write(warm.current, warming ? `warming up ${now.bars}/${now.window}` : "");
    if (header.current !== null) header.current.dataset["stale"] = String(isStale(age()));
  });
  const sentence = () => {
    const words = store.pairs.get(pair)?.sentence || detail?.sentence;
    if (words !== undefined && words !== "") return words;
    return row() === undefined
      ? "Reading the pair…"
      : "No position yet: the window is still filling";
  };
  const deviation = (): LogPrice | null => {
    const now = row();
    return now !== undefined && known(now.spread) && known(now.alpha)
      ? ((now.spread - now.alpha) as LogPrice)
      : null;
  };
  const bp = (value: LogPrice | null | undefined) =>
    known(value) ? `${basisPoints(value)} bp` : BLANK;
  return (
    <section className={css.header} aria-label={`${y.base} against ${x.base}`}>
      <div className={css.pick}>
        <InstrumentPicker
          label="y"
          value={y}
          instruments={desk.instruments}
          taken={x.ix}
          onPick={(next) => onPair(next, x)}
        />
        <IconButton icon="swap" label="Swap the legs" onClick={() => onPair(x, y)} />
        <InstrumentPicker
          label="x"
          value={x}
          instruments={desk.instruments}
          taken={y.ix}
          onPick={(next) => onPair(y, next)}
        />
        <Segmented
          label="Timeframe"
          value={timeframe}
          options={desk.timeframes.map((t) => ({ value: t.name, label: t.name }))}
          onChange={onTimeframe}
        />
        <span ref={warm} className={css.warm} role="status" />
        <span className={css.gap} />
        {detail !== undefined && (
          <Hint text={[`Prices: ${detail.price_source}`, ...detail.conventions].join("\n")}>
            <button type="button" className={css.conventions}>
              Conventions
            </button>
          </Hint>
        )}
        <AgeDot age={age} />
      </div>
      <div ref={header as React.RefObject<HTMLDivElement | null>} className={css.figures}>
        <h1 className={css.sentence} data-testid="sentence">
          <HotText keys={keys} read={sentence} />
        </h1>
        <Headline
          label="z_window"
          hint="Last residual of the window's own regression over its standard deviation, at the present mids"
        >
          <HotText
            keys={keys}
            read={() => signed(row()?.z_window, 2)}
            tone={() => zTone(row()?.z_window)}
          />
        </Headline>
        <Headline
          label="z_kalman"
          hint="Innovation of the Kalman filter over its predicted standard deviation, at the present mids"
        >
          <HotText
            keys={keys}
            read={() => signed(row()?.z_kalman, 2)}
            tone={() => zTone(row()?.z_kalman)}
          />
        </Headline>
      </div>
      <dl className={css.stats}>
        <Stat label="Spread from mean">
          <HotText keys={keys} read={() => bp(deviation())} />
        </Stat>
        <Stat label="Sigma">
          <HotText
            keys={keys}
            read={() => (known(row()?.sigma) ? `${number(row()!.sigma! * 10_000, 1)} bp` : BLANK)}
          />
        </Stat>
        <Stat label="β OLS ± 2 se">
          <HotText keys={keys} read={() => plusMinus(row()?.beta, row()?.beta_stderr, 3)} />
        </Stat>
        <Stat label="β Kalman ± 2 se">
          <HotText
            keys={keys}
            read={() => plusMinus(row()?.beta_kalman, row()?.beta_kalman_stderr, 3)}
          />
        </Stat>
        <Stat label="Return correlation">
          <HotText keys={keys} read={() => signed(row()?.correlation, 3)} />
        </Stat>
        <Stat label="Half-life (bars)">
          <HotText keys={keys} read={() => halfLife(row()?.half_life_bars, seconds)} />
        </Stat>
      </dl>
    </section>
  );
}

/** Coloured only beyond the entry threshold. */
function zTone(z: number | null | undefined): string {
  if (!known(z) || Math.abs(z) < 2) return "";
  return z > 0 ? "down" : "up";
}

function Headline({ label, hint, children }: { label: string; hint: string; children: ReactNode }) {
  return (
    <div className={css.headline}>
      <Hint text={hint}>
        <span className={css.label}>{label}</span>
      </Hint>
      <span className={css.figure}>{children}</span>
    </div>
  );
}

function Stat({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <dt className={css.label}>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}
