import { useEffect, useState } from 'react';
import { clockTime, counted } from '../lib/format.ts';
import type { LinkState } from '../lib/live.ts';
import { ErrorNote } from './error_note.tsx';
import { TokenForm } from './token_form.tsx';
import styles from './link_notice.module.css';

interface LinkNoticeProps {
  link: LinkState;
  /** Of the figures still on the page, if any. */
  asOf: string | undefined;
  retry: () => void;
}

/** Says when the figures of a page are not live any more, and what happens next. Nothing while all is well. */
export function LinkNotice({ link, asOf, retry }: LinkNoticeProps) {
  const lost = useLasting(link.status === 'lost' || link.status === 'connecting', 1200);
  if (link.status === 'refused') return <TokenForm onDone={retry} />;
  if (!lost || link.status === 'live') return <div role="status" className={styles.silent} />;
  return (
    <div className={styles.lost}>
      <ErrorNote testId="link-lost" retry={retry} retryLabel="Try now">
        <strong>{asOf ? 'Connection lost.' : 'The server does not answer.'}</strong>{' '}
        {asOf && <>These are the figures of {clockTime(asOf)}. </>}
        {link.status === 'lost' ? <RetryIn at={link.retryAt} /> : 'Trying…'}
      </ErrorNote>
    </div>
  );
}

/** True once `now` has held for `ms`: a blink is not worth a notice. */
function useLasting(now: boolean, ms: number): boolean {
  const [lasting, setLasting] = useState(false);
  useEffect(() => {
    if (!now) return setLasting(false);
    const timer = setTimeout(() => setLasting(true), ms);
    return () => clearTimeout(timer);
  }, [now, ms]);
  return lasting;
}

function RetryIn({ at }: { at: number }) {
  const [left, setLeft] = useState(secondsTo(at));
  useEffect(() => {
    setLeft(secondsTo(at));
    const timer = setInterval(() => setLeft(secondsTo(at)), 500);
    return () => clearInterval(timer);
  }, [at]);
  // Hidden from screen readers, which would read every second aloud.
  return <span aria-hidden="true">{left > 0 ? `Trying again in ${counted(left, 'second')}.` : 'Trying…'}</span>;
}

const secondsTo = (at: number): number => Math.max(0, Math.round((at - Date.now()) / 1000));
