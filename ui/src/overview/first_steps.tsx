import { Wheel } from '../brand/wheel.tsx';
import { Command } from '../components/command.tsx';
import { Link } from '../lib/router.tsx';
import styles from './first_steps.module.css';

const firstEvent = (origin: string): string =>
  [
    `curl ${origin}/v1/page \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d '{"anonymousId":"visitor-1","properties":{"path":"/hello"}}'`,
  ].join('\n');

/** What a newcomer sees before the first event: how to send it. */
export function FirstSteps() {
  const command = firstEvent(location.origin);
  return (
    <section className={styles.box} aria-labelledby="first-steps">
      <div className={styles.wheel}>
        <Wheel size={132} />
      </div>
      <div className={styles.words}>
        <h2 id="first-steps">The race is dry. Let the first event in.</h2>
        <p>Run this in a terminal. The figures appear here as soon as it arrives; nothing needs to be loaded again.</p>
        <Command label="Command that sends the first event" text={command} />
        <p>
          Or click around in the <Link href="/shop">example shop</Link>: everything you do there is an event. For a
          whole shop with people in it, run <code>millrace demo</code>.
        </p>
      </div>
    </section>
  );
}
