import { useEffect, useRef } from "react";

/** A restarted server may number instruments anew: start the page again with it. */
export function useRunChange(runId: string | undefined): void {
  const first = useRef(runId);
  useEffect(() => {
    if (runId === undefined) return;
    if (first.current === undefined) first.current = runId;
    else if (first.current !== runId) location.reload();
  }, [runId]);
}
