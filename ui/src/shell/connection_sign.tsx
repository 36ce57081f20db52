import { useEffect } from 'react';
import { type Connection, useConnection, watch } from '../lib/connection.ts';
import styles from './shell.module.css';

const words: Record<Connection, { text: string; title: string }> = {
  connecting: { text: 'Connecting', title: 'Waiting for the server’s first answer' },
  live: { text: 'Live', title: 'Figures come from the server every second' },
  connected: { text: 'Connected', title: 'The server answers' },
  lost: { text: 'Not connected', title: 'The server does not answer' },
  refused: { text: 'Locked', title: 'The server asks for its token' },
};

/** How we stand with the server, in a word and a drop: falling while figures flow. */
export function ConnectionSign() {
  const connection = useConnection();
  useEffect(watch, []);
  const { text, title } = words[connection];
  return (
    <p className={styles.connection} data-state={connection} title={title}>
      <span className={styles.drop} aria-hidden="true" />
      <span data-testid="link">{text}</span>
    </p>
  );
}
