import {
  ColorType,
  CrosshairMode,
  LineStyle,
  type ChartOptions,
  type DeepPartial,
} from "lightweight-charts";
import type { InstrumentInfo } from "@/contract";
import { number } from "@/format/numbers";
import { alpha, CHART_FONT, type Colors } from "@/theme/colors";

export function chartOptions(colors: Colors): DeepPartial<ChartOptions> {
  return {
    autoSize: true,
    layout: {
      background: { type: ColorType.Solid, color: colors["surface-1"] },
      textColor: colors.muted,
      fontFamily: CHART_FONT,
      fontSize: 12,
      attributionLogo: true,
      panes: { separatorColor: colors.hairline, separatorHoverColor: alpha(colors.accent, 0.2) },
    },
    grid: { vertLines: { color: colors.grid }, horzLines: { color: colors.grid } },
    crosshair: {
      mode: CrosshairMode.Normal,
      vertLine: {
        color: colors.muted,
        style: LineStyle.Dashed,
        width: 1,
        labelBackgroundColor: colors["hairline-strong"],
      },
      horzLine: {
        color: colors.muted,
        style: LineStyle.Dashed,
        width: 1,
        labelBackgroundColor: colors["hairline-strong"],
      },
    },
    rightPriceScale: { borderColor: colors.hairline, scaleMargins: { top: 0.12, bottom: 0.06 } },
    timeScale: { borderColor: colors.hairline, minBarSpacing: 0.5 },
  };
}

export function candleColors(colors: Colors) {
  return {
    // Hollow when up: the direction does not hang on hue.
    upColor: colors["surface-1"],
    downColor: colors.down,
    borderUpColor: colors.up,
    borderDownColor: colors.down,
    wickUpColor: colors.up,
    wickDownColor: colors.down,
  };
}

export function priceFormat(instrument: InstrumentInfo) {
  return {
    type: "custom",
    formatter: (price: number) => number(price, instrument.price_decimals),
    minMove: instrument.tick,
  } as const;
}
