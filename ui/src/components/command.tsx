import { CopyButton, UnstyledButton } from '@mantine/core';
import { Icon } from '../brand/icons.tsx';
import styles from './command.module.css';

/**
 * Text to be run or saved elsewhere. Browsers lend the clipboard only to https and to this machine; elsewhere there
 * is no button.
 */
export function Command({ text, label }: { text: string; label: string }) {
  return (
    <div className={styles.command}>
      <pre tabIndex={0} aria-label={label}>
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
