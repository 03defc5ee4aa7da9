import * as Dialog from "@radix-ui/react-dialog";
import { IconButton } from "@/components/Button";
import type { Status } from "@/contract";
import { dayClock, millisOf } from "@/format/time";
import css from "./HelpDialog.module.css";

const KEYS: readonly [string, string][] = [
  ["/", "search instruments and pairs"],
  ["g then m", "Market"],
  ["g then p", "Pairs"],
  ["g then h", "Health"],
  ["1  2  3", "timeframe"],
  ["?", "this help"],
  ["Esc", "close"],
];

const WORDS: readonly [string, string][] = [
  ["bp", "basis point, 0.01 %. Spread and sigma are differences of log prices × 10,000."],
  ["hedge ratio β", "dollars of x for each dollar of y."],
  ["z_window", "last residual of the window's own regression, in its standard deviations."],
  [
    "z_kalman",
    "innovation of the Kalman filter over its predicted standard deviation. Its zones are drawn only while its own running standard deviation is within 0.8 to 1.25.",
  ],
  ["half-life", "time in which a deviation halves, in hours, with bars in brackets."],
  ["dimmed", "the value is old; its age stands beside it. A dash means not known, never zero."],
];

/** Keys, words, and the notices that the libraries ask for. */
export default function HelpDialog({
  status,
  onClose,
}: {
  status: Status | undefined;
  onClose: () => void;
}) {
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className={css.overlay} />
        <Dialog.Content className={css.dialog} aria-describedby={undefined}>
          <header>
            <Dialog.Title>Help</Dialog.Title>
            <Dialog.Close asChild>
              <IconButton icon="close" label="Close" />
            </Dialog.Close>
          </header>
          <div className={css.body}>
            <h3>Keys</h3>
            <List items={KEYS} keys />
            <h3>Charts</h3>
            <p>
              Candles: wheel to zoom, drag to pan, older bars load at the left edge. Pair charts:
              drag to zoom all of them, double-click for everything.
            </p>
            <h3>Words</h3>
            <List items={WORDS} />
            <h3>About</h3>
            {status !== undefined && (
              <p className={css.run}>
                Poise {status.version} · {status.environment} · {status.venue}
                <br />
                run {status.run_id} · started {dayClock(millisOf(status.started_ns), "utc")} UTC
              </p>
            )}
            <p>
              Charts: TradingView Lightweight Charts™, Copyright (c) 2025 TradingView, Inc.{" "}
              <a href="https://www.tradingview.com/" target="_blank" rel="noreferrer">
                https://www.tradingview.com/
              </a>
              , Apache License 2.0. Lines: uPlot, MIT. Components: React, Redux Toolkit, Radix,
              cmdk, MIT. Typefaces: Inter and JetBrains Mono, SIL Open Font License 1.1.
            </p>
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function List({ items, keys = false }: { items: readonly [string, string][]; keys?: boolean }) {
  return (
    <dl className={css.words}>
      {items.map(([word, meaning]) => (
        <div key={word}>
          <dt>{keys ? <kbd>{word}</kbd> : word}</dt>
          <dd>{meaning}</dd>
        </div>
      ))}
    </dl>
  );
}
