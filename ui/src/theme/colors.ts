const NAMES = [
  "surface-0",
  "surface-1",
  "surface-2",
  "hairline",
  "hairline-strong",
  "text",
  "muted",
  "accent",
  "second",
  "warning",
  "danger",
  "up",
  "down",
  "grid",
] as const;

export type ColorName = (typeof NAMES)[number];
export type Colors = Readonly<Record<ColorName, string>>;

/** The tokens as canvas needs them, of the theme and palette that the root element now has. */
export function readColors(theme: string, palette: string): Colors {
  const { dataset } = document.documentElement;
  dataset["theme"] = theme;
  dataset["palette"] = palette;
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(
    NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
  ) as Colors;
}

/** `#rrggbb` with an opacity of 0 to 1. */
export function alpha(hex: string, opacity: number): string {
  return (
    hex.slice(0, 7) +
    Math.round(opacity * 255)
      .toString(16)
      .padStart(2, "0")
  );
}

export const CHART_FONT = '"Inter Variable", system-ui, sans-serif';
