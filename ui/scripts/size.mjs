// Gzipped bytes that the first route (Market) needs, from Vite's manifest. Fails above the budget.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const STATIC = new URL("../../src/poise/api/static/", import.meta.url);
const BUDGET_KIB = 200;
const FIRST_ROUTE = "src/features/market/MarketPage.tsx";

const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", STATIC), "utf8"));
const files = new Set();
const seen = new Set();

function collect(key) {
  if (seen.has(key)) return;
  seen.add(key);
  const chunk = manifest[key];
  if (chunk === undefined) throw new Error(`${key} is not in the manifest: build first`);
  files.add(chunk.file);
  for (const css of chunk.css ?? []) files.add(css);
  for (const imported of chunk.imports ?? []) collect(imported);
}

collect("index.html");
collect(FIRST_ROUTE);

let total = 0;
const rows = [];
for (const file of files) {
  const bytes = gzipSync(readFileSync(new URL(file, STATIC)), { level: 9 }).length;
  total += bytes;
  rows.push({ file, kib: +(bytes / 1024).toFixed(1) });
}
rows.sort((a, b) => b.kib - a.kib);
const kib = +(total / 1024).toFixed(1);
if (process.argv.includes("--json")) {
  console.log(JSON.stringify({ first_route_kib: kib, budget_kib: BUDGET_KIB, files: rows }));
} else {
  for (const row of rows) console.log(`${String(row.kib).padStart(7)} KiB gz  ${row.file}`);
  console.log(`${String(kib).padStart(7)} KiB gz  first route (budget ${BUDGET_KIB})`);
}
process.exit(kib > BUDGET_KIB ? 1 : 0);
