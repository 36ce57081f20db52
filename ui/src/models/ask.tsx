import { Button } from '@mantine/core';
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { CallError } from '../lib/http.ts';
import { Failure } from './failure.tsx';
import styles from './ask.module.css';

interface AskProps {
  /** What is about to be done. */
  title: string;
  /** What will happen. */
  children: ReactNode;
  yes: string;
  /** It takes something away. */
  grave?: boolean;
  onYes: () => Promise<void> | void;
  onClose: () => void;
}

/**
 * Asks in place before something is changed. Takes the focus, so that a keyboard is at the answer; Escape is no;
 * afterwards the focus is where it was. Stays open, with the reason, when what was asked for fails.
 */
export function Ask({ title, children, yes, grave = false, onYes, onClose }: AskProps) {
  const heading = useId();
  const box = useRef<HTMLDivElement>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<CallError>();
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    box.current?.focus();
    return () => {
      if (before?.isConnected) before.focus();
    };
  }, []);
  const run = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await onYes();
      onClose();
    } catch (failure) {
      setError(failure as CallError);
      setBusy(false);
    }
  };
  const onKey = (event: KeyboardEvent) => event.key === 'Escape' && !busy && onClose();
  return (
    <div
      ref={box}
      className={styles.ask}
      role="group"
      aria-labelledby={heading}
      tabIndex={-1}
      onKeyDown={onKey}
      data-testid="ask"
    >
      <strong id={heading}>{title}</strong>
      <div className={styles.words}>{children}</div>
      {error && <Failure error={error} />}
      <div className={styles.buttons}>
        <Button size="sm" color={grave ? 'red' : undefined} onClick={() => void run()} loading={busy}>
          {yes}
        </Button>
        <Button size="sm" variant="default" onClick={onClose} disabled={busy}>
          Leave it as it is
        </Button>
      </div>
    </div>
  );
}
