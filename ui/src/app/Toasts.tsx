import * as Toast from "@radix-ui/react-toast";
import { IconButton } from "@/components/Button";
import { dismiss } from "@/state/notices";
import { useAppDispatch, useAppSelector } from "@/state/store";
import css from "./Toasts.module.css";

export default function Toasts() {
  const notices = useAppSelector((state) => state.notices.shown);
  const dispatch = useAppDispatch();
  return (
    <Toast.Provider duration={8_000} swipeDirection="right">
      {notices.map((notice) => (
        <Toast.Root
          key={notice.id}
          className={css.toast}
          data-level={notice.level}
          type={notice.level === "info" ? "background" : "foreground"}
          onOpenChange={(open) => !open && dispatch(dismiss(notice.id))}
        >
          <div>
            <Toast.Title className={css.title}>{notice.title}</Toast.Title>
            <Toast.Description className="muted">{notice.detail}</Toast.Description>
          </div>
          <Toast.Close asChild>
            <IconButton icon="close" label="Dismiss" />
          </Toast.Close>
        </Toast.Root>
      ))}
      <Toast.Viewport className={css.viewport} />
    </Toast.Provider>
  );
}
