import * as Dialog from "@radix-ui/react-dialog";
import { Command } from "cmdk";
import { useNavigate } from "react-router";
import type { InstrumentInfo } from "@/contract";
import { arrow, number, percent, tone } from "@/format/numbers";
import { useLive, useTopic } from "@/live/context";
import { marketPath, pairPath, useDesk } from "@/state/instruments";
import { useAppSelector } from "@/state/store";
import css from "./SearchDialog.module.css";

/** The `/` dialog: any instrument, and the pairs that hold it. */
export default function SearchDialog({ onClose }: { onClose: () => void }) {
  const desk = useDesk();
  const navigate = useNavigate();
  const timeframe = useAppSelector((state) => state.workspace.pairTimeframe);
  useTopic("quotes", "");
  const go = (path: string) => {
    onClose();
    void navigate(path);
  };
  const pairs = (desk?.status.pairs ?? []).flatMap(([y, x]) => {
    const a = desk?.byIx.get(y);
    const b = desk?.byIx.get(x);
    return a === undefined || b === undefined ? [] : [{ a, b }];
  });
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className={css.overlay} />
        <Dialog.Content className={css.dialog} aria-describedby={undefined}>
          <Dialog.Title className="visually-hidden">Search instruments and pairs</Dialog.Title>
          <Command label="Search instruments and pairs" loop>
            <Command.Input className={css.input} placeholder="Instrument or pair" autoFocus />
            <Command.List className={css.list} aria-label="Results">
              <Command.Empty className={css.empty}>Nothing of that name in this run.</Command.Empty>
              <Command.Group heading="Instruments">
                {desk?.instruments.map((info) => (
                  <Command.Item
                    key={info.ix}
                    value={info.symbol}
                    keywords={[info.base, info.id]}
                    className={css.item}
                    onSelect={() => go(marketPath(info.symbol))}
                  >
                    <span>
                      {info.base}
                      <small>{info.quote}</small>
                    </span>
                    <Price info={info} />
                  </Command.Item>
                ))}
              </Command.Group>
              <Command.Group heading="Pairs">
                {pairs.map(({ a, b }) => (
                  <Command.Item
                    key={`${a.ix}|${b.ix}`}
                    value={`${a.symbol} ${b.symbol} pair`}
                    className={css.item}
                    onSelect={() => go(pairPath(a.symbol, b.symbol, timeframe))}
                  >
                    <span>
                      {a.base} / {b.base}
                      <small>pair</small>
                    </span>
                  </Command.Item>
                ))}
              </Command.Group>
            </Command.List>
          </Command>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Price({ info }: { info: InstrumentInfo }) {
  const { store } = useLive();
  const quote = store.quotes.get(info.ix)?.value;
  const change = quote?.change_24h ?? null;
  return (
    <span className={css.price}>
      {number(quote?.last, info.price_decimals)}
      <span className={tone(change)}>
        {arrow(change)} {percent(change)}
      </span>
    </span>
  );
}
