import { lazy, Suspense, useEffect, useState, type ReactElement } from "react";

const Tip = lazy(() => import("./Tip"));
let idle: Promise<void> | undefined;

function whenIdle(): Promise<void> {
  idle ??= new Promise((resolve) => {
    if ("requestIdleCallback" in window) requestIdleCallback(() => resolve(), { timeout: 3_000 });
    else setTimeout(resolve, 1_500);
  });
  return idle;
}

/** A Radix tooltip around its child; loaded once the page is idle, outside the first bytes. */
export function Hint({ text, children }: { text: string; children: ReactElement }) {
  const [ready, setReady] = useState(false);
  useEffect(() => {
    let here = true;
    void whenIdle().then(() => here && setReady(true));
    return () => {
      here = false;
    };
  }, []);
  if (!ready) return children;
  return (
    <Suspense fallback={children}>
      <Tip text={text}>{children}</Tip>
    </Suspense>
  );
}
