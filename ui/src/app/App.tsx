import { lazy, Suspense, useEffect } from "react";
import { Navigate, Route, Routes } from "react-router";
import { LiveProvider } from "@/live/LiveProvider";
import { failureOf, useStatusQuery } from "@/state/api";
import { ErrorBoundary } from "./ErrorBoundary";
import { FullPage } from "./FullPage";
import { Shell } from "./Shell";
import { useRunChange } from "./useRunChange";

const MarketPage = lazy(() => import("@/features/market/MarketPage"));
const PairsPage = lazy(() => import("@/features/pairs/PairsPage"));
const HealthPage = lazy(() => import("@/features/health/HealthPage"));

const RETRY_MS = 3_000;

export function App() {
  const { data, error, refetch } = useStatusQuery();
  useEffect(() => {
    if (data !== undefined || error === undefined) return undefined;
    const timer = setTimeout(() => void refetch(), RETRY_MS);
    return () => clearTimeout(timer);
  }, [data, error, refetch]);
  useRunChange(data?.run_id);
  const failure = error === undefined ? null : failureOf(error);
  if (failure?.unauthorised === true) {
    return (
      <FullPage
        title="This browser has no session"
        detail="Open the one-time address that poise printed when it started. Each address works once and sets a cookie for this browser only."
      />
    );
  }
  if (data === undefined && failure !== null) {
    return (
      <FullPage
        title={failure.title}
        detail={failure.hint}
        requestId={failure.requestId}
        retry={() => void refetch()}
      />
    );
  }
  return (
    <LiveProvider>
      <Shell status={data}>
        <ErrorBoundary>
          <Suspense fallback={null}>
            <Routes>
              <Route path="/market/:symbol?" element={<MarketPage />} />
              <Route path="/pairs/:y?/:x?" element={<PairsPage />} />
              <Route path="/health" element={<HealthPage />} />
              <Route path="*" element={<Navigate to="/market" replace />} />
            </Routes>
          </Suspense>
        </ErrorBoundary>
      </Shell>
    </LiveProvider>
  );
}
