import { Button } from "@/components/Button";
import css from "./FullPage.module.css";
import { Logo } from "./Logo";

interface FullPageProps {
  title: string;
  detail: string;
  requestId?: string | null;
  retry?: () => void;
}

export function FullPage({ title, detail, requestId, retry }: FullPageProps) {
  return (
    <main className={css.page} role="alert">
      <Logo size={40} />
      <h1>{title}</h1>
      <p>{detail}</p>
      {requestId !== undefined && requestId !== null && <code>request {requestId}</code>}
      {retry !== undefined && <Button onClick={retry}>Try again</Button>}
    </main>
  );
}
