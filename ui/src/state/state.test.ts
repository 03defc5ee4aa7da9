import { describe, expect, it } from "vitest";
import { failureOf } from "./api";
import { connMeasured, connSlice, stateOf } from "./conn";
import { dismiss, noticesSlice, notify } from "./notices";
import { prefsSlice, readPrefs, setPrefs, toggleTheme } from "./prefs";
import { setPair, setTimeframe, workspaceSlice } from "./workspace";

describe("prefs", () => {
  it("falls back to defaults for what it cannot read", () => {
    const defaults = readPrefs(null);
    expect(readPrefs("not json")).toEqual(defaults);
    expect(readPrefs('{"theme":"pink","zone":7,"other":1}')).toEqual(defaults);
    expect(readPrefs('{"theme":"light","palette":"blue-orange"}')).toEqual({
      ...defaults,
      theme: "light",
      palette: "blue-orange",
    });
  });

  it("is dark at first, and toggles", () => {
    const { reducer } = prefsSlice;
    const first = reducer(undefined, { type: "" });
    expect(first.theme).toBe("dark");
    expect(reducer(first, toggleTheme()).theme).toBe("light");
    expect(reducer(first, setPrefs({ zone: "local" }))).toEqual({ ...first, zone: "local" });
  });
});

describe("connection state", () => {
  it.each([
    ["live", 12, null, "live"],
    ["live", 400, null, "lagging"],
    ["live", null, 3_000, "lagging"],
    ["live", 12, 7_000, "stale"],
    ["resyncing", 12, null, "lagging"],
    ["offline", 12, null, "offline"],
    ["connecting", null, null, "offline"],
  ] as const)("%s with lag %s and silence %s is %s", (phase, lag, silent, state) => {
    expect(stateOf(phase, lag, silent)).toBe(state);
  });

  it("is derived, not sent", () => {
    const next = connSlice.reducer(
      undefined,
      connMeasured({ phase: "live", lagMs: null, silentMs: null, resyncs: 2, reconnects: 1 }),
    );
    expect(next).toMatchObject({ state: "live", resyncs: 2 });
  });
});

describe("notices", () => {
  const { reducer } = noticesSlice;
  const notice = (title: string) => notify({ level: "warning", title, detail: "d" });

  it("shows the same complaint once and keeps the newest few", () => {
    let state = reducer(undefined, notice("a"));
    state = reducer(state, notice("a"));
    expect(state.shown).toHaveLength(1);
    for (const title of ["b", "c", "d", "e"]) state = reducer(state, notice(title));
    expect(state.shown.map((n) => n.title)).toEqual(["b", "c", "d", "e"]);
  });

  it("dismisses by id", () => {
    const state = reducer(reducer(undefined, notice("a")), notice("b"));
    expect(reducer(state, dismiss(state.shown[0]!.id)).shown.map((n) => n.title)).toEqual(["b"]);
  });
});

it("workspace keeps instrument, pair and timeframes apart", () => {
  const { reducer } = workspaceSlice;
  const state = reducer(reducer(undefined, setTimeframe("5m")), setPair({ y: "A", x: "B" }));
  expect(state).toMatchObject({ timeframe: "5m", pairTimeframe: "1m", pair: { y: "A", x: "B" } });
});

describe("failures in words", () => {
  it("takes the server's own words and its request id", () => {
    const data = { error: "no such timeframe 7m", hint: "use 1s, 1m or 5m", request_id: "r-9" };
    expect(failureOf({ status: 400, data })).toEqual({
      title: data.error,
      hint: data.hint,
      requestId: "r-9",
      unauthorised: false,
    });
  });

  it("reads an error body that came as text", () => {
    const data = JSON.stringify({ error: "bad token", hint: "reload", request_id: "r-1" });
    expect(failureOf({ status: 403, data })).toMatchObject({
      title: "bad token",
      unauthorised: true,
    });
  });

  it("knows a missing session, a dead server and an answer that is no JSON", () => {
    expect(failureOf({ status: 401, data: null }).unauthorised).toBe(true);
    expect(failureOf({ status: "FETCH_ERROR", error: "x" }).title).toBe(
      "The server does not answer",
    );
    expect(
      failureOf({ status: "PARSING_ERROR", originalStatus: 502, data: "<html>", error: "x" }).title,
    ).toBe("The server answered 502");
  });
});
