import type { Prefs } from "@/state/prefs";

/** Preferences that CSS reads from the root element. */
export function applyPrefs({ theme, palette, density }: Prefs): void {
  const data = document.documentElement.dataset;
  if (data["theme"] !== theme) data["theme"] = theme;
  if (data["palette"] !== palette) data["palette"] = palette;
  if (data["density"] !== density) data["density"] = density;
}
