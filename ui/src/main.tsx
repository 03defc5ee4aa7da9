import { createRoot } from "react-dom/client";
import { Provider } from "react-redux";
import { BrowserRouter } from "react-router";
import { App } from "@/app/App";
import { makeStore } from "@/state/store";
import { applyPrefs } from "@/app/applyPrefs";
import "@/theme/base.css";

const store = makeStore();
applyPrefs(store.getState().prefs);
store.subscribe(() => applyPrefs(store.getState().prefs));

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <Provider store={store}>
    <BrowserRouter>
      <App />
    </BrowserRouter>
  </Provider>,
);
