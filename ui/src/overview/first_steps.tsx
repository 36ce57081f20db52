import { CopyButton, UnstyledButton } from '@mantine/core';
import { Icon } from '../brand/icons.tsx';
import { Wheel } from '../brand/wheel.tsx';
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
        <Command text={command} />
        <p>
          Or click around in the <Link href="/shop">example shop</Link>: everything you do there is an event. For a
          whole shop with people in it, run <code>millrace demo</code>.
        </p>
      </div>
    </section>
  );
}

/** Browsers lend the clipboard only to https and to this machine; elsewhere there is no button. */
function Command({ text }: { text: string }) {
  return (
    <div className={styles.command}>
      <pre tabIndex={0} aria-label="Command that sends the first event">
        <code>{text}</code>
      </pre>
      {isSecureContext && (
        <CopyButton value={text} timeout={2000}>
          {({ copied, copy }) => (
            <UnstyledButton className={styles.copy} onClick={copy}>
              <Icon name={copied ? 'check' : 'copy'} size={16} />
              <span aria-live="polite">{copied ? 'Copied' : 'Copy'}</span>
            </UnstyledButton>
          )}
        </CopyButton>
      )}
    </div>
  );
}
