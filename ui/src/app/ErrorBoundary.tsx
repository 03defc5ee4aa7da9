import { Component, type ReactNode } from "react";
import { FullPage } from "./FullPage";

/** A page that throws says so, and the shell around it keeps living. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { failed: string | null }> {
  override state: { failed: string | null } = { failed: null };

  static getDerivedStateFromError(error: unknown) {
    return { failed: error instanceof Error ? error.message : String(error) };
  }

  override render() {
    if (this.state.failed === null) return this.props.children;
    return (
      <FullPage
        title="This page failed to draw"
        detail={this.state.failed}
        retry={() => this.setState({ failed: null })}
      />
    );
  }
}
