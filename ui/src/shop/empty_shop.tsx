import { Button } from '@mantine/core';
import { useState } from 'react';
import { call, CallError } from '../lib/http.ts';
import { itemPage } from './catalogue.ts';
import { sampleItems } from './sample_items.ts';
import styles from './empty_shop.module.css';

/** A shop without a catalogue: say how it gets one, and offer a small one at once. */
export function EmptyShop({ onStocked }: { onStocked: () => void }) {
  const [state, setState] = useState<'idle' | 'busy' | string>('idle');
  const stock = async () => {
    setState('busy');
    try {
      await call('/v1/items', {
        method: 'PUT',
        body: JSON.stringify(sampleItems),
        headers: { 'Content-Type': 'application/json' },
      });
      await untilThere();
      onStocked();
    } catch (error) {
      setState(error instanceof CallError ? error.message : 'It did not work.');
    }
  };
  return (
    <section className={styles.empty}>
      <h2>The shelves are empty</h2>
      <p>
        This shop shows the catalogue that Millrace knows. Put your own in with <code>PUT /v1/items</code>, or let{' '}
        <code>millrace demo</code> bring a whole shop with people in it. To just look around, take {sampleItems.length}{' '}
        things of ours.
      </p>
      <Button loading={state === 'busy'} onClick={() => void stock()}>
        Fill the shelves
      </Button>
      {state !== 'idle' && state !== 'busy' && <p role="alert">{state}</p>}
    </section>
  );
}

/** The catalogue is durable at once, and in the tables a moment later. */
async function untilThere(): Promise<void> {
  for (let i = 0; i < 50; i++) {
    if ((await itemPage(undefined, 1, null)).items.length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
