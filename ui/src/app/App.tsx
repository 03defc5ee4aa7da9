import { lazy, Suspense } from "react";
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

export function App() {
  const { data, error, refetch } = useStatusQuery();
  useRunChange(data?.run_id);
  if (data === undefined && error !== undefined) {
    const failure = failureOf(error);
    return failure.unauthorised ? (
      <FullPage
        title="This browser has no session"
        detail="Open the one-time address that poise printed when it started. Each address works once and sets a cookie for this browser only."
      />
    ) : (
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
