import { Button } from '@mantine/core';
import { useEffect, useState } from 'react';
import { TokenForm } from '../components/token_form.tsx';
import styles from './models.module.css';

/** In the place of buttons, for who may look only: how to be let in. `refresh` asks again whether one may. */
export function Locked({ refresh }: { refresh: () => void }) {
  const [open, setOpen] = useState(false);
  const [wrong, setWrong] = useState(false);
  const [given, setGiven] = useState(false);
  // Still here a while after a token was given: it was not the right one.
  useEffect(() => {
    if (!given) return;
    const timer = setTimeout(() => (setWrong(true), setGiven(false)), 1_500);
    return () => clearTimeout(timer);
  }, [given]);
  if (!open)
    return (
      <div className={styles.locked} data-testid="locked">
        <p>You may look at models. To train and deploy them from here, give this server’s token.</p>
        <Button variant="default" size="sm" onClick={() => setOpen(true)}>
          Give the token
        </Button>
      </div>
    );
  return (
    <>
      <TokenForm
        label="This server’s token"
        description={
          <>
            The value of <code>token</code> in <code>server.json</code> of the data directory, which its owner can read,
            or of <code>auth.token</code> in millrace.yaml where that is set. It stays in this browser.
          </>
        }
        onDone={() => (setWrong(false), setGiven(true), refresh())}
      />
      {wrong && (
        <p role="status" className={styles.bad}>
          That is not it.
        </p>
      )}
    </>
  );
}
