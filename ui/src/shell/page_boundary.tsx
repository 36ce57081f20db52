import { Component, type ReactNode } from 'react';
import { ErrorNote } from '../components/error_note.tsx';

/** Keeps the frame standing when a page breaks, or cannot be fetched because the server is gone. */
export class PageBoundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    if (!this.state.failed) return this.props.children;
    return (
      <>
        <h1>This page cannot be shown</h1>
        <ErrorNote retry={() => location.reload()} retryLabel="Load again">
          It could not be fetched, or it failed. If the server was stopped, start it and load the page again.
        </ErrorNote>
      </>
    );
  }
}
