import { createSlice, type PayloadAction } from "@reduxjs/toolkit";

export interface Notice {
  id: number;
  level: "info" | "warning" | "danger";
  title: string;
  detail: string;
}

const KEPT = 4;

export const noticesSlice = createSlice({
  name: "notices",
  initialState: { next: 1, shown: [] as Notice[] },
  reducers: {
    notify: (state, action: PayloadAction<Omit<Notice, "id">>) => {
      // The same complaint repeated is one complaint.
      const same = state.shown.some(
        (n) => n.title === action.payload.title && n.detail === action.payload.detail,
      );
      if (same) return;
      state.shown.push({ id: state.next, ...action.payload });
      state.next += 1;
      if (state.shown.length > KEPT) state.shown.splice(0, state.shown.length - KEPT);
    },
    dismiss: (state, action: PayloadAction<number>) => {
      state.shown = state.shown.filter((notice) => notice.id !== action.payload);
    },
  },
});

export const { notify, dismiss } = noticesSlice.actions;
