import { createApi, fetchBaseQuery, type FetchBaseQueryError } from "@reduxjs/toolkit/query/react";
import type { SerializedError } from "@reduxjs/toolkit";
import {
  decodePairDetail,
  type AddPair,
  type Candles,
  type ErrorAnswer,
  type Health,
  type InstrumentIx,
  type Millis,
  type PairDetail,
  type PairDetailWire,
  type Status,
} from "@/contract";

export interface CandlesQuery {
  instrument: InstrumentIx;
  timeframe: string;
  limit: number;
  /** Bars opened before this; absent for the newest. */
  endMs?: Millis;
}

export interface PairQuery {
  y: InstrumentIx;
  x: InstrumentIx;
  timeframe: string;
}

export const api = createApi({
  reducerPath: "api",
  baseQuery: fetchBaseQuery({ baseUrl: "/api", credentials: "same-origin" }),
  tagTypes: ["Status", "Pair"],
  keepUnusedDataFor: 30,
  endpoints: (build) => ({
    status: build.query<Status, void>({ query: () => "/status", providesTags: ["Status"] }),
    candles: build.query<Candles, CandlesQuery>({
      query: ({ instrument, timeframe, limit, endMs }) => ({
        url: "/candles",
        params: { instrument, timeframe, limit, ...(endMs === undefined ? {} : { end_ms: endMs }) },
      }),
    }),
    pair: build.query<PairDetail, PairQuery>({
      query: (params) => ({ url: "/pair", params: { ...params } }),
      transformResponse: (wire: PairDetailWire) => decodePairDetail(wire),
      providesTags: ["Pair"],
      keepUnusedDataFor: 0,
    }),
    health: build.query<Health, void>({ query: () => "/health" }),
    addPair: build.mutation<unknown, AddPair & { csrf: string }>({
      query: ({ y, x, csrf }) => ({
        url: "/pairs",
        method: "POST",
        body: { y, x },
        headers: { "X-CSRF-Token": csrf },
        responseHandler: "text",
      }),
      invalidatesTags: ["Status"],
    }),
  }),
});

export const { useStatusQuery, usePairQuery, useHealthQuery, useAddPairMutation } = api;

/** A refused request in words, with the id to quote when there is one. */
export interface Failure {
  title: string;
  hint: string;
  requestId: string | null;
  unauthorised: boolean;
}

export function failureOf(error: FetchBaseQueryError | SerializedError): Failure {
  if (!("status" in error)) {
    const title = error.message ?? "The page could not read the answer";
    return { title, hint: "Reload the page.", requestId: null, unauthorised: false };
  }
  const status = error.status === "PARSING_ERROR" ? error.originalStatus : error.status;
  const unauthorised = status === 401 || status === 403;
  let body: unknown = error.data;
  if (typeof body === "string") {
    try {
      body = JSON.parse(body);
    } catch {
      body = undefined;
    }
  }
  if (typeof body === "object" && body !== null && "request_id" in body) {
    const answer = body as ErrorAnswer;
    return { title: answer.error, hint: answer.hint, requestId: answer.request_id, unauthorised };
  }
  if (error.status === "FETCH_ERROR") {
    const hint = "Is it still running? The page keeps trying.";
    return { title: "The server does not answer", hint, requestId: null, unauthorised };
  }
  const hint = "Try again; the server's log has the cause.";
  return { title: `The server answered ${status}`, hint, requestId: null, unauthorised };
}
