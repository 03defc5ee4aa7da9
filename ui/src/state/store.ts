import { configureStore } from "@reduxjs/toolkit";
import { useDispatch, useSelector } from "react-redux";
import { api } from "./api";
import { connSlice } from "./conn";
import { noticesSlice } from "./notices";
import { loadPrefs, prefsSlice, savePrefs } from "./prefs";
import { loadWorkspace, saveWorkspace, workspaceSlice } from "./workspace";

export function makeStore() {
  const store = configureStore({
    reducer: {
      [api.reducerPath]: api.reducer,
      prefs: prefsSlice.reducer,
      conn: connSlice.reducer,
      workspace: workspaceSlice.reducer,
      notices: noticesSlice.reducer,
    },
    middleware: (base) =>
      base({ serializableCheck: false, immutableCheck: false }).concat(api.middleware),
    preloadedState: { prefs: loadPrefs(), workspace: loadWorkspace() },
  });
  let { prefs, workspace } = store.getState();
  store.subscribe(() => {
    const state = store.getState();
    if (state.prefs !== prefs) savePrefs((prefs = state.prefs));
    if (state.workspace !== workspace) saveWorkspace((workspace = state.workspace));
  });
  return store;
}

export type AppStore = ReturnType<typeof makeStore>;
export type RootState = ReturnType<AppStore["getState"]>;
export const useAppDispatch = useDispatch.withTypes<AppStore["dispatch"]>();
export const useAppSelector = useSelector.withTypes<RootState>();
