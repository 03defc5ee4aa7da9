import { write } from "@/components/HotText";
import type { CandleRow, Fraction, InstrumentInfo } from "@/contract";
import { arrow, number, percent, quantity, tone } from "@/format/numbers";

const LABELS = ["O", "H", "L", "C", "", "Vol"] as const;

/** Open, high, low, close, change and volume of a bar, into the overlay of the chart. */
export function writeLegend(
  host: HTMLElement,
  bar: CandleRow | undefined | null,
  instrument: InstrumentInfo,
): void {
  if (host.childElementCount !== LABELS.length) {
    host.replaceChildren(
      ...LABELS.map((label) => {
        const item = document.createElement("span");
        const name = document.createElement("b");
        name.textContent = label;
        item.append(name, document.createElement("span"));
        return item;
      }),
    );
  }
  const change =
    bar === undefined || bar === null || bar.open === 0 ? null : bar.close / bar.open - 1;
  const decimals = instrument.price_decimals;
  const texts = [
    number(bar?.open, decimals),
    number(bar?.high, decimals),
    number(bar?.low, decimals),
    number(bar?.close, decimals),
    `${arrow(change)} ${percent(change as Fraction | null)}`.trim(),
    `${quantity(bar?.volume)} ${instrument.base}`,
  ];
  texts.forEach((text, i) => {
    const value = host.children[i]?.lastElementChild as HTMLElement | null;
    write(value, text);
    if (i === 4 && value !== null) value.className = tone(change);
  });
}
