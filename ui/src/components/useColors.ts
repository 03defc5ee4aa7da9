import { useMemo } from "react";
import { useAppSelector } from "@/state/store";
import { readColors, type Colors } from "@/theme/colors";

/** Token colours for canvases, renewed with theme and palette. */
export function useColors(): Colors {
  const theme = useAppSelector((state) => state.prefs.theme);
  const palette = useAppSelector((state) => state.prefs.palette);
  return useMemo(() => readColors(theme, palette), [theme, palette]);
}
