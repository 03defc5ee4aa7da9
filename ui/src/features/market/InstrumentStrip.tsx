import { useRef } from "react";
import { HotText, write } from "@/components/HotText";
import { Hint } from "@/components/Hint";
import type { InstrumentInfo, Millis, QuoteRow } from "@/contract";
import {
  arrow,
  BLANK,
  dollars,
  duration,
  midOf,
  number,
  percent,
  signed,
  spreadBp,
  tone,
} from "@/format/numbers";
import { useHot, useLive } from "@/live/context";
import { isStale } from "@/live/freshness";
import { hotKey } from "@/live/keys";
import css from "./InstrumentStrip.module.css";

/** The instrument in one line: last price as the headline, what else a trader asks first. */
export function InstrumentStrip({ info }: { info: InstrumentInfo }) {
  const { store, serverNow } = useLive();
  const strip = useRef<HTMLElement>(null);
  const price = useRef<HTMLSpanElement>(null);
  const previous = useRef<number | null>(null);
  const keys = [hotKey.quote(info.ix), hotKey.second];
  const quote = (): QuoteRow | undefined => store.quotes.get(info.ix)?.value;
  useHot(keys, () => {
    const stamped = store.quotes.get(info.ix);
    const value = stamped?.value.last ?? midOf(stamped?.value.bid, stamped?.value.ask);
    write(price.current, number(value, info.price_decimals));
    if (price.current !== null && value !== previous.current) {
      price.current.className = `${css.price} ${tone(value === null || previous.current === null ? null : value - previous.current)}`;
      previous.current = value;
    }
    const age = stamped === undefined ? null : store.age(stamped.at, stamped.value.age_ms);
    if (strip.current !== null)
      strip.current.dataset["stale"] = String(isStale(age, stamped?.value.state));
  });
  const change = () => quote()?.change_24h ?? null;
  const funding = () => {
    const q = quote();
    if (q === undefined || q.funding_rate === null) return BLANK;
    const wait = q.next_funding_ms === null ? null : ((q.next_funding_ms - serverNow()) as Millis);
    return `${signed(q.funding_rate * 10_000, 2)} bp${wait === null ? "" : ` in ${duration(Math.max(0, wait) as Millis)}`}`;
  };
  const markGap = () => {
    const q = quote();
    const mid = midOf(q?.bid, q?.ask);
    return q?.mark === null || q === undefined || mid === null
      ? BLANK
      : `${signed((mid / q.mark - 1) * 10_000, 1)} bp`;
  };
  return (
    <section ref={strip} className={css.strip} aria-label={`${info.symbol} now`} aria-live="off">
      <h1 className={css.symbol} title={info.id}>
        {info.base}
        <span>{info.quote} perpetual</span>
      </h1>
      <span ref={price} className={css.price} />
      <Item label="24 h">
        <HotText
          keys={keys}
          read={() => `${arrow(change())} ${percent(change())}`.trim()}
          tone={() => tone(change())}
        />
      </Item>
      <Item label={`Bid / ask, ${info.quote}`} wide>
        <HotText
          keys={keys}
          read={() =>
            `${number(quote()?.bid, info.price_decimals)} / ${number(quote()?.ask, info.price_decimals)}`
          }
        />
      </Item>
      <Item label="Spread">
        <HotText
          keys={keys}
          read={() => withUnit(number(spreadBp(quote()?.bid, quote()?.ask), 2), "bp")}
        />
      </Item>
      <Item
        label="Mark"
        hint="Price that margin and funding are reckoned on; beside it, how far the mid stands from it"
      >
        <HotText keys={keys} read={() => number(quote()?.mark, info.price_decimals)} />{" "}
        <HotText keys={keys} read={markGap} className="muted" />
      </Item>
      <Item label="Funding" hint="Rate of the next stamp: above zero, longs pay shorts">
        <HotText keys={keys} read={funding} />
      </Item>
      <Item label="24 h volume">
        <HotText keys={keys} read={() => dollars(quote()?.volume_24h_quote)} />
      </Item>
    </section>
  );
}

function withUnit(text: string, unit: string): string {
  return text === BLANK ? text : `${text} ${unit}`;
}

function Item({
  label,
  hint,
  wide,
  children,
}: {
  label: string;
  hint?: string;
  wide?: boolean;
  children: React.ReactNode;
}) {
  const name = <span className={css.label}>{label}</span>;
  return (
    <div className={`${css.item} ${wide ? css.wide : ""}`}>
      {hint === undefined ? name : <Hint text={hint}>{name}</Hint>}
      <span className={css.value}>{children}</span>
    </div>
  );
}
