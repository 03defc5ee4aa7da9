import { useEffect, type ReactNode } from "react";
import { Panel, type PanelState } from "@/components/Panel";
import table from "@/components/Table.module.css";
import type { Bytes, FeedHealth, GapInfo, Health, Micros, Millis } from "@/contract";
import { bytes, duration, integer, known, micros, number, signed } from "@/format/numbers";
import { dayClock, millisOf, zoneName } from "@/format/time";
import { useHotState, useLive } from "@/live/context";
import { hotKey } from "@/live/keys";
import { failureOf, useHealthQuery } from "@/state/api";
import { useDesk } from "@/state/instruments";
import { useAppSelector } from "@/state/store";
import css from "./HealthPage.module.css";

export default function HealthPage() {
  const { store } = useLive();
  const live = useHotState([hotKey.health], () => store.health, 500);
  const { data, error, refetch } = useHealthQuery();
  useEffect(() => {
    document.title = "Health · Poise";
  }, []);
  const health = live?.value ?? data;
  const age = () => (store.health === null ? null : store.age(store.health.at, 0 as Millis));
  let state: PanelState = { kind: health === undefined ? "loading" : "ready" };
  if (health === undefined && error !== undefined) {
    const { title, hint, requestId } = failureOf(error);
    state = { kind: "error", title, hint, requestId, retry: () => void refetch() };
  }
  return (
    <div className={css.grid}>
      <h1 className="visually-hidden">Health of the desk</h1>
      <Figures health={health} />
      <Panel
        title="Feeds"
        subject="each socket and polling source"
        className={css.feeds}
        state={state}
        age={age}
      >
        {health !== undefined && <Feeds feeds={health.feeds} />}
      </Panel>
      <Panel
        title="Recent gaps"
        subject="interruptions of a stream, newest first"
        className={css.gaps}
        state={
          health?.recent_gaps.length === 0
            ? { kind: "empty", why: "No gap since the start." }
            : state
        }
        age={age}
      >
        {health !== undefined && <Gaps gaps={health.recent_gaps} />}
      </Panel>
      <Panel
        title="Diagnostics"
        subject="what the desk reported"
        className={css.diagnostics}
        state={
          health?.diagnostics.length === 0 ? { kind: "empty", why: "Nothing to report." } : state
        }
        age={age}
      >
        {health !== undefined && (
          <ul className={css.lines}>
            {[...new Set(health.diagnostics)].map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        )}
      </Panel>
    </div>
  );
}

type Level = "good" | "watch" | "bad" | "none";

function Figures({ health }: { health: Health | undefined }) {
  const journal = bytes(health?.journal_bytes as Bytes | undefined);
  const booksLevel: Level =
    health === undefined ? "none" : health.books_live === health.books_total ? "good" : "watch";
  const gapLevel: Level = health === undefined ? "none" : health.gaps_open === 0 ? "good" : "bad";
  const p99 = health?.wire_to_signal_p99_us as Micros | null | undefined;
  return (
    <div className={css.figures}>
      <Figure
        label="Books live"
        level={booksLevel}
        value={health === undefined ? "—" : `${health.books_live} / ${health.books_total}`}
        detail={health === undefined ? "" : `${integer(health.quarantined)} quarantined`}
      />
      <Figure
        label="Gaps open"
        level={gapLevel}
        value={integer(health?.gaps_open)}
        detail={`${integer(health?.gaps_healed)} healed`}
      />
      <Figure
        label="Wire to signal, p50"
        level="none"
        value={micros(health?.wire_to_signal_p50_us)}
        unit="µs"
        detail={`p99 ${micros(p99)} µs`}
      />
      <Figure
        label="Journal"
        level={
          known(health?.journal_unsynced_ms) && health.journal_unsynced_ms > 1_000
            ? "watch"
            : "none"
        }
        value={journal.value}
        unit={journal.unit}
        detail={`unsynced ${duration(health?.journal_unsynced_ms)}`}
      />
      <Figure
        label="Lake"
        level={known(health?.lake_lag_s) && health.lake_lag_s > 30 ? "watch" : "none"}
        value={integer(health?.lake_rows)}
        unit="rows"
        detail={`${health?.lake_state ?? "—"}, ${number(health?.lake_lag_s, 1)} s behind`}
      />
      <Figure
        label="Clock offset"
        level={
          known(health?.clock_offset_ms) && Math.abs(health.clock_offset_ms) > 250
            ? "watch"
            : "none"
        }
        value={signed(health?.clock_offset_ms, 1)}
        unit="ms"
        detail="venue minus this machine"
      />
    </div>
  );
}

function Figure({
  label,
  value,
  unit,
  detail,
  level,
}: {
  label: string;
  value: string;
  unit?: string;
  detail: ReactNode;
  level: Level;
}) {
  return (
    <section className={css.figure} data-level={level} aria-label={label}>
      <h2>{label}</h2>
      <p>
        {value}
        {unit !== undefined && <small>{unit}</small>}
      </p>
      <span>{detail}</span>
    </section>
  );
}

function Feeds({ feeds }: { feeds: readonly FeedHealth[] }) {
  return (
    <div className={table.scroll} tabIndex={0} role="region" aria-label="Table of feeds">
      <table className={table.table}>
        <thead>
          <tr>
            <th scope="col">Feed</th>
            <th scope="col">State</th>
            <th scope="col">Source</th>
            <th scope="col" className="num">
              Streams
            </th>
            <th scope="col" className="num">
              Messages
            </th>
            <th scope="col" className="num">
              Last message
            </th>
            <th scope="col" className="num">
              Reconnections
            </th>
            <th scope="col">Detail</th>
          </tr>
        </thead>
        <tbody>
          {feeds.map((feed) => (
            <tr key={feed.name}>
              <th scope="row">{feed.name}</th>
              <td>
                <span className={css.state} data-state={feed.state}>
                  {feed.state}
                </span>
              </td>
              <td>{feed.source === "rest" ? "REST polling" : feed.source}</td>
              <td className="num">{integer(feed.streams)}</td>
              <td className="num">{integer(feed.messages)}</td>
              <td className="num">{duration(feed.age_ms)} ago</td>
              <td className="num">{integer(feed.reconnects)}</td>
              <td className="muted">{feed.detail}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Gaps({ gaps }: { gaps: readonly GapInfo[] }) {
  const desk = useDesk();
  const zone = useAppSelector((state) => state.prefs.zone);
  return (
    <div className={table.scroll} tabIndex={0} role="region" aria-label="Table of gaps">
      <table className={table.table}>
        <thead>
          <tr>
            <th scope="col">At ({zoneName(zone)})</th>
            <th scope="col">Instrument</th>
            <th scope="col">Channel</th>
            <th scope="col" className="num">
              Length
            </th>
            <th scope="col">Missed ids</th>
            <th scope="col">Reason</th>
            <th scope="col">State</th>
          </tr>
        </thead>
        <tbody>
          {gaps.map((gap) => (
            <tr key={`${gap.at_ns} ${gap.instrument} ${gap.channel}`}>
              <td>{dayClock(millisOf(gap.at_ns), zone)}</td>
              <td>{desk?.byIx.get(gap.instrument)?.symbol ?? gap.instrument}</td>
              <td>{gap.channel}</td>
              <td className="num">{duration((gap.seconds * 1000) as Millis)}</td>
              <td className={css.ids}>
                {gap.first_id}–{gap.last_id}
              </td>
              <td className="muted">{gap.reason}</td>
              <td>
                <span className={css.state} data-state={gap.healed ? "live" : "stale"}>
                  {gap.healed ? "healed" : "permanent"}
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
